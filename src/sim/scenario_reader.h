// Reads a scenario file. Nothing in it is trusted: whatever is wrong is named with its line and
// column, and nothing is half read.
#pragma once

#include <string_view>

#include "base/result.h"
#include "sim/scenario.h"

namespace aloft::sim {

// `file`: the name that errors begin with.
// Errors: InvalidArgument "scenario.syntax" (shape of the file), "scenario.unknown_name" (host,
// guest, state or command that does not exist), "scenario.bad_time", "scenario.bad_value",
// "scenario.rules_contradict"; ResourceExhausted "scenario.too_large"; those of read_json.
[[nodiscard]] Result<Scenario> read_scenario(std::string_view text, std::string_view file);

// "1.5 s", "200 ms", "2 min", "1 h"; nullopt: something else, or not within 0 .. one week.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

}  // namespace aloft::sim
