// The API as calls with messages: encodes, decodes, turns error answers into Errors, sends again
// what may safely be sent again.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "cli/http_client.h"

namespace google::protobuf {
class Message;
}

namespace aloft::cli {

using Query = std::vector<std::pair<std::string, std::string>>;

// Path and query, percent-encoded; parameters with an empty value are left out.
[[nodiscard]] std::string target(std::string_view path, const Query& query = {});

class ApiClient {
 public:
  ApiClient(Endpoint endpoint, std::string token) : http_(std::move(endpoint), std::move(token)) {}

  // Errors of all: those of HttpClient; those that the API answers, with their code and reason.
  Result<void> get(std::string_view target, google::protobuf::Message& into);
  Result<std::string> get_text(std::string_view target);
  // `body`: null or a message, sent as JSON. `key`: empty or an idempotency key; with one the
  // request is sent again when its answer was lost. Errors: also Unknown "cli.answer_lost".
  Result<void> post(std::string_view target, const google::protobuf::Message* body,
                    google::protobuf::Message& into, std::string_view key = {});
  // `match`: empty or an ETag.
  Result<void> put(std::string_view target, const std::string& json, std::string_view match,
                   google::protobuf::Message& into);
  Result<void> patch(std::string_view target, const std::string& json,
                     google::protobuf::Message& into);
  // `into`: null where the answer has no body.
  Result<void> remove(std::string_view target, google::protobuf::Message* into,
                      std::string_view key = {});
  Result<void> stream(std::string_view target, Instant deadline, int wake,
                      const EventHandler& handler);
  Result<Upgraded> upgrade(std::string_view target, std::string_view protocol);

  [[nodiscard]] const Endpoint& endpoint() const { return http_.endpoint(); }

 private:
  Result<HttpAnswer> call(const HttpRequest& request, bool repeatable);

  HttpClient http_;
};

// A new key for `post`.
[[nodiscard]] std::string new_idempotency_key();

}  // namespace aloft::cli
