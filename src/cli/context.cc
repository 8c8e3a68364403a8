#include "cli/context.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "cli/help.h"
#include "cli/limits.h"
#include "cli/parse.h"
#include "cli/text.h"

namespace aloft::cli {
namespace {

constexpr int kClosedOutput = 141;  // as a shell shows a program that SIGPIPE ended

OutputOptions output_options(const Words& global, const Environment& environment) {
  OutputOptions options;
  options.format = format_of(global.text("--output"));
  const auto set = [&](std::string_view name) {
    const auto value = environment(name);
    return value && !value->empty();
  };
  const bool dumb = environment("TERM").value_or("dumb") == "dumb";
  const bool plain = global.has("--no-color") || set("NO_COLOR") || dumb;
  options.color = !plain && ::isatty(STDOUT_FILENO) == 1;
  options.progress = !dumb && ::isatty(STDERR_FILENO) == 1;
  options.quiet = global.has("--quiet");
  return options;
}

int finish(Output& output, const Result<int>& code) {
  const auto flushed = output.flush();
  if (!flushed && flushed.error().reason == "cli.output_closed") return kClosedOutput;
  const Error* error = !code ? &code.error() : !flushed ? &flushed.error() : nullptr;
  if (error == nullptr) return *code;
  // Messages come from afar too.
  output.complain(
      fmt::format("aloft: {} ({})\n", printable(error->message), printable(error->reason)));
  return exit_code(error->code);
}

}  // namespace

Context::Context(Words global, Environment environment, Output& output)
    : global_(std::move(global)),
      environment_(std::move(environment)),
      output_(output),
      started_(boot_now()) {}

Result<ApiClient*> Context::api() {
  if (!api_) {
    ALOFT_ASSIGN(auto login, find_login(global_, environment_));
    api_ = std::make_unique<ApiClient>(std::move(login.endpoint), std::move(login.token));
  }
  return api_.get();
}

Result<Instant> Context::deadline() const {
  ALOFT_ASSIGN(const auto timeout, global_.duration("--timeout"));
  return started_ + timeout.value_or(Duration(kDefaultWait));
}

int run(const std::vector<std::string>& words, const Environment& environment) {
  // A reader that goes away is an error of write(2), so that terminals are put back in order.
  std::signal(SIGPIPE, SIG_IGN);
  auto parsed = parse(words);
  if (!parsed) {
    Output output({});
    return finish(output, std::unexpected(parsed.error()));
  }
  Output output(output_options(parsed->global, environment));
  if (parsed->help) {
    output.print(parsed->command != nullptr ? command_help(*parsed->command)
                 : parsed->noun.empty()     ? overview()
                                            : noun_help(parsed->noun));
    return finish(output, 0);
  }
  Context context(parsed->global, environment, output);
  // A wrong --timeout is said before anything happens.
  if (const auto deadline = context.deadline(); !deadline) {
    return finish(output, std::unexpected(deadline.error()));
  }
  return finish(output, parsed->command->run(context, parsed->words));
}

}  // namespace aloft::cli
