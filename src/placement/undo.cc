#include "placement/undo.h"

#include <utility>

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

void UndoableChanges::revert(const Move& move) {
  Move back = move;
  std::swap(back.from, back.to);
  std::swap(back.add_replica, back.drop_replica);
  placement::apply(state_, back);
}

void UndoableChanges::undo_to(std::size_t count) {
  while (moves_.size() > count) {
    revert(moves_.back());
    moves_.pop_back();
  }
}

void UndoableChanges::undo() {
  undo_to(0);
  if (admission_ != nullptr) admission_->restore_plans(*plans_);
}

}  // namespace aloft::placement
