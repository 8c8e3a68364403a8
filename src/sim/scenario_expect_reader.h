// Reads what a scenario expects. Internal to the reader.
#pragma once

#include <string_view>

#include "base/result.h"
#include "sim/scenario.h"
#include "sim/scenario_command.h"
#include "sim/scenario_json.h"

namespace aloft::sim {

// `value`: the member `expect`; nullptr: nothing is expected. Errors: as read_scenario.
[[nodiscard]] Result<void> read_expectations(std::string_view file, const JsonValue* value,
                                             const NameMap& hosts, const NameMap& guests,
                                             Expectations& out);

}  // namespace aloft::sim
