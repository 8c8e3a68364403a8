// Streams of server-sent events: what happens, and what changes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

#include "aloft/v1/service.pb.h"
#include "api/answer.h"
#include "api/event_filter.h"
#include "api/limits.h"
#include "api/service.h"
#include "base/log.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

using records::Changed;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string sse(std::string_view id, std::string_view event, std::string_view data) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n", id, event, data);
}

// The stream cannot go on: the client reads why and begins anew.
void end_with(EventSink& sink, const Error& error) {
  sink.send(fmt::format("event: error\ndata: {}\n", error_response(error).body));
  sink.close();
}

// How far a watch of several kinds has come: "guests=45,operations=47".
class Cursor {
 public:
  static Result<Cursor> parse(std::string_view text) {
    Cursor cursor;
    while (!text.empty()) {
      const std::size_t comma = text.find(',');
      const std::string_view part = text.substr(0, comma);
      text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
      const std::size_t equal = part.find('=');
      const auto value =
          equal == std::string_view::npos ? std::nullopt : number(part.substr(equal + 1));
      if (!value) {
        return fail(Code::InvalidArgument, "api.bad_parameter",
                    "the cursor is none of ours; give the id of the last event you read");
      }
      cursor.revisions_[std::string(part.substr(0, equal))] = *value;
    }
    return cursor;
  }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const auto& [kind, revision] : revisions_) {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", kind, revision);
    }
    return text;
  }
  [[nodiscard]] bool has(const std::string& kind) const { return revisions_.contains(kind); }
  [[nodiscard]] store::Revision at(const std::string& kind) const {
    return store::Revision(revisions_.at(kind));
  }
  void set(const std::string& kind, store::Revision revision) {
    revisions_[kind] = revision.value();
  }

 private:
  std::map<std::string, std::uint64_t> revisions_;
};

void set_object(v1::Change& change, const model::Guest& guest) {
  *change.mutable_guest() = model::to_message(guest);
}
void set_object(v1::Change& change, const model::Host& host) {
  *change.mutable_host() = model::to_message(host);
}
void set_object(v1::Change& change, const model::Image& image) {
  *change.mutable_image() = model::to_message(image);
}
void set_object(v1::Change& change, const model::Network& network) {
  *change.mutable_network() = model::to_message(network);
}
void set_object(v1::Change& change, const model::Volume& volume) {
  *change.mutable_volume() = model::to_message(volume);
}
void set_object(v1::Change& change, const model::Rule& rule) {
  *change.mutable_rule() = model::to_message(rule);
}
void set_object(v1::Change& change, const model::Farm& farm) {
  *change.mutable_farm() = model::to_message(farm);
}
void set_object(v1::Change& change, const model::Operation& operation) {
  *change.mutable_operation() = model::to_message(operation);
}

const std::string& name_of(const auto& object) {
  return object.name();
}
const std::string& name_of(const model::Operation& operation) {
  return operation.id;
}

// One client's watch of several kinds.
class Watching {
 public:
  Watching(Service& service, std::shared_ptr<EventSink> sink, Cursor cursor)
      : service_(service), sink_(std::move(sink)), cursor_(std::move(cursor)) {}

  template <class Object>
  Result<void> begin() {
    const std::string kind(Object::kPlural);
    if (!cursor_.has(kind)) {
      ALOFT_ASSIGN(const auto page, list<Object>());
      const std::lock_guard lock(mutex_);
      cursor_.set(kind, page.revision);
      // Ids come with the end of the listing only: who resumes before it begins anew.
      for (const auto& object : page.items) {
        sink_->send(
            fmt::format("event: change\ndata: {}\n", data<Object>(name_of(object), &object)));
      }
    }
    auto handler = [this, kind](Result<Changed<Object>> changed) {
      if (!changed) {
        end_with(*sink_, changed.error());
        return;
      }
      const std::lock_guard lock(mutex_);
      cursor_.set(kind, changed->revision);
      const Object* object = changed->object ? &*changed->object : nullptr;
      sink_->send(sse(cursor_.text(), "change", data<Object>(changed->name, object)));
    };
    auto watch = watch_from(cursor_.at(kind), records::ChangeHandler<Object>(std::move(handler)));
    if (!watch) return std::unexpected(std::move(watch).error());
    watches_.push_back(*std::move(watch));
    return {};
  }

  void synced() {
    const std::lock_guard lock(mutex_);
    sink_->send(sse(cursor_.text(), "synced", "{}"));
  }

 private:
  template <class Object>
  Result<records::Page<Object>> list() {
    if constexpr (std::is_same_v<Object, model::Operation>) {
      return service_.records().list_operations();
    } else {
      return service_.records().list<Object>();
    }
  }
  template <class Object>
  Result<std::unique_ptr<store::Watch>> watch_from(store::Revision after,
                                                   records::ChangeHandler<Object> handler) {
    if constexpr (std::is_same_v<Object, model::Operation>) {
      return service_.records().watch_operations(after, std::move(handler));
    } else {
      return service_.records().watch<Object>(after, std::move(handler));
    }
  }
  template <class Object>
  static std::string data(const std::string& name, const Object* object) {
    v1::Change change;
    change.set_kind(std::string(Object::kKind));
    change.set_name(name);
    if (object != nullptr) set_object(change, *object);
    return model::message_to_json(change);
  }

  Service& service_;
  std::shared_ptr<EventSink> sink_;
  std::mutex mutex_;
  Cursor cursor_;
  std::vector<std::unique_ptr<store::Watch>> watches_;  // end before what their handlers use
};

using Begin = Result<void> (Watching::*)();
const std::map<std::string, Begin, std::less<>>& watchable() {
  static const std::map<std::string, Begin, std::less<>> kinds = {
      {"guests", &Watching::begin<model::Guest>},
      {"hosts", &Watching::begin<model::Host>},
      {"images", &Watching::begin<model::Image>},
      {"networks", &Watching::begin<model::Network>},
      {"volumes", &Watching::begin<model::Volume>},
      {"rules", &Watching::begin<model::Rule>},
      {"farms", &Watching::begin<model::Farm>},
      {"operations", &Watching::begin<model::Operation>}};
  return kinds;
}

Result<std::vector<Begin>> wanted_kinds(std::string_view text) {
  std::vector<Begin> wanted;
  if (text.empty()) {
    for (const auto& [kind, begin] : watchable()) wanted.push_back(begin);
    return wanted;
  }
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const auto found = watchable().find(text.substr(0, comma));
    if (found == watchable().end() || std::ranges::count(wanted, found->second) > 0) {
      return fail(Code::InvalidArgument, "api.bad_parameter",
                  fmt::format("parameter kinds has \"{}\"; give each of guests, hosts, images, "
                              "networks, volumes, operations at most once",
                              text.substr(0, comma)));
    }
    wanted.push_back(found->second);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return wanted;
}

Response stream(EventSource source) {
  Response response;
  response.content_type = "text/event-stream";
  response.events = std::move(source);
  return response;
}

Result<Response> watch(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto kinds, wanted_kinds(request.query("kinds")));
  const std::string_view last = request.header("last-event-id");
  ALOFT_ASSIGN(const auto cursor, Cursor::parse(last.empty() ? request.query("cursor") : last));
  return stream(
      [&service, kinds, cursor](std::shared_ptr<EventSink> sink) -> Result<std::shared_ptr<void>> {
        auto watching = std::make_shared<Watching>(service, std::move(sink), cursor);
        for (const Begin begin : kinds) ALOFT_TRY((watching.get()->*begin)());
        watching->synced();
        return watching;
      });
}

// One client that follows events.
class Following {
 public:
  Following(std::shared_ptr<EventSink> sink, EventFilter filter)
      : sink_(std::move(sink)), filter_(std::move(filter)) {}

  Result<void> begin(Service& service, std::optional<std::uint64_t> after) {
    std::uint64_t from = 0;
    if (after) {
      from = *after;
    } else {
      ALOFT_ASSIGN(const auto latest, service.records().latest_events(1));
      if (!latest.items.empty()) from = latest.items.back().sequence;
    }
    for (;;) {
      ALOFT_ASSIGN(const auto page, service.records().list_events(from, kDefaultPage));
      for (const auto& event : page.items) send(event);
      if (!page.items.empty()) from = page.items.back().sequence;
      if (page.items.size() >= kDefaultPage) continue;
      ALOFT_ASSIGN(watch_, service.records().watch_events(
                               page.revision, [this](Result<Changed<model::Event>> changed) {
                                 if (!changed) {
                                   end_with(*sink_, changed.error());
                                 } else if (changed->object) {
                                   send(*changed->object);
                                 }
                               }));
      return {};
    }
  }

 private:
  void send(const model::Event& event) {
    if (!filter_.fits(event)) return;
    sink_->send(sse(std::to_string(event.sequence), event.kind, model::to_json(event)));
  }

  std::shared_ptr<EventSink> sink_;
  EventFilter filter_;
  std::unique_ptr<store::Watch> watch_;  // ends before what its handler uses
};

}  // namespace

Result<EventFilter> EventFilter::of(const Request& request) {
  EventFilter filter;
  filter.subject_ = request.query("subject");
  filter.kind_ = request.query("kind");
  filter.incident_ = request.query("incident");
  const std::string_view severity = request.query("severity");
  if (severity.empty()) return filter;
  for (const auto known :
       {model::Severity::Info, model::Severity::Warning, model::Severity::Error}) {
    if (model::name_of(known) == severity) filter.least_ = known;
  }
  if (filter.least_) return filter;
  return fail(Code::InvalidArgument, "api.bad_parameter",
              fmt::format("parameter severity is \"{}\"; give info, warning or error", severity));
}

std::vector<QueryParameter> EventFilter::parameters() {
  return {{"subject", "only of this object: guest/web1"},
          {"kind", "only of this kind, or of kinds below it: guest"},
          {"incident", "only of this incident"},
          {"severity", "info, warning or error, and worse"}};
}

bool EventFilter::fits(const model::Event& event) const {
  return (subject_.empty() || event.subject == subject_) &&
         (kind_.empty() || event.kind == kind_ || event.kind.starts_with(kind_ + ".")) &&
         (incident_.empty() || event.incident == incident_) &&
         (!least_ || event.severity >= *least_);
}

Result<Response> follow_events(Service& service, const Request& request) {
  ALOFT_ASSIGN(auto filter, EventFilter::of(request));
  const std::string_view last = request.header("last-event-id");
  const std::string_view text = last.empty() ? request.query("after") : last;
  const auto after = number(text);
  if (!text.empty() && !after) {
    return fail(Code::InvalidArgument, "api.bad_parameter",
                "parameter after is no sequence; give that of the last event you read");
  }
  return stream([&service, filter = std::move(filter),
                 after](std::shared_ptr<EventSink> sink) -> Result<std::shared_ptr<void>> {
    auto following = std::make_shared<Following>(std::move(sink), filter);
    ALOFT_TRY(following->begin(service, after));
    return following;
  });
}

void add_stream_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({Method::Get,
                    "/v1/watch",
                    Role::Viewer,
                    "Streams every object as it is, then `synced`, then every change",
                    "",
                    "text/event-stream",
                    200,
                    {{"kinds", "comma-separated; all when not given"},
                     {"cursor", "the id of the last event read, to go on from there"}},
                    [&service](const Call& call) { return watch(service, call.request); }});
}

}  // namespace aloft::api
