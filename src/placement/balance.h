// Balancing: few moves that make a farm's load, room and reserve more even.
//
// balance() is one round without memory: a plan from the state as it is. It takes the move with
// the largest gain, again and again, and stops when none is worth its price. Steadiness over many
// rounds (cool-down, hold, no second move under steady load) is balancer.h's. A guest gets at most
// one move in a plan (rounds in options).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "placement/admission.h"
#include "placement/plan.h"
#include "placement/score.h"
#include "placement/state.h"

namespace aloft::placement {

enum class ReplicaMoves : std::uint8_t { Never, Allowed };

struct BalanceOptions {
  ScoreOptions score = {};
  std::size_t max_moves = 100;
  double min_gain = 0.002;      // fall of the score that makes a move worth while
  double min_gain_share = 0;    // and of the score at the start, 0 .. 1
  double price_per_tib = 0.05;  // of memory or disk that is copied, as gain
  double rule_gain = 1;         // worth of ending the breach of a required rule
  ReplicaMoves replica_moves = ReplicaMoves::Allowed;
  // Hosts looked at as targets for each guest; the emptiest ones when the farm has more.
  std::size_t max_targets = 128;
  // Plans made from different first moves, of which the best is answered. Without an admission.
  std::uint32_t tries = 1;
  // A plan of several rounds may move a guest once in each.
  std::uint32_t rounds = 1;
  // Guests that may not move in this plan.
  std::function<bool(GuestIndex)> pinned = {};
};

struct BalancePlan {
  std::vector<Move> moves;  // in order; each fits once those before it are done
  double score_before = 0;
  double score_after = 0;
};

// Plans without changing anything in the end: `state` is as it was. With an admission no move is
// planned that ends its promise; the state must then be the admission's.
[[nodiscard]] BalancePlan balance(State& state, const BalanceOptions& options,
                                  Admission* admission = nullptr);

}  // namespace aloft::placement
