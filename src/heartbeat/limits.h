// Named maxima of the heartbeat room.
#pragma once

#include <cstddef>

#include "base/instant.h"

namespace aloft::heartbeat {

constexpr std::size_t kMaxPayloadBytes = 1200;  // a packet fits one Ethernet frame, also in VXLAN
constexpr std::size_t kMaxPeers = 1024;
constexpr Duration kDefaultInterval = std::chrono::milliseconds(100);

}  // namespace aloft::heartbeat
