// A guest's spec from the words of `aloft launch`. Shows protobuf: for .cc files only.
#pragma once

#include "aloft/v1/guest.pb.h"
#include "base/result.h"
#include "cli/command.h"

namespace aloft::cli {

// Reads the file of --cloud-init. Errors: InvalidArgument naming the option and what it takes.
[[nodiscard]] Result<v1::Guest> guest_from_words(const Words& words);

[[nodiscard]] std::vector<Option> guest_options();

}  // namespace aloft::cli
