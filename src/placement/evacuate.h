// Leaving hosts: for maintenance, for power saving, for retirement.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "placement/admission.h"
#include "placement/plan.h"
#include "placement/state.h"

namespace aloft::placement {

enum class Leave : std::uint8_t {
  Guests,             // replicas stay, the host comes back
  GuestsAndReplicas,  // nothing stays
};

struct EvacuationPlan {
  std::vector<Move> moves;       // in order; each fits once those before it are done
  std::vector<NoRoom> unplaced;  // guests and replicas that must stay, with the reason
  [[nodiscard]] bool complete() const { return unplaced.empty(); }
};

// Plans how the guests of `hosts` go elsewhere: the hardest to place first, guests kept together
// side by side. Leaves `state` as it was.
[[nodiscard]] EvacuationPlan evacuate(State& state, std::span<const HostIndex> hosts,
                                      Leave leave = Leave::Guests);

struct ConsolidationPlan {
  std::vector<HostIndex> emptied;  // in the order they are emptied
  std::vector<Move> moves;
};

// Empties as many of the least used hosts as it can, at most `max_hosts`, and keeps the promise of
// `tolerance` with those that are left. Leaves `state` as it was.
[[nodiscard]] ConsolidationPlan consolidate(State& state, Tolerance tolerance,
                                            std::uint32_t max_hosts);

}  // namespace aloft::placement
