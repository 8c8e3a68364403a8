// Moves that a planner tries on a state and takes back when its plan is made.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "placement/admission.h"
#include "placement/plan.h"
#include "placement/state.h"

namespace aloft::placement {

class UndoableChanges {
 public:
  // With an admission, a move that ends its promise is not applied.
  UndoableChanges(State& state, Admission* admission);

  // False, and nothing is changed, when the promise does not allow the move.
  bool apply(const Move& move);
  // The state and the admission as they were.
  void undo();
  [[nodiscard]] const std::vector<Move>& moves() const { return moves_; }
  [[nodiscard]] Move& back() { return moves_.back(); }
  // Takes the moves out without undoing them: undoing is then the caller's.
  [[nodiscard]] std::vector<Move> release() { return std::exchange(moves_, {}); }

 private:
  State& state_;
  Admission* admission_;
  std::optional<Admission::Plans> plans_;
  std::vector<Move> moves_;
};

}  // namespace aloft::placement
