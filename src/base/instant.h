// Points in time of the pure rooms.
//
// An Instant counts nanoseconds on a clock that neither jumps nor stops while the machine sleeps
// (CLOCK_BOOTTIME on a host, virtual time in the simulator). It is never comparable between two
// hosts. WallTime is for people and records only; nothing safe is ever decided by it.
#pragma once

#include <chrono>
#include <cstdint>

namespace aloft {

using Duration = std::chrono::nanoseconds;

struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<BootClock, Duration>;
  static constexpr bool is_steady = true;
};
using Instant = BootClock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

using namespace std::chrono_literals;

constexpr Instant kNever = Instant::max();

// CLOCK_BOOTTIME now. Edge rooms and programs only; pure rooms get `now` with their events.
[[nodiscard]] Instant boot_now();
[[nodiscard]] WallTime wall_now();

}  // namespace aloft
