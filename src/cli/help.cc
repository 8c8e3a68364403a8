#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/text.h"

namespace aloft::cli {
namespace {

std::string usage_line(const Command& command) {
  std::string line = command.title();
  for (const Argument& argument : command.arguments) {
    switch (argument.count) {
      case Count::One:
        line += fmt::format(" {}", argument.name);
        break;
      case Count::Optional:
        line += fmt::format(" [{}]", argument.name);
        break;
      case Count::Some:
        line += fmt::format(" {}...", argument.name);
        break;
      case Count::Any:
        line += fmt::format(" [{}...]", argument.name);
        break;
    }
  }
  return line + " [OPTIONS]";
}

std::string option_head(const Option& option) {
  std::string head =
      option.letter.empty() ? option.name : fmt::format("{}, {}", option.letter, option.name);
  if (!option.value.empty()) head += " " + option.value;
  return head;
}

std::string option_meaning(const Option& option) {
  std::string text = option.meaning;
  if (!option.choices.empty()) text += fmt::format(": {}", listed(option.choices));
  if (option.repeated) text += " (may be given again)";
  return text;
}

// Two columns, the second broken at `kColumns`.
constexpr std::size_t kColumns = 100;
std::string columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, display_width(row.first));
  width = std::min<std::size_t>(width, 30);
  std::string text;
  for (const auto& [head, meaning] : rows) {
    std::string line = "  " + head;
    if (display_width(head) > width) {
      text += line + "\n";
      line = "  " + std::string(width, ' ');
    } else {
      line += std::string(width - display_width(head), ' ');
    }
    line += "  ";
    const std::size_t begin = line.size();
    std::string_view rest = meaning;
    while (!rest.empty()) {
      const std::size_t space = rest.find(' ');
      const std::string_view word = rest.substr(0, space);
      rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
      if (line.size() > begin && line.size() + 1 + word.size() > kColumns) {
        text += line + "\n";
        line = std::string(begin, ' ');
      }
      if (line.size() > begin) line += " ";
      line += word;
    }
    text += line + "\n";
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> option_rows(const std::vector<Option>& options) {
  std::vector<std::pair<std::string, std::string>> rows;
  rows.reserve(options.size());
  for (const Option& option : options)
    rows.emplace_back(option_head(option), option_meaning(option));
  return rows;
}

struct ExitCode {
  int code;
  std::string_view meaning;
};

std::vector<ExitCode> exit_codes() {
  std::vector<ExitCode> codes = {{0, "done"}};
  const std::pair<Code, std::string_view> meanings[] = {
      {Code::Internal, "a fault of Aloft itself"},
      {Code::InvalidArgument, "wrong arguments, or a value that can never be right"},
      {Code::NotFound, "no such object, file or profile"},
      {Code::AlreadyExists, "an object of that name exists already"},
      {Code::PermissionDenied, "not allowed"},
      {Code::ResourceExhausted, "no room, or too much of something"},
      {Code::FailedPrecondition, "not in the state it is in now; change that first"},
      {Code::Aborted, "somebody else changed it meanwhile; read again and retry"},
      {Code::Unavailable, "aloftd does not answer, or cannot now; try again later"},
      {Code::Cancelled, "cancelled"},
      {Code::Unknown, "it may have happened: look before you ask again"},
      {Code::DeadlineExceeded, "not done within the time given"},
      {Code::Unimplemented, "this host or version cannot do it"},
      {Code::DataLoss, "stored or received data is damaged"},
      {Code::Unauthenticated, "not logged in, or the certificate is not trusted"}};
  for (const auto& [code, meaning] : meanings) codes.push_back({exit_code(code), meaning});
  codes.push_back({125, "aloft exec: aloft could not run the command (else its own exit code)"});
  codes.push_back({130, "interrupted by Ctrl-C while waiting; the operation goes on"});
  codes.push_back({141, "the reader of standard output went away"});
  return codes;
}

std::string code_block(const std::vector<std::string>& lines) {
  std::string text = "```\n";
  for (const std::string& line : lines) text += line + "\n";
  return text + "```\n";
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string option_table(const std::vector<Option>& options) {
  std::string text = "| Option | Meaning |\n|---|---|\n";
  for (const Option& option : options) {
    text += fmt::format("| `{}` | {} |\n", escaped(option_head(option)),
                        escaped(option_meaning(option)));
  }
  return text;
}

std::string reference_of(const Command& command) {
  std::string text = fmt::format("### {}\n{}.", command.title(), command.summary);
  if (!command.details.empty()) text += " " + command.details;
  text += "\n" + code_block({usage_line(command)});
  if (!command.options.empty()) text += "\n" + option_table(command.options);
  return text + "\nExamples:\n" + code_block(command.examples) + "\n";
}

}  // namespace

std::string overview() {
  std::string text =
      "Keeps virtual machines and containers running when the hardware under them fails.\n\n"
      "usage: aloft NOUN VERB [ARGUMENTS] [OPTIONS]\n\nNouns:\n";
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Noun& noun : nouns()) {
    std::string verbs;
    for (const Command& command : commands()) {
      if (command.noun == noun.name) verbs += (verbs.empty() ? "" : ", ") + command.verb;
    }
    rows.emplace_back(noun.name, fmt::format("{}: {}", noun.meaning, verbs));
  }
  text += columns(rows) + "\nShort cuts:\n";
  rows.clear();
  for (const Command& command : commands()) {
    if (command.noun.empty()) rows.emplace_back(command.verb, command.summary);
  }
  text += columns(rows) + "\nOptions of all commands:\n" + columns(option_rows(global_options()));
  text +=
      "\nExamples:\n"
      "  aloft image add debian-12 --from debian:bookworm\n"
      "  aloft launch debian-12 web1 --memory 1GiB\n"
      "  aloft ps\n"
      "  aloft explain guest/web1\n\n"
      "aloft NOUN VERB --help tells more; aloft help exit-codes explains exit codes.\n";
  return text;
}

std::string noun_help(std::string_view noun) {
  std::string text;
  for (const Noun& known : nouns()) {
    if (known.name == noun) text = known.meaning + ".\n\n";
  }
  text += fmt::format("usage: aloft {} VERB [ARGUMENTS] [OPTIONS]\n\nVerbs:\n", noun);
  std::vector<std::pair<std::string, std::string>> rows;
  std::string examples;
  for (const Command& command : commands()) {
    if (command.noun != noun) continue;
    rows.emplace_back(command.verb, command.summary);
    if (!command.examples.empty()) examples += "  " + command.examples.front() + "\n";
  }
  return text + columns(rows) + "\nExamples:\n" + examples +
         fmt::format("\naloft {} VERB --help tells more.\n", noun);
}

std::string command_help(const Command& command) {
  std::string text = fmt::format("{}.\n\nusage: {}\n", command.summary, usage_line(command));
  if (!command.details.empty()) text += "\n" + command.details + "\n";
  if (!command.arguments.empty()) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const Argument& argument : command.arguments) {
      rows.emplace_back(argument.name, argument.meaning);
    }
    text += "\nArguments:\n" + columns(rows);
  }
  if (!command.options.empty()) text += "\nOptions:\n" + columns(option_rows(command.options));
  text += "\nOptions of all commands:\n" + columns(option_rows(global_options()));
  text += "\nExamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

std::string exit_codes_help() {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const ExitCode& code : exit_codes()) {
    rows.emplace_back(std::to_string(code.code), std::string(code.meaning));
  }
  return "Exit codes, the same in all versions:\n" + columns(rows);
}

std::string reference_page() {
  std::string text =
      "# Command line\n"
      "`aloft` speaks to the [API](api.md) of one host of the farm, and to nothing else. This page "
      "is what `aloft help --markdown` prints; a test checks that it is current.\n\n"
      "- **Results** go to standard output, notes, progress and errors to standard error. Tables "
      "are for people and may change; `-o json`, `-o yaml` (the messages of the API) and `-o name` "
      "(names, one a line) are for programs and stay.\n"
      "- **What takes time** is an [operation](operations.md). Commands wait for its end, with "
      "bars "
      "on a terminal and a line for each step elsewhere; `--no-wait` returns its id. Ctrl-C and "
      "`--timeout` end the waiting, never the operation.\n"
      "- **A lost answer** does no harm: the request carries an idempotency key and is sent "
      "again.\n"
      "- **Errors** name the object, the cause and the next step, and end with a stable reason in "
      "parentheses.\n"
      "- **Sizes** are written 512MiB, 2GiB, 10GB (1000s) or 4096; durations 250ms, 90s, 5m, "
      "1h30m, 2d.\n"
      "- **Words** that are not UTF-8 are refused. Secrets are never arguments.\n"
      "- **Colors** are used on terminals only, never with `--no-color`, `$NO_COLOR` or "
      "`TERM=dumb`.\n\n"
      "## Connection\n"
      "Options come first, then variables, then the profile `~/.config/aloft/NAME.profile` "
      "(`default` when it exists), then the socket `/run/aloft/api.sock`. Variables: "
      "`ALOFT_SOCKET`, `ALOFT_HOST`, `ALOFT_PROFILE`, `ALOFT_CA`, `ALOFT_CERTIFICATE`, "
      "`ALOFT_KEY`, "
      "`ALOFT_TOKEN_FILE`. A token file must be for its user alone (chmod 600). A profile:\n" +
      code_block({"# ~/.config/aloft/farm.profile; relative paths begin at its folder",
                  "host = https://farm.example:8443", "ca = farm-ca.crt",
                  "token-file = farm.token"}) +
      "\n## Completion\n" +
      code_block({"aloft completion bash >/etc/bash_completion.d/aloft",
                  "aloft completion zsh >/usr/local/share/zsh/site-functions/_aloft",
                  "aloft completion fish >~/.config/fish/completions/aloft.fish"}) +
      "\n## Exit codes\n| Code | Meaning |\n|---|---|\n";
  for (const ExitCode& code : exit_codes()) {
    text += fmt::format("| {} | {} |\n", code.code, code.meaning);
  }
  text += "\n## Options of all commands\n" + option_table(global_options());
  text += "\n## Short cuts\n";
  for (const Command& command : commands()) {
    if (command.noun.empty()) text += reference_of(command);
  }
  for (const Noun& noun : nouns()) {
    text += fmt::format("## {}\n{}.\n\n", noun.name, noun.meaning);
    for (const Command& command : commands()) {
      if (command.noun == noun.name) text += reference_of(command);
    }
  }
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace aloft::cli
