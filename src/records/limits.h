// The named maxima of what the records keep.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aloft::records {

constexpr std::uint64_t kEventsKept = 10'000;  // older ones are pruned
constexpr std::uint64_t kEventsPrunedAtOnce = 100;
constexpr std::size_t kOperationsKept = 1'000;   // ended ones; older are pruned
constexpr std::size_t kOperationsOpen = 10'000;  // pending or running
constexpr int kMaxConflictRetries = 64;          // lost races before Aborted is answered

}  // namespace aloft::records
