// A terminal joined with the console of a guest.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/context.h"

namespace aloft::cli {

// Copies both ways until the console closes or the user leaves with Ctrl-]; the terminal is raw
// meanwhile and is put back in order whatever happens. Without a terminal: until the console
// closes, or until --timeout. Gives the exit code.
[[nodiscard]] Result<int> join_console(Context& context, const std::string& guest,
                                       Upgraded upgraded);

}  // namespace aloft::cli
