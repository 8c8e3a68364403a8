// List, read, create, change and delete: the same for every kind of object.
#include <fmt/format.h>

#include <algorithm>

#include "aloft/v1/service.pb.h"
#include "api/admission.h"
#include "api/answer.h"
#include "api/limits.h"
#include "api/merge_patch.h"
#include "api/service.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

using model::Guest;
using model::Host;
using model::Image;
using model::Network;
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

template <class Object>
Response answer_object(const Request& request, const Object& object) {
  Response response = answer(request, model::to_message(object));
  response.headers.emplace_back("ETag", fmt::format("\"{}\"", object.metadata().revision));
  return response;
}

bool has_label(const model::Metadata& metadata, std::string_view filter) {
  const std::size_t equal = filter.find('=');
  const auto found = metadata.labels.find(std::string(filter.substr(0, equal)));
  if (found == metadata.labels.end()) return false;
  return equal == std::string_view::npos || found->second == filter.substr(equal + 1);
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
    if (!label.empty() && !has_label(object.metadata(), label)) continue;
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

template <class Object>
Result<Response> create_object(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto wanted, model::from_json<Object>(request.body));
  ALOFT_ASSIGN(auto object, completed(service.records(), wanted));
  object.set_status({});
  const std::string kind = fmt::format("{}.create", Object::kKind);
  const std::string subject = fmt::format("{}/{}", Object::kKind, object.name());
  return answer_operation(
      service, request, kind, subject,
      [&](model::Operation& operation, bool dry_run) -> Result<void> {
        ALOFT_TRY(admit_new(service.records(), request.identity, object));
        ALOFT_TRY(admit_here(service.backend(), object));
        if (dry_run) {
          const auto present = service.records().get<Object>(object.name());
          if (!present && present.error().code == Code::NotFound) return {};
          ALOFT_TRY(present);
          return fail(Code::AlreadyExists, fmt::format("{}.already_exists", Object::kKind),
                      fmt::format("{} {} exists already; choose another name or remove it first",
                                  Object::kKind, object.name()));
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
  if (present.spec() != next.spec()) ALOFT_TRY(admit_here(service.backend(), next));
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
  Response response;
  response.status = 204;
  response.content_type.clear();
  return response;
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
  } else {
    routes.push_back(
        {Method::Post,
         plural,
         changes,
         "Makes a " + kind,
         message,
         "Operation",
         202,
         {dry_run_parameter()},
         [&service](const Call& call) { return create_object<Object>(service, call.request); }});
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
}

}  // namespace aloft::api
