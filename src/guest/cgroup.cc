#include "guest/cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>

#include "guest/files.h"

namespace aloft::guest {
namespace {

constexpr std::uint64_t kQuotaPeriodUs = 100'000;
constexpr std::array<std::string_view, 7> kMountFlags{
    "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"};

bool contains_word(const std::string& words, const std::string& word) {
  std::istringstream list(words);
  std::string each;
  while (list >> each) {
    if (each == word) return true;
  }
  return false;
}

std::uint64_t number_in(const std::string& path) {
  const auto text = read_file(path);
  return text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
}

// The number after `key` in a text of "key number" lines.
std::uint64_t value_of(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string name;
  std::uint64_t value = 0;
  while (lines >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

std::string shares_v1(std::uint32_t shares) {
  return std::to_string(std::max<std::uint64_t>(2, std::uint64_t{shares} * 1024 / 100));
}

// LXC's group of the container; the init of a system container may have made groups below it.
std::string payload_of(const std::string& path) {
  const auto start = path.find("/lxc.payload.");
  if (start == std::string::npos) return path;
  const auto end = path.find('/', start + 1);
  return path.substr(0, end);
}

}  // namespace

std::map<std::string, std::string> parse_hierarchies(const std::string& mountinfo) {
  std::map<std::string, std::string> mounts;
  std::istringstream lines(mountinfo);
  std::string line;
  while (std::getline(lines, line)) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line);
    std::istringstream right(line.substr(dash + 3));
    std::string skipped;
    std::string mount;
    std::string type;
    std::string options;
    left >> skipped >> skipped >> skipped >> skipped >> mount;
    right >> type >> skipped >> options;
    if (type == "cgroup2") mounts.emplace("", mount);
    if (type != "cgroup") continue;
    std::istringstream names(options);
    while (std::getline(names, skipped, ',')) {
      const bool is_flag = skipped.find('=') != std::string::npos ||
                           std::ranges::find(kMountFlags, skipped) != kMountFlags.end();
      if (!is_flag) mounts.emplace(skipped, mount);
    }
  }
  return mounts;
}

CgroupSupport::Version CgroupSupport::version(const std::string& controller) const {
  const auto found = controllers.find(controller);
  return found == controllers.end() ? Version::None : found->second.version;
}

CgroupSupport probe_cgroups() {
  CgroupSupport support;
  const auto mounts = parse_hierarchies(read_file("/proc/self/mountinfo").value_or(""));
  const auto unified = mounts.find("");
  const std::string in_v2 = unified == mounts.end()
                                ? ""
                                : read_file(unified->second + "/cgroup.controllers").value_or("");
  for (const std::string name :
       {"memory", "cpu", "cpuacct", "cpuset", "pids", "blkio", "freezer"}) {
    auto& controller = support.controllers[name];
    // Version 2 counts CPU time in every group, calls blkio io, and freezes without a controller.
    const std::string name_v2 = name == "blkio" ? "io" : name == "cpuacct" ? "cpu" : name;
    if (const auto v1 = mounts.find(name); v1 != mounts.end()) {
      const std::string probe = v1->second + "/aloft-probe." + std::to_string(::getpid());
      if (::mkdir(probe.c_str(), 0755) < 0 && errno != EEXIST) {
        controller.reason = system_error(errno, "", "making a group in " + v1->second).message;
        continue;
      }
      controller.version = CgroupSupport::Version::V1;
      controller.mount = v1->second;
      if (name == "cpu") support.cpu_quota = exists(probe + "/cpu.cfs_quota_us");
      ::rmdir(probe.c_str());
    } else if (unified != mounts.end() && (name == "freezer" || contains_word(in_v2, name_v2))) {
      if (::access(unified->second.c_str(), W_OK) < 0) {
        controller.reason = unified->second + " is read-only";
        continue;
      }
      controller.version = CgroupSupport::Version::V2;
      controller.mount = unified->second;
      if (name == "cpu") support.cpu_quota = true;
    } else {
      controller.reason = "the host mounts no control group controller " + name;
    }
  }
  return support;
}

std::vector<std::pair<std::string, std::string>> limit_items(const CgroupSupport& support,
                                                             const Config& config,
                                                             std::uint64_t pids_max) {
  using enum CgroupSupport::Version;
  std::vector<std::pair<std::string, std::string>> items;
  const auto memory = support.version("memory");
  const auto cpu = support.version("cpu");
  const auto pids = support.version("pids");
  const std::string bytes = std::to_string(config.memory.count());
  const std::string quota = std::to_string(config.cpus * kQuotaPeriodUs);
  const std::string period = std::to_string(kQuotaPeriodUs);
  if (memory == V1) items.emplace_back("lxc.cgroup.memory.limit_in_bytes", bytes);
  if (memory == V2) items.emplace_back("lxc.cgroup2.memory.max", bytes);
  if (cpu == V1) items.emplace_back("lxc.cgroup.cpu.shares", shares_v1(config.cpu_shares));
  if (cpu == V2) items.emplace_back("lxc.cgroup2.cpu.weight", std::to_string(config.cpu_shares));
  if (cpu == V1 && support.cpu_quota) {
    items.emplace_back("lxc.cgroup.cpu.cfs_period_us", period);
    items.emplace_back("lxc.cgroup.cpu.cfs_quota_us", quota);
  }
  if (cpu == V2 && support.cpu_quota) {
    items.emplace_back("lxc.cgroup2.cpu.max", quota + " " + period);
  }
  if (pids == V1) items.emplace_back("lxc.cgroup.pids.max", std::to_string(pids_max));
  if (pids == V2) items.emplace_back("lxc.cgroup2.pids.max", std::to_string(pids_max));
  return items;
}

Result<ContainerCgroup> ContainerCgroup::of(pid_t init, const CgroupSupport& support) {
  ALOFT_ASSIGN(const auto text, read_file("/proc/" + std::to_string(init) + "/cgroup"));
  ContainerCgroup group(support);
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    const std::string path = payload_of(line.substr(second + 1));
    if (second == first + 1) group.paths_.emplace("", path);
    std::string name;
    while (std::getline(names, name, ',')) group.paths_.emplace(name, path);
  }
  return group;
}

bool ContainerCgroup::is_v2(const std::string& controller) const {
  return support_->version(controller) == CgroupSupport::Version::V2;
}

std::optional<std::string> ContainerCgroup::directory(const std::string& controller) const {
  const auto host = support_->controllers.find(controller);
  if (host == support_->controllers.end() || host->second.version == CgroupSupport::Version::None) {
    return std::nullopt;
  }
  const auto path = paths_.find(is_v2(controller) ? "" : controller);
  if (path == paths_.end() || path->second.empty() || path->second == "/") return std::nullopt;
  return host->second.mount + path->second;
}

Result<std::string> ContainerCgroup::require(const std::string& controller) const {
  if (auto path = directory(controller)) return *path;
  const auto host = support_->controllers.find(controller);
  const std::string why = host == support_->controllers.end() || host->second.reason.empty()
                              ? "the container has no group of its own"
                              : host->second.reason;
  return fail(Code::Unimplemented, "guest.no_cgroup_controller", controller + ": " + why);
}

Result<void> ContainerCgroup::set_memory(Bytes limit) {
  ALOFT_ASSIGN(const auto path, require("memory"));
  const std::string file = path + (is_v2("memory") ? "/memory.max" : "/memory.limit_in_bytes");
  // Version 2 takes a limit below the use and then kills; look first, as version 1 does by itself.
  if (is_v2("memory")) {
    const auto text = read_file(path + "/memory.stat").value_or("");
    if (value_of(text, "anon") > limit.count()) {
      return fail(Code::FailedPrecondition, "guest.memory_in_use",
                  "the container uses more than " + to_string(limit) + "; free memory in it first");
    }
  }
  const auto written = write_into(file, std::to_string(limit.count()));
  if (!written) {
    return fail(Code::FailedPrecondition, "guest.memory_in_use",
                "the container's memory cannot be limited to " + to_string(limit) + " (" +
                    written.error().message + "); free memory in it first");
  }
  return {};
}

Result<void> ContainerCgroup::set_cpus(std::uint32_t cpus) {
  ALOFT_ASSIGN(const auto path, require("cpu"));
  if (!support_->cpu_quota) {
    return fail(Code::Unimplemented, "guest.no_cgroup_controller",
                "this kernel has no CPU quota (CONFIG_CFS_BANDWIDTH)");
  }
  const std::string quota = std::to_string(cpus * kQuotaPeriodUs);
  if (is_v2("cpu")) {
    return write_into(path + "/cpu.max", quota + " " + std::to_string(kQuotaPeriodUs));
  }
  ALOFT_TRY(write_into(path + "/cpu.cfs_period_us", std::to_string(kQuotaPeriodUs)));
  return write_into(path + "/cpu.cfs_quota_us", quota);
}

Result<void> ContainerCgroup::set_cpu_shares(std::uint32_t shares) {
  ALOFT_ASSIGN(const auto path, require("cpu"));
  if (is_v2("cpu")) return write_into(path + "/cpu.weight", std::to_string(shares));
  return write_into(path + "/cpu.shares", shares_v1(shares));
}

Result<void> ContainerCgroup::wait_frozen(bool frozen_wanted) {
  const Instant deadline = boot_now() + 10s;
  while (frozen() != frozen_wanted) {
    if (boot_now() >= deadline) {
      return fail(Code::DeadlineExceeded, "guest.freeze_timeout",
                  "the container's processes did not change within 10 s (a process waits in the "
                  "kernel); try again");
    }
    ::usleep(1000);
  }
  return {};
}

Result<void> ContainerCgroup::freeze() {
  ALOFT_ASSIGN(const auto path, require("freezer"));
  if (is_v2("freezer")) {
    ALOFT_TRY(write_into(path + "/cgroup.freeze", "1"));
  } else {
    ALOFT_TRY(write_into(path + "/freezer.state", "FROZEN"));
  }
  auto frozen_now = wait_frozen(true);
  if (!frozen_now) static_cast<void>(thaw());
  return frozen_now;
}

Result<void> ContainerCgroup::thaw() {
  ALOFT_ASSIGN(const auto path, require("freezer"));
  if (is_v2("freezer")) {
    ALOFT_TRY(write_into(path + "/cgroup.freeze", "0"));
  } else {
    ALOFT_TRY(write_into(path + "/freezer.state", "THAWED"));
  }
  return wait_frozen(false);
}

bool ContainerCgroup::frozen() const {
  const auto path = directory("freezer");
  if (!path) return false;
  if (is_v2("freezer")) {
    return value_of(read_file(*path + "/cgroup.events").value_or(""), "frozen") == 1;
  }
  return trimmed(read_file(*path + "/freezer.state").value_or("")) == "FROZEN";
}

void ContainerCgroup::read_disk(Stats& stats) const {
  const auto path = directory("blkio");
  if (!path) return;
  std::istringstream lines(
      read_file(*path +
                (is_v2("blkio") ? "/io.stat" : "/blkio.throttle.io_service_bytes_recursive"))
          .value_or(""));
  std::string line;
  if (is_v2("blkio")) {
    // "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..."
    std::string word;
    while (lines >> word) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) continue;
      const auto value = std::strtoull(word.c_str() + equals + 1, nullptr, 10);
      const std::string key = word.substr(0, equals);
      if (key == "rbytes") stats.disk_read_bytes += value;
      if (key == "wbytes") stats.disk_written_bytes += value;
      if (key == "rios") stats.disk_reads += value;
      if (key == "wios") stats.disk_writes += value;
    }
    return;
  }
  const auto add = [](std::istringstream& from, std::uint64_t& reads, std::uint64_t& writes) {
    // "8:0 Read 4096", and a line "Total 4096" at the end
    std::string text;
    while (std::getline(from, text)) {
      std::istringstream words(text);
      std::string device;
      std::string operation;
      std::uint64_t value = 0;
      if (!(words >> device >> operation >> value)) continue;
      if (operation == "Read") reads += value;
      if (operation == "Write") writes += value;
    }
  };
  add(lines, stats.disk_read_bytes, stats.disk_written_bytes);
  std::istringstream operations(
      read_file(*path + "/blkio.throttle.io_serviced_recursive").value_or(""));
  add(operations, stats.disk_reads, stats.disk_writes);
}

Stats ContainerCgroup::stats() const {
  Stats stats;
  if (const auto path = directory("cpuacct")) {
    stats.cpu_time = is_v2("cpuacct")
                         ? std::chrono::microseconds(
                               value_of(read_file(*path + "/cpu.stat").value_or(""), "usage_usec"))
                         : std::chrono::nanoseconds(number_in(*path + "/cpuacct.usage"));
  }
  if (const auto path = directory("memory")) {
    const bool v2 = is_v2("memory");
    const auto used = number_in(*path + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    const auto idle_cache = value_of(read_file(*path + "/memory.stat").value_or(""),
                                     v2 ? "inactive_file" : "total_inactive_file");
    stats.memory_used = Bytes(used - std::min(used, idle_cache));
  }
  read_disk(stats);
  return stats;
}

}  // namespace aloft::guest
