// Measured load, made fit for decisions: smoothed, bounded, and gone when it is stale.
//
// One tracker per guest. Samples come with the instant they were taken at; the smoothing is
// exponential in time, so that uneven sampling weighs right. A sample that is no finite number
// >= 0, or not newer than the last one (a clock that jumped), changes nothing.
#pragma once

#include <optional>

#include "base/instant.h"
#include "placement/farm.h"
#include "placement/state.h"

namespace aloft::placement {

enum class SampleUse : std::uint8_t { Taken, Absurd, NotNewer };

class LoadTracker {
 public:
  // Requires: time_constant > 0. After one time constant a step is followed to 63 %.
  explicit LoadTracker(Duration time_constant = std::chrono::minutes(5))
      : time_constant_(time_constant) {}

  SampleUse observe(Instant at, const Load& sample);
  // None before the first sample and kStaleAfter time constants after the last one.
  [[nodiscard]] std::optional<Load> value(Instant now) const;

 private:
  Duration time_constant_;
  std::optional<Instant> last_;
  Load smoothed_;
};

// What balancing counts for a guest: the measured load, no more than the guest can use at all,
// grown by the pressure of its host (what it would use more if it could); without measurement its
// needs stand for it.
[[nodiscard]] Load effective_load(const State& state, GuestIndex guest);

}  // namespace aloft::placement
