// Parts of guests' messages that placement is about. Shows protobuf: for .cc files only.
#pragma once

#include "aloft/v1/guest.pb.h"
#include "model/placement.h"

namespace aloft::model {

[[nodiscard]] Placement placement_from(const v1::Placement& message);
void placement_to(const Placement& placement, v1::Placement& message);
[[nodiscard]] Load load_from(const v1::Load& message);
void load_to(const Load& load, v1::Load& message);

}  // namespace aloft::model
