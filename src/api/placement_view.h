// The farm as placement sees it, read from the records; and the last word of placement on changes.
//
// Every function reads the records anew: what it answers holds for the revision it was read at.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "placement/admission.h"
#include "placement/score.h"
#include "placement/view.h"
#include "records/records.h"

namespace aloft::api {

struct PlacementView {
  placement::View view;  // names and problems; the farm in it has moved into `state`
  placement::State state;
  store::Revision revision;
};

// The farm's settings; those of a farm that nobody has set up when there are none.
[[nodiscard]] Result<model::FarmSpec> farm_settings(records::Records& records);

// `change` may edit what was read before it is looked at.
struct FarmRecords {
  std::vector<model::Host> hosts;
  std::vector<model::Guest> guests;
  std::vector<model::Rule> rules;
  std::vector<model::Image> images;
  std::vector<model::Volume> volumes;
  model::FarmSpec settings;
  store::Revision revision;
};
[[nodiscard]] Result<FarmRecords> read_farm(records::Records& records);
[[nodiscard]] Result<PlacementView> view_farm(const FarmRecords& farm);

// Whether the farm can take the guest as it is now wished, be it new or changed: room on its host
// (or on any), and the promise of `tolerate` after it. A promise that is broken already does not
// refuse what does not make it worse. Farms none of whose hosts has reported yet refuse nothing.
// Errors: ResourceExhausted "placement.no_room", "placement.not_tolerated" (with the
// counter-example); InvalidArgument of placement's validation.
[[nodiscard]] Result<void> admit_placement(records::Records& records, const model::Guest& guest);

// Whether the rule can hold beside the others. Errors: FailedPrecondition "rule.guest_missing";
// InvalidArgument "placement.rules_contradict", "placement.rule_unsatisfiable".
[[nodiscard]] Result<void> admit_rule(records::Records& records, const model::Rule& rule);

}  // namespace aloft::api
