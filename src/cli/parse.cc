#include "cli/parse.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/limits.h"
#include "cli/text.h"
#include "model/text.h"

namespace aloft::cli {
namespace {

std::unexpected<Error> usage(std::string_view reason, std::string message) {
  return fail(Code::InvalidArgument, reason, std::move(message));
}

Result<void> check_words(std::span<const std::string> words) {
  if (words.size() > kMaxWords) {
    return usage("cli.too_long", fmt::format("{} arguments were given; {} is the maximum",
                                             words.size(), kMaxWords));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() > kMaxWordBytes) {
      return usage("cli.too_long", fmt::format("argument {} has {} bytes; {} is the maximum", i + 1,
                                               words[i].size(), kMaxWordBytes));
    }
    if (!model::is_utf8(words[i])) {
      return usage("cli.not_utf8",
                   fmt::format("argument {} (\"{}\") is not UTF-8; write it in UTF-8", i + 1,
                               shortened(printable(words[i]), 60)));
    }
  }
  return {};
}

bool takes_value(std::string_view word) {
  return std::ranges::any_of(global_options(), [&](const Option& option) {
    return !option.value.empty() && (word == option.name || word == option.letter);
  });
}

// The noun and the verb stand before anything but global options.
struct Heads {
  std::vector<std::size_t> at;  // positions of the first words that are no options
};
Heads heads_of(std::span<const std::string> words) {
  Heads heads;
  for (std::size_t i = 0; i < words.size() && heads.at.size() < 2; ++i) {
    if (words[i] == "--") break;
    if (words[i].starts_with('-')) {
      if (takes_value(words[i])) ++i;
    } else {
      heads.at.push_back(i);
    }
  }
  return heads;
}

bool wants_help(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& known,
                         std::string_view before) {
  const std::string word = nearest(given, known);
  return word.empty() ? std::string() : fmt::format("; did you mean \"{}{}\"?", before, word);
}

std::unexpected<Error> unknown_first(std::string_view word) {
  std::vector<std::string> known;
  for (const Noun& noun : nouns()) known.push_back(noun.name);
  for (const Command& command : commands()) {
    if (command.noun.empty()) known.push_back(command.verb);
  }
  std::string hint = did_you_mean(word, known, "aloft ");
  for (const Command& command : commands()) {
    if (hint.empty() && command.noun == "guest" && command.verb == word) {
      hint = fmt::format("; did you mean \"{}\"?", command.title());
    }
  }
  return usage("cli.unknown_noun",
               fmt::format("there is no command \"{}\"{}", shortened(printable(word), 40),
                           hint.empty() ? "; aloft help lists all of them" : hint));
}

std::unexpected<Error> unknown_verb(std::string_view noun, std::string_view word) {
  std::vector<std::string> known;
  for (const Command& command : commands()) {
    if (command.noun == noun) known.push_back(command.verb);
  }
  // A kind's plural or another's word for it.
  const std::pair<std::string_view, std::string_view> others[] = {
      {"ls", "list"},       {"get", "show"},       {"describe", "show"}, {"rm", "delete"},
      {"remove", "delete"}, {"reboot", "restart"}, {"run", "launch"},    {"log", "logs"},
      {"pause", "freeze"},  {"unpause", "thaw"},   {"resume", "thaw"},   {"set", "resize"}};
  for (const auto& [other, ours] : others) {
    if (word == other && std::ranges::count(known, ours) > 0) {
      return usage("cli.unknown_verb",
                   fmt::format("aloft {0} has no verb \"{1}\"; did you mean \"aloft {0} {2}\"?",
                               noun, word, ours));
    }
  }
  const std::string hint = did_you_mean(word, known, fmt::format("aloft {} ", noun));
  return usage("cli.unknown_verb",
               fmt::format("aloft {} has no verb \"{}\"{}", noun, shortened(printable(word), 40),
                           hint.empty() ? fmt::format("; it has {}", listed(known)) : hint));
}

void add_option(CLI::App& app, const Option& option, Words& into) {
  const std::string names =
      option.letter.empty() ? option.name : fmt::format("{},{}", option.letter, option.name);
  if (option.value.empty()) {
    app.add_flag_callback(names, [&into, name = option.name] { into.values[name] = {""}; });
    return;
  }
  auto* added = app.add_option_function<std::vector<std::string>>(
      names, [&into, name = option.name](const std::vector<std::string>& values) {
        into.values[name] = values;
      });
  added->type_size(1)->allow_extra_args(false);
  if (!option.repeated) {
    added->expected(1);
    added->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  } else {
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

Result<void> check_choices(const std::vector<Option>& options, const Words& words) {
  for (const Option& option : options) {
    if (option.choices.empty()) continue;
    for (const std::string& value : words.all(option.name)) {
      if (std::ranges::count(option.choices, value) > 0) continue;
      return usage("cli.usage", fmt::format("{} is \"{}\"; give one of {}", option.name,
                                            printable(value), listed(option.choices)));
    }
  }
  return {};
}

Result<void> place_arguments(const Command& command, std::vector<std::string> given, Words& words) {
  std::size_t at = 0;
  for (const Argument& argument : command.arguments) {
    const bool many = argument.count == Count::Some || argument.count == Count::Any;
    if (at >= given.size()) {
      if (argument.count == Count::Optional || argument.count == Count::Any) continue;
      return usage("cli.usage",
                   fmt::format("{} needs {} ({}); {} --help shows how", command.title(),
                               argument.name, argument.meaning, command.title()));
    }
    const std::size_t end = many ? given.size() : at + 1;
    words.values[argument.name] =
        std::vector<std::string>(given.begin() + static_cast<std::ptrdiff_t>(at),
                                 given.begin() + static_cast<std::ptrdiff_t>(end));
    at = end;
  }
  if (at == given.size()) return {};
  return usage("cli.usage",
               fmt::format("{} has no use for \"{}\"; {} --help shows what it takes",
                           command.title(), shortened(printable(given[at]), 40), command.title()));
}

std::unexpected<Error> unknown_option(const Command& command, std::string_view word) {
  std::vector<std::string> known;
  for (const Option& option : command.options) known.push_back(option.name);
  for (const Option& option : global_options()) known.push_back(option.name);
  const std::string name(word.substr(0, word.find('=')));
  const std::string hint = did_you_mean(name, known, "");
  return usage(
      "cli.unknown_option",
      fmt::format("{} has no option \"{}\"{}", command.title(), shortened(printable(name), 40),
                  hint.empty() ? fmt::format("; {} --help lists them", command.title()) : hint));
}

// CLI11 parses the options; what it throws ends here.
Result<void> parse_options(const Command& command, std::vector<std::string> words, Parsed& parsed) {
  std::vector<std::string> given;
  std::vector<std::string> after_dashes;
  if (const auto dashes = std::ranges::find(words, "--"); dashes != words.end()) {
    after_dashes.assign(dashes + 1, words.end());
    words.erase(dashes, words.end());
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const Option& option : command.options) add_option(app, option, parsed.words);
  for (const Option& option : global_options()) add_option(app, option, parsed.global);
  std::ranges::reverse(words);  // as CLI11 takes a vector
  try {
    app.parse(std::move(words));
  } catch (const CLI::Error& error) {
    return usage("cli.usage", fmt::format("{}: {}; {} --help shows how", command.title(),
                                          printable(error.what()), command.title()));
  }
  for (const std::string& word : app.remaining()) {
    if (word.size() > 1 && word.starts_with('-')) return unknown_option(command, word);
    given.push_back(word);
  }
  given.insert(given.end(), after_dashes.begin(), after_dashes.end());
  ALOFT_TRY(check_choices(command.options, parsed.words));
  ALOFT_TRY(check_choices(global_options(), parsed.global));
  return place_arguments(command, std::move(given), parsed.words);
}

}  // namespace

Result<Parsed> parse(std::span<const std::string> words) {
  ALOFT_TRY(check_words(words));
  Parsed parsed;
  const Heads heads = heads_of(words);
  parsed.help = wants_help(words);
  if (heads.at.empty()) {
    for (const std::string& word : words) {
      if (word == "--version") {
        parsed.command = find_command("", "version");
        return parsed;
      }
    }
    if (!parsed.help && !words.empty()) {
      return usage("cli.usage", "there is no command among the arguments; aloft help lists them");
    }
    parsed.help = true;
    return parsed;
  }
  const std::string& first = words[heads.at[0]];
  std::vector<std::size_t> taken = {heads.at[0]};
  parsed.command = find_command("", first);
  if (parsed.command == nullptr) {
    parsed.noun = singular(first);
    const bool known =
        std::ranges::any_of(nouns(), [&](const Noun& noun) { return noun.name == parsed.noun; });
    if (!known) return unknown_first(first);
    if (heads.at.size() < 2) {
      if (parsed.help) return parsed;
      std::vector<std::string> verbs;
      for (const Command& command : commands()) {
        if (command.noun == parsed.noun) verbs.push_back(command.verb);
      }
      return usage("cli.usage",
                   fmt::format("aloft {} needs a verb; it has {}", parsed.noun, listed(verbs)));
    }
    const std::string& second = words[heads.at[1]];
    parsed.command = find_command(parsed.noun, second);
    if (parsed.command == nullptr) return unknown_verb(parsed.noun, second);
    taken.push_back(heads.at[1]);
  }
  if (parsed.help) return parsed;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::ranges::count(taken, i) == 0) rest.push_back(words[i]);
  }
  ALOFT_TRY(parse_options(*parsed.command, std::move(rest), parsed));
  return parsed;
}

}  // namespace aloft::cli
