#include "placement/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/assert.h"
#include "placement/limits.h"

namespace aloft::placement {
namespace {

void change_devices(std::vector<DeviceCount>& free, const std::vector<DeviceCount>& needs,
                    int sign) {
  for (const DeviceCount& need : needs) {
    for (DeviceCount& device : free) {
      if (device.device_class != need.device_class) continue;
      // Overdrawn devices stay at zero: nothing more fits there.
      const std::int64_t left =
          std::int64_t{device.count} + sign * static_cast<std::int64_t>(need.count);
      device.count = static_cast<std::uint32_t>(std::max<std::int64_t>(left, 0));
    }
  }
}

}  // namespace

Result<State> State::make(Farm farm) {
  ALOFT_TRY(validate(farm));
  State state;
  state.farm_ = std::move(farm);
  const std::size_t hosts = state.farm_.hosts.size();
  state.on_host_.resize(hosts);
  state.replicas_on_.resize(hosts);
  state.free_devices_.resize(hosts);
  for (std::size_t h = 0; h < hosts; ++h) {
    const Host& host = state.farm_.hosts[h];
    Amounts capacity = host.capacity;
    const std::int64_t percent = host.cpu_overcommit_percent != 0
                                     ? host.cpu_overcommit_percent
                                     : state.farm_.cpu_overcommit_percent;
    const std::int64_t cpus = std::min(capacity[Resource::Cpu], kMaxAmount / kMaxOvercommitPercent);
    capacity[Resource::Cpu] = cpus * percent / 100;
    HostTraits traits{host.features, host.licences, host.architecture, host.state, {}};
    for (std::size_t i = 0; i < kResourceCount; ++i) {
      const std::int64_t amount = capacity[kResources[i]];
      traits.per_amount[i] = amount > 0 ? 1 / static_cast<double>(amount) : 0;
    }
    state.traits_.push_back(traits);
    state.capacity_.push_back(capacity);
    state.free_.push_back(capacity);
    state.free_devices_[h] = host.devices;
  }
  state.index_domains();
  const std::size_t guests = state.farm_.guests.size();
  state.present_.assign(guests, true);
  state.position_.resize(guests);
  state.rules_of_.resize(guests);
  for (std::uint32_t r = 0; r < state.farm_.rules.size(); ++r) {
    for (GuestIndex guest : state.farm_.rules[r].guests) {
      state.rules_of_[guest.value()].push_back(RuleIndex(r));
    }
  }
  for (std::uint32_t g = 0; g < guests; ++g) state.index_guest(GuestIndex(g));
  return state;
}

void State::index_domains() {
  const std::uint32_t hosts = host_count();
  std::array<std::unordered_map<std::string, DomainIndex>, 3> known;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    const Host& host = farm_.hosts[h];
    // A host without a rack is a rack of its own; racks of two sites never are the same rack.
    const std::array<std::string, 3> names = {
        "h" + std::to_string(h),
        host.rack.empty() ? "h" + std::to_string(h) : "r" + host.site + "/" + host.rack,
        "s" + host.site};
    for (std::size_t level = 0; level < 3; ++level) {
      const auto next = static_cast<DomainIndex>(known[level].size());
      const auto [found, added] = known[level].try_emplace(names[level], next);
      domains_[level].push_back(found->second);
      if (added) ++domain_counts_[level];
    }
  }
}

void State::index_guest(GuestIndex index) {
  const Guest& guest = farm_.guests[index.value()];
  for (HostIndex host : guest.replicas) {
    replicas_on_[host.value()].push_back(index);
    free_[host.value()][Resource::Disk] -= guest.needs[Resource::Disk];
  }
  if (guest.host) {
    const HostIndex host = *guest.host;
    farm_.guests[index.value()].host = std::nullopt;
    put(index, host);
  }
}

Amounts State::running_needs(GuestIndex guest) const {
  const Guest& g = this->guest(guest);
  Amounts needs = g.needs;
  if (!g.replicas.empty()) needs[Resource::Disk] = 0;
  return needs;
}

void State::charge(GuestIndex guest, HostIndex host, int sign) {
  const Amounts needs = running_needs(guest);
  if (sign > 0) {
    free_[host.value()] -= needs;
  } else {
    free_[host.value()] += needs;
  }
  const std::vector<DeviceCount>& devices = this->guest(guest).devices;
  if (!devices.empty()) change_devices(free_devices_[host.value()], devices, -sign);
}

void State::put(GuestIndex guest, HostIndex host) {
  Guest& g = farm_.guests[guest.value()];
  ALOFT_ASSERT(!g.host && present_[guest.value()]);
  g.host = host;
  std::vector<GuestIndex>& list = on_host_[host.value()];
  position_[guest.value()] = static_cast<std::uint32_t>(list.size());
  list.push_back(guest);
  charge(guest, host, 1);
}

void State::take(GuestIndex guest) {
  Guest& g = farm_.guests[guest.value()];
  ALOFT_ASSERT(g.host.has_value());
  const HostIndex host = *g.host;
  charge(guest, host, -1);
  std::vector<GuestIndex>& list = on_host_[host.value()];
  const std::uint32_t position = position_[guest.value()];
  list[position] = list.back();
  position_[list[position].value()] = position;
  list.pop_back();
  g.host = std::nullopt;
}

void State::add_replica(GuestIndex guest, HostIndex host) {
  Guest& g = farm_.guests[guest.value()];
  ALOFT_ASSERT(std::ranges::find(g.replicas, host) == g.replicas.end());
  // The first replica takes over the disk that the running guest was charged for.
  if (g.host) charge(guest, *g.host, -1);
  g.replicas.push_back(host);
  if (g.host) charge(guest, *g.host, 1);
  free_[host.value()][Resource::Disk] -= g.needs[Resource::Disk];
  replicas_on_[host.value()].push_back(guest);
}

void State::drop_replica(GuestIndex guest, HostIndex host) {
  Guest& g = farm_.guests[guest.value()];
  const auto found = std::ranges::find(g.replicas, host);
  ALOFT_ASSERT(found != g.replicas.end());
  if (g.host) charge(guest, *g.host, -1);
  g.replicas.erase(found);
  if (g.host) charge(guest, *g.host, 1);
  free_[host.value()][Resource::Disk] += g.needs[Resource::Disk];
  std::vector<GuestIndex>& list = replicas_on_[host.value()];
  list.erase(std::ranges::find(list, guest));
}

Result<GuestIndex> State::add_guest(Guest guest) {
  if (farm_.guests.size() >= kMaxGuests) {
    return fail(Code::ResourceExhausted, "placement.farm_too_large",
                fmt::format("guest {} would be one more than {} guests", guest.name, kMaxGuests));
  }
  ALOFT_TRY(validate_guest(farm_, guest));
  const GuestIndex index(guest_count());
  farm_.guests.push_back(std::move(guest));
  present_.push_back(true);
  position_.push_back(0);
  rules_of_.emplace_back();
  index_guest(index);
  return index;
}

void State::remove_guest(GuestIndex guest) {
  ALOFT_ASSERT(present_[guest.value()]);
  if (this->guest(guest).host) take(guest);
  while (!this->guest(guest).replicas.empty()) {
    drop_replica(guest, this->guest(guest).replicas.back());
  }
  for (RuleIndex rule : rules_of_[guest.value()]) {
    std::erase(farm_.rules[rule.value()].guests, guest);
  }
  rules_of_[guest.value()].clear();
  present_[guest.value()] = false;
}

Result<RuleIndex> State::add_rule(Rule rule) {
  if (farm_.rules.size() >= kMaxRules || rule.guests.size() > kMaxRuleMembers) {
    return fail(Code::ResourceExhausted, "placement.farm_too_large",
                fmt::format("rule {} would be one more than {} rules", rule.name, kMaxRules));
  }
  for (GuestIndex guest : rule.guests) {
    if (guest.value() >= farm_.guests.size() || !present(guest)) {
      return fail(Code::InvalidArgument, "placement.unknown_guest",
                  fmt::format("rule {} names guest number {}, which does not exist", rule.name,
                              guest.value()));
    }
  }
  const RuleIndex index(static_cast<std::uint32_t>(farm_.rules.size()));
  for (GuestIndex guest : rule.guests) rules_of_[guest.value()].push_back(index);
  farm_.rules.push_back(std::move(rule));
  return index;
}

void State::check_invariants() const {
  std::vector<Amounts> free = capacity_;
  std::size_t placed = 0;
  for (std::uint32_t g = 0; g < guest_count(); ++g) {
    const Guest& guest = farm_.guests[g];
    for (HostIndex host : guest.replicas) {
      free[host.value()][Resource::Disk] -= guest.needs[Resource::Disk];
    }
    if (!guest.host) continue;
    ++placed;
    free[guest.host->value()] -= running_needs(GuestIndex(g));
    ALOFT_ASSERT(on_host_[guest.host->value()][position_[g]] == GuestIndex(g));
  }
  ALOFT_ASSERT(free == free_);
  std::size_t listed = 0;
  for (const auto& list : on_host_) listed += list.size();
  ALOFT_ASSERT(listed == placed);
}

}  // namespace aloft::placement
