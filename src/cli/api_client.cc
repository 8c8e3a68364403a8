#include "cli/api_client.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <sys/random.h>

#include <array>
#include <thread>

#include "aloft/v1/operation.pb.h"
#include "base/assert.h"
#include "cli/limits.h"
#include "model/codec.h"

namespace aloft::cli {
namespace {

std::string encoded(std::string_view text, std::string_view also_safe) {
  std::string result;
  for (const char c : text) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || c == '~' || also_safe.contains(c);
    if (safe) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

Code code_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::Unauthenticated); ++i) {
    if (code_name(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  }
  return Code::Unknown;
}

std::unexpected<Error> error_of(const HttpAnswer& answer, const Endpoint& endpoint) {
  v1::Status status;
  if (model::message_from_json("error", answer.body, status) && !status.code().empty()) {
    return fail(code_of(status.code()), status.reason(), status.message());
  }
  return fail(Code::DataLoss, "cli.bad_answer",
              fmt::format("{} answered with the HTTP status {} and no error of the API; check the "
                          "address",
                          endpoint.text(), answer.status));
}

Result<void> decode(const HttpAnswer& answer, const Endpoint& endpoint,
                    google::protobuf::Message& into) {
  const auto type = answer.headers.find("content-type");
  if (type != answer.headers.end() && type->second == "application/x-protobuf") {
    if (into.ParseFromString(answer.body)) return {};
  } else if (model::message_from_json("answer", answer.body, into)) {
    return {};
  }
  return fail(Code::DataLoss, "cli.bad_answer",
              fmt::format("what {} sent is no {}; check that aloft and aloftd are of one version",
                          endpoint.text(), into.GetDescriptor()->name()));
}

HttpRequest request(std::string_view method, std::string_view where) {
  HttpRequest request;
  request.method = method;
  request.target = where;
  request.headers.emplace_back("Accept", "application/x-protobuf");
  return request;
}

void add_key(HttpRequest& request, std::string_view key) {
  if (!key.empty()) request.headers.emplace_back("Idempotency-Key", std::string(key));
}

}  // namespace

std::string target(std::string_view path, const Query& query) {
  std::string text = encoded(path, "/:");
  char separator = '?';
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    text += fmt::format("{}{}={}", separator, name, encoded(value, ""));
    separator = '&';
  }
  return text;
}

std::string new_idempotency_key() {
  std::array<unsigned char, 16> bytes{};
  ALOFT_ASSERT(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string key = "cli-";
  for (const unsigned char byte : bytes) key += fmt::format("{:02x}", byte);
  return key;
}

Result<HttpAnswer> ApiClient::call(const HttpRequest& request, bool repeatable) {
  const Instant deadline = boot_now() + kRequestTimeout;
  for (int tries = 1;; ++tries) {
    auto answer = http_.send(request, deadline);
    if (answer) {
      if (answer->status < 200 || answer->status >= 300) return error_of(*answer, endpoint());
      return answer;
    }
    const bool lost = answer.error().reason == "cli.connection_lost";
    if (lost && repeatable && tries < kTries) {
      std::this_thread::sleep_for(kReconnectPause);
      continue;
    }
    if (!lost || repeatable) return answer;
    return fail(
        Code::Unknown, "cli.answer_lost",
        fmt::format("{}; it may have happened: look before you ask again", answer.error().message));
  }
}

Result<void> ApiClient::get(std::string_view where, google::protobuf::Message& into) {
  ALOFT_ASSIGN(const auto answer, call(request("GET", where), true));
  return decode(answer, endpoint(), into);
}

Result<std::string> ApiClient::get_text(std::string_view where) {
  HttpRequest wanted = request("GET", where);
  wanted.headers.clear();
  ALOFT_ASSIGN(auto answer, call(wanted, true));
  return std::move(answer.body);
}

Result<void> ApiClient::post(std::string_view where, const google::protobuf::Message* body,
                             google::protobuf::Message& into, std::string_view key) {
  HttpRequest wanted = request("POST", where);
  if (body != nullptr) wanted.body = model::message_to_json(*body);
  add_key(wanted, key);
  ALOFT_ASSIGN(const auto answer, call(wanted, !key.empty()));
  return decode(answer, endpoint(), into);
}

Result<void> ApiClient::put(std::string_view where, const std::string& json, std::string_view match,
                            google::protobuf::Message& into) {
  HttpRequest wanted = request("PUT", where);
  wanted.body = json;
  if (!match.empty()) wanted.headers.emplace_back("If-Match", std::string(match));
  ALOFT_ASSIGN(const auto answer, call(wanted, false));
  return decode(answer, endpoint(), into);
}

Result<void> ApiClient::patch(std::string_view where, const std::string& json,
                              google::protobuf::Message& into) {
  HttpRequest wanted = request("PATCH", where);
  wanted.body = json;
  // A merge patch of values gives the same result when it is applied twice.
  ALOFT_ASSIGN(const auto answer, call(wanted, true));
  return decode(answer, endpoint(), into);
}

Result<void> ApiClient::remove(std::string_view where, google::protobuf::Message* into,
                               std::string_view key) {
  HttpRequest wanted = request("DELETE", where);
  add_key(wanted, key);
  ALOFT_ASSIGN(const auto answer, call(wanted, !key.empty()));
  return into == nullptr ? Result<void>() : decode(answer, endpoint(), *into);
}

Result<void> ApiClient::stream(std::string_view where, Instant deadline, int wake,
                               const EventHandler& handler) {
  HttpRequest wanted;
  wanted.target = where;
  ALOFT_ASSIGN(const auto answer, http_.stream(wanted, deadline, wake, handler));
  if (answer.status == 200) return {};
  return error_of(answer, endpoint());
}

Result<Upgraded> ApiClient::upgrade(std::string_view where, std::string_view protocol) {
  HttpRequest wanted;
  wanted.method = "POST";
  wanted.target = where;
  wanted.headers = {{"Connection", "Upgrade"}, {"Upgrade", std::string(protocol)}};
  ALOFT_ASSIGN(auto upgraded, http_.upgrade(wanted, boot_now() + kRequestTimeout));
  if (!upgraded.connection) return error_of(upgraded.answer, endpoint());
  return upgraded;
}

}  // namespace aloft::cli
