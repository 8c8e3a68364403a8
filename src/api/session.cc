#include "api/session.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "api/event_queue.h"
#include "base/log.h"
#include "pki/authority.h"
#include "records/ids.h"

namespace aloft::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

using Parser = http::request_parser<http::string_body>;

// Counts something up for as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& counter) : counter_(counter) { ++counter_; }
  ~Counted() { --counter_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& counter_;
};

std::optional<Method> method_of(http::verb verb) {
  for (const auto& [known, method] :
       {std::pair{http::verb::get, Method::Get}, std::pair{http::verb::post, Method::Post},
        std::pair{http::verb::put, Method::Put}, std::pair{http::verb::patch, Method::Patch},
        std::pair{http::verb::delete_, Method::Delete}}) {
    if (verb == known) return method;
  }
  return std::nullopt;
}

bool is_request_id(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kMaxRequestIdBytes && std::ranges::all_of(text, allowed);
}

Result<Request> request_of(Parser& parser) {
  auto& message = parser.get();
  Request request;
  const auto method = method_of(message.method());
  if (!method) {
    const auto shown = message.method_string();
    return fail(
        Code::Unimplemented, "api.method",
        fmt::format("method {} is not served; see /openapi.json",
                    std::string_view(shown.data(), std::min<std::size_t>(shown.size(), 32))));
  }
  request.method = *method;
  const auto target = message.target();
  ALOFT_ASSIGN(request.target, parse_target(std::string_view(target.data(), target.size())));
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    auto [at, is_new] = request.headers.try_emplace(std::move(name), field.value());
    if (!is_new) at->second += ", " + std::string(field.value());
  }
  request.body = std::move(message.body());
  const std::string_view id = request.header("x-request-id");
  request.id = is_request_id(id) ? std::string(id) : records::new_uuid();
  return request;
}

// Runs on a worker: the store may block. A bearer token goes before what the connection shows.
asio::awaitable<Response> handle_on_worker(Service* service, Request request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view authorization = request.header("authorization");
  if (authorization.starts_with(kBearer)) {
    auto identity =
        service->tokens().authenticate(authorization.substr(kBearer.size()), wall_now());
    if (identity) {
      request.identity = *std::move(identity);
    } else {
      request.identity = {"", Role::None, std::move(identity).error()};
    }
  }
  co_return service->handle(request);
}

asio::awaitable<Result<std::shared_ptr<void>>> begin_on_worker(EventSource source,
                                                               std::shared_ptr<EventSink> sink) {
  co_return source(std::move(sink));
}

http::response<http::string_body> message_of(Response response, std::string_view request_id,
                                             bool keep_alive) {
  http::response<http::string_body> message;
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.set(http::field::server, "aloft");
  if (!response.content_type.empty()) {
    message.set(http::field::content_type, response.content_type);
  }
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  message.set("X-Request-Id", std::string(request_id));
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  if (response.status != 204) message.prepare_payload();
  return message;
}

template <class Stream>
asio::awaitable<bool> write_response(Stream* stream, Response response, std::string request_id,
                                     bool keep_alive) {
  beast::get_lowest_layer(*stream).expires_after(kWriteTimeout);
  const auto message = message_of(std::move(response), request_id, keep_alive);
  const auto [error, count] = co_await http::async_write(*stream, message, kAwait);
  co_return !error;
}

// The client may still be sending what was refused: closing at once would take the answer with it.
template <class Stream>
asio::awaitable<void> linger(Stream* stream) {
  auto& lowest = beast::get_lowest_layer(*stream);
  boost::system::error_code ignored;
  lowest.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  lowest.expires_after(kLingerTimeout);
  std::array<char, 16'384> discarded{};
  for (std::size_t total = 0; total < (64U << 20U);) {
    const auto [error, count] = co_await lowest.async_read_some(asio::buffer(discarded), kAwait);
    if (error) break;
    total += count;
  }
}

// A client of events sends nothing more: reading tells when it goes away.
template <class Stream>
struct Leaving {
  Leaving(Stream* client, std::shared_ptr<EventQueue> events, asio::steady_timer timer)
      : stream(client), queue(std::move(events)), noticed(std::move(timer)) {}
  Stream* stream;
  std::shared_ptr<EventQueue> queue;
  asio::steady_timer noticed;
  bool ended = false;
};

template <class Stream>
asio::awaitable<void> notice_leaving(std::shared_ptr<Leaving<Stream>> leaving) {
  std::array<char, 256> bytes{};
  for (;;) {
    const auto [error, count] =
        co_await leaving->stream->async_read_some(asio::buffer(bytes), kAwait);
    if (error) break;
  }
  leaving->ended = true;
  leaving->queue->close();
  leaving->noticed.cancel();
}

template <class Stream>
asio::awaitable<void> serve_events(std::shared_ptr<Shared> shared, Stream* stream,
                                   EventSource source, std::string request_id) {
  const auto executor = co_await asio::this_coro::executor;
  const Counted counted(shared->streams);
  const auto timer = std::make_shared<asio::steady_timer>(executor);
  const auto queue = std::make_shared<EventQueue>(
      [executor, timer] { asio::post(executor, [timer] { timer->cancel(); }); });
  auto running = co_await asio::co_spawn(shared->workers, begin_on_worker(std::move(source), queue),
                                         asio::use_awaitable);
  if (!running) {
    co_await write_response(stream, error_response(running.error()), std::move(request_id), false);
    co_return;
  }
  http::response<http::empty_body> head(http::status::ok, 11);
  head.set(http::field::server, "aloft");
  head.set(http::field::content_type, "text/event-stream");
  head.set(http::field::cache_control, "no-store");
  head.set("X-Request-Id", request_id);
  head.set(http::field::connection, "close");
  http::response_serializer<http::empty_body> serializer(head);
  auto& lowest = beast::get_lowest_layer(*stream);
  lowest.expires_after(kWriteTimeout);
  const auto [head_error, head_count] =
      co_await http::async_write_header(*stream, serializer, kAwait);
  const bool failed = static_cast<bool>(head_error);
  const auto leaving =
      std::make_shared<Leaving<Stream>>(stream, queue, asio::steady_timer(executor));
  leaving->noticed.expires_at(asio::steady_timer::time_point::max());
  lowest.expires_never();  // of reading; writing sets its own
  asio::co_spawn(executor, notice_leaving(leaving), asio::detached);
  while (!failed && !leaving->ended) {
    auto [text, ended] = queue->take();
    if (!text.empty()) {
      lowest.expires_after(kWriteTimeout);
      const auto [error, count] = co_await asio::async_write(*stream, asio::buffer(text), kAwait);
      if (error || ended) break;
      continue;
    }
    if (ended) break;
    timer->expires_after(kHeartbeat);
    const auto [woken] = co_await timer->async_wait(kAwait);
    if (!woken) queue->send(": still here\n");
  }
  // The reader uses the stream of this coroutine: it must have ended first.
  boost::system::error_code ignored;
  lowest.socket().shutdown(asio::socket_base::shutdown_both, ignored);
  lowest.cancel();
  if (!leaving->ended) (void)co_await leaving->noticed.async_wait(kAwait);
  // Ending a watch waits for its handler: not on this thread.
  asio::post(shared->workers, [kept = *std::move(running)]() mutable { kept.reset(); });
}

// The two directions of a console; whichever ends first ends both.
template <class Stream>
struct Console {
  Console(Stream* client, asio::posix::stream_descriptor guest_end, asio::steady_timer timer)
      : stream(client), guest(std::move(guest_end)), input_ended(std::move(timer)) {}
  Stream* stream;
  asio::posix::stream_descriptor guest;
  asio::steady_timer input_ended;
  bool ended = false;
};

template <class Stream>
asio::awaitable<void> copy_input(std::shared_ptr<Console<Stream>> console) {
  std::array<char, 4096> bytes{};
  for (;;) {
    const auto [read_error, count] =
        co_await console->stream->async_read_some(asio::buffer(bytes), kAwait);
    if (read_error) break;
    const auto [write_error, written] =
        co_await asio::async_write(console->guest, asio::buffer(bytes, count), kAwait);
    if (write_error) break;
  }
  console->ended = true;
  boost::system::error_code ignored;
  console->guest.close(ignored);
  console->input_ended.cancel();
}

template <class Stream>
asio::awaitable<void> serve_console(std::shared_ptr<Shared> shared, Stream* stream,
                                    Response response, std::string request_id,
                                    beast::flat_buffer* early) {
  const auto executor = co_await asio::this_coro::executor;
  const Counted counted(shared->streams);
  auto console = std::make_shared<Console<Stream>>(
      stream, asio::posix::stream_descriptor(executor, *response.console),
      asio::steady_timer(executor));
  http::response<http::empty_body> head(http::status::switching_protocols, 11);
  head.set(http::field::server, "aloft");
  head.set("X-Request-Id", request_id);
  head.set(http::field::connection, "Upgrade");
  head.set(http::field::upgrade, response.upgrade_protocol);
  auto& lowest = beast::get_lowest_layer(*stream);
  lowest.expires_after(kWriteTimeout);
  const auto [head_error, head_count] = co_await http::async_write(*stream, head, kAwait);
  if (head_error) co_return;
  lowest.expires_never();
  const auto [early_error, early_count] =
      co_await asio::async_write(console->guest, early->data(), kAwait);
  if (early_error) co_return;
  console->input_ended.expires_at(asio::steady_timer::time_point::max());
  asio::co_spawn(executor, copy_input(console), asio::detached);
  std::array<char, 4096> bytes{};
  while (!console->ended) {
    const auto [read_error, count] =
        co_await console->guest.async_read_some(asio::buffer(bytes), kAwait);
    if (read_error) break;
    const auto [write_error, written] =
        co_await asio::async_write(*stream, asio::buffer(bytes, count), kAwait);
    if (write_error) break;
  }
  boost::system::error_code ignored;
  lowest.socket().shutdown(asio::socket_base::shutdown_both, ignored);
  lowest.cancel();
  // The other direction uses the stream of this coroutine: it must have ended first.
  if (!console->ended) co_await console->input_ended.async_wait(kAwait);
}

Error read_error_of(const boost::system::error_code& error) {
  if (error == http::error::body_limit) {
    return {Code::InvalidArgument, "api.body_too_large",
            fmt::format("the body is larger than {} bytes, the maximum", kMaxBodyBytes)};
  }
  if (error == http::error::header_limit) {
    return {Code::InvalidArgument, "api.headers_too_large",
            fmt::format("the headers are larger than {} bytes, the maximum", kMaxHeaderBytes)};
  }
  return {Code::InvalidArgument, "api.bad_request",
          fmt::format("this is no HTTP/1.1 request: {}", error.message())};
}

bool is_protocol_error(const boost::system::error_code& error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

// False: the connection is done.
template <class Stream>
asio::awaitable<bool> serve_one(std::shared_ptr<Shared> shared, Stream* stream,
                                beast::flat_buffer* buffer, Identity identity) {
  Parser parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(kMaxBodyBytes);
  auto& lowest = beast::get_lowest_layer(*stream);
  lowest.expires_after(kIdleTimeout);
  auto [error, count] = co_await http::async_read_header(*stream, *buffer, parser, kAwait);
  if (!error && !parser.is_done()) {
    lowest.expires_after(kRequestTimeout);
    if (parser.get()[http::field::expect] == "100-continue") {
      const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto [write_error, written] =
          co_await asio::async_write(*stream, asio::buffer(go_on), kAwait);
      if (write_error) co_return false;
    }
    const auto [body_error, body_count] =
        co_await http::async_read(*stream, *buffer, parser, kAwait);
    error = body_error;
  }
  if (error) {
    if (is_protocol_error(error)) {
      co_await write_response(stream, error_response(read_error_of(error)), records::new_uuid(),
                              false);
      co_await linger(stream);
    }
    co_return false;
  }
  const bool keep_alive = parser.get().keep_alive();
  auto request = request_of(parser);
  if (!request) {
    co_return co_await write_response(stream, error_response(request.error()), records::new_uuid(),
                                      keep_alive) &&
        keep_alive;
  }
  request->identity = std::move(identity);
  std::string id = request->id;
  lowest.expires_never();  // handlers have limits of their own
  auto response = co_await asio::co_spawn(shared->workers,
                                          handle_on_worker(&shared->service, *std::move(request)),
                                          asio::use_awaitable);
  if ((response.events || response.console) && shared->streams >= kMaxStreams) {
    if (response.console) ::close(*response.console);
    response =
        error_response({Code::ResourceExhausted, "api.too_many_streams",
                        fmt::format("{} streams are open, the maximum; close one", kMaxStreams)});
  }
  if (response.events) {
    co_await serve_events(shared, stream, std::move(response.events), std::move(id));
    co_return false;
  }
  if (response.console) {
    co_await serve_console(shared, stream, std::move(response), std::move(id), buffer);
    co_return false;
  }
  const bool written =
      co_await write_response(stream, std::move(response), std::move(id), keep_alive);
  co_return written&& keep_alive;
}

template <class Stream>
asio::awaitable<void> serve(std::shared_ptr<Shared> shared, Stream* stream, Identity identity) {
  beast::flat_buffer buffer(kMaxHeaderBytes + (64U << 10U));
  for (bool more = true; more;) {
    more = co_await serve_one(shared, stream, &buffer, identity);
  }
}

// Whom a verified client certificate names; nobody without one.
Identity identity_of(SSL* ssl) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl),
                                                                &X509_free);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  if (memory == nullptr || PEM_write_bio_X509(memory.get(), certificate.get()) != 1) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  const auto info = pki::inspect(std::string_view(data, static_cast<std::size_t>(size)));
  if (!info) return {};
  Identity identity{"user:" + info->common_name, Role::None, {}};
  for (const auto& organization : info->organizations) {
    identity.role = std::max(identity.role, role_of(organization));
  }
  return identity;
}

}  // namespace

asio::awaitable<void> serve_local(std::shared_ptr<Shared> shared, LocalStream stream,
                                  Identity identity) {
  const Counted counted(shared->connections);
  co_await serve(shared, &stream, std::move(identity));
  boost::system::error_code ignored;
  stream.socket().shutdown(asio::socket_base::shutdown_both, ignored);
}

asio::awaitable<void> serve_tls(std::shared_ptr<Shared> shared, TlsStream stream) {
  const Counted counted(shared->connections);
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(kHandshakeTimeout);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kAwait);
  if (error) {
    log::debug("api", "TLS handshake: {}", error.message());
    co_return;
  }
  co_await serve(shared, &stream, identity_of(stream.native_handle()));
  lowest.expires_after(kLingerTimeout);
  (void)co_await stream.async_shutdown(kAwait);
}

}  // namespace aloft::api
