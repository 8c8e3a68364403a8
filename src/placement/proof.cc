#include <fmt/format.h>

#include <algorithm>

#include "placement/admission.h"
#include "placement/limits.h"

namespace aloft::placement {
namespace {

// True if so many sets of up to `count` of `units` things exist that they are not all looked at.
bool too_many_sets(std::size_t units, std::uint32_t count) {
  std::size_t sets = 1;
  std::size_t sum = 0;
  for (std::size_t i = 1; i <= count && i <= units; ++i) {
    sets = sets * (units - i + 1) / i;
    sum += sets;
    if (sum > kMaxFailingSets) return true;
  }
  return false;
}

std::string_view plural(Level level) {
  switch (level) {
    case Level::Host:
      return "hosts";
    case Level::Rack:
      return "racks";
    case Level::Site:
      return "sites";
  }
  return "?";
}

}  // namespace

std::vector<HostIndex> Admission::hosts_of(std::span<const Unit> units) const {
  std::vector<HostIndex> hosts;
  for (Unit unit : units) hosts.insert(hosts.end(), units_[unit].begin(), units_[unit].end());
  return hosts;
}

bool Admission::collect_all_sets(Sets& sets) const {
  if (too_many_sets(units_.size(), tolerance_.count)) return false;
  std::vector<Unit> set;
  const auto grow = [&](auto&& self, Unit first) -> void {
    if (set.size() >= 2) sets.insert(set);
    if (set.size() == tolerance_.count) return;
    for (Unit unit = first; unit < units_.size(); ++unit) {
      set.push_back(unit);
      self(self, unit + 1);
      set.pop_back();
    }
  };
  grow(grow, 0);
  return true;
}

// Pairs of units whose single plans cannot simply be joined: one's plan uses the other's hosts,
// both want the same room, or a rule or a device connects their guests.
bool Admission::collect_meeting_pairs(Sets& sets) const {
  const auto meet = [&](Unit a, Unit b) {
    if (a != b) sets.insert({std::min(a, b), std::max(a, b)});
    return sets.size() <= kMaxFailingSets;
  };
  for (Unit unit = 0; unit < units_.size(); ++unit) {
    for (const Start& start : plans_[unit].starts) {
      if (!meet(unit, unit_of(start.host))) return false;
    }
  }
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    const std::vector<Incoming>& list = incoming_[h];
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const bool devices = plans_[list[i].unit].has_devices || plans_[list[j].unit].has_devices;
        const Amounts both = list[i].amounts + list[j].amounts;
        if (!devices && both.fits_in(state_.free(HostIndex(h)))) continue;
        if (!meet(list[i].unit, list[j].unit)) return false;
      }
    }
  }
  for (const Rule& rule : state_.farm().rules) {
    if (rule.strength != Strength::Required) continue;
    std::set<Unit> units;
    for (GuestIndex guest : rule.guests) {
      if (const auto& home = state_.guest(guest).host) units.insert(unit_of(*home));
    }
    for (Unit a : units) {
      for (Unit b : units) {
        if (!meet(a, b)) return false;
      }
    }
  }
  return true;
}

Verdict Admission::prove() {
  Verdict verdict = this->verdict();
  if (verdict.proof != Proof::Proved || tolerance_.count < 2) return verdict;
  Sets sets;
  const bool all_known =
      tolerance_.count == 2 ? collect_meeting_pairs(sets) : collect_all_sets(sets);
  RecoveryOptions options{.room_making = RoomMaking::Never, .enough_hosts = kEnoughForProof};
  for (const std::vector<Unit>& set : sets) {
    if (verdict.sets_planned >= kMaxFailingSets) break;
    const std::vector<HostIndex> lost = hosts_of(set);
    const RecoveryPlan plan = planner_.plan(lost, options);
    ++verdict.sets_planned;
    if (plan.complete()) continue;
    verdict.proof = Proof::Refuted;
    verdict.lost = lost;
    verdict.no_room = plan.unplaced.front();
    return verdict;
  }
  if (!all_known) verdict.proof = Proof::Unproven;
  return verdict;
}

// The single plans of all lost units together, if they exist and do not meet.
std::optional<RecoveryPlan> Admission::join_plans(std::span<const HostIndex> lost) const {
  std::set<Unit> units;
  for (HostIndex host : lost) units.insert(unit_of(host));
  RecoveryPlan joined;
  std::map<HostIndex, Amounts> wanted;
  for (Unit unit : units) {
    if (plans_[unit].failure) return std::nullopt;
    for (const Start& start : plans_[unit].starts) {
      if (units.contains(unit_of(start.host))) return std::nullopt;
      // prove() never joins what a rule or a device connects.
      const Guest& guest = state_.guest(start.guest);
      const bool connected = !guest.devices.empty() || !state_.rules_of(start.guest).empty();
      if (units.size() > 1 && connected) return std::nullopt;
      wanted[start.host] += state_.running_needs(start.guest);
      // Of a rack that is lost in part, what still runs stays where it is.
      const HostIndex home = *state_.guest(start.guest).host;
      if (std::ranges::find(lost, home) != lost.end()) joined.starts.push_back(start);
    }
  }
  for (const auto& [host, amounts] : wanted) {
    if (!amounts.fits_in(state_.free(host))) return std::nullopt;
  }
  std::ranges::sort(joined.starts, {}, [&](const Start& start) {
    return std::pair(-std::int64_t{state_.guest(start.guest).priority}, start.guest);
  });
  return joined;
}

RecoveryPlan Admission::recover(std::span<const HostIndex> lost, const RecoveryOptions& options) {
  RecoveryOptions still = options;
  still.room_making = RoomMaking::Never;
  RecoveryPlan plan = planner_.plan(lost, still);
  if (plan.complete()) return plan;
  still.enough_hosts = kEnoughForProof;
  RecoveryPlan proved = planner_.plan(lost, still);
  if (proved.complete()) return proved;
  if (promised()) {
    if (auto joined = join_plans(lost)) return *std::move(joined);
  }
  if (options.room_making == RoomMaking::Never) return plan;
  return planner_.plan(lost, options);
}

std::string explain(const State& state, const Tolerance& tolerance, const Verdict& verdict) {
  switch (verdict.proof) {
    case Proof::Proved:
      if (tolerance.count == 0) return "no loss is promised to be tolerated";
      return fmt::format("tolerates the loss of any {} {}", tolerance.count,
                         plural(tolerance.level));
    case Proof::Unproven:
      return fmt::format("more than {} sets of {} {} would have to be planned; not proved",
                         kMaxFailingSets, tolerance.count, plural(tolerance.level));
    case Proof::Refuted:
      break;
  }
  std::vector<std::string> names;
  constexpr std::size_t kMaxNames = 8;
  for (HostIndex host : verdict.lost) names.push_back(state.host(host).name);
  if (names.size() > kMaxNames) {
    const std::size_t more = names.size() - kMaxNames;
    names.resize(kMaxNames);
    names.push_back(fmt::format("{} more", more));
  }
  std::string lost = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) {
    lost += (i + 1 == names.size() ? " and " : ", ") + names[i];
  }
  return fmt::format("if {} {}, {}", lost, names.size() == 1 ? "dies" : "die",
                     explain(state, *verdict.no_room));
}

}  // namespace aloft::placement
