// The largest farm that the room promises figures for: 10,000 hosts, 200,000 guests.
#pragma once

#include <cstdint>

namespace aloft::bench {

// Launches the guests one by one under N+1, then measures launches, the verdict after a change, one
// balancing round and memory, and prints them.
void measure_large_farm(std::uint32_t hosts, std::uint32_t guests);

}  // namespace aloft::bench
