#include "cli/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace aloft::cli {
namespace {

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  ~AddressList() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
};

int poll_milliseconds(Instant deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - boot_now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 3'600'000));
}

std::unexpected<Error> socket_error(const Endpoint& endpoint, int error) {
  const std::string why = std::strerror(error);
  if (error == EACCES || error == EPERM) {
    return fail(Code::PermissionDenied, "cli.socket_forbidden",
                fmt::format("aloftd's socket {} is not for you ({}); run this as root or join the "
                            "group aloft",
                            endpoint.socket, why));
  }
  return fail(Code::Unavailable, "cli.not_reachable",
              fmt::format("aloftd does not answer at {}: {}; start it, or name another socket with "
                          "--socket or $ALOFT_SOCKET",
                          endpoint.text(), why));
}

Result<int> open_unix(const Endpoint& endpoint) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.socket.size() >= sizeof(address.sun_path) || endpoint.socket.contains('\0')) {
    return fail(Code::InvalidArgument, "cli.bad_socket",
                fmt::format("the socket path has {} bytes; {} is the maximum",
                            endpoint.socket.size(), sizeof(address.sun_path) - 1));
  }
  endpoint.socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return std::unexpected(system_error(errno, "cli.socket", "socket"));
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    return descriptor;
  }
  const int error = errno;
  ::close(descriptor);
  return socket_error(endpoint, error);
}

std::unexpected<Error> not_reachable(const Endpoint& endpoint, std::string_view why) {
  return fail(Code::Unavailable, "cli.not_reachable",
              fmt::format("{} does not answer: {}; check the address and that aloftd runs there",
                          endpoint.text(), why));
}

// 0, or the error that ended the attempt.
int connect_within(int descriptor, const addrinfo& address, Instant deadline) {
  if (::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd poll{descriptor, POLLOUT, 0};
  for (;;) {
    const int ready = ::poll(&poll, 1, poll_milliseconds(deadline));
    if (ready > 0) break;
    if (ready == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

Result<int> open_tcp(const Endpoint& endpoint, Instant deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  AddressList list;
  const std::string port = std::to_string(endpoint.port);
  if (const int error = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &list.first)) {
    return not_reachable(endpoint, ::gai_strerror(error));
  }
  int last_error = ENOENT;
  for (const addrinfo* address = list.first; address != nullptr; address = address->ai_next) {
    const int descriptor =
        ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
      last_error = errno;
      continue;
    }
    last_error = connect_within(descriptor, *address, deadline);
    if (last_error == 0) return descriptor;
    ::close(descriptor);
  }
  return not_reachable(endpoint, std::strerror(last_error));
}

std::string tls_reason() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "the connection ended";
  ERR_error_string_n(code, text.data(), text.size());
  const std::string_view whole(text.data());
  const std::size_t colon = whole.rfind(':');
  return std::string(colon == std::string_view::npos ? whole : whole.substr(colon + 1));
}

std::unexpected<Error> tls_error(const std::string& what, const std::string& why,
                                 std::string_view next) {
  return fail(Code::Unauthenticated, "cli.tls", fmt::format("{}: {}; {}", what, why, next));
}

}  // namespace

struct Connection::Tls {
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  Tls() = default;
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
};

std::string Endpoint::text() const {
  if (!socket.empty()) return fmt::format("the socket {}", socket);
  return host.contains(':') ? fmt::format("https://[{}]:{}", host, port)
                            : fmt::format("https://{}:{}", host, port);
}

Connection::Connection(int descriptor, std::string peer)
    : descriptor_(descriptor), peer_(std::move(peer)) {}

Connection::~Connection() {
  if (tls_ && tls_->ssl != nullptr) SSL_shutdown(tls_->ssl);
  ::close(descriptor_);
}

Result<std::unique_ptr<Connection>> Connection::open(const Endpoint& endpoint, Instant deadline) {
  auto descriptor = endpoint.socket.empty() ? open_tcp(endpoint, deadline) : open_unix(endpoint);
  if (!descriptor) return std::unexpected(std::move(descriptor).error());
  std::unique_ptr<Connection> connection(new Connection(*descriptor, endpoint.text()));
  if (endpoint.socket.empty()) ALOFT_TRY(connection->begin_tls(endpoint, deadline));
  return connection;
}

Result<void> Connection::begin_tls(const Endpoint& endpoint, Instant deadline) {
  tls_ = std::make_unique<Tls>();
  tls_->context = SSL_CTX_new(TLS_client_method());
  if (tls_->context == nullptr) return tls_error(peer_, tls_reason(), "check OpenSSL");
  SSL_CTX_set_min_proto_version(tls_->context, TLS1_2_VERSION);
  SSL_CTX_set_verify(tls_->context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(tls_->context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (endpoint.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(tls_->context);
  } else if (SSL_CTX_load_verify_locations(tls_->context, endpoint.ca_file.c_str(), nullptr) != 1) {
    return tls_error("certificate " + endpoint.ca_file, tls_reason(),
                     "give a PEM file of the farm's CA with --ca");
  }
  if (!endpoint.certificate_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(tls_->context, endpoint.certificate_file.c_str()) != 1) {
      return tls_error("certificate " + endpoint.certificate_file, tls_reason(),
                       "give a PEM file with --certificate");
    }
    if (SSL_CTX_use_PrivateKey_file(tls_->context, endpoint.key_file.c_str(), SSL_FILETYPE_PEM) !=
            1 ||
        SSL_CTX_check_private_key(tls_->context) != 1) {
      return tls_error("key " + endpoint.key_file, tls_reason(),
                       "give the PEM file of the certificate's key with --key");
    }
  }
  tls_->ssl = SSL_new(tls_->context);
  if (tls_->ssl == nullptr) return tls_error(peer_, tls_reason(), "check OpenSSL");
  SSL_set_fd(tls_->ssl, descriptor_);
  std::array<unsigned char, 16> address{};
  const bool is_address = ::inet_pton(AF_INET, endpoint.host.c_str(), address.data()) == 1 ||
                          ::inet_pton(AF_INET6, endpoint.host.c_str(), address.data()) == 1;
  if (is_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_->ssl), endpoint.host.c_str());
  } else {
    SSL_set1_host(tls_->ssl, endpoint.host.c_str());
    SSL_set_tlsext_host_name(tls_->ssl, endpoint.host.c_str());
  }
  for (;;) {
    ERR_clear_error();
    const int result = SSL_connect(tls_->ssl);
    if (result == 1) return {};
    const long verified = SSL_get_verify_result(tls_->ssl);
    if (verified != X509_V_OK) {
      return tls_error(fmt::format("the certificate of {} is not trusted", peer_),
                       X509_verify_cert_error_string(verified),
                       "give the farm's CA with --ca, and the name that the certificate has");
    }
    ALOFT_ASSIGN(const bool again, tls_retry(result, deadline, -1));
    if (!again) return tls_error(peer_, "the connection ended", "check that aloftd answers there");
  }
}

Result<void> Connection::wait(short events, Instant deadline, int wake) {
  std::array<pollfd, 2> polls{{{descriptor_, events, 0}, {wake, POLLIN, 0}}};
  for (;;) {
    const int ready = ::poll(polls.data(), wake >= 0 ? 2 : 1, poll_milliseconds(deadline));
    if (ready > 0) {
      if (wake >= 0 && polls[1].revents != 0) {
        return fail(Code::Cancelled, "cli.interrupted", "interrupted");
      }
      return {};
    }
    if (ready == 0 && boot_now() >= deadline) {
      return fail(
          Code::DeadlineExceeded, "cli.timeout",
          fmt::format("{} has not answered in time; ask again or give a longer --timeout", peer_));
    }
    if (ready < 0 && errno != EINTR)
      return std::unexpected(system_error(errno, "cli.poll", "poll"));
  }
}

Result<bool> Connection::tls_retry(int result, Instant deadline, int wake) {
  const auto lost = [&](const std::string& why) {
    return fail(Code::Unavailable, "cli.connection_lost",
                fmt::format("the connection to {} broke: {}; try again", peer_, why));
  };
  switch (SSL_get_error(tls_->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      ALOFT_TRY(wait(POLLIN, deadline, wake));
      return true;
    case SSL_ERROR_WANT_WRITE:
      ALOFT_TRY(wait(POLLOUT, deadline, wake));
      return true;
    case SSL_ERROR_ZERO_RETURN:
      return false;
    case SSL_ERROR_SYSCALL:
      return lost(errno != 0 ? std::strerror(errno) : "it was closed");
    default: {
      const std::string why = tls_reason();
      if (why.contains("unexpected eof")) return false;
      if (why.contains("alert") || why.contains("certificate")) {
        return tls_error(peer_, why, "log in with --certificate and --key or with --token-file");
      }
      return lost(why);
    }
  }
}

Result<std::size_t> Connection::read_some(std::span<char> into, Instant deadline, int wake) {
  const int size = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
  for (;;) {
    if (tls_) {
      ERR_clear_error();
      const int count = SSL_read(tls_->ssl, into.data(), size);
      if (count > 0) return static_cast<std::size_t>(count);
      ALOFT_ASSIGN(const bool again, tls_retry(count, deadline, wake));
      if (!again) return std::size_t{0};
      continue;
    }
    ALOFT_TRY(wait(POLLIN, deadline, wake));
    const ssize_t count = ::recv(descriptor_, into.data(), into.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EINTR) continue;
    return fail(
        Code::Unavailable, "cli.connection_lost",
        fmt::format("the connection to {} broke: {}; try again", peer_, std::strerror(errno)));
  }
}

Result<void> Connection::write_all(std::string_view data, Instant deadline) {
  while (!data.empty()) {
    if (tls_) {
      ERR_clear_error();
      const int count = SSL_write(tls_->ssl, data.data(),
                                  static_cast<int>(std::min<std::size_t>(data.size(), 1U << 20U)));
      if (count > 0) {
        data.remove_prefix(static_cast<std::size_t>(count));
        continue;
      }
      ALOFT_ASSIGN(const bool again, tls_retry(count, deadline, -1));
      if (!again) {
        return fail(Code::Unavailable, "cli.connection_lost",
                    fmt::format("{} closed the connection; try again", peer_));
      }
      continue;
    }
    const ssize_t count = ::send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      ALOFT_TRY(wait(POLLOUT, deadline, -1));
    } else if (errno != EINTR) {
      return fail(
          Code::Unavailable, "cli.connection_lost",
          fmt::format("the connection to {} broke: {}; try again", peer_, std::strerror(errno)));
    }
  }
  return {};
}

bool Connection::input_waits() const {
  return tls_ && SSL_pending(tls_->ssl) > 0;
}

}  // namespace aloft::cli
