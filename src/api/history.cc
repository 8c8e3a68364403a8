// Operations and events: read and cancel.
#include <fmt/format.h>

#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "api/answer.h"
#include "api/event_filter.h"
#include "api/limits.h"
#include "api/service.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

Result<Response> list_operations(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto limit, request.number("limit", kDefaultPage, kMaxPage));
  const auto wanted = [&](std::string_view parameter, std::string_view value) {
    const std::string_view filter = request.query(parameter);
    return filter.empty() || filter == value;
  };
  ALOFT_ASSIGN(const auto page, service.records().list_operations());
  v1::OperationList list;
  list.set_revision(page.revision.value());
  for (const auto& operation : page.items) {
    if (operation.id <= request.query("after")) continue;
    if (!wanted("state", model::name_of(operation.state)) || !wanted("kind", operation.kind) ||
        !wanted("subject", operation.subject)) {
      continue;
    }
    if (static_cast<std::uint64_t>(list.items_size()) >= std::max<std::uint64_t>(limit, 1)) {
      list.set_next(list.items(list.items_size() - 1).metadata().name());
      break;
    }
    *list.add_items() = model::to_message(operation);
  }
  return answer(request, list);
}

Result<Response> list_events(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto limit, request.number("limit", kDefaultPage, kMaxPage));
  ALOFT_ASSIGN(const auto after, request.number("after", 0, UINT64_MAX - 1));
  ALOFT_ASSIGN(const auto filter, EventFilter::of(request));
  // Without ?after= the newest ones are wanted.
  const bool newest = request.query("after").empty();
  const auto count = static_cast<std::size_t>(std::max<std::uint64_t>(limit, 1));
  v1::EventList list;
  auto page =
      newest ? service.records().latest_events(count) : service.records().list_events(after, count);
  ALOFT_TRY(page);
  list.set_revision(page->revision.value());
  for (const auto& event : page->items) {
    if (filter.fits(event)) *list.add_items() = model::to_message(event);
  }
  if (!newest && page->items.size() == count) {
    list.set_next(std::to_string(page->items.back().sequence));
  }
  return answer(request, list);
}

}  // namespace

void add_operation_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {Method::Get,
       "/v1/operations",
       Role::Viewer,
       "Lists operations, oldest first",
       "",
       "OperationList",
       200,
       {{"after", "begin after this id"},
        {"limit", "at most so many"},
        {"state", "pending, running, done, failed or cancelled"},
        {"kind", "only of this kind"},
        {"subject", "only of this object: guest/web1"}},
       [&service](const Call& call) { return list_operations(service, call.request); }});
  routes.push_back({Method::Get,
                    "/v1/operations/{id}",
                    Role::Viewer,
                    "Reads one operation",
                    "",
                    "Operation",
                    200,
                    {},
                    [&service](const Call& call) -> Result<Response> {
                      ALOFT_ASSIGN(const auto operation,
                                   service.records().get_operation(call.name));
                      return answer(call.request, model::to_message(operation));
                    }});
  routes.push_back({Method::Post,
                    "/v1/operations/{id}:cancel",
                    Role::Operator,
                    "Asks for its end; one that no agent has taken ends at once",
                    "",
                    "Operation",
                    200,
                    {},
                    [&service](const Call& call) -> Result<Response> {
                      ALOFT_ASSIGN(const auto operation,
                                   service.records().cancel_operation(call.name));
                      return answer(call.request, model::to_message(operation));
                    }});
  std::vector<QueryParameter> parameters = {
      {"after", "begin after this sequence; the newest events when not given"},
      {"limit", "look at so many at most"},
      {"follow", "a stream of server-sent events instead"}};
  for (const auto& parameter : EventFilter::parameters()) parameters.push_back(parameter);
  routes.push_back({Method::Get, "/v1/events", Role::Viewer, "Lists events, or follows them", "",
                    "EventList", 200, std::move(parameters),
                    [&service](const Call& call) -> Result<Response> {
                      ALOFT_ASSIGN(const bool follow, call.request.flag("follow"));
                      if (follow) return follow_events(service, call.request);
                      return list_events(service, call.request);
                    }});
}

}  // namespace aloft::api
