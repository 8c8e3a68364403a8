// Control groups of a container, whichever version the host mounts: limits and counters.
//
// Version 1 has a hierarchy for each controller, version 2 one for all; a host may mix them. What
// a host lacks is known before a container is started, so that limits it cannot hold are left out
// with a reason (capabilities) instead of a failed start.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guest/driver.h"

namespace aloft::guest {

// What the host's control groups can do; found by making and removing a group.
struct CgroupSupport {
  enum class Version { None, V1, V2 };
  struct Controller {
    Version version = Version::None;
    std::string mount;   // of its hierarchy
    std::string reason;  // why it cannot be used
  };
  std::map<std::string, Controller> controllers;  // "memory", "cpu", "cpuacct", "pids", ...
  bool cpu_quota = false;

  [[nodiscard]] Version version(const std::string& controller) const;
};

[[nodiscard]] CgroupSupport probe_cgroups();
// The mounted hierarchies of a mountinfo text: controller ("" for version 2) to mount point.
[[nodiscard]] std::map<std::string, std::string> parse_hierarchies(const std::string& mountinfo);

// The lines that limit a container, for its configuration file: key and value.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> limit_items(
    const CgroupSupport& support, const Config& config, std::uint64_t pids_max);

// The groups that a running container's init is in.
class ContainerCgroup {
 public:
  // Errors: NotFound when the process is gone.
  static Result<ContainerCgroup> of(pid_t init, const CgroupSupport& support);

  // Errors: FailedPrecondition "guest.memory_in_use", Unimplemented "guest.no_cgroup_controller".
  Result<void> set_memory(Bytes limit);
  Result<void> set_cpus(std::uint32_t cpus);
  Result<void> set_cpu_shares(std::uint32_t shares);
  Result<void> freeze();  // returns when all its processes stand still
  Result<void> thaw();
  [[nodiscard]] bool frozen() const;
  // Whatever the host does not count stays 0.
  [[nodiscard]] Stats stats() const;

 private:
  explicit ContainerCgroup(const CgroupSupport& support) : support_(&support) {}
  [[nodiscard]] std::optional<std::string> directory(const std::string& controller) const;
  Result<std::string> require(const std::string& controller) const;
  [[nodiscard]] bool is_v2(const std::string& controller) const;
  Result<void> wait_frozen(bool frozen_wanted);
  void read_disk(Stats& stats) const;

  const CgroupSupport* support_;
  std::map<std::string, std::string> paths_;  // controller ("" for version 2) to path in it
};

// Network counters of a process's network namespace without its loopback, and its addresses.
void read_network(pid_t process, Stats& stats);
[[nodiscard]] std::vector<std::string> read_addresses(pid_t process);
// The local IPv4 addresses of a /proc/PID/net/fib_trie text, without loopback, each once.
[[nodiscard]] std::vector<std::string> parse_fib_trie(const std::string& text);

}  // namespace aloft::guest
