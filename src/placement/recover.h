// The recovery plan: which guest of lost hosts starts where, and in which order.
//
// Guests are served by priority. Starts are spread, so that no host boots many at once. When room
// is missing, a plan tries in this order: the tightest packing, an exact search (few guests), and
// moves of running guests that make room (options).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "placement/eligibility.h"
#include "placement/plan.h"
#include "placement/state.h"

namespace aloft::placement {

enum class RoomMaking : std::uint8_t { Never, ByMoves };

struct RecoveryOptions {
  RoomMaking room_making = RoomMaking::ByMoves;
  std::uint32_t starts_at_once = 4;  // of one host, in one wave; at least 1
  // Hosts that fit looked at for each guest: fewer is faster, more spreads better.
  std::size_t enough_hosts = SIZE_MAX;
};

struct Start {
  GuestIndex guest;
  HostIndex host;
  std::uint32_t wave = 0;    // starts of one wave and host may boot together
  bool needs_moves = false;  // only after the moves that leave its host
};

struct RecoveryPlan {
  std::vector<Move> moves;       // in order; each fits once those before it are done
  std::vector<Start> starts;     // by priority, highest first
  std::vector<NoRoom> unplaced;  // by priority, highest first
  [[nodiscard]] bool complete() const { return unplaced.empty(); }
};

// Plans the restart of every restartable guest on the hosts in `lost` and on hosts whose state is
// Lost. Changes `state` while it works and leaves it as it was. Requires: existing host indexes.
[[nodiscard]] RecoveryPlan recover(State& state, std::span<const HostIndex> lost,
                                   const RecoveryOptions& options = {});

// The same with scratch memory kept, for proofs that plan many failures.
class RecoveryPlanner {
 public:
  explicit RecoveryPlanner(State& state);

  [[nodiscard]] RecoveryPlan plan(std::span<const HostIndex> lost, const RecoveryOptions& options);

 private:
  struct Undo {
    std::vector<std::pair<HostIndex, HostState>> states;
    std::vector<std::pair<GuestIndex, HostIndex>> places;
  };
  std::vector<GuestIndex> fail_hosts(std::span<const HostIndex> lost, Undo& undo);
  void spread(std::span<const GuestIndex> guests, const RecoveryOptions& options);
  bool pack(std::span<const GuestIndex> guests);
  bool search(std::span<const GuestIndex> guests, std::size_t at, std::size_t& nodes);
  bool make_room(GuestIndex guest, std::vector<Move>& moves, std::size_t& tries);
  bool make_room_on(GuestIndex guest, HostIndex host, std::vector<Move>& moves, std::size_t& tries);
  bool clear_one(GuestIndex guest, HostIndex host, std::vector<Move>& moves, std::size_t& tries);
  void unplace(std::span<const GuestIndex> guests);

  State& state_;
  Eligibility eligibility_;
  Eligibility other_;
  Amounts largest_;  // over all hosts, each resource
  std::vector<std::uint32_t> starts_on_;
  std::vector<bool> waiting_;  // guests of this plan, not running yet
};

}  // namespace aloft::placement
