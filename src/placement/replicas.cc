#include "placement/replicas.h"

#include <algorithm>

#include "placement/undo.h"

namespace aloft::placement {
namespace {

constexpr double kSameRackPenalty = 10;

double disk_share(const State& state, HostIndex host) {
  const std::int64_t capacity = state.capacity(host)[Resource::Disk];
  if (capacity <= 0) return 1;
  const std::int64_t used = capacity - state.free(host)[Resource::Disk];
  return static_cast<double>(used) / static_cast<double>(capacity);
}

Move replica_move(const State& state, GuestIndex guest, Purpose purpose) {
  const Guest& g = state.guest(guest);
  const HostIndex home = g.host.value_or(g.replicas.front());
  return {.guest = guest, .from = home, .to = home, .purpose = purpose};
}

// The largest step from `from` to an emptier host that does not turn the gap round.
std::optional<Move> narrowing_move(State& state, Eligibility& eligibility, HostIndex from,
                                   double min_gap) {
  std::optional<Move> best;
  double best_gap = min_gap;
  for (GuestIndex guest : state.replicas_on(from)) {
    const Guest& g = state.guest(guest);
    if (g.host == from || !g.movable) continue;
    eligibility.prepare(guest);
    const auto to = choose_replica_host(state, eligibility, ReplicaUse::MayStartThere);
    if (!to || state.capacity(*to)[Resource::Disk] <= 0) continue;
    const auto size = static_cast<double>(g.needs[Resource::Disk]);
    const double before = disk_share(state, from) - disk_share(state, *to);
    const double after = before - size / static_cast<double>(state.capacity(from)[Resource::Disk]) -
                         size / static_cast<double>(state.capacity(*to)[Resource::Disk]);
    if (before - std::abs(after) <= best_gap) continue;
    best_gap = before - std::abs(after);
    best = replica_move(state, guest, Purpose::EvenOut);
    best->drop_replica = from;
    best->add_replica = *to;
    best->resource = Resource::Disk;
    best->gain = best_gap;
  }
  return best;
}

}  // namespace

std::optional<HostIndex> choose_replica_host(const State& state, const Eligibility& eligibility,
                                             ReplicaUse use) {
  const Guest& guest = state.guest(eligibility.guest());
  Amounts needs;
  if (use == ReplicaUse::RunsThere) needs = eligibility.needs();
  needs[Resource::Disk] = guest.needs[Resource::Disk];
  std::optional<Choice> best;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    const HostIndex host(h);
    if (!needs.fits_in(state.free(host))) continue;
    if (std::ranges::find(guest.replicas, host) != guest.replicas.end()) continue;
    double score = crowding(state, host, needs) + eligibility.penalty(host) / 100;
    for (HostIndex other : guest.replicas) {
      if (state.host(other).state == HostState::Lost) continue;
      if (state.domain(Level::Rack, other) == state.domain(Level::Rack, host)) {
        score += kSameRackPenalty;
      }
    }
    if (best && score >= best->score) continue;
    if (eligibility.allows_with_replica(host)) best = Choice{host, score};
  }
  if (!best) return std::nullopt;
  return best->host;
}

ReplicaPlan repair_replicas(State& state) {
  ReplicaPlan plan;
  Eligibility eligibility(state);
  UndoableChanges changes(state, nullptr);
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    const GuestIndex guest(g);
    if (!state.present(guest)) continue;
    const auto lost = [&](HostIndex host) { return state.host(host).state == HostState::Lost; };
    const auto live = [&] {
      const auto& all = state.guest(guest).replicas;
      return static_cast<std::uint32_t>(all.size()) -
             static_cast<std::uint32_t>(std::ranges::count_if(all, lost));
    };
    while (live() > 0 && live() < state.guest(guest).replica_count) {
      eligibility.prepare(guest);
      const auto to = choose_replica_host(state, eligibility, ReplicaUse::MayStartThere);
      if (!to) {
        plan.unplaced.push_back(explain_no_room(state, eligibility));
        break;
      }
      Move move = replica_move(state, guest, Purpose::Repair);
      move.add_replica = *to;
      const auto& all = state.guest(guest).replicas;
      if (const auto gone = std::ranges::find_if(all, lost); gone != all.end()) {
        move.drop_replica = *gone;
      }
      changes.apply(move);
    }
  }
  plan.moves = changes.moves();
  changes.undo();
  return plan;
}

ReplicaPlan even_out_replicas(State& state, std::size_t max_moves, double min_gap) {
  ReplicaPlan plan;
  Eligibility eligibility(state);
  UndoableChanges changes(state, nullptr);
  std::vector<HostIndex> hosts;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    if (state.up(HostIndex(h)) && state.capacity(HostIndex(h))[Resource::Disk] > 0) {
      hosts.emplace_back(h);
    }
  }
  while (!hosts.empty() && changes.moves().size() < max_moves) {
    const auto fullest = std::ranges::max_element(
        hosts, {}, [&](HostIndex host) { return disk_share(state, host); });
    auto move = narrowing_move(state, eligibility, *fullest, min_gap);
    if (!move) {
      hosts.erase(fullest);
      continue;
    }
    move->from_before = disk_share(state, *move->drop_replica);
    changes.apply(*move);
    changes.back().from_before = move->from_before;
    changes.back().from_after = disk_share(state, *move->drop_replica);
    changes.back().to_after = disk_share(state, *move->add_replica);
  }
  plan.moves = changes.moves();
  changes.undo();
  return plan;
}

}  // namespace aloft::placement
