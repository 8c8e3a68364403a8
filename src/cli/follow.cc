#include "cli/follow.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <set>

#include "aloft/v1/guest.pb.h"
#include "aloft/v1/service.pb.h"
#include "cli/interrupt.h"
#include "cli/limits.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "model/codec.h"
#include "model/message.h"

namespace aloft::cli {
namespace {

constexpr int kDetached = 130;  // as a shell shows a program that SIGINT ended

bool ended(const v1::Operation& operation) {
  return operation.state() == v1::Operation::STATE_DONE ||
         operation.state() == v1::Operation::STATE_FAILED ||
         operation.state() == v1::Operation::STATE_CANCELLED;
}

// "guest web1" of "guest/web1".
std::string spoken(std::string subject) {
  std::ranges::replace(subject, '/', ' ');
  return subject;
}

std::string_view verb_of(const v1::Operation& operation) {
  const std::string_view kind = operation.kind();
  const std::size_t dot = kind.rfind('.');
  return dot == std::string_view::npos ? kind : kind.substr(dot + 1);
}

std::string done_word(const v1::Operation& operation) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kWords{
      {{"create", "created"},
       {"delete", "deleted"},
       {"start", "started"},
       {"stop", "stopped"},
       {"restart", "restarted"},
       {"kill", "killed"},
       {"freeze", "frozen"},
       {"thaw", "thawed"},
       {"resize", "resized"}}};
  const std::string_view verb = verb_of(operation);
  for (const auto& [known, word] : kWords) {
    if (known == verb) return std::string(word);
  }
  return fmt::format("{} done", verb);
}

Error error_of(const v1::Operation& operation) {
  const std::string what = fmt::format("{}: {} ", spoken(operation.subject()), verb_of(operation));
  if (operation.state() == v1::Operation::STATE_CANCELLED) {
    return {Code::Cancelled, "operation.cancelled",
            fmt::format("{}was cancelled (operation {})", what, operation.metadata().name())};
  }
  const v1::Status& status = operation.error();
  Code code = Code::Unknown;
  for (int i = 0; i <= static_cast<int>(Code::Unauthenticated); ++i) {
    if (code_name(static_cast<Code>(i)) == status.code()) code = static_cast<Code>(i);
  }
  return {code, status.reason().empty() ? "operation.failed" : status.reason(),
          fmt::format("{}failed: {}; aloft explain {} tells more", what,
                      status.message().empty() ? "no reason was given" : status.message(),
                      operation.subject())};
}

// Waits for operations; a broken stream is taken up again, also over a restart of aloftd.
class Waiting {
 public:
  Waiting(Context& context, ApiClient& api, std::vector<v1::Operation>& operations)
      : context_(context), api_(api), operations_(operations), progress_(context.out()) {}

  // Errors: Cancelled "cli.interrupted", DeadlineExceeded "cli.timeout", others of the API.
  Result<void> run() {
    ALOFT_ASSIGN(const Instant deadline, context_.deadline());
    bool from_revision = true;
    while (!all_ended()) {
      draw();
      auto streamed = api_.stream(watch_target(from_revision), deadline, interrupt_.descriptor(),
                                  [this](const ServerEvent& event) { return take(event); });
      // The cursor may be older than what the store remembers: then list everything once.
      from_revision = !lost_place_;
      lost_place_ = false;
      if (!streamed && streamed.error().reason != "cli.connection_lost" &&
          streamed.error().reason != "cli.not_reachable") {
        return streamed;
      }
      if (all_ended()) break;
      ALOFT_TRY(pause(deadline));
      ALOFT_TRY(read_again());
    }
    progress_.clear();
    return {};
  }

 private:
  [[nodiscard]] bool all_ended() const { return std::ranges::all_of(operations_, ended); }

  [[nodiscard]] std::string watch_target(bool from_revision) const {
    std::uint64_t revision = UINT64_MAX;
    for (const auto& operation : operations_) {
      if (!ended(operation)) revision = std::min(revision, operation.metadata().revision());
    }
    Query query = {{"kinds", "operations"}};
    if (from_revision && revision != 0) {
      query.emplace_back("cursor", fmt::format("operations={}", revision));
    }
    return target("/v1/watch", query);
  }

  Result<bool> take(const ServerEvent& event) {
    if (event.name == "error") {
      lost_place_ = true;
      return false;
    }
    if (event.name != "change") return true;
    v1::Change change;
    ALOFT_TRY(model::message_from_json("change", event.data, change));
    for (auto& operation : operations_) {
      if (operation.metadata().name() != change.name()) continue;
      if (!change.has_operation()) {
        return fail(Code::NotFound, "operation.not_found",
                    fmt::format("operation {} is gone before it ended; look at {} itself",
                                change.name(), operation.subject()));
      }
      operation = change.operation();
      draw();
    }
    return !all_ended();
  }

  void draw() {
    std::vector<Doing> all;
    for (const auto& operation : operations_) {
      if (ended(operation)) continue;
      const bool pending = operation.state() == v1::Operation::STATE_PENDING;
      all.push_back({spoken(operation.subject()), std::string(verb_of(operation)),
                     pending ? "waits for its host" : operation.step(),
                     operation.progress_permille()});
    }
    progress_.show(all);
  }

  Result<void> pause(Instant deadline) {
    pollfd wake{interrupt_.descriptor(), POLLIN, 0};
    const int ready =
        ::poll(&wake, wake.fd >= 0 ? 1 : 0, static_cast<int>(kReconnectPause.count()));
    if (ready > 0) return fail(Code::Cancelled, "cli.interrupted", "interrupted");
    if (boot_now() < deadline) return {};
    return fail(Code::DeadlineExceeded, "cli.timeout", "aloftd has not come back in time");
  }

  // What happened while nobody listened.
  Result<void> read_again() {
    for (auto& operation : operations_) {
      if (ended(operation)) continue;
      const auto read =
          api_.get(target("/v1/operations/" + operation.metadata().name()), operation);
      if (read) continue;
      if (read.error().code != Code::Unavailable) return read;
      if (!told_gone_) context_.out().note("aloftd does not answer; waiting for it to come back");
      told_gone_ = true;
      return {};
    }
    told_gone_ = false;
    return {};
  }

  Context& context_;
  ApiClient& api_;
  std::vector<v1::Operation>& operations_;
  Interrupt interrupt_;
  Progress progress_;
  bool lost_place_ = false;
  bool told_gone_ = false;
};

void show_messages(Output& out, const std::vector<v1::Operation>& operations) {
  std::vector<const google::protobuf::Message*> messages;
  messages.reserve(operations.size());
  for (const auto& operation : operations) messages.push_back(&operation);
  if (!messages.empty()) out.print(messages);
}

std::string name_in(const std::string& subject) {
  return subject.substr(subject.find('/') + 1);
}

// What a guest has become by it: "running on h1, 10.77.0.5".
std::string outcome(ApiClient& api, const v1::Operation& operation) {
  constexpr std::array<std::string_view, 3> kTelling = {"guest.create", "guest.start",
                                                        "guest.restart"};
  if (std::ranges::count(kTelling, operation.kind()) == 0) return {};
  v1::Guest guest;
  if (!api.get(target("/v1/guests/" + name_in(operation.subject())), guest)) return {};
  const auto state = static_cast<model::GuestState>(guest.status().state());
  std::string text = fmt::format(", {}", model::name_of(state));
  if (!guest.status().host().empty()) text += " on " + guest.status().host();
  for (const auto& address : guest.status().addresses()) text += ", " + address;
  return printable(text);
}

Duration took(const v1::Operation& operation) {
  return std::max(Duration(0), Duration(model::time_from(operation.ended_at()) -
                                        model::time_from(operation.metadata().created_at())));
}

int show_ends(Context& context, ApiClient& api, const std::vector<v1::Operation>& operations) {
  Output& out = context.out();
  int code = 0;
  for (const auto& operation : operations) {
    if (operation.state() == v1::Operation::STATE_DONE) {
      if (out.format() == Format::Name) out.print(name_in(operation.subject()) + "\n");
      if (!out.for_people()) continue;
      out.print(fmt::format("{} {}{} ({})\n", printable(spoken(operation.subject())),
                            done_word(operation), outcome(api, operation),
                            duration_text(took(operation))));
    } else {
      const Error error = error_of(operation);
      out.complain(
          fmt::format("aloft: {} ({})\n", printable(error.message), printable(error.reason)));
      if (code == 0) code = exit_code(error.code);
    }
  }
  if (out.format() == Format::Json || out.format() == Format::Yaml) show_messages(out, operations);
  return code;
}

void show_dry_run(Output& out, const std::vector<v1::Operation>& operations) {
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    return show_messages(out, operations);
  }
  for (const auto& operation : operations) {
    out.print(out.for_people()
                  ? fmt::format("{} would be {}; nothing was changed\n",
                                printable(spoken(operation.subject())), done_word(operation))
                  : name_in(operation.subject()) + "\n");
  }
}

void show_accepted(Output& out, const std::vector<v1::Operation>& operations) {
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    return show_messages(out, operations);
  }
  for (const auto& operation : operations) {
    out.print(out.for_people() ? fmt::format("{}: {} is under way as operation {}\n",
                                             printable(spoken(operation.subject())),
                                             verb_of(operation), operation.metadata().name())
                               : operation.metadata().name() + "\n");
  }
}

// The operations go on without us: says how to find them again.
int detach(Context& context, const std::vector<v1::Operation>& operations, const Error& why) {
  std::string ids;
  for (const auto& operation : operations) {
    if (!ended(operation)) ids += " " + operation.metadata().name();
  }
  const bool interrupted = why.reason == "cli.interrupted";
  context.out().complain(
      fmt::format("aloft: {}; it goes on without this command. Follow it: aloft operation wait{}  "
                  "Cancel it: aloft operation cancel{} ({})\n",
                  interrupted ? "interrupted while waiting" : "not done within the time given", ids,
                  ids, why.reason));
  return interrupted ? kDetached : exit_code(why.code);
}

}  // namespace

Result<v1::Operation> ask(Context& context, const Words& words, std::string_view method,
                          std::string_view path, Query query,
                          const google::protobuf::Message* body) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  const bool dry_run = words.has("--dry-run");
  if (dry_run) query.emplace_back("dryRun", "true");
  const std::string key = dry_run ? std::string() : new_idempotency_key();
  v1::Operation operation;
  const std::string where = target(path, query);
  ALOFT_TRY(method == "DELETE" ? api->remove(where, &operation, key)
                               : api->post(where, body, operation, key));
  return operation;
}

Result<int> carry_out(Context& context, const Words& words, const std::vector<std::string>& names,
                      const std::function<Result<v1::Operation>(const std::string&)>& begin) {
  std::vector<v1::Operation> operations;
  int code = 0;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) continue;
    auto operation = begin(name);
    if (operation) {
      operations.push_back(*std::move(operation));
      continue;
    }
    // With one object there is nothing to go on with, without an API nothing at all.
    if (names.size() == 1 || operation.error().reason == "cli.not_reachable") {
      return std::unexpected(operation.error());
    }
    context.out().complain(fmt::format("aloft: {} ({})\n", printable(operation.error().message),
                                       printable(operation.error().reason)));
    if (code == 0) code = exit_code(operation.error().code);
  }
  if (words.has("--dry-run")) {
    show_dry_run(context.out(), operations);
    return code;
  }
  if (words.has("--no-wait")) {
    show_accepted(context.out(), operations);
    return code;
  }
  ALOFT_ASSIGN(const int waited, wait_for(context, std::move(operations)));
  return code != 0 ? code : waited;
}

Result<int> wait_for(Context& context, std::vector<v1::Operation> operations) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  const auto done = Waiting(context, *api, operations).run();
  if (!done) {
    if (done.error().reason == "cli.interrupted" || done.error().reason == "cli.timeout") {
      return detach(context, operations, done.error());
    }
    return std::unexpected(done.error());
  }
  return show_ends(context, *api, operations);
}

}  // namespace aloft::cli
