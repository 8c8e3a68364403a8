// Between values, stored bytes (protobuf) and JSON (protobuf's JSON mapping).
//
// Bytes and JSON from outside are checked here: what comes out is valid. JSON input refuses unknown
// fields and wrong types and names the field. The functions exist for Guest, Host, Image, Network,
// Volume, Rule, Farm, Operation and Event; the messages are those of api/aloft/v1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "model/farm.h"
#include "model/guest.h"
#include "model/host.h"
#include "model/image.h"
#include "model/network.h"
#include "model/operation.h"
#include "model/rule.h"
#include "model/volume.h"

namespace google::protobuf {
class Message;
}
namespace aloft::v1 {
class Event;
class Farm;
class Guest;
class Host;
class Image;
class Network;
class Operation;
class Rule;
class Volume;
}  // namespace aloft::v1

namespace aloft::model {

v1::Guest to_message(const Guest& guest);
v1::Host to_message(const Host& host);
v1::Image to_message(const Image& image);
v1::Network to_message(const Network& network);
v1::Volume to_message(const Volume& volume);
v1::Operation to_message(const Operation& operation);
v1::Event to_message(const Event& event);
v1::Rule to_message(const Rule& rule);
v1::Farm to_message(const Farm& farm);

// Errors: InvalidArgument naming object and field.
Result<Guest> from_message(const v1::Guest& message);
Result<Host> from_message(const v1::Host& message);
Result<Image> from_message(const v1::Image& message);
Result<Network> from_message(const v1::Network& message);
Result<Volume> from_message(const v1::Volume& message);
Result<Operation> from_message(const v1::Operation& message);
Result<Event> from_message(const v1::Event& message);
Result<Rule> from_message(const v1::Rule& message);
Result<Farm> from_message(const v1::Farm& message);

template <class T>
[[nodiscard]] std::string to_bytes(const T& value);
// Errors: DataLoss "model.damaged" when the bytes are not what `to_bytes` gives.
template <class T>
[[nodiscard]] Result<T> from_bytes(std::string_view bytes);

// Spec (with metadata) and status of an Object are stored apart.
template <class Object>
[[nodiscard]] std::string spec_to_bytes(const Object& object);
template <class Object>
[[nodiscard]] std::string status_to_bytes(const Object& object);
// The object of both; `status` may be empty, and one of another uid (an older object of the same
// name) is left out. Errors: DataLoss "model.damaged".
template <class Object>
[[nodiscard]] Result<Object> from_stored(std::string_view spec, std::string_view status,
                                         std::uint64_t revision);

// Lower camel case names, 64-bit numbers as strings, fields with their default left out.
template <class T>
[[nodiscard]] std::string to_json(const T& value);
// Errors: InvalidArgument "json.invalid" (syntax, unknown field, wrong type), else from validation.
template <class T>
[[nodiscard]] Result<T> from_json(std::string_view json);

// The same for any message. `what` begins the error: "guest", "request body".
[[nodiscard]] std::string message_to_json(const google::protobuf::Message& message);
[[nodiscard]] Result<void> message_from_json(std::string_view what, std::string_view json,
                                             google::protobuf::Message& message);

}  // namespace aloft::model
