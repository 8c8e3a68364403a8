// aloft exec, logs, console: what reaches into a running guest.
#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "cli/console.h"
#include "cli/object_commands.h"
#include "model/limits.h"

namespace aloft::cli {
namespace {

constexpr int kExecFailed = 125;  // of aloft itself; anything else is the command's own
constexpr Bytes kMaxLog = mib(1);

Result<v1::ExecResponse> exec_in(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("guest", name));
  v1::ExecRequest request;
  for (const std::string& word : words.all("COMMAND")) request.add_command(word);
  if (context.has_timeout()) {
    ALOFT_ASSIGN(const auto timeout, context.global().duration("--timeout"));
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(*timeout).count();
    if (milliseconds < 1 || milliseconds > 60'000) {
      return fail(Code::InvalidArgument, "guest.exec_timeout",
                  "a command in a guest may take 1ms to 60s; give such a --timeout, or start it in "
                  "the background");
    }
    request.set_timeout_ms(static_cast<std::uint32_t>(milliseconds));
  }
  ALOFT_ASSIGN(ApiClient * api, context.api());
  v1::ExecResponse response;
  ALOFT_TRY(api->post(target(path_of("guest", name) + ":exec"), &request, response));
  return response;
}

Result<int> exec(Context& context, const Words& words) {
  const auto response = exec_in(context, words);
  Output& out = context.out();
  if (!response) {
    out.complain(fmt::format("aloft: {} ({})\n", printable(response.error().message),
                             printable(response.error().reason)));
    return kExecFailed;
  }
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    out.print(*response);
  } else {
    out.complain(response->standard_error());
    out.print(response->standard_output());
  }
  const int status = response->exit_status();
  return status < 0 || status > 255 ? 255 : status;
}

Result<int> logs(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("guest", name));
  ALOFT_ASSIGN(const auto bytes, words.size("--bytes"));
  if (bytes && *bytes > kMaxLog) {
    return fail(
        Code::InvalidArgument, "cli.bad_size",
        fmt::format("--bytes is {}; {} is the maximum", to_string(*bytes), to_string(kMaxLog)));
  }
  ALOFT_ASSIGN(ApiClient * api, context.api());
  ALOFT_ASSIGN(std::string text,
               api->get_text(target(path_of("guest", name) + "/log",
                                    {{"bytes", bytes ? std::to_string(bytes->count()) : ""}})));
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  context.out().print(text);
  return 0;
}

Result<int> console(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("guest", name));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  ALOFT_ASSIGN(auto upgraded,
               api->upgrade(target(path_of("guest", name) + ":console"), "aloft-console"));
  return join_console(context, name, std::move(upgraded));
}

void add_with_short_cut(std::vector<Command>& table, Command command) {
  command.noun = "guest";
  table.push_back(command);
  command.noun.clear();
  table.push_back(std::move(command));
}

}  // namespace

void add_guest_session_commands(std::vector<Command>& table) {
  const Argument name{"NAME", "Name of the guest", Count::One, "guest"};
  add_with_short_cut(
      table,
      {.verb = "console",
       .summary = "Be at the console of a guest; Ctrl-] leaves it",
       .arguments = {name},
       .examples = {"aloft console web1", "aloft console web1 <commands.txt"},
       .details = "With input from a file or pipe it goes on until the console closes, or until "
                  "--timeout.",
       .run = console});
  add_with_short_cut(
      table,
      {.verb = "exec",
       .summary = "Run a command in a guest and wait for its end",
       .arguments = {name, {"COMMAND", "Command and arguments; put -- before it", Count::Some}},
       .examples = {"aloft exec web1 -- uname -a",
                    "aloft exec web1 --timeout 60s -- apt-get update"},
       .details = "The exit code is the command's; 125 when aloft could not run it. A command may "
                  "take 10 s, with --timeout up to 60 s.",
       .run = exec});
  add_with_short_cut(table, {.verb = "logs",
                             .summary = "Show the last of what the console of a guest said",
                             .arguments = {name},
                             .options = {{.name = "--bytes",
                                          .value = "SIZE",
                                          .meaning = "At most so much; 64KiB when not given"}},
                             .examples = {"aloft logs web1", "aloft logs web1 --bytes 1MiB"},
                             .run = logs});
}

}  // namespace aloft::cli
