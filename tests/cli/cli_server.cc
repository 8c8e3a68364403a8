// Serves the API over a memory store with an agent that pretends: cli_server STATE_DIRECTORY
// [GUESTS]. Makes so many guests, prints the HTTPS port and runs until standard input ends.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <charconv>
#include <cstdio>
#include <string>
#include <thread>

#include "api/server.h"
#include "store/memory_store.h"

namespace {

using aloft::Result;
using aloft::records::Records;
namespace model = aloft::model;

class PretendedBackend final : public aloft::api::Backend {
 public:
  Result<int> open_console(std::string_view guest) override {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return aloft::fail(aloft::Code::Internal, "test.socketpair", std::string(guest));
    }
    std::thread([end = ends[1]] {
      char bytes[256];
      for (ssize_t count = 0; (count = ::read(end, bytes, sizeof(bytes))) > 0;) {
        if (bytes[0] == 'q' || ::write(end, bytes, static_cast<std::size_t>(count)) < 0) break;
      }
      ::close(end);
    }).detach();
    return ends[0];
  }
  Result<aloft::api::ExecResult> exec(std::string_view /*guest*/,
                                      const std::vector<std::string>& command,
                                      aloft::Duration /*timeout*/) override {
    aloft::api::ExecResult result;
    for (const auto& word : command) result.standard_output += word + "\n";
    if (command.front() == "false") result.exit_status = 3;
    result.standard_error = command.front() == "false" ? "wrong\n" : "";
    return result;
  }
  Result<std::string> console_log(std::string_view guest, std::size_t /*max_bytes*/) override {
    return std::string(guest) + " said hello";
  }
  std::vector<aloft::api::Sample> samples() override { return {}; }
};

// What a host's agent would write when an operation on `name` is done.
void carry_out(Records& records, const model::Operation& operation, const std::string& name) {
  if (!operation.subject.starts_with("guest/")) return;
  if (operation.kind == "guest.delete") {
    (void)records.remove<model::Guest>(name);
    return;
  }
  const auto guest = records.get<model::Guest>(name);
  if (!guest) return;
  (void)records.change_status<model::Guest>(name, "", [&](model::GuestStatus& status) {
    status.host = "h1";
    status.state = guest->spec().desired == model::Desired::Stopped ? model::GuestState::Stopped
                   : operation.kind == "guest.freeze"               ? model::GuestState::Frozen
                                                                    : model::GuestState::Running;
    status.cpus = guest->spec().cpus;
    status.memory = guest->spec().memory;
    status.observed_generation = guest->metadata().generation;
    status.addresses = {"10.77.0.5"};
  });
}

void run_operation(Records& records, const model::Operation& operation) {
  const std::string name = operation.subject.substr(operation.subject.find('/') + 1);
  if (name.starts_with("stuck")) return;
  (void)records.take_operation(operation.id, "h1");
  (void)records.change_operation(operation.id, [](model::Operation& changed) -> Result<void> {
    changed.progress_permille = 450;
    changed.step = "copying the image";
    return {};
  });
  if (name.starts_with("slow")) return;
  if (!name.starts_with("fails")) carry_out(records, operation, name);
  (void)records.change_operation(operation.id, [&](model::Operation& changed) -> Result<void> {
    changed.state =
        name.starts_with("fails") ? model::OperationState::Failed : model::OperationState::Done;
    if (name.starts_with("fails")) {
      changed.error = aloft::Error{aloft::Code::ResourceExhausted, "image.disk_full",
                                   "the disk is full; make room"};
    }
    return {};
  });
}

Result<void> fill(Records& records, std::size_t guests) {
  ALOFT_ASSIGN(const auto image,
               model::Image::make({.name = *model::Name::make("image", "busybox")},
                                  {.source = "debian:bookworm"}));
  ALOFT_TRY(records.create(image));
  ALOFT_ASSIGN(auto host, model::Host::make({.name = *model::Name::make("host", "h1")}, {}));
  host.set_status({.cpus = 64,
                   .memory = aloft::gib(4096),
                   .memory_available = aloft::gib(4000),
                   .disk = aloft::gib(65'536),
                   .disk_free = aloft::gib(60'000),
                   .seen_at = aloft::wall_now()});
  ALOFT_TRY(records.create(host));
  for (std::size_t i = 0; i < guests; ++i) {
    model::GuestSpec spec;
    spec.image = "busybox";
    spec.memory = aloft::mib(512);
    ALOFT_ASSIGN(
        auto guest,
        model::Guest::make({.name = *model::Name::make("guest", fmt::format("g{:05}", i))}, spec));
    model::GuestStatus status;
    status.state = model::GuestState::Running;
    status.host = "h1";
    status.cpus = 1;
    status.memory = aloft::mib(512);
    status.addresses = {fmt::format("10.77.{}.{}", i / 250, i % 250 + 2)};
    guest.set_status(status);
    ALOFT_TRY(records.create(guest));
  }
  return {};
}

int failed(const aloft::Error& error) {
  std::fprintf(stderr, "%s: %s\n", error.reason.c_str(), error.message.c_str());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 3) return 2;
  std::size_t guests = 0;
  if (count == 3) {
    const std::string_view text(arguments[2]);
    if (std::from_chars(text.data(), text.data() + text.size(), guests).ec != std::errc{}) return 2;
  }
  const auto store = aloft::store::make_memory_store();
  Records records(*store);
  if (const auto filled = fill(records, guests); !filled) return failed(filled.error());
  PretendedBackend backend;
  boost::asio::io_context context(1);
  aloft::api::ServerOptions options;
  options.state_directory = arguments[1];
  options.unix_socket = options.state_directory / "api.sock";
  options.https_address = "127.0.0.1";
  options.host_name = "testhost";
  options.version = "0.0-test";
  auto server = aloft::api::Server::start(context, options, records, backend);
  if (!server) return failed(server.error());
  // Changes of operations are handled one after the other on a thread of their own.
  boost::asio::io_context agent(1);
  auto keep = boost::asio::make_work_guard(agent);
  std::thread agent_thread([&agent] { agent.run(); });
  const auto page = records.list_operations();
  if (!page) return failed(page.error());
  auto watch = records.watch_operations(
      page->revision, [&](Result<aloft::records::Changed<model::Operation>> changed) {
        if (!changed || !changed->object) return;
        if (changed->object->state != model::OperationState::Pending) return;
        agent.post([&records, operation = *changed->object] { run_operation(records, operation); });
      });
  if (!watch) return failed(watch.error());
  std::printf("%u\n", static_cast<unsigned>((*server)->https_port()));
  std::fflush(stdout);
  boost::asio::posix::stream_descriptor input(context, ::dup(STDIN_FILENO));
  input.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [&](const auto&) { context.stop(); });
  context.run();
  watch->reset();
  agent.stop();
  agent_thread.join();
  server->reset();
  return 0;
}
