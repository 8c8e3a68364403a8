// What became of a scenario, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "base/instant.h"
#include "sim/scenario.h"
#include "sim/scenario_player.h"

namespace aloft::sim {

// "31.842 s"
[[nodiscard]] std::string time_words(Instant at);
// "h1 0.902 s..30.000 s, h2 31.842 s.."; "never"
[[nodiscard]] std::string runs_words(const GuestAnswer& guest);
[[nodiscard]] std::string loss_words(const Loss& loss);

// `differences`: of judge().
[[nodiscard]] std::string report_text(const Scenario& scenario, const ScenarioAnswer& answer,
                                      const std::vector<std::string>& differences);
// One line of JSON; docs/reference/scenarios.md names its members.
[[nodiscard]] std::string report_json(const Scenario& scenario, const ScenarioAnswer& answer,
                                      const std::vector<std::string>& differences);

}  // namespace aloft::sim
