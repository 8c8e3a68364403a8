// Moves that a planner tries on a state and takes back when its plan is made.
#pragma once

#include <optional>
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
  // Back to what the first `count` moves made of the state. Only without an admission, or when
  // undo() follows.
  void undo_to(std::size_t count);
  [[nodiscard]] const std::vector<Move>& moves() const { return moves_; }
  [[nodiscard]] Move& back() { return moves_.back(); }

 private:
  void revert(const Move& move);

  State& state_;
  Admission* admission_;
  std::optional<Admission::Plans> plans_;
  std::vector<Move> moves_;
};

}  // namespace aloft::placement
