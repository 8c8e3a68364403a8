// Between JSON and YAML: what people read and edit.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::cli {

// Block style, keys in their order, texts of several lines as blocks; strings that YAML would read
// as something else are quoted. Requires: `json` is valid JSON.
[[nodiscard]] std::string yaml_from_json(std::string_view json);
[[nodiscard]] std::string pretty_json(std::string_view json);

// Plain true, false and null keep their meaning, every other scalar becomes a string (protobuf's
// JSON mapping reads numbers from strings too). Errors: InvalidArgument "cli.bad_yaml" with the
// line; tags are refused.
[[nodiscard]] Result<std::string> json_from_yaml(std::string_view what, std::string_view yaml);

}  // namespace aloft::cli
