// What every kind of object has: list, show, edit, label, delete. Shows protobuf: for .cc files
// only.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "aloft/v1/common.pb.h"
#include "base/result.h"
#include "cli/context.h"
#include "cli/follow.h"
#include "cli/limits.h"
#include "cli/text.h"
#include "model/codec.h"
#include "model/message.h"

namespace aloft::cli {

template <class Message, class MessageList>
struct ObjectKind {
  std::string kind;                 // "guest"
  std::vector<std::string> titles;  // of the table
  std::vector<std::string> wide;    // more titles of the wide one
  std::vector<Cell> (*row)(const Message&, WallTime now);
  std::vector<Cell> (*wide_row)(const Message&);
  void (*describe)(const Message&, Fields&);
  std::vector<Option> filters{};  // of list; "--state" is the parameter "state"
};

// Errors: InvalidArgument "name.invalid".
[[nodiscard]] Result<void> check_name(std::string_view kind, std::string_view name);
// The arguments called `argument`, each checked, each once.
[[nodiscard]] Result<std::vector<std::string>> names_in(const Words& words,
                                                        std::string_view argument,
                                                        std::string_view kind);
// "a=1,b=2".
[[nodiscard]] std::string labels_text(const v1::Metadata& metadata);
// Uid, labels, creation; added below what is particular.
void describe_metadata(const v1::Metadata& metadata, Fields& fields);
[[nodiscard]] std::string architecture_text(v1::Architecture architecture);
[[nodiscard]] std::string technique_text(v1::Technique technique);
[[nodiscard]] std::string size_text(std::uint64_t bytes);  // "" for 0
[[nodiscard]] Cell ready_cell(const v1::Metadata& metadata, bool ready, std::string_view message);
[[nodiscard]] inline std::string path_of(std::string_view kind, std::string_view name) {
  return fmt::format("/v1/{}s/{}", kind, name);
}

// Shows the object in `before`, spec and labels as YAML, in $VISUAL or $EDITOR; gives the JSON to
// PUT, or nothing when nothing was changed. `kept`: the file, for errors that come later.
struct Edited {
  std::string json{};  // empty: nothing was changed
  std::string kept{};
};
[[nodiscard]] Result<Edited> edit_in_editor(Context& context, std::string_view kind,
                                            const std::string& json);
// A merge patch of labels from "KEY=VALUE" and "KEY-".
[[nodiscard]] Result<std::string> label_patch(const std::vector<std::string>& changes);
void forget_edit(const std::string& path);

// Reads the whole list, page by page.
template <class MessageList>
Result<MessageList> read_list(ApiClient& api, std::string_view path, Query query) {
  query.emplace_back("limit", std::to_string(kPage));
  query.emplace_back("after", "");
  MessageList all;
  for (;;) {
    MessageList page;
    ALOFT_TRY(api.get(target(path, query), page));
    query.back().second = page.next();
    if (all.items_size() == 0) {
      all = std::move(page);
    } else {
      all.MergeFrom(page);
    }
    if (query.back().second.empty()) {
      all.clear_next();
      return all;
    }
  }
}

template <class Message, class MessageList>
Result<int> list_objects(Context& context, const Words& words,
                         const ObjectKind<Message, MessageList>& kind) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  Query query = {{"label", words.text("--label")}};
  for (const Option& filter : kind.filters) {
    const std::string parameter = filter.name == "--on" ? "host" : filter.name.substr(2);
    query.emplace_back(parameter, words.text(filter.name));
  }
  ALOFT_ASSIGN(const auto list,
               read_list<MessageList>(*api, fmt::format("/v1/{}s", kind.kind), std::move(query)));
  Output& out = context.out();
  if (out.format() == Format::Name) {
    for (const auto& item : list.items()) out.print(item.metadata().name() + "\n");
  } else if (!out.for_people()) {
    out.print(list);
  } else if (list.items_size() == 0) {
    out.note(fmt::format("no {}s{}", kind.kind,
                         words.values.empty() ? "" : " that fit; leave out a filter for more"));
  } else {
    std::vector<std::string> titles = kind.titles;
    if (out.wide()) titles.insert(titles.end(), kind.wide.begin(), kind.wide.end());
    Table table(std::move(titles));
    const WallTime now = wall_now();
    for (const auto& item : list.items()) {
      std::vector<Cell> row = kind.row(item, now);
      if (out.wide()) {
        for (Cell& cell : kind.wide_row(item)) row.push_back(std::move(cell));
      }
      table.add(std::move(row));
    }
    out.print(table);
  }
  return 0;
}

template <class Message, class MessageList>
Result<int> show_objects(Context& context, const Words& words,
                         const ObjectKind<Message, MessageList>& kind) {
  ALOFT_ASSIGN(const auto names, names_in(words, "NAME", kind.kind));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  std::vector<Message> objects;
  for (const std::string& name : names) {
    Message object;
    ALOFT_TRY(api->get(target(path_of(kind.kind, name)), object));
    objects.push_back(std::move(object));
  }
  Output& out = context.out();
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    std::vector<const google::protobuf::Message*> messages;
    for (const Message& object : objects) messages.push_back(&object);
    out.print(messages);
    return 0;
  }
  bool first = true;
  for (const Message& object : objects) {
    if (out.format() == Format::Name) {
      out.print(object.metadata().name() + "\n");
      continue;
    }
    if (!first) out.print("\n");
    first = false;
    Fields fields;
    fields.add("Name", object.metadata().name());
    kind.describe(object, fields);
    describe_metadata(object.metadata(), fields);
    out.print(fields);
  }
  return 0;
}

// The answer of a change that is done at once.
template <class Message>
void show_changed(Output& out, std::string_view kind, const Message& object,
                  const std::string& sentence) {
  if (out.format() == Format::Name) {
    out.print(object.metadata().name() + "\n");
  } else if (out.for_people()) {
    out.print(fmt::format("{} {} {}\n", kind, object.metadata().name(), sentence));
  } else {
    out.print(object);
  }
}

template <class Message>
Result<int> edit_object(Context& context, const Words& words, std::string_view kind) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name(kind, name));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  Message before;
  ALOFT_TRY(api->get(target(path_of(kind, name)), before));
  Message shown = before;
  shown.clear_status();
  shown.mutable_metadata()->Clear();
  shown.mutable_metadata()->set_name(name);
  *shown.mutable_metadata()->mutable_labels() = before.metadata().labels();
  ALOFT_ASSIGN(const Edited edited, edit_in_editor(context, kind, model::message_to_json(shown)));
  if (edited.json.empty()) {
    context.out().note(fmt::format("{} {}: nothing was changed", kind, name));
    return 0;
  }
  Message after;
  const Query query = {{"dryRun", words.has("--dry-run") ? "true" : ""}};
  const auto put = api->put(target(path_of(kind, name), query), edited.json,
                            fmt::format("\"{}\"", before.metadata().revision()), after);
  if (!put) {
    Error error = put.error();
    error.message += fmt::format("; what you wrote is kept in {}", edited.kept);
    return std::unexpected(error);
  }
  forget_edit(edited.kept);
  show_changed(context.out(), kind, after,
               words.has("--dry-run") ? "would be changed; nothing was changed" : "changed");
  return 0;
}

template <class Message>
Result<int> patch_object(Context& context, const Words& words, std::string_view kind,
                         const std::string& name, const std::string& json,
                         const std::string& sentence) {
  ALOFT_TRY(check_name(kind, name));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  Message after;
  const bool dry_run = words.has("--dry-run");
  ALOFT_TRY(
      api->patch(target(path_of(kind, name), {{"dryRun", dry_run ? "true" : ""}}), json, after));
  show_changed(context.out(), kind, after,
               dry_run ? "would be changed; nothing was changed" : sentence);
  return 0;
}

template <class Message>
Result<int> label_object(Context& context, const Words& words, std::string_view kind) {
  ALOFT_ASSIGN(const std::string patch, label_patch(words.all("LABEL")));
  return patch_object<Message>(context, words, kind, words.at("NAME"), patch, "labelled");
}

// `kind` must live as long as the program.
template <class Message, class MessageList>
void add_object_commands(std::vector<Command>& table,
                         const ObjectKind<Message, MessageList>& kind) {
  const std::string& noun = kind.kind;
  std::vector<Option> filters = kind.filters;
  filters.push_back(
      {.name = "--label", .value = "KEY[=VALUE]", .meaning = "Only those with this label"});
  table.push_back({.noun = noun,
                   .verb = "list",
                   .summary = fmt::format("List {}s", noun),
                   .options = std::move(filters),
                   .examples = {fmt::format("aloft {} list", noun),
                                fmt::format("aloft {} list --label site=berlin -o name", noun)},
                   .run = [&kind](Context& context, const Words& words) {
                     return list_objects(context, words, kind);
                   }});
  table.push_back({.noun = noun,
                   .verb = "show",
                   .summary = fmt::format("Show all that is known of a {}", noun),
                   .arguments = {{"NAME", fmt::format("Name of the {}", noun), Count::Some, noun}},
                   .examples = {fmt::format("aloft {} show NAME", noun),
                                fmt::format("aloft {} show NAME -o yaml", noun)},
                   .run = [&kind](Context& context, const Words& words) {
                     return show_objects(context, words, kind);
                   }});
  table.push_back(
      {.noun = noun,
       .verb = "edit",
       .summary = fmt::format("Change spec and labels of a {} in an editor", noun),
       .arguments = {{"NAME", fmt::format("Name of the {}", noun), Count::One, noun}},
       .options = {dry_run_option()},
       .examples = {fmt::format("aloft {} edit NAME", noun),
                    fmt::format("EDITOR=nano aloft {} edit NAME", noun)},
       .details =
           "Opens $VISUAL or $EDITOR with YAML. A change that somebody else made meanwhile is "
           "never lost: the edit is refused and kept in a file.",
       .run = [noun](Context& context, const Words& words) {
         return edit_object<Message>(context, words, noun);
       }});
  table.push_back({.noun = noun,
                   .verb = "label",
                   .summary = fmt::format("Set and remove labels of a {}", noun),
                   .arguments = {{"NAME", fmt::format("Name of the {}", noun), Count::One, noun},
                                 {"LABEL", "KEY=VALUE sets, KEY- removes", Count::Some}},
                   .options = {dry_run_option()},
                   .examples = {fmt::format("aloft {} label NAME site=berlin owner-", noun)},
                   .run = [noun](Context& context, const Words& words) {
                     return label_object<Message>(context, words, noun);
                   }});
}

// `aloft KIND delete`, for kinds whose deletion is an operation.
void add_delete_command(std::vector<Command>& table, const std::string& noun, bool with_force);

}  // namespace aloft::cli
