// Serves the API over a memory store, for tests: api_server STATE_DIRECTORY. Prints the HTTPS port
// and runs until standard input ends.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "api/server.h"
#include "store/memory_store.h"

namespace {

using aloft::Result;

class EchoBackend final : public aloft::api::Backend {
 public:
  Result<int> open_console(std::string_view guest) override {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return aloft::fail(aloft::Code::Internal, "test.socketpair", std::string(guest));
    }
    std::thread([fd = ends[1]] {
      char bytes[256];
      for (ssize_t count = 0; (count = ::read(fd, bytes, sizeof(bytes))) > 0;) {
        if (bytes[0] == 'q' || ::write(fd, bytes, static_cast<std::size_t>(count)) < 0) break;
      }
      ::close(fd);
    }).detach();
    return ends[0];
  }
  Result<aloft::api::ExecResult> exec(std::string_view /*guest*/,
                                      const std::vector<std::string>& command,
                                      aloft::Duration /*timeout*/) override {
    aloft::api::ExecResult result;
    for (const auto& word : command) result.standard_output += word + "\n";
    return result;
  }
  Result<std::string> console_log(std::string_view guest, std::size_t /*max_bytes*/) override {
    return std::string(guest) + " said hello\n";
  }
  std::vector<aloft::api::Sample> samples() override { return {}; }
};

int failed(const aloft::Error& error) {
  std::fprintf(stderr, "%s: %s\n", error.reason.c_str(), error.message.c_str());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const auto store = aloft::store::make_memory_store();
  aloft::records::Records records(*store);
  EchoBackend backend;
  boost::asio::io_context context(1);
  aloft::api::ServerOptions options;
  options.state_directory = arguments[1];
  options.unix_socket = options.state_directory / "api.sock";
  options.https_address = "127.0.0.1";
  options.host_name = "testhost";
  options.version = "0.0-test";
  auto server = aloft::api::Server::start(context, options, records, backend);
  if (!server) return failed(server.error());
  auto image = aloft::model::Image::make({.name = *aloft::model::Name::make("image", "busybox")},
                                         {.source = "debian:bookworm"});
  if (auto made = records.create(*image); !made) return failed(made.error());
  std::printf("%u\n", static_cast<unsigned>((*server)->https_port()));
  std::fflush(stdout);
  boost::asio::posix::stream_descriptor input(context, ::dup(STDIN_FILENO));
  input.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [&](const auto&) { context.stop(); });
  context.run();
  server->reset();
  return 0;
}
