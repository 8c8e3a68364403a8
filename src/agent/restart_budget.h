// How often a guest may be started again, and how long to wait before each time.
//
// A pure value owned by a GuestMachine. A guest has `tries` restarts within a sliding window; the
// wait before each is doubled up to a maximum. Used up, it stays used up until `reset`.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/instant.h"

namespace aloft::agent {

struct RestartLimits {
  std::uint32_t tries = 5;
  Duration window = 10min;
  Duration backoff_initial = 500ms;
  Duration backoff_max = 1min;

  bool operator==(const RestartLimits&) const = default;
};

class RestartBudget {
 public:
  // Takes one try at `now`. Gives the time to wait before it, or nullopt when there is none left.
  std::optional<Duration> spend(const RestartLimits& limits, Instant now);
  void reset() { spent_.clear(); }
  // Tries taken within the last window, as of the last `spend`.
  [[nodiscard]] std::uint32_t spent() const { return static_cast<std::uint32_t>(spent_.size()); }

 private:
  std::deque<Instant> spent_;
};

}  // namespace aloft::agent
