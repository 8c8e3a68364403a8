// Compares what became of a scenario with what it expects.
#pragma once

#include <string>
#include <vector>

#include "sim/scenario.h"
#include "sim/scenario_player.h"

namespace aloft::sim {

// One sentence for each difference, with what was seen; empty: all as expected. A broken rule is
// always a difference.
[[nodiscard]] std::vector<std::string> judge(const Scenario& scenario,
                                             const ScenarioAnswer& answer);

}  // namespace aloft::sim
