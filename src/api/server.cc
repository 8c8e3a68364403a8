#include "api/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/session.h"
#include "api/tls_files.h"
#include "base/log.h"

namespace aloft::api {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> asio_error(const boost::system::error_code& error, std::string_view what) {
  return std::unexpected(system_error(error.value(), "api.listen", what));
}

std::optional<gid_t> group_named(const std::string& name) {
  std::array<char, 16'384> buffer{};
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0) {
    return std::nullopt;
  }
  return found == nullptr ? std::nullopt : std::optional(entry.gr_gid);
}

// Root and the user that runs aloftd are admins, members of the group operators.
Identity identity_of(int fd, std::optional<gid_t> operators) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  Identity identity{fmt::format("unix:{}", peer.uid), Role::None, {}};
  if (peer.uid == 0 || peer.uid == ::geteuid()) {
    identity.role = Role::Admin;
    return identity;
  }
  if (!operators) return identity;
  std::vector<gid_t> groups(1'024);
  size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) size = 0;
  groups.resize(size / sizeof(gid_t));
  groups.push_back(peer.gid);
  if (std::ranges::count(groups, *operators) > 0) identity.role = Role::Operator;
  return identity;
}

// True when somebody answers on the socket.
bool is_alive(const std::filesystem::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
  const bool alive =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return alive;
}

Result<void> make_room_for(const std::filesystem::path& path) {
  if (path.string().size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(Code::InvalidArgument, "api.socket_path",
                fmt::format("socket path {} is longer than {} bytes; choose a shorter one",
                            path.string(), sizeof(sockaddr_un::sun_path) - 1));
  }
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (!std::filesystem::exists(status)) return {};
  if (!std::filesystem::is_socket(status)) {
    return fail(Code::FailedPrecondition, "api.socket_path",
                fmt::format("{} exists and is no socket; choose another path", path.string()));
  }
  if (is_alive(path)) {
    return fail(Code::FailedPrecondition, "api.socket_in_use",
                fmt::format("socket {} is served by another aloftd; stop it or choose another path",
                            path.string()));
  }
  std::filesystem::remove(path, error);
  return {};
}

}  // namespace

struct Server::State {
  State(asio::io_context& io, ServerOptions server_options, records::Records& records,
        Backend& backend)
      : context(io),
        options(std::move(server_options)),
        shared(std::make_shared<Shared>(records, backend,
                                        ServiceOptions{options.version, options.host_name})),
        local(io),
        https(io) {}

  Result<void> listen_local();
  Result<void> listen_https();
  static asio::awaitable<void> accept_local(std::shared_ptr<State> state);
  static asio::awaitable<void> accept_https(std::shared_ptr<State> state);
  // False when there are too many connections: the new one is closed.
  [[nodiscard]] bool may_take() const {
    if (shared->connections < kMaxConnections) return true;
    log::warning("api", "{} connections are open, the maximum: one more is refused",
                 kMaxConnections);
    return false;
  }

  asio::io_context& context;
  ServerOptions options;
  std::shared_ptr<Shared> shared;
  Local::acceptor local;
  tcp::acceptor https;
  asio::ssl::context tls{asio::ssl::context::tls_server};
  std::optional<gid_t> operators;
  bool stopping = false;
};

Result<void> Server::State::listen_local() {
  const auto& path = options.unix_socket;
  ALOFT_TRY(make_room_for(path));
  operators = group_named(options.group);
  boost::system::error_code error;
  local.open(Local(), error);
  if (error) return asio_error(error, "opening a unix socket");
  const mode_t old_mask = ::umask(0117);
  local.bind(Local::endpoint(path.string()), error);
  ::umask(old_mask);
  if (error) return asio_error(error, fmt::format("binding socket {}", path.string()));
  if (operators && ::geteuid() == 0 && ::chown(path.c_str(), 0, *operators) != 0) {
    return std::unexpected(
        system_error(errno, "api.listen", fmt::format("giving {} its group", path.string())));
  }
  local.listen(asio::socket_base::max_listen_connections, error);
  if (error) return asio_error(error, fmt::format("listening on {}", path.string()));
  return {};
}

Result<void> Server::State::listen_https() {
  ALOFT_ASSIGN(const auto files, ensure_tls_files(options.state_directory / "pki",
                                                  options.host_name, options.https_names));
  ALOFT_TRY(configure_tls(files, tls));
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.https_address, error);
  if (error) {
    return fail(Code::InvalidArgument, "api.address",
                fmt::format("HTTPS address \"{}\" is no IP address; give one like 0.0.0.0 or ::",
                            options.https_address));
  }
  const tcp::endpoint endpoint(address, options.https_port);
  const auto what =
      fmt::format("listening on {} port {}", options.https_address, options.https_port);
  https.open(endpoint.protocol(), error);
  if (error) return asio_error(error, what);
  https.set_option(asio::socket_base::reuse_address(true), error);
  https.bind(endpoint, error);
  if (error) return asio_error(error, what);
  https.listen(asio::socket_base::max_listen_connections, error);
  if (error) return asio_error(error, what);
  return {};
}

asio::awaitable<void> Server::State::accept_local(std::shared_ptr<State> state) {
  while (!state->stopping) {
    auto [error, socket] = co_await state->local.async_accept(kAwait);
    if (state->stopping || error == asio::error::operation_aborted) co_return;
    if (error) {  // no descriptors left: others will end
      asio::steady_timer pause(state->context, std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (!state->may_take()) continue;
    auto identity = identity_of(socket.native_handle(), state->operators);
    asio::co_spawn(state->context,
                   serve_local(state->shared, LocalStream(std::move(socket)), std::move(identity)),
                   asio::detached);
  }
}

asio::awaitable<void> Server::State::accept_https(std::shared_ptr<State> state) {
  while (!state->stopping) {
    auto [error, socket] = co_await state->https.async_accept(kAwait);
    if (state->stopping || error == asio::error::operation_aborted) co_return;
    if (error) {
      asio::steady_timer pause(state->context, std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (!state->may_take()) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    TlsStream stream(boost::beast::tcp_stream(std::move(socket)), state->tls);
    asio::co_spawn(state->context, serve_tls(state->shared, std::move(stream)), asio::detached);
  }
}

Result<std::unique_ptr<Server>> Server::start(asio::io_context& context, ServerOptions options,
                                              records::Records& records, Backend& backend) {
  auto state = std::make_shared<State>(context, std::move(options), records, backend);
  ALOFT_TRY(state->listen_local());
  std::unique_ptr<Server> server(new Server(state));
  if (!state->options.https_address.empty()) {
    ALOFT_TRY(state->listen_https());
    asio::co_spawn(context, State::accept_https(state), asio::detached);
    log::info("api", "HTTPS on {} port {}", state->options.https_address, server->https_port());
  }
  asio::co_spawn(context, State::accept_local(state), asio::detached);
  log::info("api", "serving {}", state->options.unix_socket.string());
  return server;
}

std::uint16_t Server::https_port() const {
  boost::system::error_code error;
  const auto endpoint = state_->https.local_endpoint(error);
  return error ? std::uint16_t{0} : endpoint.port();
}

Server::~Server() {
  state_->stopping = true;
  boost::system::error_code ignored;
  state_->local.close(ignored);
  state_->https.close(ignored);
  std::error_code gone;
  std::filesystem::remove(state_->options.unix_socket, gone);
  state_->shared->workers.stop();
  state_->shared->workers.join();
}

}  // namespace aloft::api
