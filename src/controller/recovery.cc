#include "controller/recovery.h"

#include <algorithm>

namespace aloft::controller {

Capacity::Capacity(const std::vector<HostRecord>& hosts, const HostSet& usable,
                   const std::vector<std::int64_t>& used_mib)
    : hosts_(&hosts), usable_(usable), free_(hosts.size()) {
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    free_[i] = static_cast<std::int64_t>(hosts[i].memory_mib) - used_mib[i];
    if (usable_.test(i)) order_.emplace(-free_[i], static_cast<std::uint32_t>(i));
  }
}

void Capacity::change(HostId host, std::int64_t by_mib) {
  const std::size_t index = host.value();
  if (usable_.test(index)) order_.erase({-free_[index], host.value()});
  free_[index] += by_mib;
  if (usable_.test(index)) order_.emplace(-free_[index], host.value());
}

std::optional<HostId> Capacity::take(const GuestRecord& guest, HostId not_on, Defect defect) {
  const auto needed = static_cast<std::int64_t>(guest.memory_mib);
  std::optional<HostId> best;
  if (guest.replicas > 0) {
    for (const Member& member : guest.members) {
      const bool current = member.state == MemberState::InSync || defect == Defect::PromoteStale;
      if (!current || member.host == not_on || !contains(usable_, member.host)) continue;
      if (free_[member.host.value()] < needed) continue;
      if (!best || free_[member.host.value()] > free_[best->value()]) best = member.host;
    }
  } else {
    for (const auto& [negative_free, host] : order_) {
      if (-negative_free < needed) break;
      if (HostId(host) == not_on) continue;
      best = HostId(host);
      break;
    }
  }
  if (best) change(*best, -needed);
  return best;
}

std::optional<HostId> Capacity::replica_host(const GuestRecord& guest) const {
  const auto zone_taken = [&](HostId host) {
    return std::ranges::any_of(guest.members, [&](const Member& member) {
      return (*hosts_)[member.host.value()].zone == (*hosts_)[host.value()].zone;
    });
  };
  std::optional<HostId> any;
  for (const auto& [negative_free, number] : order_) {
    const HostId host(number);
    if (host == guest.host || member_of(guest, host) != nullptr) continue;
    if (!zone_taken(host)) return host;
    if (!any) any = host;
  }
  return any;
}

std::vector<Placement> plan_recovery(std::span<const GuestRecord> records,
                                     std::vector<GuestId> guests, Capacity& capacity) {
  std::ranges::sort(guests, [&](GuestId left, GuestId right) {
    const GuestRecord& a = records[left.value()];
    const GuestRecord& b = records[right.value()];
    return a.priority != b.priority ? a.priority > b.priority : left < right;
  });
  std::vector<Placement> plan;
  plan.reserve(guests.size());
  for (const GuestId guest : guests) {
    const GuestRecord& record = records[guest.value()];
    plan.push_back({guest, capacity.take(record, record.host, Defect::None)});
  }
  return plan;
}

}  // namespace aloft::controller
