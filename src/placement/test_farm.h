// Small farms for the room's tests, and an oracle that shares no code with the planners: it
// recounts resources and rules from the plain Farm and searches packings by brute force.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "placement/farm.h"
#include "placement/state.h"

namespace aloft::placement::testing {

inline constexpr std::int64_t kGiB = std::int64_t{1} << 30;

inline Host make_host(const std::string& name, std::int64_t memory_gib, std::int64_t cpus = 64,
                      std::int64_t disk_gib = 1000) {
  Host host;
  host.name = name;
  host.capacity[Resource::Memory] = memory_gib * kGiB;
  host.capacity[Resource::Cpu] = cpus * 1000;
  host.capacity[Resource::Disk] = disk_gib * kGiB;
  return host;
}

inline Guest make_guest(const std::string& name, std::int64_t memory_gib,
                        std::optional<std::uint32_t> host = std::nullopt) {
  Guest guest;
  guest.name = name;
  guest.needs[Resource::Memory] = memory_gib * kGiB;
  guest.needs[Resource::Cpu] = 1000;
  if (host) guest.host = HostIndex(*host);
  return guest;
}

inline Rule make_rule(const std::string& name, RuleKind kind, std::vector<std::uint32_t> guests,
                      Level level = Level::Host, Strength strength = Strength::Required) {
  Rule rule{.name = name, .kind = kind, .strength = strength, .level = level, .guests = {}};
  for (std::uint32_t guest : guests) rule.guests.emplace_back(guest);
  return rule;
}

// Recounts a farm: no live host overdrawn, no required rule broken by placed guests.
class Oracle {
 public:
  explicit Oracle(const Farm& farm) : farm_(farm) {}

  [[nodiscard]] std::string zone(Level level, HostIndex index) const {
    const Host& host = farm_.hosts[index.value()];
    switch (level) {
      case Level::Host:
        return host.name;
      case Level::Rack:
        return host.rack.empty() ? "=" + host.name : host.site + "/" + host.rack;
      case Level::Site:
        return host.site;
    }
    return {};
  }

  [[nodiscard]] bool may_run(const Guest& guest, HostIndex index) const {
    const Host& host = farm_.hosts[index.value()];
    const auto has = [](const std::vector<HostIndex>& list, HostIndex h) {
      return std::find(list.begin(), list.end(), h) != list.end();
    };
    return host.state == HostState::Up && guest.architecture == host.architecture &&
           (guest.features & host.features) == guest.features &&
           (guest.licences & host.licences) == guest.licences &&
           (guest.allowed.empty() || has(guest.allowed, index)) && !has(guest.forbidden, index) &&
           (guest.locality != Locality::Required || guest.replicas.empty() ||
            has(guest.replicas, index));
  }

  // "" when all is well, else what is wrong. `newly` are the guests whose hosts are judged too.
  [[nodiscard]] std::string judge(const std::vector<GuestIndex>& newly) const {
    for (std::uint32_t h = 0; h < farm_.hosts.size(); ++h) {
      const std::string wrong = judge_host(HostIndex(h));
      if (!wrong.empty()) return wrong;
    }
    for (GuestIndex guest : newly) {
      const Guest& g = farm_.guests[guest.value()];
      if (g.host && !may_run(g, *g.host)) return g.name + " may not run where it is";
    }
    for (const Rule& rule : farm_.rules) {
      if (rule.strength == Strength::Required && !holds(rule)) return "rule " + rule.name;
    }
    return {};
  }

  // Whether the unplaced `guests` can be placed without touching the others; exhaustive.
  [[nodiscard]] bool packable(const std::vector<GuestIndex>& guests, std::size_t at = 0) {
    if (at == guests.size()) return judge(guests).empty();
    for (std::uint32_t h = 0; h < farm_.hosts.size(); ++h) {
      Guest& guest = farm_.guests[guests[at].value()];
      if (!may_run(guest, HostIndex(h))) continue;
      guest.host = HostIndex(h);
      if (judge_host(HostIndex(h)).empty() && packable(guests, at + 1)) {
        guest.host.reset();
        return true;
      }
      guest.host.reset();
    }
    return false;
  }

  Farm& farm() { return farm_; }

 private:
  [[nodiscard]] std::string judge_host(HostIndex index) const {
    const Host& host = farm_.hosts[index.value()];
    if (host.state == HostState::Lost) return {};
    Amounts used;
    for (const Guest& guest : farm_.guests) {
      Amounts needs = guest.needs;
      if (!guest.replicas.empty()) needs[Resource::Disk] = 0;
      if (guest.host == index) used += needs;
      for (HostIndex replica : guest.replicas) {
        if (replica == index) used[Resource::Disk] += guest.needs[Resource::Disk];
      }
    }
    for (Resource resource : kResources) {
      std::int64_t capacity = host.capacity[resource];
      if (resource == Resource::Cpu) capacity = capacity * farm_.cpu_overcommit_percent / 100;
      if (used[resource] > capacity) {
        return host.name + " is short of " + std::string(to_string(resource));
      }
    }
    return {};
  }

  [[nodiscard]] bool holds(const Rule& rule) const {
    for (std::size_t i = 0; i < rule.guests.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const auto& a = farm_.guests[rule.guests[i].value()].host;
        const auto& b = farm_.guests[rule.guests[j].value()].host;
        if (!a || !b) continue;
        if (farm_.hosts[a->value()].state == HostState::Lost ||
            farm_.hosts[b->value()].state == HostState::Lost) {
          continue;
        }
        const bool same = zone(rule.level, *a) == zone(rule.level, *b);
        if (same != (rule.kind == RuleKind::KeepTogether)) return false;
      }
    }
    return true;
  }

  Farm farm_;
};

// Every set of 1 .. count things of [0, units).
inline std::vector<std::vector<std::uint32_t>> all_sets(std::uint32_t units, std::uint32_t count) {
  std::vector<std::vector<std::uint32_t>> sets;
  for (std::uint32_t bits = 1; bits < (1U << units); ++bits) {
    std::vector<std::uint32_t> set;
    for (std::uint32_t unit = 0; unit < units; ++unit) {
      if ((bits >> unit & 1U) != 0) set.push_back(unit);
    }
    if (set.size() <= count) sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace aloft::placement::testing
