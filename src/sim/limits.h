// Named maxima of what the simulator reads. A farm in virtual time costs with the square of its
// hosts, so scenarios are small; a farm's state for `whatif` is not run and may be large.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/instant.h"

namespace aloft::sim {

constexpr std::size_t kMaxJsonBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxJsonValues = 8'000'000;
constexpr std::size_t kMaxJsonMembers = 4096;  // of one object
constexpr std::size_t kMaxJsonDepth = 32;
constexpr std::size_t kMaxQuotedText = 200;  // of an input, in an error

constexpr std::size_t kMaxScenarioHosts = 32;
constexpr std::size_t kMaxScenarioGuests = 1000;
constexpr std::size_t kMaxScenarioRules = 200;
constexpr std::size_t kMaxScenarioCommands = 10'000;  // with every repetition
constexpr Duration kMaxScenarioTime = std::chrono::hours(24 * 7);
constexpr std::uint32_t kMaxScenarioMemoryMib = std::uint32_t{64} << 20;
constexpr std::uint32_t kMaxScenarioCpus = 4096;

}  // namespace aloft::sim
