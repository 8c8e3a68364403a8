// Help texts, the reference page and shell completion, all made of the table of commands. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"

namespace aloft::cli {

[[nodiscard]] std::string overview();
// Requires: a noun of nouns().
[[nodiscard]] std::string noun_help(std::string_view noun);
[[nodiscard]] std::string command_help(const Command& command);
// What each exit code means, of the table in base/result.h.
[[nodiscard]] std::string exit_codes_help();
// docs/reference/cli.md.
[[nodiscard]] std::string reference_page();

// Script for "bash", "zsh" or "fish". It asks `aloft complete-names KIND` for names of objects.
// Errors: InvalidArgument "cli.usage".
[[nodiscard]] Result<std::string> completion_script(std::string_view shell);

}  // namespace aloft::cli
