// The commands of a scenario: "power h1 off", "guest web1 move h2". One table names them all.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/scenario.h"

namespace aloft::sim {

// Names to numbers.
using NameMap = std::map<std::string, std::uint32_t, std::less<>>;

// What is wrong with a command, and at which byte of its text.
struct CommandError {
  std::string reason;
  std::string words;
  std::size_t offset = 0;
};

// Reads one command; `at` is left to the caller.
[[nodiscard]] std::expected<Command, CommandError> parse_command(std::string_view text,
                                                                 const NameMap& hosts,
                                                                 const NameMap& guests);

// Every command with its arguments, for help and for the reference: "power HOST on".
[[nodiscard]] std::vector<std::string> command_forms();

}  // namespace aloft::sim
