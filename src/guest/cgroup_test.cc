#include "guest/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace aloft::guest {
namespace {

using Version = CgroupSupport::Version;

CgroupSupport support_of(Version version) {
  CgroupSupport support;
  for (const std::string name : {"memory", "cpu", "pids"}) {
    support.controllers[name] = {.version = version, .mount = "/sys/fs/cgroup", .reason = ""};
  }
  support.cpu_quota = true;
  return support;
}

std::string value(const std::vector<std::pair<std::string, std::string>>& items,
                  const std::string& key) {
  const auto found = std::ranges::find(items, key, &std::pair<std::string, std::string>::first);
  return found == items.end() ? "" : found->second;
}

Config small() {
  Config config;
  config.cpus = 2;
  config.cpu_shares = 200;
  config.memory = mib(64);
  return config;
}

TEST(Cgroup, hierarchies_of_a_hybrid_host_are_found) {
  const auto mounts = parse_hierarchies(
      "24 1 0:22 / /proc rw - proc proc rw\n"
      "30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
      "31 25 0:27 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
      "34 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "damaged line\n - \n");
  EXPECT_EQ(mounts,
            (std::map<std::string, std::string>{{"", "/sys/fs/cgroup/unified"},
                                                {"cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                                {"cpuacct", "/sys/fs/cgroup/cpu,cpuacct"}}));
}

TEST(Cgroup, limits_are_written_for_either_version) {
  const auto v1 = limit_items(support_of(Version::V1), small(), 100);
  EXPECT_EQ(value(v1, "lxc.cgroup.memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(value(v1, "lxc.cgroup.cpu.shares"), "2048");
  EXPECT_EQ(value(v1, "lxc.cgroup.cpu.cfs_quota_us"), "200000");
  EXPECT_EQ(value(v1, "lxc.cgroup.pids.max"), "100");
  const auto v2 = limit_items(support_of(Version::V2), small(), 100);
  EXPECT_EQ(value(v2, "lxc.cgroup2.memory.max"), "67108864");
  EXPECT_EQ(value(v2, "lxc.cgroup2.cpu.weight"), "200");
  EXPECT_EQ(value(v2, "lxc.cgroup2.cpu.max"), "200000 100000");
  EXPECT_EQ(value(v2, "lxc.cgroup2.pids.max"), "100");
}

TEST(Cgroup, what_the_host_lacks_is_left_out) {
  auto support = support_of(Version::V1);
  support.cpu_quota = false;
  support.controllers["memory"] = {.version = Version::None, .mount = "", .reason = "not mounted"};
  const auto items = limit_items(support, small(), 100);
  EXPECT_EQ(value(items, "lxc.cgroup.memory.limit_in_bytes"), "");
  EXPECT_EQ(value(items, "lxc.cgroup.cpu.cfs_quota_us"), "");
  EXPECT_TRUE(limit_items(CgroupSupport{}, small(), 100).empty());
}

TEST(Cgroup, a_process_without_a_group_of_its_own_is_not_changed) {
  const CgroupSupport nothing;
  auto group = ContainerCgroup::of(::getpid(), nothing);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->set_memory(mib(1)).error().reason, "guest.no_cgroup_controller");
  EXPECT_EQ(group->freeze().error().code, Code::Unimplemented);
  EXPECT_FALSE(group->frozen());
  EXPECT_EQ(ContainerCgroup::of(1 << 30, nothing).error().code, Code::NotFound);
}

TEST(Netstat, addresses_of_a_namespace_are_read_from_its_routing_tree) {
  EXPECT_EQ(parse_fib_trie("Main:\n"
                           "  +-- 0.0.0.0/0 3 0 5\n"
                           "        |-- 10.1.2.0\n"
                           "           /24 link UNICAST\n"
                           "        |-- 10.1.2.3\n"
                           "           /32 host LOCAL\n"
                           "        |-- 127.0.0.1\n"
                           "           /32 host LOCAL\n"
                           "Local:\n"
                           "        |-- 10.1.2.3\n"
                           "           /32 host LOCAL\n"),
            (std::vector<std::string>{"10.1.2.3"}));
}

TEST(Netstat, loopback_is_not_counted) {
  Stats stats;
  read_network(1 << 30, stats);
  EXPECT_EQ(stats.network_received_bytes, 0U);
  EXPECT_TRUE(read_addresses(1 << 30).empty());
}

}  // namespace
}  // namespace aloft::guest
