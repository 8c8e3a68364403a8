// What can be asked of a guest besides changing its spec.
#include <fmt/format.h>

#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "api/admission.h"
#include "api/answer.h"
#include "api/limits.h"
#include "api/placement_view.h"
#include "api/service.h"
#include "model/codec.h"
#include "model/limits.h"
#include "model/text.h"

namespace aloft::api {
namespace {

using model::Guest;
using model::GuestSpec;

std::string subject_of(std::string_view name) {
  return fmt::format("guest/{}", name);
}

// An operation of an existing guest that changes no record.
Result<Response> ask(Service& service, const Call& call, std::string_view kind) {
  return answer_operation(
      service, call.request, kind, subject_of(call.name),
      [&](model::Operation& operation, bool dry_run) -> Result<void> {
        ALOFT_ASSIGN(const auto guest, service.records().get<Guest>(call.name));
        if (guest.deleting()) {
          return fail(Code::FailedPrecondition, "guest.deleting",
                      fmt::format("guest {} is being deleted; wait until it is gone", call.name));
        }
        if (dry_run) return {};
        operation.parameters["uid"] = guest.uid();
        ALOFT_ASSIGN(operation, service.records().create_operation(operation));
        return {};
      });
}

// An operation that waits until a change of the spec has taken effect.
Result<Response> change(Service& service, const Call& call, std::string_view kind,
                        const std::function<Result<void>(GuestSpec&)>& edit) {
  ALOFT_ASSIGN(const bool force, call.request.flag("force"));
  return answer_operation(
      service, call.request, kind, subject_of(call.name),
      [&](model::Operation& operation, bool dry_run) -> Result<void> {
        ALOFT_ASSIGN(const auto present, service.records().get<Guest>(call.name));
        GuestSpec spec = present.spec();
        ALOFT_TRY(edit(spec));
        ALOFT_ASSIGN(const auto next, present.with_spec(std::move(spec)));
        ALOFT_TRY(admit_change(service.records(), call.request.identity, present, next));
        ALOFT_TRY(admit_placement(service.records(), next));
        if (dry_run) return {};
        if (force) operation.parameters["force"] = "true";
        ALOFT_TRY(service.records().change_spec<Guest>(call.name, edit, &operation));
        return {};
      });
}

Result<Response> resize(Service& service, const Call& call) {
  v1::ResizeRequest wanted;
  ALOFT_TRY(model::message_from_json("resize request", call.request.body, wanted));
  if (wanted.cpus() == 0 && wanted.memory_bytes() == 0 && wanted.cpu_shares() == 0) {
    return fail(
        Code::InvalidArgument, "guest.resize_nothing",
        fmt::format("guest {}: nothing to change; give cpus, memoryBytes or cpuShares", call.name));
  }
  return change(service, call, "guest.resize", [wanted](GuestSpec& spec) -> Result<void> {
    if (wanted.cpus() != 0) spec.cpus = wanted.cpus();
    if (wanted.memory_bytes() != 0) spec.memory = Bytes(wanted.memory_bytes());
    if (wanted.cpu_shares() != 0) spec.cpu_shares = wanted.cpu_shares();
    return {};
  });
}

Result<Response> exec(Service& service, const Call& call) {
  v1::ExecRequest wanted;
  ALOFT_TRY(model::message_from_json("exec request", call.request.body, wanted));
  const std::vector<std::string> command(wanted.command().begin(), wanted.command().end());
  const bool too_long = std::ranges::any_of(command, [](const std::string& argument) {
    return argument.size() > model::kMaxArgumentBytes || argument.contains('\0');
  });
  if (command.empty() || command.front().empty() || command.size() > model::kMaxArguments ||
      too_long) {
    return fail(Code::InvalidArgument, "guest.exec_command",
                fmt::format("guest {}: give a command of 1 to {} arguments of at most {} bytes",
                            call.name, model::kMaxArguments, model::kMaxArgumentBytes));
  }
  const Duration timeout = wanted.timeout_ms() == 0
                               ? Duration(kDefaultExecTimeout)
                               : Duration(std::chrono::milliseconds(wanted.timeout_ms()));
  if (timeout > kMaxExecTimeout) {
    return fail(Code::InvalidArgument, "guest.exec_timeout",
                fmt::format("guest {}: timeoutMs is {}; give at most {}", call.name,
                            wanted.timeout_ms(), kMaxExecTimeout.count()));
  }
  ALOFT_TRY(service.records().get<Guest>(call.name));
  ALOFT_ASSIGN(const auto slow, SlowCall::begin(service));
  ALOFT_ASSIGN(const auto result, service.backend().exec(call.name, command, timeout));
  v1::ExecResponse message;
  message.set_exit_status(result.exit_status);
  message.set_standard_output(result.standard_output);
  message.set_standard_error(result.standard_error);
  return answer(call.request, message);
}

Result<Response> console(Service& service, const Call& call) {
  std::string upgrade(call.request.header("upgrade"));
  if (upgrade != "aloft-console") {
    return fail(Code::InvalidArgument, "guest.console_upgrade",
                fmt::format("guest {}: a console is a raw stream; send \"Connection: Upgrade\" and "
                            "\"Upgrade: aloft-console\"",
                            call.name));
  }
  ALOFT_TRY(service.records().get<Guest>(call.name));
  ALOFT_ASSIGN(const int descriptor, service.backend().open_console(call.name));
  Response response;
  response.status = 101;
  response.console = descriptor;
  response.upgrade_protocol = std::move(upgrade);
  return response;
}

Result<Response> log_of(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto bytes, call.request.number("bytes", 64U << 10U, kMaxLogBytes));
  ALOFT_TRY(service.records().get<Guest>(call.name));
  ALOFT_ASSIGN(auto text, service.backend().console_log(call.name, bytes));
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = model::clean_text(text, kMaxLogBytes);
  return response;
}

}  // namespace

void add_guest_routes(Service& service, std::vector<Route>& routes) {
  const std::string one = "/v1/guests/{name}";
  const QueryParameter force{"force", "do not wait for a graceful stop"};
  const auto set_desired = [](model::Desired desired) {
    return [desired](GuestSpec& spec) -> Result<void> {
      spec.desired = desired;
      return {};
    };
  };
  routes.push_back({Method::Post,
                    one + ":start",
                    Role::Operator,
                    "Wants it running",
                    "",
                    "Operation",
                    202,
                    {dry_run_parameter()},
                    [&service, set_desired](const Call& call) {
                      return change(service, call, "guest.start",
                                    set_desired(model::Desired::Running));
                    }});
  routes.push_back({Method::Post,
                    one + ":stop",
                    Role::Operator,
                    "Wants it stopped",
                    "",
                    "Operation",
                    202,
                    {dry_run_parameter(), force},
                    [&service, set_desired](const Call& call) {
                      return change(service, call, "guest.stop",
                                    set_desired(model::Desired::Stopped));
                    }});
  const std::pair<const char*, const char*> asked[] = {
      {"restart", "Stops it gracefully and starts it again"},
      {"kill", "Ends its processes at once; its restart policy follows"},
      {"freeze", "Makes its processes stand still"},
      {"thaw", "Lets its processes go on"}};
  for (const auto& [verb, summary] : asked) {
    routes.push_back({Method::Post,
                      fmt::format("{}:{}", one, verb),
                      Role::Operator,
                      summary,
                      "",
                      "Operation",
                      202,
                      {dry_run_parameter()},
                      [&service, kind = fmt::format("guest.{}", verb)](const Call& call) {
                        return ask(service, call, kind);
                      }});
  }
  routes.push_back({Method::Post,
                    one + ":resize",
                    Role::Operator,
                    "Changes CPUs, memory or shares of a running guest",
                    "ResizeRequest",
                    "Operation",
                    202,
                    {dry_run_parameter()},
                    [&service](const Call& call) { return resize(service, call); }});
  routes.push_back({Method::Post,
                    one + ":exec",
                    Role::Operator,
                    "Runs a command in it and waits for its end",
                    "ExecRequest",
                    "ExecResponse",
                    200,
                    {},
                    [&service](const Call& call) { return exec(service, call); }});
  routes.push_back({Method::Post,
                    one + ":console",
                    Role::Operator,
                    "Becomes its console: raw bytes both ways after `Upgrade: aloft-console`",
                    "",
                    "",
                    101,
                    {},
                    [&service](const Call& call) { return console(service, call); }});
  routes.push_back({Method::Get,
                    one + "/log",
                    Role::Viewer,
                    "The last of what its console said",
                    "",
                    "text/plain",
                    200,
                    {{"bytes", "at most so many; 65,536 when not given"}},
                    [&service](const Call& call) { return log_of(service, call); }});
}

}  // namespace aloft::api
