// A stream to the API: a unix socket, or TLS over TCP.
//
// Nonblocking underneath; every call has a deadline and may be ended early by a descriptor that
// becomes readable (Ctrl-C). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.h"
#include "base/result.h"

namespace aloft::cli {

struct Endpoint {
  std::string socket{};  // path of a unix socket; empty: HTTPS
  std::string host{};    // name or address, without brackets
  std::uint16_t port = 0;
  std::string ca_file{};  // empty: what the system trusts
  std::string certificate_file{};
  std::string key_file{};

  // "the socket /run/aloft/api.sock", "https://h1:8443".
  [[nodiscard]] std::string text() const;
};

class Connection {
 public:
  // Errors: Unavailable "cli.not_reachable"; PermissionDenied "cli.socket_forbidden";
  // Unauthenticated "cli.tls" when the certificates do not fit; each says what to do.
  static Result<std::unique_ptr<Connection>> open(const Endpoint& endpoint, Instant deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `wake`: -1 or a descriptor whose input ends the wait with Cancelled "cli.interrupted".
  // At least one byte; 0: the other side has closed. Errors: DeadlineExceeded "cli.timeout",
  // Unavailable "cli.connection_lost".
  Result<std::size_t> read_some(std::span<char> into, Instant deadline, int wake = -1);
  Result<void> write_all(std::string_view data, Instant deadline);

  // For poll(); input may be waiting although poll does not show it.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool input_waits() const;

 private:
  struct Tls;
  Connection(int descriptor, std::string peer);
  Result<void> begin_tls(const Endpoint& endpoint, Instant deadline);
  // Waits for `events` of poll(2).
  Result<void> wait(short events, Instant deadline, int wake);
  // After a TLS call gave `result`: waits for what it needs. True: try again; false: closed.
  Result<bool> tls_retry(int result, Instant deadline, int wake);

  int descriptor_;
  std::string peer_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace aloft::cli
