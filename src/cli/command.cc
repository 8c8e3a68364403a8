#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "cli/text.h"

namespace aloft::cli {
namespace {

std::vector<Command> all_commands() {
  std::vector<Command> table;
  add_guest_commands(table);
  add_launch_commands(table);
  add_guest_action_commands(table);
  add_guest_session_commands(table);
  add_image_commands(table);
  add_host_commands(table);
  add_volume_commands(table);
  add_network_commands(table);
  add_operation_commands(table);
  add_event_commands(table);
  add_token_commands(table);
  add_explain_commands(table);
  add_help_commands(table);
  return table;
}

}  // namespace

const std::string& Words::at(std::string_view name) const {
  const auto found = values.find(name);
  ALOFT_ASSERT(found != values.end() && !found->second.empty());
  return found->second.front();
}

std::vector<std::string> Words::all(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>{} : found->second;
}

std::string Words::text(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() || found->second.empty() ? std::string() : found->second.back();
}

Result<std::optional<std::uint32_t>> Words::number(std::string_view name, std::uint32_t low,
                                                   std::uint32_t high) const {
  if (!has(name)) return std::optional<std::uint32_t>();
  const std::string given = text(name);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc{} || end != given.data() + given.size() || value < low || value > high) {
    return fail(Code::InvalidArgument, "cli.bad_number",
                fmt::format("{} is \"{}\"; give a whole number of {} to {}", name, printable(given),
                            low, high));
  }
  return std::optional(value);
}

Result<std::optional<Bytes>> Words::size(std::string_view name) const {
  if (!has(name)) return std::optional<Bytes>();
  const auto size = parse_bytes(text(name));
  if (!size) return std::unexpected(with_context(size.error(), name));
  if (size->count() == 0) {
    return fail(Code::InvalidArgument, "cli.bad_size",
                fmt::format("{} is 0; give a size like 512MiB or 2GiB", name));
  }
  return std::optional(*size);
}

Result<std::optional<Duration>> Words::duration(std::string_view name) const {
  if (!has(name)) return std::optional<Duration>();
  const auto value = parse_duration(text(name));
  if (!value) return std::unexpected(with_context(value.error(), name));
  return std::optional(*value);
}

std::string Command::title() const {
  return noun.empty() ? fmt::format("aloft {}", verb) : fmt::format("aloft {} {}", noun, verb);
}

const std::vector<Command>& commands() {
  static const std::vector<Command> table = all_commands();
  return table;
}

const std::vector<Noun>& nouns() {
  static const std::vector<Noun> known = {
      {"guest", "Virtual machines and containers"},
      {"image", "What guests are cloned from"},
      {"host", "Machines that run guests"},
      {"volume", "Disks of guests"},
      {"network", "Networks of guests"},
      {"operation", "Changes that take time"},
      {"event", "What happened, with cause and evidence"},
      {"token", "Bearer tokens of the API"},
  };
  return known;
}

const std::vector<Option>& global_options() {
  static const std::vector<Option> options = {
      {.name = "--output",
       .value = "FORMAT",
       .meaning = "How results are shown; table when not given",
       .choices = {"table", "wide", "json", "yaml", "name"},
       .letter = "-o"},
      {.name = "--socket",
       .value = "PATH",
       .meaning = "Unix socket of aloftd; else $ALOFT_SOCKET, else /run/aloft/api.sock",
       .completes = "file"},
      {.name = "--host",
       .value = "URL",
       .meaning = "API over the network instead: https://HOST:PORT; else $ALOFT_HOST"},
      {.name = "--profile",
       .value = "NAME",
       .meaning = "Connection from ~/.config/aloft/NAME.profile; else $ALOFT_PROFILE"},
      {.name = "--ca",
       .value = "FILE",
       .meaning = "Certificate that signed the server's",
       .completes = "file"},
      {.name = "--certificate",
       .value = "FILE",
       .meaning = "Client certificate to log in with",
       .completes = "file"},
      {.name = "--key",
       .value = "FILE",
       .meaning = "Private key of --certificate",
       .completes = "file"},
      {.name = "--token-file",
       .value = "FILE",
       .meaning = "File with a bearer token to log in with",
       .completes = "file"},
      {.name = "--timeout",
       .value = "DURATION",
       .meaning = "Give up waiting after this long, like 90s or 5m; 10m when not given"},
      {.name = "--no-color", .value = "", .meaning = "Never color; $NO_COLOR does the same"},
      {.name = "--quiet", .value = "", .meaning = "No progress on standard error", .letter = "-q"},
      {.name = "--help", .value = "", .meaning = "Show this help", .letter = "-h"},
  };
  return options;
}

std::string_view singular(std::string_view noun) {
  for (const Noun& known : nouns()) {
    if (noun == known.name || (noun.size() == known.name.size() + 1 && noun.ends_with('s') &&
                               noun.starts_with(known.name))) {
      return known.name;
    }
  }
  return noun;
}

const Command* find_command(std::string_view noun, std::string_view verb) {
  const std::string_view wanted = singular(noun);
  const auto found = std::ranges::find_if(commands(), [&](const Command& command) {
    return command.noun == wanted && command.verb == verb;
  });
  return found == commands().end() ? nullptr : &*found;
}

Option dry_run_option() {
  return {.name = "--dry-run", .value = "", .meaning = "Check everything, change nothing"};
}

std::vector<Option> operation_options(std::vector<Option> more) {
  more.push_back(dry_run_option());
  more.push_back({.name = "--no-wait",
                  .value = "",
                  .meaning = "Return once it is accepted, with the id of its operation"});
  more.push_back({.name = "--wait",
                  .value = "",
                  .meaning = "Return when it is done; that is what happens without it too"});
  return more;
}

}  // namespace aloft::cli
