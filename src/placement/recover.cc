#include "placement/recover.h"

#include <algorithm>
#include <limits>

#include "placement/choose.h"
#include "placement/limits.h"

namespace aloft::placement {
namespace {

// One more boot on a host weighs as much as a tenth of its capacity.
constexpr double kBootWeight = 0.1;

// Largest share of any resource of a mean host: how hard a guest is to place.
double bulk(const State& state, GuestIndex guest, const Amounts& largest) {
  const Amounts needs = state.running_needs(guest);
  double share = 0;
  for (Resource resource : kResources) {
    if (largest[resource] <= 0) continue;
    share = std::max(share,
                     static_cast<double>(needs[resource]) / static_cast<double>(largest[resource]));
  }
  return share;
}

Amounts largest_capacity(const State& state) {
  Amounts largest;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    largest = largest.max(state.capacity(HostIndex(h)));
  }
  return largest;
}

// How far the host is from having room: 0 = it has.
double deficit(const State& state, HostIndex host, const Amounts& needs) {
  double sum = 0;
  for (Resource resource : kResources) {
    const std::int64_t missing = needs[resource] - state.free(host)[resource];
    if (needs[resource] == 0 || missing <= 0) continue;
    if (state.capacity(host)[resource] < needs[resource]) return 1e9;
    sum += static_cast<double>(missing) / static_cast<double>(state.capacity(host)[resource]);
  }
  return sum;
}

}  // namespace

RecoveryPlanner::RecoveryPlanner(State& state)
    : state_(state),
      eligibility_(state),
      other_(state),
      largest_(largest_capacity(state)),
      starts_on_(state.host_count()) {}

std::vector<GuestIndex> RecoveryPlanner::fail_hosts(std::span<const HostIndex> lost, Undo& undo) {
  for (HostIndex host : lost) {
    undo.states.emplace_back(host, state_.host(host).state);
    state_.set_host_state(host, HostState::Lost);
  }
  std::vector<GuestIndex> guests;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    if (state_.host(HostIndex(h)).state != HostState::Lost) continue;
    for (GuestIndex guest : state_.guests_on(HostIndex(h))) {
      undo.places.emplace_back(guest, HostIndex(h));
      if (state_.guest(guest).restartable) guests.push_back(guest);
    }
  }
  for (const auto& [guest, host] : undo.places) state_.take(guest);
  return guests;
}

void RecoveryPlanner::spread(std::span<const GuestIndex> guests, const RecoveryOptions& options) {
  for (GuestIndex guest : guests) {
    eligibility_.prepare(guest);
    const std::uint32_t hosts = state_.host_count();
    const Scan scan{.first = hosts == 0 ? 0 : guest.value() * 2654435761U % hosts,
                    .enough = options.enough_hosts};
    const auto choice = best_host(
        state_, eligibility_, scan, [&](HostIndex host) { return eligibility_.has_room(host); },
        [&](HostIndex host) {
          return crowding(state_, host, eligibility_.needs()) +
                 kBootWeight * starts_on_[host.value()] + eligibility_.penalty(host) / 100;
        });
    if (!choice) continue;
    state_.put(guest, choice->host);
    ++starts_on_[choice->host.value()];
  }
}

// The tightest fit first, largest guests first: finds packings that spreading misses.
bool RecoveryPlanner::pack(std::span<const GuestIndex> guests) {
  std::vector<GuestIndex> order(guests.begin(), guests.end());
  std::ranges::sort(order, {}, [&](GuestIndex guest) {
    return std::pair(-bulk(state_, guest, largest_), guest);
  });

  for (GuestIndex guest : order) {
    eligibility_.prepare(guest);
    const auto choice = best_host(
        state_, eligibility_, Scan{}, [&](HostIndex host) { return eligibility_.has_room(host); },
        [&](HostIndex host) { return -crowding(state_, host, eligibility_.needs()); });
    if (!choice) return false;
    state_.put(guest, choice->host);
  }
  return true;
}

// Depth-first over all placements, in a bounded number of nodes.
bool RecoveryPlanner::search(std::span<const GuestIndex> guests, std::size_t at,
                             std::size_t& nodes) {
  if (at == guests.size()) return true;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    const HostIndex host(h);
    eligibility_.prepare(guests[at]);
    if (!eligibility_.has_room(host) || !eligibility_.allows(host)) continue;
    if (++nodes > kMaxSearchNodes) return false;
    state_.put(guests[at], host);
    if (search(guests, at + 1, nodes)) return true;
    state_.take(guests[at]);
  }
  return false;
}

bool RecoveryPlanner::clear_one(GuestIndex guest, HostIndex host, std::vector<Move>& moves,
                                std::size_t& tries) {
  eligibility_.prepare(guest);
  const Amounts needs = eligibility_.needs();
  // The smallest guest that makes enough room alone, else the largest that helps.
  const double before = deficit(state_, host, needs);
  struct Candidate {
    double left;
    double size;
    GuestIndex guest;
  };
  std::vector<Candidate> candidates;
  for (GuestIndex other : state_.guests_on(host)) {
    const Guest& g = state_.guest(other);
    if (!g.movable && !waiting_[other.value()]) continue;
    const Amounts gone = state_.running_needs(other);
    Amounts rest = needs;
    for (Resource resource : kResources) {
      if (rest[resource] != 0)
        rest[resource] = std::max<std::int64_t>(rest[resource] - gone[resource], 0);
    }
    const double left = deficit(state_, host, rest);
    if (left < before) candidates.push_back({left, crowding(state_, host, gone), other});
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return std::tuple(a.left, a.size, a.guest) < std::tuple(b.left, b.size, b.guest);
  });
  for (const Candidate& candidate : candidates) {
    if (++tries > kMaxRoomMakingTries) return false;
    other_.prepare(candidate.guest);
    const auto choice = best_host(
        state_, other_, Scan{}, [&](HostIndex to) { return to != host && other_.has_room(to); },
        [&](HostIndex to) {
          return crowding(state_, to, other_.needs()) + other_.penalty(to) / 100;
        });
    if (!choice) continue;
    moves.push_back({.guest = candidate.guest,
                     .from = host,
                     .to = choice->host,
                     .purpose = Purpose::MakeRoom,
                     .for_guest = guest});
    state_.move(candidate.guest, choice->host);
    return true;
  }
  return false;
}

bool RecoveryPlanner::make_room_on(GuestIndex guest, HostIndex host, std::vector<Move>& moves,
                                   std::size_t& tries) {
  const std::size_t before = moves.size();
  for (std::size_t i = 0; i < kMaxMovesForOneStart; ++i) {
    if (!clear_one(guest, host, moves, tries)) break;
    eligibility_.prepare(guest);
    if (eligibility_.has_room(host) && eligibility_.allows(host)) {
      state_.put(guest, host);
      return true;
    }
  }
  while (moves.size() > before) {
    state_.move(moves.back().guest, moves.back().from);
    moves.pop_back();
  }
  return false;
}

bool RecoveryPlanner::make_room(GuestIndex guest, std::vector<Move>& moves, std::size_t& tries) {
  eligibility_.prepare(guest);
  std::vector<std::pair<double, HostIndex>> hosts;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    const HostIndex host(h);
    if (!eligibility_.allows(host)) continue;
    const double missing = deficit(state_, host, eligibility_.needs());
    if (missing < 1e9) hosts.emplace_back(missing, host);
  }
  std::ranges::sort(hosts);
  for (const auto& [missing, host] : hosts) {
    if (tries > kMaxRoomMakingTries) return false;
    if (make_room_on(guest, host, moves, tries)) return true;
  }
  return false;
}

void RecoveryPlanner::unplace(std::span<const GuestIndex> guests) {
  for (GuestIndex guest : guests) {
    if (state_.guest(guest).host) state_.take(guest);
  }
}

RecoveryPlan RecoveryPlanner::plan(std::span<const HostIndex> lost,
                                   const RecoveryOptions& options) {
  Undo undo;
  std::vector<GuestIndex> guests = fail_hosts(lost, undo);
  std::ranges::sort(guests, [&](GuestIndex a, GuestIndex b) {
    const auto key = [&](GuestIndex guest) {
      return std::tuple(-std::int64_t{state_.guest(guest).priority}, -bulk(state_, guest, largest_),
                        guest);
    };
    return key(a) < key(b);
  });
  std::ranges::fill(starts_on_, 0);
  const auto complete = [&] {
    return std::ranges::all_of(
        guests, [&](GuestIndex guest) { return state_.guest(guest).host.has_value(); });
  };
  RecoveryPlan plan;
  spread(guests, options);
  bool whole = complete();
  if (!whole) {
    unplace(guests);
    whole = pack(guests);
    if (!whole && guests.size() <= kMaxExactGuests) {
      unplace(guests);
      std::size_t nodes = 0;
      whole = search(guests, 0, nodes);
    }
    if (!whole) {
      unplace(guests);
      std::ranges::fill(starts_on_, 0);
      spread(guests, options);
    }
  }
  if (!whole && options.room_making == RoomMaking::ByMoves) {
    waiting_.assign(state_.guest_count(), false);
    for (GuestIndex guest : guests) waiting_[guest.value()] = true;
    std::size_t tries = 0;
    for (GuestIndex guest : guests) {
      if (!state_.guest(guest).host) make_room(guest, plan.moves, tries);
    }
  }
  for (GuestIndex guest : guests) {
    const auto& place = state_.guest(guest).host;
    if (!place) {
      eligibility_.prepare(guest);
      plan.unplaced.push_back(explain_no_room(state_, eligibility_));
      continue;
    }
    plan.starts.push_back({.guest = guest, .host = *place});
  }
  // What only waited to start needs no move: its start is planned elsewhere at once.
  std::vector<std::pair<GuestIndex, HostIndex>> moved;
  for (const Move& move : plan.moves) moved.emplace_back(move.guest, move.from);
  std::erase_if(plan.moves, [&](const Move& move) { return waiting_[move.guest.value()]; });
  std::ranges::fill(starts_on_, 0);
  const std::uint32_t at_once = std::max<std::uint32_t>(options.starts_at_once, 1);
  for (Start& start : plan.starts) {
    start.wave = starts_on_[start.host.value()]++ / at_once;
    start.needs_moves =
        std::ranges::any_of(plan.moves, [&](const Move& move) { return move.from == start.host; });
  }
  unplace(guests);
  for (auto at = moved.rbegin(); at != moved.rend(); ++at) {
    if (state_.guest(at->first).host) state_.move(at->first, at->second);
  }
  for (const auto& [guest, host] : undo.places) state_.put(guest, host);
  for (auto at = undo.states.rbegin(); at != undo.states.rend(); ++at) {
    state_.set_host_state(at->first, at->second);
  }
  return plan;
}

RecoveryPlan recover(State& state, std::span<const HostIndex> lost,
                     const RecoveryOptions& options) {
  return RecoveryPlanner(state).plan(lost, options);
}

}  // namespace aloft::placement
