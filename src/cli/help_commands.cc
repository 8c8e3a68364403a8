// aloft help, completion, version.
#include <fmt/format.h>

#include "aloft/v1/host.pb.h"
#include "cli/context.h"
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/text.h"

namespace aloft::cli {
namespace {

Result<int> help(Context& context, const Words& words) {
  Output& out = context.out();
  if (words.has("--markdown")) {
    out.print(reference_page());
    return 0;
  }
  std::vector<std::string> about = words.all("COMMAND");
  if (about.size() == 1 && about.front() == "exit-codes") {
    out.print(exit_codes_help());
    return 0;
  }
  about.emplace_back("--help");
  ALOFT_ASSIGN(const Parsed parsed, parse(about));
  out.print(parsed.command != nullptr ? command_help(*parsed.command)
            : parsed.noun.empty()     ? overview()
                                      : noun_help(parsed.noun));
  return 0;
}

Result<int> completion(Context& context, const Words& words) {
  ALOFT_ASSIGN(const std::string script, completion_script(words.at("SHELL")));
  context.out().print(script);
  return 0;
}

Result<int> version(Context& context, const Words& /*words*/) {
  context.out().print(fmt::format("aloft {}\n", ALOFT_VERSION));
  return 0;
}

}  // namespace

void add_help_commands(std::vector<Command>& table) {
  table.push_back({.verb = "help",
                   .summary = "Explain commands and exit codes",
                   .arguments = {{"COMMAND", "Noun and verb, or exit-codes", Count::Any}},
                   .options = {{.name = "--markdown",
                                .value = "",
                                .meaning = "Print the whole reference as Markdown"}},
                   .examples = {"aloft help guest launch", "aloft help exit-codes"},
                   .run = help});
  table.push_back({.verb = "completion",
                   .summary = "Print a script that completes commands in a shell",
                   .arguments = {{"SHELL", "bash, zsh or fish"}},
                   .examples = {"source <(aloft completion bash)"},
                   .run = completion});
  table.push_back({.verb = "version",
                   .summary = "Show the version of this program",
                   .examples = {"aloft version"},
                   .run = version});
}

}  // namespace aloft::cli
