// aloft explain KIND/NAME: why an object is in its state, in sentences.
#include "aloft/v1/service.pb.h"
#include "cli/explain_guest.h"
#include "cli/object_commands.h"
#include "model/event.h"

namespace aloft::cli {
namespace {

constexpr int kShownEvents = 8;

struct History {
  v1::EventList events;
  v1::OperationList operations;
};

Result<History> read_history(ApiClient& api, const std::string& subject) {
  History history;
  const Query query = {{"subject", subject}, {"limit", std::to_string(kPage)}};
  ALOFT_TRY(api.get(target("/v1/events", query), history.events));
  ALOFT_TRY(api.get(target("/v1/operations", query), history.operations));
  return history;
}

// Sentences on what is under way, or has failed last.
void add_operations(const v1::OperationList& operations, WallTime now,
                    std::vector<std::string>& sentences) {
  const v1::Operation* last = nullptr;
  for (const auto& operation : operations.items()) {
    last = &operation;
    const bool pending = operation.state() == v1::Operation::STATE_PENDING;
    if (!pending && operation.state() != v1::Operation::STATE_RUNNING) continue;
    const Duration since = now - model::time_from(operation.metadata().created_at());
    std::string sentence =
        fmt::format("Operation {} ({}), asked for by {} {} ago, {}", operation.metadata().name(),
                    operation.kind(), operation.actor(), duration_text(since),
                    pending ? "waits for its host" : "is running");
    if (operation.progress_permille() > 0) {
      sentence += fmt::format(" at {} %", operation.progress_permille() / 10);
    }
    if (!operation.step().empty()) sentence += fmt::format(": {}", operation.step());
    sentences.push_back(sentence + ".");
  }
  if (last != nullptr && last->state() == v1::Operation::STATE_FAILED) {
    sentences.push_back(fmt::format("Its last operation {} ({}) failed: {} ({}).",
                                    last->metadata().name(), last->kind(), last->error().message(),
                                    last->error().reason()));
  }
}

void print_events(Output& out, const v1::EventList& events) {
  if (events.items_size() == 0) return;
  out.print("\nWhat happened last:\n");
  for (int i = std::max(0, events.items_size() - kShownEvents); i < events.items_size(); ++i) {
    const v1::Event& event = events.items(i);
    out.print(fmt::format("  {}  {}\n", time_text(model::time_from(event.at())),
                          printable(event.message())));
    if (!event.cause().empty()) {
      out.print(fmt::format("    because: {}\n", printable(event.cause())));
    }
    for (const auto& evidence : event.evidence()) {
      out.print(fmt::format("    seen: {}\n", printable(evidence)));
    }
  }
}

// Objects that are ready or say why not.
template <class Message>
Result<std::vector<std::string>> explain_ready(ApiClient& api, std::string_view kind,
                                               const std::string& name) {
  Message object;
  ALOFT_TRY(api.get(target(path_of(kind, name)), object));
  const std::string who = fmt::format("{} {}", kind, name);
  if (object.metadata().has_deleting_since()) {
    return std::vector{
        fmt::format("{} is being deleted since {} UTC.", who,
                    time_text(model::time_from(object.metadata().deleting_since())))};
  }
  if (object.status().ready()) return std::vector{fmt::format("{} is ready.", who)};
  return std::vector{object.status().message().empty()
                         ? fmt::format("{} is not ready: no host has made it yet.", who)
                         : fmt::format("{} is not ready: {}.", who, object.status().message())};
}

Result<std::vector<std::string>> explain_host(ApiClient& api, const std::string& name,
                                              WallTime now) {
  v1::Host host;
  ALOFT_TRY(api.get(target(path_of("host", name)), host));
  v1::GuestList guests;
  ALOFT_ASSIGN(guests, read_list<v1::GuestList>(api, "/v1/guests", {{"host", name}}));
  const auto& status = host.status();
  std::vector<std::string> sentences;
  if (!status.has_seen_at()) {
    sentences.push_back(fmt::format("host {} has never reported; start aloftd there.", name));
  } else {
    sentences.push_back(fmt::format("host {} reported last {} ago.", name,
                                    duration_text(now - model::time_from(status.seen_at()))));
  }
  if (host.spec().maintenance()) {
    sentences.push_back("It is in maintenance: what runs there goes on, nothing new comes.");
  }
  sentences.push_back(fmt::format(
      "It runs {} guests; {} of {} of its memory is available.", guests.items_size(),
      to_string(Bytes(status.memory_available_bytes())), to_string(Bytes(status.memory_bytes()))));
  for (const auto& capability : status.capabilities()) {
    if (capability.available()) continue;
    sentences.push_back(
        fmt::format("It cannot do {}: {}.", capability.name(),
                    capability.reason().empty() ? "no reason is known" : capability.reason()));
  }
  return sentences;
}

Result<std::vector<std::string>> explain_operation(ApiClient& api, const std::string& id) {
  v1::Operation operation;
  ALOFT_TRY(api.get(target("/v1/operations/" + id), operation));
  std::vector<std::string> sentences = {fmt::format("Operation {} is {} of {}, asked for by {}.",
                                                    id, operation.kind(), operation.subject(),
                                                    operation.actor())};
  const auto state = operation.state();
  if (state == v1::Operation::STATE_PENDING) {
    sentences.emplace_back(
        "No host has taken it yet: look whether aloftd runs on the host of its subject.");
  } else if (state == v1::Operation::STATE_RUNNING) {
    sentences.push_back(fmt::format("Host {} works at it{}.", operation.host(),
                                    operation.step().empty() ? "" : ": " + operation.step()));
  } else if (state == v1::Operation::STATE_DONE) {
    sentences.emplace_back("It is done.");
  } else if (state == v1::Operation::STATE_FAILED) {
    sentences.push_back(fmt::format("It failed: {} ({}).", operation.error().message(),
                                    operation.error().reason()));
  } else if (state == v1::Operation::STATE_CANCELLED) {
    sentences.emplace_back("It was cancelled.");
  }
  return sentences;
}

Result<std::vector<std::string>> explain_object(ApiClient& api, const std::string& kind,
                                                const std::string& name, WallTime now) {
  if (kind == "guest") return explain_guest(api, name, now);
  if (kind == "host") return explain_host(api, name, now);
  if (kind == "image") return explain_ready<v1::Image>(api, kind, name);
  if (kind == "network") return explain_ready<v1::Network>(api, kind, name);
  if (kind == "volume") return explain_ready<v1::Volume>(api, kind, name);
  if (kind == "operation") return explain_operation(api, name);
  return fail(Code::InvalidArgument, "cli.usage",
              fmt::format("there is no kind \"{}\"; give guest, host, image, network, volume or "
                          "operation, and /NAME",
                          printable(kind)));
}

Result<int> explain(Context& context, const Words& words) {
  const std::string& given = words.at("OBJECT");
  const std::size_t slash = given.find('/');
  // A name alone is a guest's.
  const std::string kind(slash == std::string::npos ? "guest" : singular(given.substr(0, slash)));
  const std::string name = slash == std::string::npos ? given : given.substr(slash + 1);
  ALOFT_TRY(check_name(kind, name));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  const WallTime now = wall_now();
  ALOFT_ASSIGN(auto sentences, explain_object(*api, kind, name, now));
  ALOFT_ASSIGN(const History history, read_history(*api, fmt::format("{}/{}", kind, name)));
  Output& out = context.out();
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    out.print(history.events);
    return 0;
  }
  add_operations(history.operations, now, sentences);
  for (const std::string& sentence : sentences) out.print(printable(sentence) + "\n");
  print_events(out, history.events);
  return 0;
}

}  // namespace

void add_explain_commands(std::vector<Command>& table) {
  table.push_back(
      {.verb = "explain",
       .summary = "Tell in sentences why an object is in its state",
       .arguments = {{"OBJECT", "KIND/NAME; a name alone is a guest's", Count::One, "guest"}},
       .examples = {"aloft explain guest/web1", "aloft explain host/h1",
                    "aloft explain operation/op-0645a1b2c3d4e5f6a7b8c9d0"},
       .details = "With -o json and -o yaml: the events that it is told from.",
       .run = explain});
}

}  // namespace aloft::cli
