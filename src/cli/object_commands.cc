#include "cli/object_commands.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "cli/yaml.h"
#include "model/name.h"

namespace aloft::cli {
namespace {

// The file of an edit, only for its user.
Result<std::string> write_edit(Context& context, std::string_view kind, const std::string& text) {
  std::string path = context.environment("TMPDIR").value_or("/tmp");
  path += fmt::format("/aloft-{}-XXXXXX.yaml", kind);
  const int descriptor = ::mkstemps(path.data(), 5);
  if (descriptor < 0) return std::unexpected(system_error(errno, "cli.edit", path));
  std::string_view rest = text;
  int failure = 0;
  while (!rest.empty() && failure == 0) {
    const ssize_t count = ::write(descriptor, rest.data(), rest.size());
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) failure = errno;
  }
  if (::close(descriptor) != 0 && failure == 0) failure = errno;
  if (failure == 0) return path;
  ::unlink(path.c_str());
  return std::unexpected(system_error(failure, "cli.edit", path));
}

Result<void> run_editor(const std::string& editor, const std::string& path) {
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(system_error(errno, "cli.edit", "fork"));
  if (child == 0) {
    // $EDITOR may have arguments: the shell splits it, the path stays one word.
    const std::string script = editor + " \"$1\"";
    ::execl("/bin/sh", "sh", "-c", script.c_str(), "sh", path.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(system_error(errno, "cli.edit", "waitpid"));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Code::Cancelled, "cli.edit",
              fmt::format("the editor \"{}\" failed, so nothing was changed; set $EDITOR",
                          printable(editor)));
}

}  // namespace

Result<void> check_name(std::string_view kind, std::string_view name) {
  ALOFT_TRY(model::Name::make(fmt::format("{} name", kind), name));
  return {};
}

Result<std::vector<std::string>> names_in(const Words& words, std::string_view argument,
                                          std::string_view kind) {
  std::vector<std::string> names;
  for (const std::string& name : words.all(argument)) {
    ALOFT_TRY(check_name(kind, name));
    if (std::ranges::count(names, name) == 0) names.push_back(name);
  }
  return names;
}

std::string labels_text(const v1::Metadata& metadata) {
  const std::map<std::string, std::string> sorted(metadata.labels().begin(),
                                                  metadata.labels().end());
  std::string text;
  for (const auto& [key, value] : sorted) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
  }
  return text;
}

void describe_metadata(const v1::Metadata& metadata, Fields& fields) {
  fields.add("Labels", labels_text(metadata));
  fields.add("Created", fmt::format("{} UTC", time_text(model::time_from(metadata.created_at()))));
  if (metadata.has_deleting_since()) {
    fields.add("Deleting since",
               fmt::format("{} UTC", time_text(model::time_from(metadata.deleting_since()))),
               Style::Warning);
  }
  fields.add("Generation", fmt::format("{}", metadata.generation()));
  fields.add("Uid", metadata.uid());
}

std::string architecture_text(v1::Architecture architecture) {
  return std::string(model::name_of(static_cast<model::Architecture>(architecture)));
}

std::string technique_text(v1::Technique technique) {
  return std::string(model::name_of(static_cast<model::Technique>(technique)));
}

std::string size_text(std::uint64_t bytes) {
  return bytes == 0 ? std::string() : to_string(Bytes(bytes));
}

Cell ready_cell(const v1::Metadata& metadata, bool ready, std::string_view message) {
  if (metadata.has_deleting_since()) return {"deleting", Style::Warning};
  if (ready) return {"ready", Style::Good};
  return message.empty() ? Cell{"new", Style::Dim}
                         : Cell{fmt::format("not ready: {}", message), Style::Warning};
}

Result<Edited> edit_in_editor(Context& context, std::string_view kind, const std::string& json) {
  std::string editor = context.environment("VISUAL").value_or("");
  if (editor.empty()) editor = context.environment("EDITOR").value_or("");
  if (editor.empty()) editor = "vi";
  const std::string head = fmt::format(
      "# Spec and labels of this {}. Save and leave the editor to change it; leave without a\n"
      "# change, or with an empty file, and nothing happens.\n",
      kind);
  const std::string text = head + yaml_from_json(json);
  Edited edited;
  ALOFT_ASSIGN(edited.kept, write_edit(context, kind, text));
  if (auto ran = run_editor(editor, edited.kept); !ran) {
    forget_edit(edited.kept);
    return std::unexpected(ran.error());
  }
  ALOFT_ASSIGN(const std::string after, read_file("edited file", edited.kept));
  auto wanted = json_from_yaml(fmt::format("edited {}", kind), after);
  if (!wanted) {
    Error error = wanted.error();
    error.message += fmt::format("; what you wrote is kept in {}", edited.kept);
    return std::unexpected(error);
  }
  if (after == text || *wanted == "null") {
    forget_edit(edited.kept);
    return edited;
  }
  edited.json = *std::move(wanted);
  return edited;
}

void forget_edit(const std::string& path) {
  ::unlink(path.c_str());
}

Result<std::string> label_patch(const std::vector<std::string>& changes) {
  nlohmann::ordered_json labels = nlohmann::ordered_json::object();
  for (const std::string& change : changes) {
    const std::size_t equal = change.find('=');
    const bool removes = equal == std::string::npos && change.ends_with('-');
    const std::string key = change.substr(0, removes ? change.size() - 1 : equal);
    if (key.empty() || (equal == std::string::npos && !removes)) {
      return fail(Code::InvalidArgument, "cli.bad_label",
                  fmt::format("label \"{}\" is neither KEY=VALUE nor KEY-", printable(change)));
    }
    if (labels.contains(key)) {
      return fail(Code::InvalidArgument, "cli.bad_label",
                  fmt::format("label {} is given twice", printable(key)));
    }
    labels[key] = removes ? nlohmann::ordered_json(nullptr)
                          : nlohmann::ordered_json(change.substr(equal + 1));
  }
  return nlohmann::ordered_json{{"metadata", {{"labels", labels}}}}.dump();
}

void add_delete_command(std::vector<Command>& table, const std::string& noun, bool with_force) {
  std::vector<Option> options;
  if (with_force) {
    options.push_back(
        {.name = "--force", .value = "", .meaning = "Do not wait for a graceful stop"});
  }
  table.push_back({.noun = noun,
                   .verb = "delete",
                   .summary = fmt::format("Delete {}s with all that is theirs", noun),
                   .arguments = {{"NAME", fmt::format("Name of the {}", noun), Count::Some, noun}},
                   .options = operation_options(std::move(options)),
                   .examples = {fmt::format("aloft {} delete NAME", noun),
                                fmt::format("aloft {} delete NAME --dry-run", noun)},
                   .run = [noun](Context& context, const Words& words) -> Result<int> {
                     ALOFT_ASSIGN(const auto names, names_in(words, "NAME", noun));
                     return carry_out(context, words, names, [&](const std::string& name) {
                       return ask(context, words, "DELETE", path_of(noun, name),
                                  {{"force", words.has("--force") ? "true" : ""}});
                     });
                   }});
}

}  // namespace aloft::cli
