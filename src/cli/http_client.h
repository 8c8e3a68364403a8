// HTTP/1.1 to the API over one connection that is kept between requests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "cli/connection.h"
#include "cli/sse.h"

namespace aloft::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string target{};  // path and query, encoded
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers{};  // names in lower case
  std::string body{};
};

using EventHandler = std::function<Result<bool>(const ServerEvent&)>;

// A connection that has become something else, and what came with the answer already.
struct Upgraded {
  std::unique_ptr<Connection> connection;  // null: the request was refused, `answer` says why
  std::string early{};
  HttpAnswer answer{};
};

class HttpClient {
 public:
  // `token`: empty or a bearer token.
  HttpClient(Endpoint endpoint, std::string token);

  // Errors: those of Connection; Unavailable "cli.connection_lost" also where the request may have
  // been carried out; DataLoss "cli.bad_answer" for what is no HTTP.
  Result<HttpAnswer> send(const HttpRequest& request, Instant deadline);

  // Reads server-sent events until the handler gives false, the stream ends or `wake` is readable
  // (Cancelled "cli.interrupted"). An answer that is no stream is given back, status 200 otherwise.
  Result<HttpAnswer> stream(const HttpRequest& request, Instant deadline, int wake,
                            const EventHandler& handler);

  Result<Upgraded> upgrade(const HttpRequest& request, Instant deadline);

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  [[nodiscard]] std::string text_of(const HttpRequest& request, bool keep) const;
  Result<HttpAnswer> send_once(const std::string& text, Instant deadline, bool& answered);

  Endpoint endpoint_;
  std::string token_;
  std::unique_ptr<Connection> kept_;
};

}  // namespace aloft::cli
