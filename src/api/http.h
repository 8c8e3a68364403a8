// Requests and responses as plain values: what handlers see of HTTP.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/identity.h"
#include "api/target.h"
#include "base/result.h"

namespace aloft::api {

enum class Method { Get, Post, Put, Patch, Delete };
[[nodiscard]] std::string_view name_of(Method method);  // "GET"

struct Request {
  Method method = Method::Get;
  Target target{};
  std::map<std::string, std::string, std::less<>> headers{};  // names in lower case
  std::string body{};
  Identity identity{};
  std::string id{};

  // Empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string_view query(std::string_view name) const;
  // Errors: InvalidArgument "api.bad_parameter" for anything but true and false.
  [[nodiscard]] Result<bool> flag(std::string_view name) const;
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t otherwise,
                                             std::uint64_t max) const;
};

// Where the events of a stream go. Thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // One server-sent event, without its final empty line. The client is cut off when it is slower
  // than kMaxStreamBacklog events.
  virtual void send(std::string event) = 0;
  // Ends the stream after what was sent.
  virtual void close() = 0;
};
// Begins to send; what it gives back is kept as long as the stream and destroyed with it.
using EventSource = std::function<Result<std::shared_ptr<void>>(std::shared_ptr<EventSink>)>;

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  EventSource events{};          // a stream of server-sent events instead of a body
  std::optional<int> console{};  // a descriptor to join with the connection (101); owned
  std::string upgrade_protocol{};
};

// The body of an error: a v1.Status as JSON, with the HTTP status of its code.
[[nodiscard]] Response error_response(const Error& error);

}  // namespace aloft::api
