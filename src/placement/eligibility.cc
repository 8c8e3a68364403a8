#include "placement/eligibility.h"

#include <fmt/format.h>

#include <algorithm>

namespace aloft::placement {
namespace {

constexpr std::uint32_t kNoRule = ~std::uint32_t{0};
constexpr double kAwayFromReplica = 50;

bool contains(const std::vector<HostIndex>& hosts, HostIndex host) {
  return std::ranges::find(hosts, host) != hosts.end();
}

}  // namespace

Eligibility::Eligibility(const State& state) : state_(state) {
  for (std::size_t level = 0; level < 3; ++level) {
    const std::size_t count = state.domain_count(static_cast<Level>(level));
    blocked_[level].resize(count);
    weights_[level].resize(count);
  }
  allowed_.resize(state.host_count());
}

void Eligibility::prepare(GuestIndex index) {
  guest_ = index;
  ++epoch_;
  const Guest& guest = state_.guest(index);
  needs_ = state_.running_needs(index);
  companions_.clear();
  shortlist_.clear();
  no_replica_left_ = false;
  simple_ = guest.devices.empty();
  for (Together& together : together_) {
    together.bound = false;
    together.domains.clear();
  }
  for (HostIndex host : guest.forbidden) {
    blocked_[0][host.value()] = Mark{epoch_, kNoRule};
    simple_ = false;
  }
  for (HostIndex host : guest.allowed) allowed_[host.value()] = epoch_;
  for (const HostPreference& preference : guest.preferences) {
    weights_[0][preference.host.value()] = Weight{epoch_, -double(preference.weight)};
  }
  for (RuleIndex rule : state_.rules_of(index)) add_rule(rule);
  if (guest.locality == Locality::Required && !guest.replicas.empty()) {
    for (HostIndex host : guest.replicas) {
      if (state_.host(host).state != HostState::Lost) shortlist_.push_back(host);
    }
    no_replica_left_ = shortlist_.empty();
  } else {
    shortlist_ = guest.allowed;
  }
  if (!guest.allowed.empty() || !shortlist_.empty() || no_replica_left_) simple_ = false;
  has_wishes_ = !guest.preferences.empty() || !state_.rules_of(index).empty() ||
                (guest.locality == Locality::Preferred && !guest.replicas.empty());
}

void Eligibility::add_rule(RuleIndex index) {
  const Rule& rule = state_.rule(index);
  switch (rule.kind) {
    case RuleKind::KeepApart:
      keep_apart(rule, index);
      break;
    case RuleKind::KeepTogether:
      keep_together(rule, index);
      break;
  }
}

void Eligibility::keep_apart(const Rule& rule, RuleIndex index) {
  const auto level = static_cast<std::size_t>(rule.level);
  for (GuestIndex other : rule.guests) {
    const auto& place = state_.guest(other).host;
    if (other == guest_ || !place || state_.host(*place).state == HostState::Lost) continue;
    const DomainIndex domain = state_.domain(rule.level, *place);
    if (rule.strength == Strength::Required) {
      blocked_[level][domain] = Mark{epoch_, index.value()};
      simple_ = false;
    } else {
      Weight& weight = weights_[level][domain];
      if (weight.epoch != epoch_) weight = Weight{epoch_, 0};
      weight.value += rule.weight;
    }
  }
}

void Eligibility::keep_together(const Rule& rule, RuleIndex index) {
  const auto level = static_cast<std::size_t>(rule.level);
  std::vector<DomainIndex> domains;
  for (GuestIndex other : rule.guests) {
    const auto& place = state_.guest(other).host;
    // What ran on a lost host waits for its restart as this guest does.
    if (other == guest_ || !place || state_.host(*place).state == HostState::Lost) continue;
    domains.push_back(state_.domain(rule.level, *place));
  }
  if (rule.strength == Strength::Preferred) {
    for (DomainIndex domain : domains) {
      Weight& weight = weights_[level][domain];
      if (weight.epoch != epoch_) weight = Weight{epoch_, 0};
      weight.value -= rule.weight;
    }
    return;
  }
  if (rule.level == Level::Host) add_companions(rule);
  if (domains.empty()) return;
  simple_ = false;
  std::ranges::sort(domains);
  const auto [first, last] = std::ranges::unique(domains);
  domains.erase(first, last);
  Together& together = together_[level];
  together.rule = index;
  if (!together.bound) {
    together.domains = std::move(domains);
  } else {
    std::erase_if(together.domains,
                  [&](DomainIndex d) { return !std::ranges::binary_search(domains, d); });
  }
  together.bound = true;
}

void Eligibility::add_companions(const Rule& rule) {
  for (GuestIndex other : rule.guests) {
    if (other == guest_ || state_.guest(other).host || !state_.present(other)) continue;
    if (std::ranges::find(companions_, other) != companions_.end()) continue;
    companions_.push_back(other);
    needs_ += state_.running_needs(other);
    simple_ = false;
  }
}

std::optional<Obstacle> Eligibility::own_obstacle(const Guest& guest, HostIndex index,
                                                  Locality locality) const {
  const HostTraits& host = state_.traits(index);
  if (guest.architecture != host.architecture) return Obstacle::Architecture;
  if ((guest.features & ~host.features) != 0) return Obstacle::Features;
  if ((guest.licences & ~host.licences) != 0) return Obstacle::Licence;
  for (const DeviceCount& need : guest.devices) {
    const auto free = state_.free_devices(index);
    const auto found = std::ranges::find(free, need.device_class, &DeviceCount::device_class);
    if (found == free.end() || found->count < need.count) return Obstacle::Device;
  }
  if (locality == Locality::Required && !guest.replicas.empty() &&
      !contains(guest.replicas, index)) {
    return Obstacle::NoReplica;
  }
  return std::nullopt;
}

std::optional<Refusal> Eligibility::obstacle(HostIndex index, Locality locality) const {
  const auto refused = [&](Obstacle why) { return Refusal{.obstacle = why, .host = index}; };
  switch (state_.host(index).state) {
    case HostState::Up:
      break;
    case HostState::Maintenance:
      return refused(Obstacle::Maintenance);
    case HostState::Lost:
      return refused(Obstacle::HostDown);
  }
  const Guest& guest = state_.guest(guest_);
  if (const auto own = own_obstacle(guest, index, locality)) return refused(*own);
  if (simple_) return std::nullopt;
  if (!guest.allowed.empty() && allowed_[index.value()] != epoch_) {
    return refused(Obstacle::NotAllowed);
  }
  for (std::size_t level = 0; level < 3; ++level) {
    const DomainIndex domain = state_.domain(static_cast<Level>(level), index);
    const Mark& mark = blocked_[level][domain];
    if (mark.epoch == epoch_) {
      if (mark.rule == kNoRule) return refused(Obstacle::NotAllowed);
      Refusal refusal = refused(Obstacle::KeepApart);
      refusal.rule = RuleIndex(mark.rule);
      return refusal;
    }
    const Together& together = together_[level];
    if (together.bound && !std::ranges::binary_search(together.domains, domain)) {
      Refusal refusal = refused(Obstacle::KeepTogether);
      refusal.rule = together.rule;
      return refusal;
    }
  }
  for (GuestIndex other : companions_) {
    const Guest& companion = state_.guest(other);
    if (const auto own = own_obstacle(companion, index, companion.locality)) return refused(*own);
    if ((!companion.allowed.empty() && !contains(companion.allowed, index)) ||
        contains(companion.forbidden, index)) {
      return refused(Obstacle::NotAllowed);
    }
  }
  return std::nullopt;
}

bool Eligibility::allows(HostIndex host) const {
  if (no_replica_left_) return false;
  if (simple_) {
    const Guest& guest = state_.guest(guest_);
    const HostTraits& traits = state_.traits(host);
    return traits.state == HostState::Up && traits.architecture == guest.architecture &&
           (guest.features & ~traits.features) == 0 && (guest.licences & ~traits.licences) == 0;
  }
  return !obstacle(host, state_.guest(guest_).locality).has_value();
}

bool Eligibility::allows_with_replica(HostIndex host) const {
  return !obstacle(host, Locality::None).has_value();
}

Refusal Eligibility::refusal(HostIndex host) const {
  if (const auto found = obstacle(host, state_.guest(guest_).locality)) return *found;
  Refusal refusal{.obstacle = Obstacle::Room, .host = host};
  const Amounts& free = state_.free(host);
  for (Resource resource : kResources) {
    if (needs_[resource] != 0 && needs_[resource] > free[resource]) {
      refusal.resource = resource;
      refusal.needed = needs_[resource];
      refusal.free = free[resource];
      return refusal;
    }
  }
  refusal.obstacle = Obstacle::Reserve;
  return refusal;
}

double Eligibility::penalty(HostIndex host) const {
  if (!has_wishes_) return 0;
  double sum = 0;
  for (std::size_t level = 0; level < 3; ++level) {
    const Weight& weight = weights_[level][state_.domain(static_cast<Level>(level), host)];
    if (weight.epoch == epoch_) sum += weight.value;
  }
  const Guest& guest = state_.guest(guest_);
  if (guest.locality == Locality::Preferred && !guest.replicas.empty() &&
      !contains(guest.replicas, host)) {
    sum += kAwayFromReplica;
  }
  return sum;
}

double crowding(const State& state, HostIndex host, const Amounts& needs) {
  const Amounts& free = state.free(host);
  const std::array<double, kResourceCount>& per_amount = state.traits(host).per_amount;
  double sum = 0;
  for (std::size_t i = 0; i < kResourceCount; ++i) {
    const double used = 1 - static_cast<double>(free[kResources[i]]) * per_amount[i];
    const double more = static_cast<double>(needs[kResources[i]]) * per_amount[i];
    sum += more * (2 * used + more);
  }
  return sum;
}

std::string to_string(const State& state, const Refusal& refusal) {
  const std::string& name = state.host(refusal.host).name;
  const auto rule = [&] { return refusal.rule ? state.rule(*refusal.rule).name : std::string(); };
  switch (refusal.obstacle) {
    case Obstacle::HostDown:
      return fmt::format("host {} is lost", name);
    case Obstacle::Maintenance:
      return fmt::format("host {} is in maintenance", name);
    case Obstacle::Room:
      return fmt::format("host {}: {} of {} free, {} needed", name,
                         describe(refusal.resource, refusal.free), to_string(refusal.resource),
                         describe(refusal.resource, refusal.needed));
    case Obstacle::Architecture:
      return fmt::format("host {} has another architecture", name);
    case Obstacle::Features:
      return fmt::format("host {} lacks CPU features", name);
    case Obstacle::Licence:
      return fmt::format("host {} is not covered by the licence", name);
    case Obstacle::Device:
      return fmt::format("host {} has no free device of the class", name);
    case Obstacle::KeepApart:
      return fmt::format("host {}: rule {} keeps the guest apart from what runs there", name,
                         rule());
    case Obstacle::KeepTogether:
      return fmt::format("host {}: rule {} keeps the guest with others elsewhere", name, rule());
    case Obstacle::NotAllowed:
      return fmt::format("host {} is not among the guest's allowed hosts", name);
    case Obstacle::NoReplica:
      return fmt::format("host {} holds no replica of the guest's disks", name);
    case Obstacle::Reserve:
      return fmt::format("host {} keeps its room for recovery", name);
  }
  return name;
}

}  // namespace aloft::placement
