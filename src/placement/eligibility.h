// Which hosts one guest may run on, and what each would cost: rules, room and wishes.
//
// prepare() gathers what concerns the guest once; allows() then looks at a host in a few words, so
// that thousands of hosts are scanned in microseconds. Scratch memory is reused between guests.
// The guest itself may run somewhere meanwhile: its own place never speaks against it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "placement/farm.h"
#include "placement/state.h"

namespace aloft::placement {

enum class Obstacle : std::uint8_t {
  HostDown,
  Maintenance,
  Room,
  Architecture,
  Features,
  Licence,
  Device,
  KeepApart,
  KeepTogether,
  NotAllowed,
  NoReplica,
  Reserve,  // room that recovery counts on
};

// Why a host was refused.
struct Refusal {
  Obstacle obstacle = Obstacle::Room;
  HostIndex host;
  Resource resource = Resource::Memory;  // of Room and Reserve
  std::int64_t needed = 0;
  std::int64_t free = 0;
  std::optional<RuleIndex> rule = std::nullopt;
};
// "host h1: 6 GiB of memory are free, 8 GiB are needed"
[[nodiscard]] std::string to_string(const State& state, const Refusal& refusal);

class Eligibility {
 public:
  explicit Eligibility(const State& state);

  void prepare(GuestIndex guest);
  // Everything required but room.
  [[nodiscard]] bool allows(HostIndex host) const;
  // The same as if the guest had a replica there.
  [[nodiscard]] bool allows_with_replica(HostIndex host) const;
  // needs(): of the guest and of those that must come with it.
  [[nodiscard]] const Amounts& needs() const { return needs_; }
  [[nodiscard]] bool has_room(HostIndex host) const { return needs_.fits_in(state_.free(host)); }
  // Requires: the host does not fit.
  [[nodiscard]] Refusal refusal(HostIndex host) const;
  // The broken wishes of the host, lower is better; 100 is one preferred rule of usual weight.
  [[nodiscard]] double penalty(HostIndex host) const;
  // Hosts worth looking at when they are few; empty: all.
  [[nodiscard]] const std::vector<HostIndex>& shortlist() const { return shortlist_; }
  [[nodiscard]] GuestIndex guest() const { return guest_; }

 private:
  struct Mark {
    std::uint32_t epoch = 0;
    std::uint32_t rule = 0;
  };
  struct Weight {
    std::uint32_t epoch = 0;
    double value = 0;
  };
  struct Together {
    bool bound = false;
    std::vector<DomainIndex> domains;
    RuleIndex rule;
  };
  void grow();
  void add_rule(RuleIndex index);
  void keep_apart(const Rule& rule, RuleIndex index);
  void keep_together(const Rule& rule, RuleIndex index);
  void add_companions(const Rule& rule);
  [[nodiscard]] std::optional<Obstacle> own_obstacle(const Guest& guest, HostIndex host,
                                                     Locality locality) const;
  [[nodiscard]] std::optional<Refusal> obstacle(HostIndex host, Locality locality) const;

  const State& state_;
  GuestIndex guest_;
  Amounts needs_;
  std::uint32_t epoch_ = 0;
  std::array<std::vector<Mark>, 3> blocked_;
  std::array<std::vector<Weight>, 3> weights_;
  std::vector<std::uint32_t> allowed_;
  std::array<Together, 3> together_;
  std::vector<GuestIndex> companions_;
  std::vector<HostIndex> shortlist_;
  bool no_replica_left_ = false;
  bool simple_ = true;  // no rule, no companion: the short way
  bool has_wishes_ = false;
};

// How a host is chosen among those that fit.
struct Choice {
  HostIndex host;
  double score = 0;
};
// What it costs to add `needs` to a host: growth of the sum of squared utilisations.
[[nodiscard]] double crowding(const State& state, HostIndex host, const Amounts& needs);

}  // namespace aloft::placement
