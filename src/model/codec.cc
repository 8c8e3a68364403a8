#include "model/codec.h"

#include <google/protobuf/util/json_util.h>

#include "aloft/v1/event.pb.h"
#include "aloft/v1/farm.pb.h"
#include "aloft/v1/guest.pb.h"
#include "aloft/v1/host.pb.h"
#include "aloft/v1/image.pb.h"
#include "aloft/v1/network.pb.h"
#include "aloft/v1/operation.pb.h"
#include "aloft/v1/rule.pb.h"
#include "aloft/v1/volume.pb.h"
#include "model/message.h"

namespace aloft::model {
namespace {

template <class T>
struct MessageOf;
template <>
struct MessageOf<Guest> {
  using Type = v1::Guest;
};
template <>
struct MessageOf<Host> {
  using Type = v1::Host;
};
template <>
struct MessageOf<Image> {
  using Type = v1::Image;
};
template <>
struct MessageOf<Network> {
  using Type = v1::Network;
};
template <>
struct MessageOf<Volume> {
  using Type = v1::Volume;
};
template <>
struct MessageOf<Rule> {
  using Type = v1::Rule;
};
template <>
struct MessageOf<Farm> {
  using Type = v1::Farm;
};
template <>
struct MessageOf<Operation> {
  using Type = v1::Operation;
};
template <>
struct MessageOf<Event> {
  using Type = v1::Event;
};

template <class T>
constexpr std::string_view kind_of() {
  if constexpr (std::is_same_v<T, Event>) {
    return "event";
  } else {
    return T::kKind;
  }
}

Code code_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::Unauthenticated); ++i) {
    if (code_name(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  }
  return Code::Unknown;
}

}  // namespace

Result<Metadata> metadata_from(std::string_view kind, const v1::Metadata& message) {
  ALOFT_ASSIGN(auto name, Name::make(fmt::format("{} name", kind), message.name()));
  Metadata metadata{.name = std::move(name)};
  metadata.uid = clean_text(message.uid(), kMaxNameBytes);
  metadata.generation = message.generation();
  metadata.revision = message.revision();
  metadata.created_at = time_from(message.created_at());
  if (message.has_deleting_since()) metadata.deleting_since = time_from(message.deleting_since());
  metadata.labels.insert(message.labels().begin(), message.labels().end());
  return metadata;
}

void metadata_to(const Metadata& metadata, v1::Metadata& message) {
  message.set_name(metadata.name.text());
  message.set_uid(metadata.uid);
  message.set_generation(metadata.generation);
  message.set_revision(metadata.revision);
  if (metadata.created_at != WallTime{}) {
    *message.mutable_created_at() = time_to(metadata.created_at);
  }
  if (metadata.deleting_since)
    *message.mutable_deleting_since() = time_to(*metadata.deleting_since);
  message.mutable_labels()->insert(metadata.labels.begin(), metadata.labels.end());
}

WallTime time_from(const google::protobuf::Timestamp& message) {
  // Years 0001 to 9999, as protobuf allows: no overflow of microseconds.
  constexpr std::int64_t kMin = -62'135'596'800;
  constexpr std::int64_t kMax = 253'402'300'799;
  const std::int64_t seconds = std::clamp(std::int64_t{message.seconds()}, kMin, kMax);
  const std::int32_t nanos = std::clamp(message.nanos(), 0, 999'999'999);
  return WallTime(std::chrono::seconds(seconds) + std::chrono::microseconds(nanos / 1000));
}

google::protobuf::Timestamp time_to(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  google::protobuf::Timestamp message;
  message.set_seconds(seconds.time_since_epoch().count());
  message.set_nanos(static_cast<std::int32_t>((time - seconds).count() * 1000));
  return message;
}

Result<void> unknown_enumerator(std::string_view field, int value) {
  return fail(Code::InvalidArgument, "enum.unknown",
              fmt::format("{} is {}, which this version does not know; give one of the names in "
                          "the reference",
                          field, value));
}

Result<Operation> from_message(const v1::Operation& message) {
  Operation operation;
  ALOFT_ASSIGN(const auto id, Name::make("operation id", message.metadata().name()));
  operation.id = id.text();
  operation.kind = message.kind();
  operation.subject = message.subject();
  operation.state =
      enum_or_default(message.state(), v1::Operation::State_IsValid, OperationState::Pending);
  operation.progress_permille = message.progress_permille();
  operation.step = message.step();
  if (message.has_error()) {
    const auto& error = message.error();
    operation.error = Error{code_of(error.code()), error.reason(), error.message()};
  }
  operation.created_at = time_from(message.metadata().created_at());
  operation.started_at = time_from(message.started_at());
  operation.ended_at = time_from(message.ended_at());
  operation.actor = message.actor();
  operation.host = message.host();
  operation.idempotency_key = message.idempotency_key();
  operation.cancel_requested = message.cancel_requested();
  operation.parameters.insert(message.parameters().begin(), message.parameters().end());
  operation.revision = message.metadata().revision();
  ALOFT_TRY(validate(operation));
  return operation;
}

v1::Operation to_message(const Operation& operation) {
  v1::Operation message;
  message.mutable_metadata()->set_name(operation.id);
  message.mutable_metadata()->set_revision(operation.revision);
  if (operation.created_at != WallTime{}) {
    *message.mutable_metadata()->mutable_created_at() = time_to(operation.created_at);
  }
  message.set_kind(stored(operation.kind));
  message.set_subject(stored(operation.subject));
  message.set_state(static_cast<v1::Operation::State>(operation.state));
  message.set_progress_permille(std::min(operation.progress_permille, 1000U));
  message.set_step(stored(operation.step));
  if (operation.error) {
    message.mutable_error()->set_code(std::string(code_name(operation.error->code)));
    message.mutable_error()->set_reason(stored(operation.error->reason));
    message.mutable_error()->set_message(stored(operation.error->message));
  }
  if (operation.started_at != WallTime{}) {
    *message.mutable_started_at() = time_to(operation.started_at);
  }
  if (operation.ended_at != WallTime{}) *message.mutable_ended_at() = time_to(operation.ended_at);
  message.set_actor(stored(operation.actor));
  message.set_host(stored(operation.host));
  message.set_idempotency_key(stored(operation.idempotency_key));
  message.set_cancel_requested(operation.cancel_requested);
  for (const auto& [key, value] : operation.parameters) {
    (*message.mutable_parameters())[stored(key)] = clean_text(value, kMaxParameterBytes);
  }
  return message;
}

Result<Event> from_message(const v1::Event& message) {
  Event event;
  event.sequence = message.sequence();
  event.at = time_from(message.at());
  event.subject = message.subject();
  event.kind = message.kind();
  event.message = message.message();
  event.cause = message.cause();
  event.evidence.assign(message.evidence().begin(), message.evidence().end());
  event.before = message.before();
  event.after = message.after();
  event.actor = message.actor();
  event.incident = message.incident();
  event.severity = enum_or_default(message.severity(), v1::Event::Severity_IsValid, Severity::Info);
  event.host = message.host();
  return event;
}

v1::Event to_message(const Event& event) {
  v1::Event message;
  message.set_sequence(event.sequence);
  if (event.at != WallTime{}) *message.mutable_at() = time_to(event.at);
  message.set_subject(stored(event.subject));
  message.set_kind(stored(event.kind));
  message.set_message(stored(event.message));
  message.set_cause(stored(event.cause));
  for (std::size_t i = 0; i < std::min(event.evidence.size(), kMaxEvidence); ++i) {
    message.add_evidence(stored(event.evidence[i]));
  }
  message.set_before(stored(event.before));
  message.set_after(stored(event.after));
  message.set_actor(stored(event.actor));
  message.set_incident(stored(event.incident));
  message.set_severity(static_cast<v1::Event::Severity>(event.severity));
  message.set_host(stored(event.host));
  return message;
}

template <class T>
std::string to_bytes(const T& value) {
  return to_message(value).SerializeAsString();
}

namespace {

std::unexpected<Error> damaged(std::string_view kind, std::string_view why) {
  return fail(Code::DataLoss, "model.damaged",
              fmt::format("the stored {} cannot be read: {}; restore the store from a backup or "
                          "remove the object",
                          kind, why));
}

template <class Message>
Result<void> parse(std::string_view kind, std::string_view bytes, Message& message) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return damaged(kind, "it is not a protobuf message");
}

}  // namespace

template <class T>
Result<T> from_bytes(std::string_view bytes) {
  typename MessageOf<T>::Type message;
  ALOFT_TRY(parse(kind_of<T>(), bytes, message));
  auto value = from_message(message);
  if (!value) return damaged(kind_of<T>(), value.error().message);
  return value;
}

template <class Object>
std::string spec_to_bytes(const Object& object) {
  auto message = to_message(object);
  message.clear_status();
  return message.SerializeAsString();
}

template <class Object>
std::string status_to_bytes(const Object& object) {
  auto message = to_message(object);
  message.clear_spec();
  auto& metadata = *message.mutable_metadata();
  const std::string uid = metadata.uid();
  metadata.Clear();
  metadata.set_uid(uid);
  return message.SerializeAsString();
}

template <class Object>
Result<Object> from_stored(std::string_view spec, std::string_view status, std::uint64_t revision) {
  typename MessageOf<Object>::Type message;
  ALOFT_TRY(parse(Object::kKind, spec, message));
  if (!status.empty()) {
    typename MessageOf<Object>::Type with_status;
    ALOFT_TRY(parse(Object::kKind, status, with_status));
    if (with_status.metadata().uid() == message.metadata().uid()) {
      message.mutable_status()->Swap(with_status.mutable_status());
    }
  }
  message.mutable_metadata()->set_revision(revision);
  auto object = from_message(message);
  if (!object) return damaged(Object::kKind, object.error().message);
  return object;
}

template <class T>
std::string to_json(const T& value) {
  return message_to_json(to_message(value));
}

template <class T>
Result<T> from_json(std::string_view json) {
  typename MessageOf<T>::Type message;
  ALOFT_TRY(message_from_json(kind_of<T>(), json, message));
  return from_message(message);
}

std::string message_to_json(const google::protobuf::Message& message) {
  std::string json;
  // Fails only for strings that are not UTF-8, which no value of this room contains.
  const auto status = google::protobuf::util::MessageToJsonString(message, &json);
  return status.ok() ? json : "{}";
}

Result<void> message_from_json(std::string_view what, std::string_view json,
                               google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.case_insensitive_enum_parsing = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &message, options);
  if (status.ok()) return {};
  const auto why = status.message();
  return fail(Code::InvalidArgument, "json.invalid",
              fmt::format("{}: {}; see /openapi.json for its fields", what,
                          clean_text(std::string_view(why.data(), why.size()), 512)));
}

#define ALOFT_INSTANTIATE(T)                          \
  template std::string to_bytes<T>(const T&);         \
  template Result<T> from_bytes<T>(std::string_view); \
  template std::string to_json<T>(const T&);          \
  template Result<T> from_json<T>(std::string_view);
ALOFT_INSTANTIATE(Guest)
ALOFT_INSTANTIATE(Host)
ALOFT_INSTANTIATE(Image)
ALOFT_INSTANTIATE(Network)
ALOFT_INSTANTIATE(Volume)
ALOFT_INSTANTIATE(Rule)
ALOFT_INSTANTIATE(Farm)
ALOFT_INSTANTIATE(Operation)
ALOFT_INSTANTIATE(Event)
#undef ALOFT_INSTANTIATE

#define ALOFT_INSTANTIATE(T)                         \
  template std::string spec_to_bytes<T>(const T&);   \
  template std::string status_to_bytes<T>(const T&); \
  template Result<T> from_stored<T>(std::string_view, std::string_view, std::uint64_t);
ALOFT_INSTANTIATE(Guest)
ALOFT_INSTANTIATE(Host)
ALOFT_INSTANTIATE(Image)
ALOFT_INSTANTIATE(Network)
ALOFT_INSTANTIATE(Volume)
ALOFT_INSTANTIATE(Rule)
ALOFT_INSTANTIATE(Farm)
#undef ALOFT_INSTANTIATE

}  // namespace aloft::model
