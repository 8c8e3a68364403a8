// Reading the files that aloft-sim is given.
#pragma once

#include <string>

#include "base/result.h"

// Errors: of the system, named "file.unreadable"; ResourceExhausted "file.too_large".
[[nodiscard]] aloft::Result<std::string> read_whole_file(const std::string& path);
