#include "etcd_cluster.h"

#include <arpa/inet.h>
#include <etcd/rpc.grpc.pb.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace aloft::testing {
namespace {

// A port nobody uses now. The sockets stay bound until all ports are chosen, so none is given
// twice.
class FreePorts {
 public:
  FreePorts() = default;
  FreePorts(const FreePorts&) = delete;
  FreePorts& operator=(const FreePorts&) = delete;
  ~FreePorts() {
    for (const int socket : sockets_) ::close(socket);
  }
  int take() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    void* const raw = &address;
    if (::bind(descriptor, static_cast<sockaddr*>(raw), size) != 0) return 0;
    if (::getsockname(descriptor, static_cast<sockaddr*>(raw), &size) != 0) return 0;
    sockets_.push_back(descriptor);
    return ntohs(address.sin_port);
  }

 private:
  std::vector<int> sockets_;
};

etcdserverpb::StatusResponse status_of(int client_port, bool* answered) {
  const auto channel = grpc::CreateChannel(fmt::format("127.0.0.1:{}", client_port),
                                           grpc::InsecureChannelCredentials());
  const auto stub = etcdserverpb::Maintenance::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  etcdserverpb::StatusResponse response;
  *answered = stub->Status(&context, etcdserverpb::StatusRequest(), &response).ok();
  return response;
}

}  // namespace

EtcdCluster::EtcdCluster(int count) {
  std::string pattern = "/tmp/aloft-etcd-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return;
  directory_ = pattern;
  {
    FreePorts ports;
    for (int i = 0; i < count; ++i) {
      members_.push_back({.process = 0, .client_port = ports.take(), .peer_port = ports.take()});
      peers_ +=
          fmt::format("{}m{}=http://127.0.0.1:{}", i == 0 ? "" : ",", i, members_.back().peer_port);
    }
  }
  for (int i = 0; i < count; ++i) spawn(i);
  ok_ = true;
  for (int i = 0; i < count; ++i) ok_ = wait_healthy(i) && ok_;
}

EtcdCluster::~EtcdCluster() {
  for (std::size_t i = 0; i < members_.size(); ++i) kill(static_cast<int>(i));
  if (!directory_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
}

std::vector<std::string> EtcdCluster::endpoints() const {
  std::vector<std::string> result;
  for (const Member& member : members_) {
    result.push_back(fmt::format("127.0.0.1:{}", member.client_port));
  }
  return result;
}

void EtcdCluster::spawn(int member) {
  Member& self = members_[static_cast<std::size_t>(member)];
  const std::string client = fmt::format("http://127.0.0.1:{}", self.client_port);
  const std::string peer = fmt::format("http://127.0.0.1:{}", self.peer_port);
  std::vector<std::string> words{"etcd",
                                 "--name",
                                 fmt::format("m{}", member),
                                 "--data-dir",
                                 fmt::format("{}/m{}", directory_, member),
                                 "--listen-client-urls",
                                 client,
                                 "--advertise-client-urls",
                                 client,
                                 "--listen-peer-urls",
                                 peer,
                                 "--initial-advertise-peer-urls",
                                 peer,
                                 "--initial-cluster",
                                 peers_,
                                 "--heartbeat-interval",
                                 "50",
                                 "--election-timeout",
                                 "300"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = fmt::format("{}/m{}.log", directory_, member);

  const pid_t parent = ::getpid();
  self.process = ::fork();
  if (self.process != 0) return;
  // The member ends with the test, also when that is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

bool EtcdCluster::wait_healthy(int member) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < deadline) {
    bool answered = false;
    const auto status =
        status_of(members_[static_cast<std::size_t>(member)].client_port, &answered);
    if (answered && status.leader() != 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

void EtcdCluster::kill(int member) {
  Member& self = members_[static_cast<std::size_t>(member)];
  if (self.process <= 0) return;
  ::kill(self.process, SIGKILL);
  ::waitpid(self.process, nullptr, 0);
  self.process = 0;
}

void EtcdCluster::restart(int member) {
  spawn(member);
  ok_ = wait_healthy(member) && ok_;
}

void EtcdCluster::pause(int member) {
  ::kill(members_[static_cast<std::size_t>(member)].process, SIGSTOP);
}

void EtcdCluster::resume(int member) {
  ::kill(members_[static_cast<std::size_t>(member)].process, SIGCONT);
}

int EtcdCluster::leader() const {
  for (const Member& member : members_) {
    if (member.process <= 0) continue;
    bool answered = false;
    const auto status = status_of(member.client_port, &answered);
    if (!answered || status.leader() == 0) continue;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].process <= 0) continue;
      const auto other = status_of(members_[i].client_port, &answered);
      if (answered && other.header().member_id() == status.leader()) return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace aloft::testing
