// The HTTP/1.1 server of the API: a unix socket and, when wished, HTTPS.
//
// Runs on the caller's io_context (one thread); handlers run on a small pool of its own, because
// the store may block. It changes records only; what must touch guests at once goes through
// `Backend`. Stops accepting and closes its connections when it is destroyed; the io_context must
// not run any more then, or run on the destroying thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "api/backend.h"
#include "base/result.h"
#include "records/records.h"

namespace boost::asio {
class io_context;
}

namespace aloft::api {

struct ServerOptions {
  std::filesystem::path state_directory;  // keys and certificates live in its "pki"
  std::filesystem::path unix_socket;      // made with mode 0660, group `group` when it exists
  std::string group = "aloft";            // its members are operators
  std::string https_address;              // "" = no HTTPS; "0.0.0.0", "::", "127.0.0.1"
  std::uint16_t https_port = 0;           // 0 = any free one, see Server::https_port
  std::vector<std::string> https_names;   // more names of this host for its certificate
  std::string host_name;                  // of this host, for certificates and events
  std::string version;                    // of aloftd
};

class Server {
 public:
  // Requires: `records` and `backend` outlive the server.
  // Errors: FailedPrecondition "api.socket_in_use"; those of pki and of the system.
  static Result<std::unique_ptr<Server>> start(boost::asio::io_context& context,
                                               ServerOptions options, records::Records& records,
                                               Backend& backend);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t https_port() const;

 private:
  struct State;
  explicit Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace aloft::api
