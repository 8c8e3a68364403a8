#include "api/http.h"

#include <fmt/format.h>

#include <charconv>

#include "aloft/v1/operation.pb.h"
#include "model/codec.h"
#include "model/limits.h"
#include "model/text.h"

namespace aloft::api {

std::string_view name_of(Method method) {
  switch (method) {
    case Method::Get:
      return "GET";
    case Method::Post:
      return "POST";
    case Method::Put:
      return "PUT";
    case Method::Patch:
      return "PATCH";
    case Method::Delete:
      return "DELETE";
  }
  return "GET";
}

std::string_view Request::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view Request::query(std::string_view name) const {
  const auto found = target.query.find(name);
  return found == target.query.end() ? std::string_view() : std::string_view(found->second);
}

Result<bool> Request::flag(std::string_view name) const {
  const auto found = target.query.find(name);
  if (found == target.query.end() || found->second == "false") return false;
  if (found->second == "true" || found->second.empty()) return true;
  return fail(Code::InvalidArgument, "api.bad_parameter",
              fmt::format("parameter {} is \"{}\"; give true or false", name, found->second));
}

Result<std::uint64_t> Request::number(std::string_view name, std::uint64_t otherwise,
                                      std::uint64_t max) const {
  const auto found = target.query.find(name);
  if (found == target.query.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value <= max) return value;
  return fail(Code::InvalidArgument, "api.bad_parameter",
              fmt::format("parameter {} is \"{}\"; give a number of 0 to {}", name, text, max));
}

Response error_response(const Error& error) {
  v1::Status status;
  status.set_code(std::string(code_name(error.code)));
  status.set_reason(error.reason);
  status.set_message(model::clean_text(error.message, model::kMaxTextBytes));
  Response response;
  // A condition of the request (If-Match) failed, rather than the state of the object.
  response.status = error.reason.ends_with(".changed_meanwhile") ? 412 : http_status(error.code);
  if (error.reason == "api.if_match_missing") response.status = 428;
  if (error.reason == "api.media_type") response.status = 415;
  if (error.reason == "api.method") response.status = 405;
  if (error.reason == "api.body_too_large") response.status = 413;
  if (error.code == Code::Unauthenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"aloft\"");
  }
  response.body = model::message_to_json(status);
  return response;
}

}  // namespace aloft::api
