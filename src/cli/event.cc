// aloft event
#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "cli/interrupt.h"
#include "cli/object_commands.h"
#include "model/codec.h"
#include "model/event.h"

namespace aloft::cli {
namespace {

constexpr std::uint32_t kUsualEvents = 100;
constexpr int kInterrupted = 130;

model::Severity severity_of(const v1::Event& event) {
  return event.severity() == v1::Event::SEVERITY_UNSPECIFIED
             ? model::Severity::Info
             : static_cast<model::Severity>(event.severity());
}

Style style_of(const v1::Event& event) {
  switch (severity_of(event)) {
    case model::Severity::Error:
      return Style::Bad;
    case model::Severity::Warning:
      return Style::Warning;
    case model::Severity::Info:
      return Style::Plain;
  }
  return Style::Plain;
}

Query filters(const Words& words) {
  return {{"subject", words.text("--subject")},
          {"kind", words.text("--kind")},
          {"incident", words.text("--incident")},
          {"severity", words.text("--severity")},
          {"after", words.text("--after")}};
}

void print_events(Output& out, const std::vector<const v1::Event*>& events) {
  std::vector<std::string> titles = {"TIME", "SEVERITY", "SUBJECT", "KIND", "MESSAGE"};
  if (out.wide()) titles.insert(titles.end(), {"CAUSE", "HOST", "ACTOR", "INCIDENT", ">SEQUENCE"});
  Table table(std::move(titles));
  for (const auto* event : events) {
    std::vector<Cell> row = {{time_text(model::time_from(event->at()))},
                             {std::string(model::name_of(severity_of(*event))), style_of(*event)},
                             {event->subject()},
                             {event->kind()},
                             {event->message()}};
    if (out.wide()) {
      row.insert(row.end(), {{event->cause()},
                             {event->host()},
                             {event->actor()},
                             {event->incident()},
                             {std::to_string(event->sequence())}});
    }
    table.add(std::move(row));
  }
  out.print(table);
}

Result<int> list(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto limit, words.number("--limit", 1, static_cast<std::uint32_t>(kPage)));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  Query query = filters(words);
  // The API filters what it has looked at: with a filter it shall look at as many as it may.
  const bool filtered =
      std::ranges::any_of(query, [](const auto& parameter) { return !parameter.second.empty(); });
  const std::uint32_t shown = limit.value_or(kUsualEvents);
  query.emplace_back("limit", std::to_string(filtered ? kPage : shown));
  v1::EventList list;
  ALOFT_TRY(api->get(target("/v1/events", query), list));
  while (static_cast<std::uint32_t>(list.items_size()) > shown) {
    const bool oldest_first = words.has("--after");
    const int surplus = list.items_size() - static_cast<int>(shown);
    list.mutable_items()->DeleteSubrange(oldest_first ? static_cast<int>(shown) : 0, surplus);
  }
  Output& out = context.out();
  if (out.format() == Format::Name) {
    for (const auto& event : list.items()) out.print(fmt::format("{}\n", event.sequence()));
  } else if (!out.for_people()) {
    out.print(list);
  } else if (list.items_size() == 0) {
    out.note("no events that fit");
  } else {
    std::vector<const v1::Event*> events;
    for (const auto& event : list.items()) events.push_back(&event);
    print_events(out, events);
  }
  return 0;
}

std::string event_line(const Output& out, const v1::Event& event) {
  return fmt::format(
      "{}  {}  {}  {}\n", time_text(model::time_from(event.at())), printable(event.subject()),
      out.color() ? styled(printable(event.kind()), style_of(event)) : printable(event.kind()),
      printable(event.message()));
}

Result<int> follow(Context& context, const Words& words) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  Query query = filters(words);
  query.emplace_back("follow", "true");
  Instant deadline = kNever;
  if (context.has_timeout()) {
    ALOFT_ASSIGN(deadline, context.deadline());
  }
  Output& out = context.out();
  const Interrupt interrupt;
  const auto followed =
      api->stream(target("/v1/events", query), deadline, interrupt.descriptor(),
                  [&](const ServerEvent& sent) -> Result<bool> {
                    v1::Event event;
                    ALOFT_TRY(model::message_from_json("event", sent.data, event));
                    if (out.format() == Format::Json) {
                      out.print(model::message_to_json(event) + "\n");  // one a line
                    } else if (out.format() == Format::Yaml) {
                      out.print("---\n");
                      out.print(event);
                    } else if (out.format() == Format::Name) {
                      out.print(fmt::format("{}\n", event.sequence()));
                    } else {
                      out.print(event_line(out, event));
                    }
                    ALOFT_TRY(out.flush());
                    return true;
                  });
  if (followed) {
    return fail(Code::Unavailable, "cli.connection_lost",
                fmt::format("{} ended the stream of events; follow again", api->endpoint().text()));
  }
  if (followed.error().reason == "cli.interrupted") return kInterrupted;
  if (followed.error().reason == "cli.timeout" && context.has_timeout()) return 0;
  return std::unexpected(followed.error());
}

}  // namespace

void add_event_commands(std::vector<Command>& table) {
  std::vector<Option> options = {
      {.name = "--subject", .value = "KIND/NAME", .meaning = "Only of this object: guest/web1"},
      {.name = "--kind",
       .value = "KIND",
       .meaning = "Only of this kind, or of kinds below it: guest"},
      {.name = "--incident", .value = "ID", .meaning = "Only of this incident"},
      {.name = "--severity",
       .value = "SEVERITY",
       .meaning = "This, and worse",
       .choices = {"info", "warning", "error"}},
      {.name = "--after",
       .value = "SEQUENCE",
       .meaning = "Begin after this one; the newest when not given"}};
  std::vector<Option> with_limit = options;
  with_limit.push_back(
      {.name = "--limit", .value = "N", .meaning = "At most so many; 100 when not given"});
  table.push_back({.noun = "event",
                   .verb = "list",
                   .summary = "List what happened, oldest first",
                   .options = std::move(with_limit),
                   .examples = {"aloft event list --severity warning",
                                "aloft event list --subject guest/web1 -o wide"},
                   .run = list});
  table.push_back({.noun = "event",
                   .verb = "follow",
                   .summary = "Show what happens as it happens, until Ctrl-C",
                   .options = std::move(options),
                   .examples = {"aloft event follow", "aloft event follow --kind guest -o json"},
                   .details = "With -o json each event is one line. --timeout ends it with 0.",
                   .run = follow});
}

}  // namespace aloft::cli
