#include "placement/admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "placement/choose.h"
#include "placement/limits.h"

namespace aloft::placement {

Admission::Admission(State& state, Tolerance tolerance)
    : state_(state),
      tolerance_(tolerance),
      planner_(state),
      eligibility_(state),
      second_(state),
      incoming_(state.host_count()),
      reserve_(state.host_count()) {
  tolerance_.count = std::min(tolerance_.count, kMaxTolerated);
  units_.resize(state.domain_count(tolerance_.level));
  plans_.resize(units_.size());
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    units_[unit_of(HostIndex(h))].push_back(HostIndex(h));
  }
  refresh();
}

void Admission::refresh() {
  if (!promised()) return;
  for (Unit unit = 0; unit < units_.size(); ++unit) mark(unit);
  replan_dirty();
}

Amounts Admission::incoming(HostIndex host, Unit unit) const {
  for (const Incoming& entry : incoming_[host.value()]) {
    if (entry.unit == unit) return entry.amounts;
  }
  return {};
}

void Admission::recount_reserve(HostIndex host) {
  Amounts reserve;
  for (const Incoming& entry : incoming_[host.value()]) reserve = reserve.max(entry.amounts);
  reserve_[host.value()] = reserve;
}

// Remembers the plan before the first change of a launch that may be taken back.
void Admission::note(Unit unit) {
  if (journaling_) journal_.try_emplace(unit, plans_[unit]);
}

void Admission::add_start(Unit unit, const Start& start) {
  note(unit);
  UnitPlan& plan = plans_[unit];
  plan.starts.push_back(start);
  plan.has_devices |= !state_.guest(start.guest).devices.empty();
  std::vector<Incoming>& list = incoming_[start.host.value()];
  const auto found = std::ranges::find(list, unit, &Incoming::unit);
  const Amounts needs = state_.running_needs(start.guest);
  if (found == list.end()) {
    list.push_back({unit, needs});
  } else {
    found->amounts += needs;
  }
  recount_reserve(start.host);
}

void Admission::drop_start(Unit unit, GuestIndex guest) {
  std::vector<Start>& starts = plans_[unit].starts;
  const auto found = std::ranges::find(starts, guest, &Start::guest);
  if (found == starts.end()) return;
  note(unit);
  const HostIndex host = found->host;
  starts.erase(found);
  std::vector<Incoming>& list = incoming_[host.value()];
  // Counted anew: the guest's needs may have changed since it was added.
  std::erase_if(list, [&](const Incoming& entry) { return entry.unit == unit; });
  Amounts sum;
  bool any = false;
  for (const Start& start : starts) {
    if (start.host != host) continue;
    sum += state_.running_needs(start.guest);
    any = true;
  }
  if (any) list.push_back({unit, sum});
  recount_reserve(host);
}

void Admission::clear_plan(Unit unit) {
  std::set<HostIndex> touched;
  for (const Start& start : plans_[unit].starts) touched.insert(start.host);
  for (HostIndex host : touched) {
    std::erase_if(incoming_[host.value()],
                  [&](const Incoming& entry) { return entry.unit == unit; });
    recount_reserve(host);
  }
  plans_[unit] = UnitPlan{};
  failed_.erase(unit);
}

void Admission::replan(Unit unit) {
  note(unit);
  clear_plan(unit);
  RecoveryOptions options{.room_making = RoomMaking::Never, .enough_hosts = kEnoughForProof};
  RecoveryPlan found = planner_.plan(units_[unit], options);
  for (const Start& start : found.starts) {
    // Guests of hosts that are lost already are no part of what this loss costs.
    if (unit_of(*state_.guest(start.guest).host) == unit) add_start(unit, start);
  }
  if (!found.complete()) {
    plans_[unit].failure = found.unplaced.front();
    failed_.insert(unit);
  }
}

void Admission::replan_dirty() {
  // A plan does not change the state, so planning one unit never breaks another's plan.
  while (!dirty_.empty()) {
    const Unit unit = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    replan(unit);
  }
}

// Takes a tried launch back: the state and every plan are as they were before it.
void Admission::roll_back(GuestIndex guest, std::size_t replicas) {
  if (state_.guest(guest).host) state_.take(guest);
  while (state_.guest(guest).replicas.size() > replicas) {
    state_.drop_replica(guest, state_.guest(guest).replicas.back());
  }
  roll_back_plans();
}

void Admission::roll_back_plans() {
  journaling_ = false;
  dirty_.clear();
  for (auto& [unit, plan] : journal_) {
    clear_plan(unit);
    for (const Start& start : plan.starts) add_start(unit, start);
    plans_[unit].failure = plan.failure;
    if (plan.failure) failed_.insert(unit);
  }
  journal_.clear();
}

void Admission::mark_short(HostIndex host) {
  for (const Incoming& entry : incoming_[host.value()]) {
    if (!entry.amounts.fits_in(state_.free(host)) || plans_[entry.unit].has_devices) {
      mark(entry.unit);
    }
  }
}

// Plans of the guest's partners in required rules that its new place contradicts.
void Admission::mark_rules(GuestIndex guest) {
  const HostIndex place = *state_.guest(guest).host;
  for (RuleIndex index : state_.rules_of(guest)) {
    const Rule& rule = state_.rule(index);
    if (rule.strength != Strength::Required) continue;
    for (GuestIndex other : rule.guests) {
      const auto& home = state_.guest(other).host;
      if (other == guest || !home) continue;
      const auto target = refuge(other);
      const bool meet =
          target && state_.domain(rule.level, *target) == state_.domain(rule.level, place);
      if (meet == (rule.kind == RuleKind::KeepApart)) mark(unit_of(*home));
    }
  }
}

bool Admission::shares_unit_by_rule(GuestIndex guest, Unit unit) const {
  for (RuleIndex index : state_.rules_of(guest)) {
    for (GuestIndex other : state_.rule(index).guests) {
      const auto& home = state_.guest(other).host;
      if (other != guest && home && unit_of(*home) == unit) return true;
    }
  }
  return false;
}

// Adds the guest to the plan of its unit without touching the rest of the plan.
bool Admission::extend(GuestIndex guest) {
  const Guest& g = state_.guest(guest);
  if (!g.restartable) return true;
  const Unit unit = unit_of(*g.host);
  if (plans_[unit].failure || !g.devices.empty() || plans_[unit].has_devices ||
      shares_unit_by_rule(guest, unit)) {
    return false;
  }
  second_.prepare(guest);
  const std::uint32_t hosts = state_.host_count();
  const Scan scan{.first = guest.value() * 2654435761U % hosts, .enough = 4 * kEnoughForProof};
  const auto score = [&](HostIndex host) {
    const Amounts load = incoming(host, unit) + second_.needs();
    const Amounts raised = reserve_[host.value()].max(load) - reserve_[host.value()];
    return crowding(state_, host, load) + 4 * crowding(state_, host, raised);
  };
  const auto choice = best_host(
      state_, second_, scan,
      [&](HostIndex host) {
        return unit_of(host) != unit &&
               (incoming(host, unit) + second_.needs()).fits_in(state_.free(host));
      },
      score);
  if (!choice) return false;
  add_start(unit, Start{.guest = guest, .host = choice->host});
  return true;
}

void Admission::put(GuestIndex guest, HostIndex host) {
  state_.put(guest, host);
  if (!promised()) return;
  mark_short(host);
  mark_rules(guest);
  const Unit unit = unit_of(host);
  if (!dirty_.contains(unit) && !extend(guest)) mark(unit);
  replan_dirty();
}

void Admission::take(GuestIndex guest) {
  const HostIndex host = *state_.guest(guest).host;
  state_.take(guest);
  if (!promised()) return;
  drop_start(unit_of(host), guest);
  for (Unit unit : failed_) mark(unit);
  replan_dirty();
}

void Admission::apply(const Move& move) {
  placement::apply(state_, move);
  if (!promised()) return;
  drop_start(unit_of(move.from), move.guest);
  mark_short(move.to);
  if (move.add_replica) mark_short(*move.add_replica);
  mark(unit_of(move.to));
  mark_rules(move.guest);
  for (Unit unit : failed_) mark(unit);
  replan_dirty();
}

bool Admission::try_move(const Move& move) {
  const std::size_t failed = failed_.size();
  journaling_ = true;
  apply(move);
  bool kept = failed_.size() <= failed;
  if (kept && failed_.empty() && tolerance_.count > 1) kept = prove().proof == Proof::Proved;
  if (kept) {
    journaling_ = false;
    journal_.clear();
    return true;
  }
  placement::apply(state_, inverse(move));
  roll_back_plans();
  return false;
}

Admission::Plans Admission::save_plans() const {
  return {plans_, incoming_, reserve_, failed_};
}

void Admission::restore_plans(const Plans& plans) {
  plans_ = plans.plans;
  incoming_ = plans.incoming;
  reserve_ = plans.reserve;
  failed_ = plans.failed;
  dirty_.clear();
}

void Admission::remove_guest(GuestIndex guest) {
  if (state_.guest(guest).host) take(guest);
  state_.remove_guest(guest);
}

std::optional<HostIndex> Admission::refuge(GuestIndex guest) const {
  const auto& home = state_.guest(guest).host;
  if (!home || !promised()) return std::nullopt;
  const std::vector<Start>& starts = plans_[unit_of(*home)].starts;
  const auto found = std::ranges::find(starts, guest, &Start::guest);
  if (found == starts.end()) return std::nullopt;
  return found->host;
}

Verdict Admission::verdict() {
  Verdict verdict;
  verdict.sets_planned = promised() ? units_.size() : 0;
  if (failed_.empty()) return verdict;
  const Unit unit = *failed_.begin();
  verdict.proof = Proof::Refuted;
  verdict.lost = units_[unit];
  verdict.no_room = plans_[unit].failure;
  return verdict;
}

}  // namespace aloft::placement
