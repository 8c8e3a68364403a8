// Prometheus' text format (exposition format 0.0.4).
#pragma once

#include <string>
#include <vector>

#include "api/backend.h"

namespace aloft::api {

// HELP and TYPE before the first sample of a name; samples with names that Prometheus does not
// allow are left out. Label values are escaped.
[[nodiscard]] std::string prometheus_text(const std::vector<Sample>& samples);

}  // namespace aloft::api
