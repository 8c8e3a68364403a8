// aloft operation
#include "model/operation.h"
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

std::string state_text(const v1::Operation& operation) {
  return std::string(model::name_of(static_cast<model::OperationState>(operation.state())));
}

Style style_of(const v1::Operation& operation) {
  if (operation.state() == v1::Operation::STATE_DONE) return Style::Good;
  if (operation.state() == v1::Operation::STATE_FAILED) return Style::Bad;
  return operation.state() == v1::Operation::STATE_CANCELLED ? Style::Dim : Style::Warning;
}

// How far it has come, or why it failed.
std::string remark(const v1::Operation& operation) {
  if (operation.has_error() && !operation.error().message().empty()) {
    return operation.error().message();
  }
  if (operation.progress_permille() == 0 || operation.state() == v1::Operation::STATE_DONE) {
    return operation.step();
  }
  return fmt::format("{} %{}{}", operation.progress_permille() / 10,
                     operation.step().empty() ? "" : ", ", operation.step());
}

void print_list(Output& out, const v1::OperationList& list) {
  if (list.items_size() == 0) {
    out.note("no operations that fit");
    return;
  }
  std::vector<std::string> titles = {"ID", "KIND", "SUBJECT", "STATE", ">AGE", "REMARK"};
  if (out.wide()) titles.insert(titles.end(), {"HOST", "ACTOR"});
  Table table(std::move(titles));
  const WallTime now = wall_now();
  for (const auto& operation : list.items()) {
    std::vector<Cell> row = {
        {operation.metadata().name()},
        {operation.kind()},
        {operation.subject()},
        {state_text(operation), style_of(operation)},
        {age_text(model::time_from(operation.metadata().created_at()), now)},
        {out.wide() ? remark(operation) : shortened(printable(remark(operation)), 60)}};
    if (out.wide()) {
      row.push_back({operation.host()});
      row.push_back({operation.actor()});
    }
    table.add(std::move(row));
  }
  out.print(table);
}

Result<int> list(Context& context, const Words& words) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  ALOFT_ASSIGN(const auto list,
               read_list<v1::OperationList>(*api, "/v1/operations",
                                            {{"state", words.text("--state")},
                                             {"kind", words.text("--kind")},
                                             {"subject", words.text("--subject")}}));
  Output& out = context.out();
  if (out.format() == Format::Name) {
    for (const auto& item : list.items()) out.print(item.metadata().name() + "\n");
  } else if (out.for_people()) {
    print_list(out, list);
  } else {
    out.print(list);
  }
  return 0;
}

Result<std::vector<v1::Operation>> read_operations(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto ids, names_in(words, "ID", "operation"));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  std::vector<v1::Operation> operations;
  for (const std::string& id : ids) {
    v1::Operation operation;
    ALOFT_TRY(api->get(target("/v1/operations/" + id), operation));
    operations.push_back(std::move(operation));
  }
  return operations;
}

void describe(Output& out, const v1::Operation& operation) {
  Fields fields;
  fields.add("Id", operation.metadata().name());
  fields.add("Kind", operation.kind());
  fields.add("Subject", operation.subject());
  fields.add("State", state_text(operation), style_of(operation));
  if (operation.progress_permille() > 0) {
    fields.add("Progress", fmt::format("{} %", operation.progress_permille() / 10));
  }
  fields.add("Step", operation.step());
  if (operation.has_error()) {
    fields.add("Error",
               fmt::format("{} ({})", operation.error().message(), operation.error().reason()),
               Style::Bad);
  }
  fields.add("Host", operation.host());
  fields.add("Actor", operation.actor());
  const auto time = [&](const char* name, bool set, const google::protobuf::Timestamp& at) {
    if (set) fields.add(name, time_text(model::time_from(at)) + " UTC");
  };
  time("Asked for", operation.metadata().has_created_at(), operation.metadata().created_at());
  time("Started", operation.has_started_at(), operation.started_at());
  time("Ended", operation.has_ended_at(), operation.ended_at());
  if (operation.cancel_requested()) fields.add("Cancel", "asked for", Style::Warning);
  out.print(fields);
}

void show_all(Output& out, const std::vector<v1::Operation>& operations) {
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    std::vector<const google::protobuf::Message*> messages;
    for (const auto& operation : operations) messages.push_back(&operation);
    out.print(messages);
    return;
  }
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (out.format() == Format::Name) {
      out.print(operations[i].metadata().name() + "\n");
      continue;
    }
    if (i > 0) out.print("\n");
    describe(out, operations[i]);
  }
}

Result<int> show(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto operations, read_operations(context, words));
  show_all(context.out(), operations);
  return 0;
}

Result<int> wait(Context& context, const Words& words) {
  ALOFT_ASSIGN(auto operations, read_operations(context, words));
  return wait_for(context, std::move(operations));
}

Result<int> cancel(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto ids, names_in(words, "ID", "operation"));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  std::vector<v1::Operation> operations;
  for (const std::string& id : ids) {
    v1::Operation operation;
    ALOFT_TRY(api->post(target(fmt::format("/v1/operations/{}:cancel", id)), nullptr, operation));
    operations.push_back(std::move(operation));
  }
  Output& out = context.out();
  if (!out.for_people()) {
    show_all(out, operations);
    return 0;
  }
  for (const auto& operation : operations) {
    const bool at_once = operation.state() == v1::Operation::STATE_CANCELLED;
    out.print(fmt::format(
        "operation {} {}\n", operation.metadata().name(),
        at_once ? "cancelled" : "is asked to end; its host undoes what it has done so far"));
  }
  return 0;
}

}  // namespace

void add_operation_commands(std::vector<Command>& table) {
  const Argument ids{"ID", "Id of the operation", Count::Some, "operation"};
  table.push_back({.noun = "operation",
                   .verb = "list",
                   .summary = "List operations, oldest first",
                   .options = {{.name = "--state",
                                .value = "STATE",
                                .meaning = "Only those in this state",
                                .choices = {"pending", "running", "done", "failed", "cancelled"}},
                               {.name = "--kind",
                                .value = "KIND",
                                .meaning = "Only of this kind: guest.create"},
                               {.name = "--subject",
                                .value = "KIND/NAME",
                                .meaning = "Only of this object: guest/web1"}},
                   .examples = {"aloft operation list --state running",
                                "aloft operation list --subject guest/web1"},
                   .run = list});
  table.push_back({.noun = "operation",
                   .verb = "show",
                   .summary = "Show all that is known of an operation",
                   .arguments = {ids},
                   .examples = {"aloft operation show op-0645a1b2c3d4e5f6a7b8c9d0"},
                   .run = show});
  table.push_back(
      {.noun = "operation",
       .verb = "wait",
       .summary = "Wait for the end of operations",
       .arguments = {ids},
       .examples = {"aloft operation wait op-0645a1b2c3d4e5f6a7b8c9d0 --timeout 5m"},
       .details = "The exit code is 0 when all are done, else that of the first failure.",
       .run = wait});
  table.push_back({.noun = "operation",
                   .verb = "cancel",
                   .summary = "Ask for the end of operations",
                   .arguments = {ids},
                   .examples = {"aloft operation cancel op-0645a1b2c3d4e5f6a7b8c9d0"},
                   .run = cancel});
}

}  // namespace aloft::cli
