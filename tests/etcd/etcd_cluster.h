// A real etcd of n members on this machine's loopback, in a directory of its own that goes with it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace aloft::testing {

class EtcdCluster {
 public:
  // Starts `count` members and waits until each answers; `ok()` says whether they did.
  explicit EtcdCluster(int count);
  ~EtcdCluster();
  EtcdCluster(const EtcdCluster&) = delete;
  EtcdCluster& operator=(const EtcdCluster&) = delete;

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::vector<std::string> endpoints() const;

  void kill(int member);     // SIGKILL
  void restart(int member);  // after kill, with the same data
  void pause(int member);    // SIGSTOP: connections stay open, nothing answers
  void resume(int member);
  // Index of the member that leads, or -1 when none of the live ones knows a leader.
  [[nodiscard]] int leader() const;

 private:
  struct Member {
    pid_t process = 0;
    int client_port = 0;
    int peer_port = 0;
  };

  void spawn(int member);
  [[nodiscard]] bool wait_healthy(int member) const;

  std::string directory_;
  std::string peers_;
  std::vector<Member> members_;
  bool ok_ = false;
};

}  // namespace aloft::testing
