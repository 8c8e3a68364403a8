// Completion scripts: words of the table are written into them, names are asked of the API.
#include <fmt/format.h>

#include <set>

#include "cli/help.h"
#include "cli/text.h"

namespace aloft::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> option_names(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) names.push_back(option.name);
  return names;
}

std::string first_words() {
  std::vector<std::string> words;
  for (const Noun& noun : nouns()) words.push_back(noun.name);
  for (const Command& command : commands()) {
    if (command.noun.empty()) words.push_back(command.verb);
  }
  return joined(words);
}

std::string verbs_of(const std::string& noun) {
  std::vector<std::string> words;
  for (const Command& command : commands()) {
    if (command.noun == noun) words.push_back(command.verb);
  }
  return joined(words);
}

// Kind whose names the arguments of the command are, empty when none.
std::string named_kind(const Command& command) {
  for (const Argument& argument : command.arguments) {
    if (!argument.completes.empty()) return argument.completes;
  }
  return {};
}

// A case of the shell: what follows an option.
void add_value_cases(std::string& text, const Command& command,
                     const std::vector<Option>& options) {
  for (const Option& option : options) {
    std::string values;
    if (!option.choices.empty()) {
      values = fmt::format("words=\"{}\"", joined(option.choices));
    } else if (option.completes == "file") {
      values = "files=1";
    } else if (!option.completes.empty()) {
      values = fmt::format("kind={}", option.completes);
    } else if (!option.value.empty()) {
      values = "words=";
    } else {
      continue;
    }
    const std::string names =
        option.letter.empty() ? option.name : option.name + "|" + option.letter;
    if (command.verb.empty()) {
      text += fmt::format("    {}) {}; return 0 ;;\n", names, values);
      continue;
    }
    text += fmt::format("    \"{} {} {}\") {}; return 0 ;;\n", command.noun, command.verb,
                        option.name, values);
  }
}

// The part that bash and zsh share: sets words, kind or files from noun, verb and the word before.
std::string shared_function() {
  std::string text =
      "_aloft_find() {\n"
      "  words= kind= files=\n"
      "  case \"$previous\" in\n";
  add_value_cases(text, Command{}, global_options());
  text += "  esac\n  case \"$noun $verb $previous\" in\n";
  for (const Command& command : commands()) add_value_cases(text, command, command.options);
  text += "  esac\n  case \"$noun $verb\" in\n";
  for (const Command& command : commands()) {
    text += fmt::format("    \"{} {}\") words=\"{}\"", command.noun, command.verb,
                        joined(option_names(command.options)));
    if (const std::string kind = named_kind(command); !kind.empty()) text += " kind=" + kind;
    text += " ;;\n";
  }
  for (const Noun& noun : nouns()) {
    text +=
        fmt::format("    \"{} \") words=\"{}\" ; return 0 ;;\n", noun.name, verbs_of(noun.name));
  }
  text += fmt::format("    *) words=\"{}\" ; return 0 ;;\n  esac\n", first_words());
  text += fmt::format("  words=\"$words {}\"\n}}\n", joined(option_names(global_options())));
  std::string short_cuts;
  for (const Command& command : commands()) {
    if (command.noun.empty()) short_cuts += (short_cuts.empty() ? "" : "|") + command.verb;
  }
  text += fmt::format(
      "_aloft_heads() {{\n"
      "  noun= verb=\n"
      "  for word in \"$@\"; do\n"
      "    case \"$word\" in\n"
      "      -*) continue ;;\n"
      "    esac\n"
      "    if [ -z \"$noun$verb\" ]; then\n"
      "      case \"$word\" in\n"
      "        {}) verb=$word; return 0 ;;\n"
      "        *) noun=$word ;;\n"
      "      esac\n"
      "    else\n"
      "      verb=$word\n"
      "      return 0\n"
      "    fi\n"
      "  done\n"
      "}}\n"
      "_aloft_names() {{ aloft \"$1\" list -o name --quiet --timeout 3s 2>/dev/null; }}\n",
      short_cuts);
  return text;
}

std::string bash_script() {
  return "# bash completion of aloft\n" + shared_function() + R"sh(_aloft() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local noun verb words kind files word
  _aloft_heads "${COMP_WORDS[@]:1:COMP_CWORD-1}"
  _aloft_find
  COMPREPLY=()
  if [ -n "$files" ]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return 0
  fi
  case "$current" in
    -*) kind= ;;
    *) [ -n "$verb" ] && [ "${previous#-}" = "$previous" ] && words= ;;
  esac
  [ -n "$kind" ] && words="$words $(_aloft_names "$kind")"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _aloft aloft
)sh";
}

std::string zsh_script() {
  return "#compdef aloft\n" + shared_function() + R"sh(_aloft() {
  local previous=${words[CURRENT-1]} current=${words[CURRENT]}
  local -a given
  given=("${(@)words[2,CURRENT-1]}")
  local noun verb kind files word found
  () {
    local words
    _aloft_heads "${given[@]}"
    _aloft_find
    found=$words
  }
  if [[ -n $files ]]; then
    _files
    return
  fi
  [[ $current != -* && -n $verb && $previous != -* ]] && found=
  [[ -n $kind && $current != -* ]] && found="$found $(_aloft_names $kind)"
  compadd -- ${=found}
}
if [ "$funcstack[1]" = _aloft ]; then
  _aloft "$@"
else
  compdef _aloft aloft
fi
)sh";
}

std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

void add_fish_options(std::string& text, const std::string& condition,
                      const std::vector<Option>& options) {
  for (const Option& option : options) {
    text += fmt::format("complete -c aloft{} -l {}", condition, option.name.substr(2));
    if (!option.letter.empty()) text += fmt::format(" -s {}", option.letter.substr(1));
    if (!option.choices.empty()) {
      text += fmt::format(" -x -a {}", quoted(joined(option.choices)));
    } else if (option.completes == "file") {
      text += " -r -F";
    } else if (!option.completes.empty()) {
      text += fmt::format(" -x -a '(__aloft_names {})'", option.completes);
    } else if (!option.value.empty()) {
      text += " -x";
    }
    text += fmt::format(" -d {}\n", quoted(option.meaning));
  }
}

std::string fish_script() {
  std::string text =
      "# fish completion of aloft\n"
      "function __aloft_names; aloft $argv[1] list -o name --quiet --timeout 3s 2>/dev/null; end\n"
      "function __aloft_heads\n"
      "  set -l words\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    string match -q -- '-*' $word; or set -a words $word\n"
      "  end\n"
      "  test (count $words) -le $argv[1]; and test \"$words\" = \"$argv[2..-1]\"; and return 0\n"
      "  test \"$words[1..$argv[1]]\" = \"$argv[2..-1]\"; and test $argv[1] -gt 0\n"
      "end\n"
      "function __aloft_exactly\n"
      "  set -l words\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    string match -q -- '-*' $word; or set -a words $word\n"
      "  end\n"
      "  test \"$words\" = \"$argv\"\n"
      "end\n"
      "complete -c aloft -f\n";
  add_fish_options(text, "", global_options());
  for (const Noun& noun : nouns()) {
    text += fmt::format("complete -c aloft -n '__aloft_exactly' -a {} -d {}\n", noun.name,
                        quoted(noun.meaning));
  }
  for (const Command& command : commands()) {
    text += fmt::format("complete -c aloft -n '__aloft_exactly {}' -a {} -d {}\n", command.noun,
                        command.verb, quoted(command.summary));
    const std::string condition =
        command.noun.empty()
            ? fmt::format(" -n '__aloft_heads 1 {}'", command.verb)
            : fmt::format(" -n '__aloft_heads 2 {} {}'", command.noun, command.verb);
    if (const std::string kind = named_kind(command); !kind.empty()) {
      text += fmt::format("complete -c aloft{} -a '(__aloft_names {})'\n", condition, kind);
    }
    add_fish_options(text, condition, command.options);
  }
  return text;
}

}  // namespace

Result<std::string> completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  return fail(
      Code::InvalidArgument, "cli.usage",
      fmt::format("there is no completion for \"{}\"; give bash, zsh or fish", printable(shell)));
}

}  // namespace aloft::cli
