// List, read, create, change and delete: the same for every kind of object.
#include <fmt/format.h>

#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "api/admission.h"
#include "api/answer.h"
#include "api/limits.h"
#include "api/merge_patch.h"
#include "api/placement_view.h"
#include "api/service.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

using model::Guest;
using model::Host;
using model::Image;
using model::Network;
using model::Rule;
using model::Volume;

template <class Object>
struct Messages;
template <>
struct Messages<Guest> {
  using One = v1::Guest;
  using List = v1::GuestList;
};
template <>
struct Messages<Host> {
  using One = v1::Host;
  using List = v1::HostList;
};
template <>
struct Messages<Image> {
  using One = v1::Image;
  using List = v1::ImageList;
};
template <>
struct Messages<Network> {
  using One = v1::Network;
  using List = v1::NetworkList;
};
template <>
struct Messages<Volume> {
  using One = v1::Volume;
  using List = v1::VolumeList;
};

template <>
struct Messages<Rule> {
  using One = v1::Rule;
  using List = v1::RuleList;
};
template <>
struct Messages<model::Farm> {
  using One = v1::Farm;
};

template <class Object>
Response answer_object(const Request& request, const Object& object) {
  Response response = answer(request, model::to_message(object));
  response.headers.emplace_back("ETag", fmt::format("\"{}\"", object.metadata().revision));
  return response;
}

// Filters beyond labels; an empty parameter does not filter.
bool fits(const Request& /*request*/, const auto& /*object*/) {
  return true;
}
bool fits(const Request& request, const Guest& guest) {
  const auto equals = [&](std::string_view parameter, std::string_view value) {
    const std::string_view wanted = request.query(parameter);
    return wanted.empty() || wanted == value;
  };
  return equals("state", model::name_of(guest.status().state)) &&
         equals("host", guest.status().host) && equals("image", guest.spec().image) &&
         equals("technique", model::name_of(guest.spec().technique));
}

template <class Object>
Result<Response> list_objects(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto limit, request.number("limit", kDefaultPage, kMaxPage));
  const std::string_view after = request.query("after");
  const std::string_view label = request.query("label");
  ALOFT_ASSIGN(const auto page, service.records().list<Object>());
  typename Messages<Object>::List list;
  list.set_revision(page.revision.value());
  for (const Object& object : page.items) {
    if (object.name() <= after) continue;
    if (!label.empty() && !model::has_label(object.metadata(), label)) continue;
    if (!fits(request, object)) continue;
    if (static_cast<std::uint64_t>(list.items_size()) >= std::max<std::uint64_t>(limit, 1)) {
      list.set_next(list.items(list.items_size() - 1).metadata().name());
      break;
    }
    *list.add_items() = model::to_message(object);
  }
  return answer(request, list);
}

// What a new object leaves open and the records know.
template <class Object>
Result<Object> completed(records::Records& /*records*/, const Object& object) {
  return object;
}
// A guest is what its image is, from the beginning: its technique never changes.
Result<Guest> completed(records::Records& records, const Guest& guest) {
  if (guest.spec().technique != model::Technique::Unspecified) return guest;
  const auto image = records.get<Image>(guest.spec().image);
  if (!image) return guest;  // admission says so when it is missing
  model::GuestSpec spec = guest.spec();
  spec.technique = image->spec().technique;
  if (spec.technique == model::Technique::Unspecified) {
    spec.technique = image->status().technique;
  }
  return guest.with_spec(std::move(spec));
}

// What only the host itself can judge.
template <class Object>
Result<void> admit_here(Backend& /*backend*/, const Object& /*object*/) {
  return {};
}
Result<void> admit_here(Backend& backend, const Guest& guest) {
  auto admitted = backend.admit(guest);
  if (admitted) return {};
  return std::unexpected(with_context(std::move(admitted).error(), "guest " + guest.name()));
}

// Whether the farm has room for it and keeps its promise; `force` takes it all the same.
template <class Object>
Result<void> admit_room(Service& /*service*/, const Object& /*object*/, bool /*force*/) {
  return {};
}
Result<void> admit_room(Service& service, const Guest& guest, bool force) {
  return force ? Result<void>() : admit_placement(service.records(), guest);
}

// An event for what was accepted against the advice of placement.
void note_forced(Service& service, const Request& request, const Guest& guest) {
  const auto against = admit_placement(service.records(), guest);
  if (against) return;
  note_event(service, request, "guest.forced", "guest/" + guest.name(),
             fmt::format("{} forced guest {} onto the farm although: {}.", request.identity.name,
                         guest.name(), against.error().message));
}

template <class Object>
Result<Response> create_object(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto wanted, model::from_json<Object>(request.body));
  ALOFT_ASSIGN(auto object, completed(service.records(), wanted));
  object.set_status({});
  const std::string kind = fmt::format("{}.create", Object::kKind);
  const std::string subject = fmt::format("{}/{}", Object::kKind, object.name());
  ALOFT_ASSIGN(const bool force, request.flag("force"));
  return answer_operation(
      service, request, kind, subject,
      [&](model::Operation& operation, bool dry_run) -> Result<void> {
        ALOFT_TRY(admit_new(service.records(), request.identity, object));
        ALOFT_TRY(admit_here(service.backend(), object));
        ALOFT_TRY(admit_room(service, object, force));
        if (dry_run) {
          const auto present = service.records().get<Object>(object.name());
          if (!present && present.error().code == Code::NotFound) return {};
          ALOFT_TRY(present);
          return fail(Code::AlreadyExists, fmt::format("{}.already_exists", Object::kKind),
                      fmt::format("{} {} exists already; choose another name or remove it first",
                                  Object::kKind, object.name()));
        }
        if constexpr (std::is_same_v<Object, Guest>) {
          if (force) note_forced(service, request, object);
        }
        ALOFT_TRY(service.records().create(object, &operation));
        return {};
      });
}

// Users change labels and spec; the rest is ours.
template <class Object>
Result<Object> changed(const Object& present, const Object& wanted) {
  model::Metadata metadata = present.metadata();
  metadata.labels = wanted.metadata().labels;
  auto result = wanted.with_metadata(std::move(metadata));
  if (result) result->set_status(present.status());
  return result;
}

template <class Object>
Result<Response> write_object(Service& service, const Request& request, const Object& present,
                              const Object& wanted, std::uint64_t expected) {
  ALOFT_ASSIGN(const auto next, changed(present, wanted));
  ALOFT_TRY(admit_change(service.records(), request.identity, present, next));
  if (present.spec() != next.spec()) {
    ALOFT_TRY(admit_here(service.backend(), next));
    ALOFT_TRY(admit_room(service, next, false));
  }
  ALOFT_ASSIGN(const bool dry_run, request.flag("dryRun"));
  if (dry_run && (expected == 0 || expected == present.metadata().revision)) {
    return answer_object(request, next);
  }
  ALOFT_ASSIGN(
      const auto written,
      service.records().update(next, expected == 0 ? present.metadata().revision : expected));
  if (written.metadata().revision != present.metadata().revision) {
    const std::string subject = fmt::format("{}/{}", Object::kKind, written.name());
    note_event(service, request, fmt::format("{}.changed", Object::kKind), subject,
               fmt::format("{} changed {} to generation {}.", request.identity.name, subject,
                           written.metadata().generation));
  }
  return answer_object(request, written);
}

template <class Object>
Result<void> check_name(std::string_view in_path, const Object& object) {
  if (object.name() == in_path) return {};
  return fail(Code::InvalidArgument, "api.other_name",
              fmt::format("the path names {} \"{}\", the body \"{}\"; an object keeps its name",
                          Object::kKind, in_path, object.name()));
}

template <class Object>
Result<Response> put_object(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto wanted, model::from_json<Object>(call.request.body));
  ALOFT_TRY(check_name(call.name, wanted));
  ALOFT_ASSIGN(auto expected, expected_revision(call.request));
  if (expected == 0 && call.request.header("if-match").empty()) {
    expected = wanted.metadata().revision;
    if (expected == 0) {
      return fail(Code::FailedPrecondition, "api.if_match_missing",
                  fmt::format("{} {}: send the ETag you read as If-Match, so that nobody's change "
                              "is lost, or use PATCH",
                              Object::kKind, call.name));
    }
  }
  ALOFT_ASSIGN(const auto present, service.records().get<Object>(call.name));
  return write_object(service, call.request, present, wanted, expected);
}

template <class Object>
Result<Response> patch_object(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto expected, expected_revision(call.request));
  constexpr int kTries = 16;  // a patch fits whatever the others changed meanwhile
  for (int tries = 1;; ++tries) {
    ALOFT_ASSIGN(const auto present, service.records().get<Object>(call.name));
    ALOFT_ASSIGN(const auto merged, merge_patch(model::to_json(present), call.request.body,
                                                *Messages<Object>::One::descriptor()));
    ALOFT_ASSIGN(const auto wanted, model::from_json<Object>(merged));
    ALOFT_TRY(check_name(call.name, wanted));
    auto written = write_object(service, call.request, present, wanted, expected);
    if (written || written.error().code != Code::Aborted || expected != 0 || tries == kTries) {
      return written;
    }
  }
}

template <class Object>
Result<Response> delete_object(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto expected, expected_revision(call.request));
  ALOFT_ASSIGN(const bool force, call.request.flag("force"));
  return answer_operation(
      service, call.request, fmt::format("{}.delete", Object::kKind),
      fmt::format("{}/{}", Object::kKind, call.name),
      [&](model::Operation& operation, bool dry_run) -> Result<void> {
        ALOFT_ASSIGN(const auto present, service.records().get<Object>(call.name));
        ALOFT_TRY(admit_deletion(service.records(), present));
        if (dry_run) return {};
        if (force) operation.parameters["force"] = "true";
        ALOFT_TRY(service.records().mark_deleting<Object>(call.name, expected, &operation));
        return {};
      });
}

Response nothing_to_answer() {
  Response response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

// A rule is nothing but its record: it is there at once, and gone at once.
Result<Response> create_rule(Service& service, const Request& request) {
  ALOFT_ASSIGN(const bool dry_run, request.flag("dryRun"));
  ALOFT_ASSIGN(const auto rule, model::from_json<Rule>(request.body));
  ALOFT_TRY(admit_rule(service.records(), rule));
  if (dry_run) return answer_object(request, rule);
  ALOFT_ASSIGN(const auto made, service.records().create(rule));
  note_event(service, request, "rule.created", "rule/" + made.name(),
             fmt::format("{} made rule {}.", request.identity.name, made.name()));
  Response response = answer_object(request, made);
  response.status = 201;
  return response;
}

Result<Response> delete_rule(Service& service, const Call& call) {
  ALOFT_ASSIGN(const bool dry_run, call.request.flag("dryRun"));
  ALOFT_ASSIGN(const auto present, service.records().get<Rule>(call.name));
  if (dry_run) return nothing_to_answer();
  ALOFT_TRY(service.records().remove<Rule>(call.name, present.uid()));
  note_event(service, call.request, "rule.removed", "rule/" + call.name,
             fmt::format("{} removed rule {}.", call.request.identity.name, call.name));
  return nothing_to_answer();
}

// The farm's record is made by the first change of it.
Result<model::Farm> farm_record(Service& service, bool make) {
  auto present = service.records().get<model::Farm>(model::kFarmName);
  if (present || present.error().code != Code::NotFound) return present;
  ALOFT_ASSIGN(auto name, model::Name::make("farm name", model::kFarmName));
  ALOFT_ASSIGN(const auto farm, model::Farm::make({.name = std::move(name)}, {}));
  if (!make) return farm;
  auto made = service.records().create(farm);
  if (!made && made.error().code == Code::AlreadyExists) {
    return service.records().get<model::Farm>(model::kFarmName);
  }
  return made;
}

template <Result<Response> (*change)(Service&, const Call&)>
Result<Response> change_farm(Service& service, const Call& call) {
  ALOFT_TRY(farm_record(service, true));
  return change(service, {call.request, std::string(model::kFarmName)});
}

void add_farm(Service& service, std::vector<Route>& routes) {
  routes.push_back({Method::Get,
                    "/v1/farm",
                    Role::Viewer,
                    "Reads what holds for the whole farm",
                    "",
                    "Farm",
                    200,
                    {},
                    [&service](const Call& call) -> Result<Response> {
                      ALOFT_ASSIGN(const auto farm, farm_record(service, false));
                      return answer_object(call.request, farm);
                    }});
  routes.push_back({Method::Put,
                    "/v1/farm",
                    Role::Admin,
                    "Replaces labels and spec",
                    "Farm",
                    "Farm",
                    200,
                    {dry_run_parameter()},
                    [&service](const Call& call) {
                      return change_farm<put_object<model::Farm>>(service, call);
                    }});
  routes.push_back({Method::Patch,
                    "/v1/farm",
                    Role::Admin,
                    "Changes labels and spec by a JSON merge patch",
                    "Farm",
                    "Farm",
                    200,
                    {dry_run_parameter()},
                    [&service](const Call& call) {
                      return change_farm<patch_object<model::Farm>>(service, call);
                    }});
}

// A host's record is written by its agent; deleting it forgets a host that is gone.
Result<Response> delete_host(Service& service, const Call& call) {
  ALOFT_ASSIGN(const bool dry_run, call.request.flag("dryRun"));
  ALOFT_ASSIGN(const auto present, service.records().get<Host>(call.name));
  ALOFT_ASSIGN(const auto guests, service.records().list<Guest>());
  for (const auto& guest : guests.items) {
    if (guest.status().host != call.name) continue;
    return fail(Code::FailedPrecondition, "host.in_use",
                fmt::format("host {} has guest {}; delete or move its guests first", call.name,
                            guest.name()));
  }
  if (!dry_run) {
    ALOFT_TRY(service.records().remove<Host>(call.name, present.uid()));
    note_event(
        service, call.request, "host.forgotten", "host/" + call.name,
        fmt::format("{} removed the record of host {}.", call.request.identity.name, call.name));
  }
  return nothing_to_answer();
}

template <class Object>
std::vector<QueryParameter> list_parameters() {
  std::vector<QueryParameter> parameters = {{"after", "begin after this name"},
                                            {"limit", "at most so many"},
                                            {"label", "KEY or KEY=VALUE"}};
  if constexpr (std::is_same_v<Object, Guest>) {
    parameters.push_back({"state", "only guests in this state, as aloft ps shows it"});
    parameters.push_back({"host", "only guests of this host"});
    parameters.push_back({"image", "only guests of this image"});
    parameters.push_back({"technique", "vm or container"});
  }
  return parameters;
}

template <class Object>
std::vector<QueryParameter> create_parameters() {
  std::vector<QueryParameter> parameters = {dry_run_parameter()};
  if constexpr (std::is_same_v<Object, Guest>) {
    parameters.push_back({"force", "take it although placement refuses it; an event says so"});
  }
  return parameters;
}

template <class Object>
void add(Service& service, std::vector<Route>& routes) {
  const std::string plural = fmt::format("/v1/{}", Object::kPlural);
  const std::string one = plural + "/{name}";
  const std::string kind(Object::kKind);
  const std::string message = Messages<Object>::One::descriptor()->name();
  constexpr bool is_host = std::is_same_v<Object, Host>;
  const Role changes = is_host ? Role::Admin : Role::Operator;
  routes.push_back({Method::Get, plural, Role::Viewer, fmt::format("Lists {}", Object::kPlural), "",
                    message + "List", 200, list_parameters<Object>(), [&service](const Call& call) {
                      return list_objects<Object>(service, call.request);
                    }});
  routes.push_back({Method::Get,
                    one,
                    Role::Viewer,
                    "Reads one " + kind,
                    "",
                    message,
                    200,
                    {},
                    [&service](const Call& call) -> Result<Response> {
                      ALOFT_ASSIGN(const auto object, service.records().get<Object>(call.name));
                      return answer_object(call.request, object);
                    }});
  routes.push_back({Method::Put,
                    one,
                    changes,
                    "Replaces labels and spec",
                    message,
                    message,
                    200,
                    {dry_run_parameter()},
                    [&service](const Call& call) { return put_object<Object>(service, call); }});
  routes.push_back({Method::Patch,
                    one,
                    changes,
                    "Changes labels and spec by a JSON merge patch",
                    message,
                    message,
                    200,
                    {dry_run_parameter()},
                    [&service](const Call& call) { return patch_object<Object>(service, call); }});
  if constexpr (is_host) {
    routes.push_back({Method::Delete,
                      one,
                      changes,
                      "Forgets a host that is gone",
                      "",
                      "",
                      204,
                      {dry_run_parameter()},
                      [&service](const Call& call) { return delete_host(service, call); }});
  } else if constexpr (std::is_same_v<Object, Rule>) {
    routes.push_back({Method::Post,
                      plural,
                      changes,
                      "Makes a rule",
                      message,
                      message,
                      201,
                      {dry_run_parameter()},
                      [&service](const Call& call) { return create_rule(service, call.request); }});
    routes.push_back({Method::Delete,
                      one,
                      changes,
                      "Removes a rule",
                      "",
                      "",
                      204,
                      {dry_run_parameter()},
                      [&service](const Call& call) { return delete_rule(service, call); }});
  } else {
    routes.push_back({Method::Post, plural, changes, "Makes a " + kind, message, "Operation", 202,
                      create_parameters<Object>(), [&service](const Call& call) {
                        return create_object<Object>(service, call.request);
                      }});
    routes.push_back(
        {Method::Delete,
         one,
         changes,
         fmt::format("Deletes a {}", kind),
         "",
         "Operation",
         202,
         {dry_run_parameter(), {"force", "do not wait for a graceful stop"}},
         [&service](const Call& call) { return delete_object<Object>(service, call); }});
  }
}

}  // namespace

void add_object_routes(Service& service, std::vector<Route>& routes) {
  add<Guest>(service, routes);
  add<Host>(service, routes);
  add<Image>(service, routes);
  add<Network>(service, routes);
  add<Volume>(service, routes);
  add<Rule>(service, routes);
  add_farm(service, routes);
}

}  // namespace aloft::api
