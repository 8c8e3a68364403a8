// How uneven a farm is, in one number, with the change that one move would make.
//
// The score is a weighted sum of standard deviations over the live hosts: of measured load (CPU,
// memory, disk, network), of room taken (memory, disk, CPU), of the memory kept for the restart of
// mirrored guests, and the number of hosts that keep too little for that. 0 is a perfectly even
// farm. Sums and sums of squares are kept, so that a move is judged from the two to four hosts it
// touches.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "placement/plan.h"
#include "placement/state.h"

namespace aloft::placement {

inline constexpr std::size_t kMetricCount = 8;
enum class Metric : std::uint8_t {
  CpuLoad,
  MemoryLoad,
  DiskLoad,
  NetworkLoad,
  Memory,
  Disk,
  Cpu,
  Reserve,
};

struct ScoreOptions {
  std::array<double, kMetricCount> weights = {1, 1, 1, 1, 1, 1, 1, 1};
  double reserve_total_weight = 0.25;  // of the sum of reserve shares: less reserve, more room
  double short_reserve_weight = 1;     // for each host with less free memory than its reserve
  // Capacity: loads are shares of what the host has. Absolute: they are summed as they are.
  enum class LoadUnits : std::uint8_t { Capacity, Absolute } load_units = LoadUnits::Capacity;
};

class Score {
 public:
  Score(const State& state, const ScoreOptions& options);

  [[nodiscard]] double value() const { return value_; }
  // The score after the move; none when a host would then keep too little for restarts that keeps
  // enough now.
  [[nodiscard]] std::optional<double> after(const Move& move) const;
  // Follows the move; call it beside apply(state, move), before or after.
  void apply(const Move& move);
  // Share of the metric on the host.
  [[nodiscard]] double share(Metric metric, HostIndex host) const {
    return values_[host.value()][static_cast<std::size_t>(metric)];
  }
  // How much fuller than the mean the host is, over all metrics; negative: emptier.
  [[nodiscard]] double fullness(HostIndex host) const;
  // The metric in which the move evens out most.
  [[nodiscard]] Metric main_metric(const Move& move) const;

 private:
  using Values = std::array<double, kMetricCount>;
  struct Peer {
    HostIndex primary;
    double memory = 0;
  };
  struct Change {
    HostIndex host;
    Values values;
    double free_memory = 0;
    double reserve = 0;
  };
  struct Changes {
    std::array<Change, 4> items;
    std::size_t count = 0;
  };
  struct Pair {
    HostIndex primary;
    HostIndex secondary;
  };
  [[nodiscard]] std::optional<Pair> pair_of(GuestIndex guest, HostIndex host) const;
  [[nodiscard]] std::optional<Pair> pair_after(const Move& move) const;
  [[nodiscard]] double reserve_with(HostIndex host, HostIndex primary_minus, double minus,
                                    HostIndex primary_plus, double plus) const;
  void collect(const Move& move, Changes& changes) const;
  [[nodiscard]] double combine(const Values& sums, const Values& squares, double shorts) const;
  void add_peer(const Pair& pair, double memory);
  void count_host(HostIndex host, double sign);

  const State* state_;
  ScoreOptions options_;
  std::vector<bool> live_;
  std::vector<Values> inverse_;  // 1 / capacity; 0: the host has none
  std::vector<Values> values_;
  std::vector<double> free_memory_;
  std::vector<double> reserve_;
  std::vector<std::vector<Peer>> peers_;
  std::vector<Values> running_;  // what a guest adds where it runs
  std::vector<Values> replica_;  // and where it has a replica
  std::vector<std::array<HostIndex, 2>> pair_;
  std::vector<bool> paired_;
  Values counts_{};
  Values sums_{};
  Values squares_{};
  double shorts_ = 0;
  double value_ = 0;
};

}  // namespace aloft::placement
