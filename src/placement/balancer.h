// Balancing over time: no move twice under steady load.
//
// A Balancer remembers rounds. It lets a move through only when its host asked for relief in
// `hold_rounds` rounds in a row, and moves a guest a second time only after its cool-down and only
// when the measured loads on its host have changed since by more than `change_band` of the host.
// So under steady load every guest moves at most once and the farm comes to rest, whatever the
// score says; under any load a guest moves at most once per cool-down.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/instant.h"
#include "placement/balance.h"

namespace aloft::placement {

struct Steadiness {
  Duration cool_down = std::chrono::minutes(10);
  std::uint32_t hold_rounds = 3;
  double change_band = 0.1;  // of the host's capacity, in any resource
};

class Balancer {
 public:
  Balancer(BalanceOptions options, Steadiness steadiness)
      : options_(std::move(options)), steadiness_(steadiness) {}

  // One round: the moves to make now. The caller makes them (or not: a dry run) and tells which
  // were made by moved(). A `now` before the last round's counts as the last round's.
  [[nodiscard]] BalancePlan round(State& state, Instant now, Admission* admission = nullptr);
  // The move was made. Call it after the state has been changed.
  void moved(const State& state, const Move& move);

 private:
  struct Memory {
    Instant moved_at;
    bool has_moved = false;
    Load reference;  // the guest's load when its host last changed by a move
    bool seen = false;
  };
  void meet(const State& state);
  [[nodiscard]] bool may_move(const State& state, GuestIndex guest) const;
  [[nodiscard]] bool loads_changed(const State& state, HostIndex host) const;
  void settle(const State& state, HostIndex host);

  BalanceOptions options_;
  Steadiness steadiness_;
  std::vector<Memory> guests_;
  std::vector<bool> changed_;                  // by host, in this round
  std::map<HostIndex, std::uint32_t> asking_;  // rounds in a row
  Instant now_;
};

}  // namespace aloft::placement
