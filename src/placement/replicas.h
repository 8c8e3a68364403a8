// Replicas: put missing ones somewhere, and even out the space they take.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "placement/eligibility.h"
#include "placement/plan.h"
#include "placement/state.h"

namespace aloft::placement {

enum class ReplicaUse : std::uint8_t {
  MayStartThere,  // only disk is needed now
  RunsThere,      // the guest comes with it
};

// The best host for one more replica of the prepared guest: allowed for the guest, with room, in
// another rack than its other replicas when there is one, the least crowded of those.
[[nodiscard]] std::optional<HostIndex> choose_replica_host(const State& state,
                                                           const Eligibility& eligibility,
                                                           ReplicaUse use);

struct ReplicaPlan {
  std::vector<Move> moves;
  std::vector<NoRoom> unplaced;
};

// New replicas for guests that have fewer live ones than they want; replicas on lost hosts are
// dropped with it. A guest with no live replica is left alone: there is nothing to copy from.
[[nodiscard]] ReplicaPlan repair_replicas(State& state);

// Moves replicas (never that of the host a guest runs on) from the host with the fullest disk to
// emptier ones while that narrows the gap by more than `min_gap` of a disk.
[[nodiscard]] ReplicaPlan even_out_replicas(State& state, std::size_t max_moves,
                                            double min_gap = 0.05);

}  // namespace aloft::placement
