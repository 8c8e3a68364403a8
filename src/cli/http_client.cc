#include "cli/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "cli/limits.h"

namespace aloft::cli {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t kReadBytes = 64U << 10U;

void prepare(Parser& parser) {
  parser.eager(true);
  parser.header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
  parser.body_limit(kMaxAnswerBytes);
}

std::unexpected<Error> bad_answer(const Endpoint& endpoint, const std::string& why) {
  return fail(Code::DataLoss, "cli.bad_answer",
              fmt::format("what {} sent is no answer of the API: {}; check the address",
                          endpoint.text(), why));
}

// Feeds the parser; what it leaves stays in `bytes`.
Result<void> put(Parser& parser, std::string& bytes, const Endpoint& endpoint) {
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    boost::beast::error_code error;
    const std::size_t count =
        parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += count;
    if (error == http::error::need_more) break;
    if (error) return bad_answer(endpoint, error.message());
    if (count == 0) break;
  }
  bytes.erase(0, used);
  return {};
}

HttpAnswer answer_of(const Parser& parser) {
  HttpAnswer answer;
  const auto& message = parser.get();
  answer.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    answer.headers[std::move(name)] = std::string(field.value());
  }
  answer.body = message.body();
  return answer;
}

std::unexpected<Error> closed_early(const Endpoint& endpoint) {
  return fail(
      Code::Unavailable, "cli.connection_lost",
      fmt::format("{} closed the connection before it answered; try again", endpoint.text()));
}

// Reads until `done` says so. Sets `answered` once a byte has come.
Result<void> read_until(Connection& connection, Parser& parser, std::string& bytes,
                        const Endpoint& endpoint, Instant deadline, bool& answered,
                        bool (*done)(const Parser&)) {
  std::array<char, kReadBytes> chunk;
  for (;;) {
    ALOFT_TRY(put(parser, bytes, endpoint));
    if (done(parser)) return {};
    ALOFT_ASSIGN(const std::size_t count, connection.read_some(chunk, deadline));
    if (count == 0) {
      boost::beast::error_code error;
      if (answered) parser.put_eof(error);
      if (!answered || error || !done(parser)) return closed_early(endpoint);
      return {};
    }
    answered = true;
    bytes.append(chunk.data(), count);
  }
}

bool whole(const Parser& parser) {
  return parser.is_done();
}
bool header_is_whole(const Parser& parser) {
  return parser.is_header_done();
}

}  // namespace

HttpClient::HttpClient(Endpoint endpoint, std::string token)
    : endpoint_(std::move(endpoint)), token_(std::move(token)) {}

std::string HttpClient::text_of(const HttpRequest& request, bool keep) const {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: aloft\r\n", request.method,
                  request.target, endpoint_.socket.empty() ? endpoint_.host : "aloft");
  if (!token_.empty()) text += fmt::format("Authorization: Bearer {}\r\n", token_);
  for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\r\n", name, value);
  if (!keep) text += "Connection: close\r\n";
  if (!request.body.empty()) {
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                        request.body.size());
  } else if (request.method == "POST") {
    text += "Content-Length: 0\r\n";
  }
  return text + "\r\n" + request.body;
}

Result<HttpAnswer> HttpClient::send_once(const std::string& text, Instant deadline,
                                         bool& answered) {
  if (!kept_) {
    ALOFT_ASSIGN(kept_,
                 Connection::open(endpoint_, std::min(deadline, boot_now() + kConnectTimeout)));
  }
  auto connection = std::exchange(kept_, nullptr);
  // A server may refuse a body before it has read all of it: its answer counts.
  const auto written = connection->write_all(text, deadline);
  Parser parser;
  prepare(parser);
  std::string bytes;
  auto read = read_until(*connection, parser, bytes, endpoint_, deadline, answered, whole);
  if (!written && !read) return std::unexpected(written.error());
  ALOFT_TRY(read);
  if (parser.get().keep_alive() && written) kept_ = std::move(connection);
  return answer_of(parser);
}

Result<HttpAnswer> HttpClient::send(const HttpRequest& request, Instant deadline) {
  const std::string text = text_of(request, true);
  const bool was_kept = kept_ != nullptr;
  bool answered = false;
  auto answer = send_once(text, deadline, answered);
  // The server may have closed an idle connection before it saw this request.
  if (!answer && was_kept && !answered && request.method == "GET" &&
      answer.error().reason == "cli.connection_lost") {
    answer = send_once(text, deadline, answered);
  }
  return answer;
}

Result<HttpAnswer> HttpClient::stream(const HttpRequest& request, Instant deadline, int wake,
                                      const EventHandler& handler) {
  ALOFT_ASSIGN(const auto connection,
               Connection::open(endpoint_, std::min(deadline, boot_now() + kConnectTimeout)));
  ALOFT_TRY(connection->write_all(text_of(request, false), deadline));
  Parser parser;
  prepare(parser);
  parser.body_limit(boost::none);
  std::string bytes;
  bool answered = false;
  ALOFT_TRY(read_until(*connection, parser, bytes, endpoint_, deadline, answered, header_is_whole));
  const auto type = parser.get()[http::field::content_type];
  if (parser.get().result_int() != 200 || !type.starts_with("text/event-stream")) {
    parser.body_limit(kMaxAnswerBytes);
    ALOFT_TRY(read_until(*connection, parser, bytes, endpoint_, deadline, answered, whole));
    return answer_of(parser);
  }
  SseReader events;
  HttpAnswer ended;
  ended.status = 200;
  std::array<char, kReadBytes> chunk;
  for (;;) {
    ALOFT_TRY(put(parser, bytes, endpoint_));
    std::string& body = parser.get().body();
    ALOFT_ASSIGN(const bool more, events.feed(body, handler));
    body.clear();
    if (!more || parser.is_done()) return ended;
    ALOFT_ASSIGN(const std::size_t count, connection->read_some(chunk, deadline, wake));
    if (count == 0) return ended;
    bytes.append(chunk.data(), count);
  }
}

Result<Upgraded> HttpClient::upgrade(const HttpRequest& request, Instant deadline) {
  Upgraded result;
  ALOFT_ASSIGN(auto connection,
               Connection::open(endpoint_, std::min(deadline, boot_now() + kConnectTimeout)));
  ALOFT_TRY(connection->write_all(text_of(request, true), deadline));
  Parser parser;
  prepare(parser);
  bool answered = false;
  ALOFT_TRY(read_until(*connection, parser, result.early, endpoint_, deadline, answered,
                       header_is_whole));
  if (parser.get().result_int() == 101) {
    result.connection = std::move(connection);
    result.answer.status = 101;
    return result;
  }
  ALOFT_TRY(read_until(*connection, parser, result.early, endpoint_, deadline, answered, whole));
  result.answer = answer_of(parser);
  return result;
}

}  // namespace aloft::cli
