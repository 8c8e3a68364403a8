// Named maxima of the room: whatever the input, work and memory stay bounded by these.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aloft::placement {

inline constexpr std::size_t kMaxHosts = 100'000;
inline constexpr std::size_t kMaxGuests = 4'000'000;
inline constexpr std::size_t kMaxRules = 1'000'000;
inline constexpr std::size_t kMaxRuleMembers = 10'000'000;  // over all rules together
inline constexpr std::size_t kMaxReplicas = 16;             // of one guest
inline constexpr std::int64_t kMaxAmount = std::int64_t{1} << 60;
inline constexpr std::uint32_t kMaxOvercommitPercent = 10'000;
inline constexpr std::uint32_t kMaxTolerated = 8;  // hosts or zones that may be lost at once

// Search limits; a search that meets one says so in its answer and never loops on.
inline constexpr std::size_t kMaxFailingSets = 200'000;  // recovery plans of one proof
// A proof needs some plan, not the best: hosts that fit looked at for each guest.
inline constexpr std::size_t kEnoughForProof = 16;
inline constexpr std::size_t kMaxSearchNodes = 20'000;     // of one exact packing
inline constexpr std::size_t kMaxExactGuests = 16;         // guests of one exact packing
inline constexpr std::size_t kMaxRoomMakingTries = 2'000;  // moves looked at for one recovery
inline constexpr std::size_t kMaxMovesForOneStart = 3;

}  // namespace aloft::placement
