#include "placement/evacuate.h"

#include <algorithm>
#include <tuple>

#include "placement/choose.h"
#include "placement/replicas.h"
#include "placement/undo.h"

namespace aloft::placement {
namespace {

class Evacuation {
 public:
  Evacuation(State& state, std::span<const HostIndex> hosts, Leave leave, Purpose purpose)
      : state_(state),
        hosts_(hosts.begin(), hosts.end()),
        leave_(leave),
        purpose_(purpose),
        eligibility_(state) {}

  // Changes the state as the plan says and leaves the hosts in maintenance.
  EvacuationPlan run();
  void restore_host_states() {
    for (auto at = states_.rbegin(); at != states_.rend(); ++at) {
      state_.set_host_state(at->first, at->second);
    }
  }

 private:
  [[nodiscard]] std::optional<Move> destination(GuestIndex guest, HostIndex from);
  [[nodiscard]] std::optional<Move> with_new_replica(GuestIndex guest, HostIndex from);
  void move_replicas(HostIndex host, EvacuationPlan& plan);

  State& state_;
  std::vector<HostIndex> hosts_;
  Leave leave_;
  Purpose purpose_;
  Eligibility eligibility_;
  std::vector<std::pair<HostIndex, HostState>> states_;
};

// Requires: the guest has been taken off `from`.
std::optional<Move> Evacuation::destination(GuestIndex guest, HostIndex from) {
  eligibility_.prepare(guest);
  const auto choice = best_host(
      state_, eligibility_, Scan{}, [&](HostIndex host) { return eligibility_.has_room(host); },
      [&](HostIndex host) {
        return crowding(state_, host, eligibility_.needs()) + eligibility_.penalty(host) / 100;
      });
  if (!choice) return with_new_replica(guest, from);
  return Move{.guest = guest, .from = from, .to = choice->host, .purpose = purpose_};
}

// A guest bound to its replicas takes the one on the host that is left along.
std::optional<Move> Evacuation::with_new_replica(GuestIndex guest, HostIndex from) {
  const Guest& g = state_.guest(guest);
  if (g.locality != Locality::Required || std::ranges::find(g.replicas, from) == g.replicas.end()) {
    return std::nullopt;
  }
  const auto to = choose_replica_host(state_, eligibility_, ReplicaUse::RunsThere);
  if (!to) return std::nullopt;
  return Move{.guest = guest,
              .from = from,
              .to = *to,
              .drop_replica = from,
              .add_replica = *to,
              .purpose = purpose_};
}

void Evacuation::move_replicas(HostIndex host, EvacuationPlan& plan) {
  const std::vector<GuestIndex> guests(state_.replicas_on(host).begin(),
                                       state_.replicas_on(host).end());
  for (GuestIndex guest : guests) {
    const auto& home = state_.guest(guest).host;
    if (home == host) continue;  // reported with the guest
    eligibility_.prepare(guest);
    const auto to = choose_replica_host(state_, eligibility_, ReplicaUse::MayStartThere);
    if (!to) {
      plan.unplaced.push_back(explain_no_room(state_, eligibility_));
      continue;
    }
    const Move move{.guest = guest,
                    .from = home.value_or(host),
                    .to = home.value_or(host),
                    .drop_replica = host,
                    .add_replica = *to,
                    .purpose = purpose_};
    apply(state_, move);
    plan.moves.push_back(move);
  }
}

EvacuationPlan Evacuation::run() {
  std::vector<std::pair<GuestIndex, HostIndex>> guests;
  for (HostIndex host : hosts_) {
    states_.emplace_back(host, state_.host(host).state);
    state_.set_host_state(host, HostState::Maintenance);
    for (GuestIndex guest : state_.guests_on(host)) guests.emplace_back(guest, host);
  }
  std::ranges::sort(guests);
  const auto [first, last] = std::ranges::unique(guests);
  guests.erase(first, last);
  std::ranges::sort(guests, {}, [&](const auto& entry) {
    const Guest& guest = state_.guest(entry.first);
    return std::tuple(-guest.needs[Resource::Memory], -guest.needs[Resource::Cpu], entry.first);
  });
  EvacuationPlan plan;
  // All leave first, so that guests kept together find a new place together.
  std::vector<std::pair<GuestIndex, HostIndex>> leaving;
  for (const auto& [guest, host] : guests) {
    if (state_.guest(guest).movable) {
      leaving.emplace_back(guest, host);
    } else {
      eligibility_.prepare(guest);
      plan.unplaced.push_back({.guest = guest});
    }
  }
  for (const auto& [guest, host] : leaving) state_.take(guest);
  for (const auto& [guest, host] : leaving) {
    const auto move = destination(guest, host);
    if (!move) {
      plan.unplaced.push_back(explain_no_room(state_, eligibility_));
      state_.put(guest, host);
      continue;
    }
    state_.put(guest, host);
    apply(state_, *move);
    plan.moves.push_back(*move);
  }
  if (leave_ == Leave::GuestsAndReplicas) {
    for (HostIndex host : hosts_) move_replicas(host, plan);
  }
  return plan;
}

void take_back(State& state, const std::vector<Move>& moves) {
  for (auto at = moves.rbegin(); at != moves.rend(); ++at) apply(state, inverse(*at));
}

}  // namespace

EvacuationPlan evacuate(State& state, std::span<const HostIndex> hosts, Leave leave) {
  Evacuation evacuation(state, hosts, leave, Purpose::Evacuate);
  EvacuationPlan plan = evacuation.run();
  take_back(state, plan.moves);
  evacuation.restore_host_states();
  return plan;
}

ConsolidationPlan consolidate(State& state, Tolerance tolerance, std::uint32_t max_hosts) {
  std::vector<std::pair<std::int64_t, HostIndex>> order;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    const HostIndex host(h);
    if (!state.up(host)) continue;
    const Amounts used = state.capacity(host) - state.free(host);
    order.emplace_back(used[Resource::Memory], host);
  }
  std::ranges::sort(order);
  ConsolidationPlan plan;
  for (const auto& [used, host] : order) {
    if (plan.emptied.size() >= max_hosts) break;
    const std::vector<HostIndex> one = {host};
    Evacuation evacuation(state, one, Leave::GuestsAndReplicas, Purpose::Consolidate);
    const EvacuationPlan left = evacuation.run();
    const bool kept = left.complete() && Admission(state, tolerance).prove().proof == Proof::Proved;
    if (!kept) {
      take_back(state, left.moves);
      evacuation.restore_host_states();
      continue;
    }
    plan.emptied.push_back(host);
    plan.moves.insert(plan.moves.end(), left.moves.begin(), left.moves.end());
  }
  take_back(state, plan.moves);
  for (HostIndex host : plan.emptied) state.set_host_state(host, HostState::Up);
  return plan;
}

}  // namespace aloft::placement
