#include "placement/undo.h"

namespace aloft::placement {

UndoableChanges::UndoableChanges(State& state, Admission* admission)
    : state_(state), admission_(admission) {
  if (admission != nullptr) plans_ = admission->save_plans();
}

bool UndoableChanges::apply(const Move& move) {
  if (admission_ == nullptr) {
    placement::apply(state_, move);
  } else if (!admission_->try_move(move)) {
    return false;
  }
  moves_.push_back(move);
  return true;
}

void UndoableChanges::undo() {
  while (!moves_.empty()) {
    placement::apply(state_, inverse(moves_.back()));
    moves_.pop_back();
  }
  if (admission_ != nullptr) admission_->restore_plans(*plans_);
}

}  // namespace aloft::placement
