// The table of commands: the parser, every help text, completion and docs/reference/cli.md are made
// of it. One file per noun gives its rows.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"

namespace aloft::cli {

class Context;

enum class Count { One, Optional, Some, Any };  // 1, 0..1, 1.., 0..

struct Argument {
  std::string name{};  // "NAME"
  std::string meaning{};
  Count count = Count::One;
  std::string completes{};  // kind whose names complete it: "guest"
};

struct Option {
  std::string name{};   // "--cpus"
  std::string value{};  // "N"; empty: a switch
  std::string meaning{};
  bool repeated = false;
  std::vector<std::string> choices{};
  std::string completes{};  // kind, or "file"
  std::string letter{};     // "-o"
};

// What was given to one command. Names are those of the table, with their dashes.
struct Words {
  std::map<std::string, std::vector<std::string>, std::less<>> values{};

  // Requires: an argument that must be there (Count::One).
  [[nodiscard]] const std::string& at(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return values.contains(name); }
  // Empty when it was not given.
  [[nodiscard]] std::string text(std::string_view name) const;
  // Errors: InvalidArgument "cli.bad_number" outside of low .. high.
  [[nodiscard]] Result<std::optional<std::uint32_t>> number(std::string_view name,
                                                            std::uint32_t low,
                                                            std::uint32_t high) const;
  // Errors: InvalidArgument "size.invalid", "size.out_of_range"; "cli.bad_size" for 0.
  [[nodiscard]] Result<std::optional<Bytes>> size(std::string_view name) const;
  // Errors: InvalidArgument "cli.bad_duration".
  [[nodiscard]] Result<std::optional<Duration>> duration(std::string_view name) const;
};

// Gives the exit code.
using Run = std::function<Result<int>(Context&, const Words&)>;

struct Command {
  std::string noun{};  // empty: a short cut, "ps"
  std::string verb{};
  std::string summary{};  // one line, without a final period
  std::vector<Argument> arguments{};
  std::vector<Option> options{};
  std::vector<std::string> examples{};
  std::string details{};  // more sentences, one paragraph
  Run run{};

  [[nodiscard]] std::string title() const;  // "aloft guest list"
};

// All rows, nouns in the order of help.
[[nodiscard]] const std::vector<Command>& commands();
[[nodiscard]] const std::vector<Option>& global_options();
// What a noun is, in one line: "guest" -> "Virtual machines and containers".
struct Noun {
  std::string name;
  std::string meaning;
};
[[nodiscard]] const std::vector<Noun>& nouns();

// Null when there is none. `noun` may be a plural ("guests").
[[nodiscard]] const Command* find_command(std::string_view noun, std::string_view verb);
[[nodiscard]] std::string_view singular(std::string_view noun);

// The options of every command that changes something by an operation.
[[nodiscard]] std::vector<Option> operation_options(std::vector<Option> more = {});
[[nodiscard]] Option dry_run_option();

// A file per noun.
void add_guest_commands(std::vector<Command>& table);
void add_guest_action_commands(std::vector<Command>& table);
void add_launch_commands(std::vector<Command>& table);
void add_guest_session_commands(std::vector<Command>& table);
void add_image_commands(std::vector<Command>& table);
void add_host_commands(std::vector<Command>& table);
void add_volume_commands(std::vector<Command>& table);
void add_network_commands(std::vector<Command>& table);
void add_operation_commands(std::vector<Command>& table);
void add_event_commands(std::vector<Command>& table);
void add_token_commands(std::vector<Command>& table);
void add_explain_commands(std::vector<Command>& table);
void add_help_commands(std::vector<Command>& table);

}  // namespace aloft::cli
