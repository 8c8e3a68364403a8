// Where guests go: one host for each, by priority, within memory. Pure, no state of its own beyond
// the free memory it counts down.
//
// A guest with mirrored disks goes to a host that has an in-sync replica, because that replica's
// host can shut the old owner out by itself; any other guest to the host with the most free memory.
// Among equals the lowest number wins, so the same farm gives the same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "controller/defect.h"
#include "controller/farm_record.h"
#include "controller/ids.h"

namespace aloft::controller {

class Capacity {
 public:
  Capacity() = default;
  // `usable`: hosts that may get guests now. `used_mib`: memory taken on each host.
  Capacity(const std::vector<HostRecord>& hosts, const HostSet& usable,
           const std::vector<std::int64_t>& used_mib);

  // The host for a guest, whose memory is then taken; nullopt when none has room.
  [[nodiscard]] std::optional<HostId> take(const GuestRecord& guest, HostId not_on, Defect defect);
  // A host for another replica of the guest, in a zone without one where possible.
  [[nodiscard]] std::optional<HostId> replica_host(const GuestRecord& guest) const;
  [[nodiscard]] std::int64_t free_mib(HostId host) const { return free_[host.value()]; }

 private:
  void change(HostId host, std::int64_t by_mib);

  const std::vector<HostRecord>* hosts_ = nullptr;
  HostSet usable_;
  std::vector<std::int64_t> free_;
  std::set<std::pair<std::int64_t, std::uint32_t>> order_;  // (-free, host): the emptiest first
};

struct Placement {
  GuestId guest;
  std::optional<HostId> host;  // nullopt: no room, or no in-sync replica on a usable host
};

// The whole plan for `guests` (indices into `records`), by priority.
[[nodiscard]] std::vector<Placement> plan_recovery(std::span<const GuestRecord> records,
                                                   std::vector<GuestId> guests, Capacity& capacity);

}  // namespace aloft::controller
