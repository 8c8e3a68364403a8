// What planners answer with: steps to take and guests that found no room, with the reasons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "placement/eligibility.h"
#include "placement/farm.h"
#include "placement/state.h"

namespace aloft::placement {

enum class Purpose : std::uint8_t {
  MakeRoom,     // so that another guest can start where this one ran
  Balance,      // evens out load
  Rules,        // ends the breach of a rule
  Evacuate,     // the host is to be left
  Consolidate,  // the host is to be emptied for power saving or retirement
  Repair,       // a replica is missing
  EvenOut,      // replicas fill some hosts more than others
};

// One guest's change of host, of a replica, or of both: from == to when only a replica moves.
struct Move {
  GuestIndex guest;
  HostIndex from;
  HostIndex to;
  std::optional<HostIndex> drop_replica = std::nullopt;
  std::optional<HostIndex> add_replica = std::nullopt;
  Purpose purpose = Purpose::Balance;
  std::optional<GuestIndex> for_guest = std::nullopt;  // of MakeRoom
  Resource resource = Resource::Memory;                // that gains most
  double from_before = 0;  // utilisation of `from` in that resource, 0 .. 1
  double from_after = 0;
  double to_after = 0;
  double gain = 0;  // fall of the score
};
// "web3: h1 -> h4, evens out memory (h1 91 % -> 74 %, h4 then 61 %)"
[[nodiscard]] std::string explain(const State& state, const Move& move);

// Changes the state as the move says.
void apply(State& state, const Move& move);
// The move that takes it back.
[[nodiscard]] Move inverse(const Move& move);

// A guest for which no host is left.
struct NoRoom {
  GuestIndex guest;
  std::uint32_t hosts_refused = 0;
  // The host that came nearest: largest gap in the resource that is short, or any refusal.
  std::optional<Refusal> nearest = std::nullopt;
};
// "web7 (8 GiB of memory) finds no room; largest gap 6 GiB on h1"
[[nodiscard]] std::string explain(const State& state, const NoRoom& no_room);

// Why the prepared guest fits nowhere.
[[nodiscard]] NoRoom explain_no_room(const State& state, const Eligibility& eligibility);

}  // namespace aloft::placement
