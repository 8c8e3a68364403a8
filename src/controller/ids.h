// Dense numbers for hosts and guests inside the pure rooms. The edges map names to them.
#pragma once

#include <bitset>
#include <cstdint>

#include "base/strong_id.h"
#include "controller/limits.h"

namespace aloft::controller {

using HostId = StrongId<struct HostIdTag, std::uint32_t>;
using GuestId = StrongId<struct GuestIdTag, std::uint32_t>;
// Raised by every change of a guest's owner; with mirrored disks also the storage epoch.
using Generation = StrongId<struct GenerationTag, std::uint32_t>;
using Revision = StrongId<struct StoreRevisionTag>;  // of a record in the store; 0: not there

constexpr HostId kNoHost(0xffffffffU);

using HostSet = std::bitset<kMaxHosts>;

inline void insert(HostSet& set, HostId host) {
  set.set(host.value());
}
[[nodiscard]] inline bool contains(const HostSet& set, HostId host) {
  return set.test(host.value());
}

}  // namespace aloft::controller
