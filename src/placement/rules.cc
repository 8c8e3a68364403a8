#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>

#include "placement/farm.h"

namespace aloft::placement {
namespace {

// Guests that rules bind to one place, with a rule that did it.
class Bonds {
 public:
  explicit Bonds(std::size_t guests) : parent_(guests) {
    std::iota(parent_.begin(), parent_.end(), 0U);
    rule_.assign(guests, nullptr);
  }
  std::uint32_t find(std::uint32_t guest) {
    while (parent_[guest] != guest) {
      parent_[guest] = parent_[parent_[guest]];
      guest = parent_[guest];
    }
    return guest;
  }
  void bind(const Rule& rule) {
    for (std::size_t i = 1; i < rule.guests.size(); ++i) {
      const std::uint32_t a = find(rule.guests[0].value());
      const std::uint32_t b = find(rule.guests[i].value());
      if (a != b) parent_[b] = a;
    }
    for (GuestIndex guest : rule.guests) rule_[guest.value()] = &rule;
  }
  [[nodiscard]] const Rule* rule_of(std::uint32_t guest) const { return rule_[guest]; }

 private:
  std::vector<std::uint32_t> parent_;
  std::vector<const Rule*> rule_;
};

bool required(const Rule& rule, RuleKind kind) {
  return rule.strength == Strength::Required && rule.kind == kind;
}

std::size_t zones(const Farm& farm, Level level) {
  std::set<std::string> names;
  for (std::size_t h = 0; h < farm.hosts.size(); ++h) {
    const Host& host = farm.hosts[h];
    switch (level) {
      case Level::Host:
        return farm.hosts.size();
      case Level::Rack:
        names.insert(host.rack.empty() ? "host " + host.name : host.site + "/" + host.rack);
        break;
      case Level::Site:
        names.insert(host.site);
        break;
    }
  }
  return names.size();
}

Result<void> check_level(const Farm& farm, Level level) {
  Bonds bonds(farm.guests.size());
  for (const Rule& rule : farm.rules) {
    // Together on a host is together in its rack and site too.
    if (required(rule, RuleKind::KeepTogether) && rule.level <= level) bonds.bind(rule);
  }
  const std::size_t places = zones(farm, level);
  std::unordered_map<std::uint32_t, GuestIndex> seen;
  for (const Rule& rule : farm.rules) {
    if (!required(rule, RuleKind::KeepApart) || rule.level != level) continue;
    seen.clear();
    for (GuestIndex guest : rule.guests) {
      const auto [other, fresh] = seen.try_emplace(bonds.find(guest.value()), guest);
      if (fresh || other->second == guest) continue;
      const Rule* bond = bonds.rule_of(guest.value());
      return fail(Code::InvalidArgument, "placement.rules_contradict",
                  fmt::format("rule {} keeps guests {} and {} apart, rule {} keeps them together; "
                              "remove one of the two rules",
                              rule.name, farm.guests[other->second.value()].name,
                              farm.guests[guest.value()].name, bond ? bond->name : "?"));
    }
    if (seen.size() > places) {
      return fail(Code::InvalidArgument, "placement.rule_unsatisfiable",
                  fmt::format("rule {} keeps {} guests apart, but the farm has {} places for them",
                              rule.name, seen.size(), places));
    }
  }
  return {};
}

std::set<HostIndex> usable(const Farm& farm, const Guest& guest) {
  std::set<HostIndex> hosts(guest.allowed.begin(), guest.allowed.end());
  if (guest.allowed.empty()) {
    for (std::uint32_t h = 0; h < farm.hosts.size(); ++h) hosts.insert(HostIndex(h));
  }
  for (HostIndex host : guest.forbidden) hosts.erase(host);
  return hosts;
}

// Guests bound to one host need one that all of them allow.
Result<void> check_allowed(const Farm& farm) {
  for (const Guest& guest : farm.guests) {
    if (guest.allowed.empty() && guest.forbidden.empty()) continue;
    if (usable(farm, guest).empty()) {
      return fail(Code::InvalidArgument, "placement.rule_unsatisfiable",
                  fmt::format("guest {} forbids every host that it allows", guest.name));
    }
  }
  Bonds bonds(farm.guests.size());
  for (const Rule& rule : farm.rules) {
    if (required(rule, RuleKind::KeepTogether) && rule.level == Level::Host) bonds.bind(rule);
  }
  std::map<std::uint32_t, std::set<HostIndex>> common;
  for (std::uint32_t g = 0; g < farm.guests.size(); ++g) {
    const Guest& guest = farm.guests[g];
    const Rule* bond = bonds.rule_of(g);
    if (bond == nullptr || (guest.allowed.empty() && guest.forbidden.empty())) continue;
    std::set<HostIndex> mine = usable(farm, guest);
    const auto [entry, fresh] = common.try_emplace(bonds.find(g), mine);
    if (fresh) continue;
    std::erase_if(entry->second, [&](HostIndex host) { return !mine.contains(host); });
    if (entry->second.empty()) {
      return fail(Code::InvalidArgument, "placement.rules_contradict",
                  fmt::format("rule {} keeps guest {} with others that share no allowed host with "
                              "it; widen their hosts or remove the rule",
                              bond->name, guest.name));
    }
  }
  return {};
}

Result<void> check_sizes(const Farm& farm) {
  Amounts largest;
  for (const Host& host : farm.hosts) {
    Amounts capacity = host.capacity;
    capacity[Resource::Cpu] = INT64_MAX;  // overcommit is State's business
    largest = largest.max(capacity);
  }
  for (const Guest& guest : farm.guests) {
    for (Resource resource : kResources) {
      if (guest.needs[resource] == 0 || guest.needs[resource] <= largest[resource]) continue;
      return fail(Code::InvalidArgument, "placement.guest_too_large",
                  fmt::format("guest {} needs {} of {}; the largest host has {}", guest.name,
                              describe(resource, guest.needs[resource]), to_string(resource),
                              describe(resource, largest[resource])));
    }
  }
  return {};
}

}  // namespace

Result<void> check_rules(const Farm& farm) {
  ALOFT_TRY(validate(farm));
  for (Level level : {Level::Host, Level::Rack, Level::Site}) ALOFT_TRY(check_level(farm, level));
  ALOFT_TRY(check_allowed(farm));
  return check_sizes(farm);
}

}  // namespace aloft::placement
