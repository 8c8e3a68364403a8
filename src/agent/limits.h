// The named maxima and intervals of the agent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/instant.h"

namespace aloft::agent {

// Between two questions to a driver that does not answer; doubled from first to last.
constexpr Duration kAskAgainFirst = 500ms;
constexpr Duration kAskAgainLast = 5s;
// Between two tries to kill or remove what could not be; doubled from first to last.
constexpr Duration kRetryFirst = 500ms;
constexpr Duration kRetryLast = 30s;
// A guest that is on its way up or down by itself is looked at again after this.
constexpr Duration kTransientLook = 2s;
// A heartbeat is asked for three times in its timeout, but not more often than this.
constexpr Duration kHeartbeatMinInterval = 1s;
constexpr std::uint32_t kHeartbeatMinMisses = 3;
// Starts that are under way at the same time.
constexpr std::size_t kMaxParallelStarts = 4;

}  // namespace aloft::agent
