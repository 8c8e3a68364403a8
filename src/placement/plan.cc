#include "placement/plan.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace aloft::placement {
namespace {

long percent(double share) {
  return std::lround(share * 100);
}

std::string change(const State& state, const Move& move) {
  const auto name = [&](HostIndex host) -> const std::string& { return state.host(host).name; };
  std::string text = state.guest(move.guest).name + ":";
  if (move.from != move.to) text += fmt::format(" {} -> {}", name(move.from), name(move.to));
  if (move.add_replica && move.drop_replica) {
    text += fmt::format("{} replica {} -> {}", move.from != move.to ? "," : "",
                        name(*move.drop_replica), name(*move.add_replica));
  } else if (move.add_replica) {
    text += fmt::format("{} new replica on {}", move.from != move.to ? "," : "",
                        name(*move.add_replica));
  } else if (move.drop_replica) {
    text += fmt::format("{} replica on {} goes", move.from != move.to ? "," : "",
                        name(*move.drop_replica));
  }
  return text;
}

}  // namespace

std::string explain(const State& state, const Move& move) {
  const std::string what = change(state, move);
  switch (move.purpose) {
    case Purpose::MakeRoom:
      return fmt::format("{}, makes room for {}", what,
                         move.for_guest ? state.guest(*move.for_guest).name : "a start");
    case Purpose::Balance:
      return fmt::format("{}, evens out {} ({} {} % -> {} %, {} then {} %)", what,
                         to_string(move.resource), state.host(move.from).name,
                         percent(move.from_before), percent(move.from_after),
                         state.host(move.to).name, percent(move.to_after));
    case Purpose::Rules:
      return fmt::format("{}, ends the breach of a rule", what);
    case Purpose::Evacuate:
      return fmt::format("{}, host {} is to be left", what, state.host(move.from).name);
    case Purpose::Consolidate:
      return fmt::format("{}, host {} is to be emptied", what, state.host(move.from).name);
    case Purpose::Repair:
      return fmt::format("{}, of {} replicas wanted one is missing", what,
                         state.guest(move.guest).replica_count);
    case Purpose::EvenOut:
      return fmt::format("{}, evens out disk space ({} % -> {} %, then {} %)", what,
                         percent(move.from_before), percent(move.from_after),
                         percent(move.to_after));
  }
  return what;
}

void apply(State& state, const Move& move) {
  if (move.add_replica) state.add_replica(move.guest, *move.add_replica);
  if (move.from != move.to) state.move(move.guest, move.to);
  if (move.drop_replica) state.drop_replica(move.guest, *move.drop_replica);
}

Move inverse(const Move& move) {
  Move back = move;
  std::swap(back.from, back.to);
  std::swap(back.add_replica, back.drop_replica);
  return back;
}

NoRoom explain_no_room(const State& state, const Eligibility& eligibility) {
  NoRoom result{.guest = eligibility.guest()};
  const auto better = [](const Refusal& a, const Refusal& b) {
    const bool a_room = a.obstacle == Obstacle::Room || a.obstacle == Obstacle::Reserve;
    const bool b_room = b.obstacle == Obstacle::Room || b.obstacle == Obstacle::Reserve;
    if (a_room != b_room) return a_room;
    return a_room && a.free - a.needed > b.free - b.needed;
  };
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    const HostIndex host(h);
    if (eligibility.allows(host) && eligibility.has_room(host)) continue;
    const Refusal refusal = eligibility.refusal(host);
    ++result.hosts_refused;
    const bool lost = refusal.obstacle == Obstacle::HostDown;
    if (!result.nearest || (!lost && result.nearest->obstacle == Obstacle::HostDown) ||
        (!lost && better(refusal, *result.nearest))) {
      result.nearest = refusal;
    }
  }
  return result;
}

std::string explain(const State& state, const NoRoom& no_room) {
  const std::string& name = state.guest(no_room.guest).name;
  if (!no_room.nearest) return fmt::format("{} finds no room: the farm has no hosts", name);
  const Refusal& nearest = *no_room.nearest;
  if (nearest.obstacle == Obstacle::Room) {
    return fmt::format("{} ({} of {}) finds no room; largest gap {} on {}", name,
                       describe(nearest.resource, nearest.needed), to_string(nearest.resource),
                       describe(nearest.resource, nearest.free), state.host(nearest.host).name);
  }
  return fmt::format("{} finds no place: {}", name, to_string(state, nearest));
}

}  // namespace aloft::placement
