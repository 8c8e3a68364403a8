// From words of the shell to one command of the table and what was given to it.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "cli/command.h"

namespace aloft::cli {

struct Parsed {
  const Command* command = nullptr;  // null: help on everything, or on `noun`
  std::string noun{};
  bool help = false;
  Words words{};  // of the command
  Words global{};
};

// Errors: InvalidArgument "cli.not_utf8", "cli.too_long", "cli.unknown_noun", "cli.unknown_verb",
// "cli.unknown_option", "cli.usage"; each says what was probably meant or where help is.
[[nodiscard]] Result<Parsed> parse(std::span<const std::string> words);

}  // namespace aloft::cli
