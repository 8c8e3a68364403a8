#include "ganeti_text.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/random.h"

namespace aloft::bench {
namespace {

using namespace placement;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::unexpected<Error> bad(std::size_t line, std::string_view what) {
  return fail(Code::InvalidArgument, "bench.bad_text",
              fmt::format("line {} of the cluster file: {}", line, what));
}

Result<std::int64_t> number(std::string_view text, std::size_t line) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > 1LL << 40) {
    return bad(line, fmt::format("'{}' is no number from 0 to 2^40", text));
  }
  return value;
}

Result<Host> read_node(const std::vector<std::string_view>& fields, std::size_t line) {
  if (fields.size() < 9) return bad(line, "a node needs at least 9 fields");
  Host host;
  host.name = fields[0];
  ALOFT_ASSIGN(const std::int64_t memory, number(fields[1], line));
  ALOFT_ASSIGN(const std::int64_t own, number(fields[2], line));
  ALOFT_ASSIGN(const std::int64_t disk, number(fields[4], line));
  ALOFT_ASSIGN(const std::int64_t cpus, number(fields[6], line));
  // What the node itself uses lies outside what guests may use.
  host.capacity[Resource::Memory] = std::max<std::int64_t>(memory - own, 0) * kMiB;
  host.capacity[Resource::Disk] = disk * kMiB;
  host.capacity[Resource::Cpu] = cpus * 1000;
  if (fields[7] == "Y") host.state = HostState::Lost;
  return host;
}

Result<Guest> read_instance(const std::vector<std::string_view>& fields,
                            const std::map<std::string, HostIndex, std::less<>>& hosts,
                            std::size_t line) {
  if (fields.size() < 9) return bad(line, "an instance needs at least 9 fields");
  Guest guest;
  guest.name = fields[0];
  ALOFT_ASSIGN(const std::int64_t memory, number(fields[1], line));
  ALOFT_ASSIGN(const std::int64_t disk, number(fields[2], line));
  ALOFT_ASSIGN(const std::int64_t cpus, number(fields[3], line));
  guest.needs[Resource::Memory] = memory * kMiB;
  guest.needs[Resource::Disk] = disk * kMiB;
  guest.needs[Resource::Cpu] = cpus * 1000;
  const auto primary = hosts.find(fields[6]);
  const auto secondary = hosts.find(fields[7]);
  if (primary == hosts.end()) return bad(line, fmt::format("no node '{}'", fields[6]));
  if (secondary == hosts.end()) return bad(line, fmt::format("no node '{}'", fields[7]));
  guest.host = primary->second;
  guest.replicas = {primary->second, secondary->second};
  guest.replica_count = 2;
  guest.locality = Locality::Required;
  // hbal counts every instance as one unit of each load unless it is told otherwise.
  guest.load = Load{.cpu = 1, .memory = 1, .disk = 1, .network = 1};
  return guest;
}

}  // namespace

Result<GanetiCluster> read_cluster(std::string_view text) {
  GanetiCluster cluster;
  std::map<std::string, HostIndex, std::less<>> hosts;
  int section = 0;
  std::size_t line_number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++line_number;
    if (section >= 3) {
      cluster.after_nodes.emplace_back(line);
      continue;
    }
    if (line.empty()) {
      ++section;
      continue;
    }
    const auto fields = split(line, '|');
    if (section == 0) {
      cluster.group = line;
    } else if (section == 1) {
      ALOFT_ASSIGN(Host host, read_node(fields, line_number));
      hosts.emplace(host.name, HostIndex(static_cast<std::uint32_t>(cluster.farm.hosts.size())));
      cluster.farm.hosts.push_back(std::move(host));
      cluster.node_lines.emplace_back(line);
    } else {
      ALOFT_ASSIGN(Guest guest, read_instance(fields, hosts, line_number));
      cluster.farm.guests.push_back(std::move(guest));
    }
  }
  if (section < 3) return bad(line_number, "the file ends before its instances do");
  cluster.farm.cpu_overcommit_percent = 400;
  return cluster;
}

std::string write_cluster(const GanetiCluster& cluster, const Farm& farm) {
  std::vector<std::int64_t> memory(farm.hosts.size());
  std::vector<std::int64_t> disk(farm.hosts.size());
  std::string instances;
  for (const Guest& guest : farm.guests) {
    if (!guest.host) continue;
    const HostIndex other =
        guest.replicas[0] == *guest.host ? guest.replicas[1] : guest.replicas[0];
    memory[guest.host->value()] += guest.needs[Resource::Memory] / kMiB;
    for (HostIndex host : guest.replicas) {
      disk[host.value()] += guest.needs[Resource::Disk] / kMiB;
    }
    instances += fmt::format("{}|{}|{}|{}|running|Y|{}|{}|drbd||1|1|N\n", guest.name,
                             guest.needs[Resource::Memory] / kMiB,
                             guest.needs[Resource::Disk] / kMiB, guest.needs[Resource::Cpu] / 1000,
                             farm.hosts[guest.host->value()].name, farm.hosts[other.value()].name);
  }
  std::string text = cluster.group + "\n\n";
  for (std::size_t h = 0; h < farm.hosts.size(); ++h) {
    const auto fields = split(cluster.node_lines[h], '|');
    const Amounts& capacity = farm.hosts[h].capacity;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (f > 0) text += '|';
      if (f == 3) {
        text += fmt::format("{}", capacity[Resource::Memory] / kMiB - memory[h]);
      } else if (f == 5) {
        text += fmt::format("{}", capacity[Resource::Disk] / kMiB - disk[h]);
      } else {
        text += fields[f];
      }
    }
    text += '\n';
  }
  text += "\n" + instances + "\n";
  for (std::size_t i = 0; i < cluster.after_nodes.size(); ++i) {
    text += cluster.after_nodes[i];
    if (i + 1 < cluster.after_nodes.size()) text += '\n';
  }
  return text;
}

std::string generate_cluster(std::uint32_t nodes, std::uint32_t guests_per_node, double memory_use,
                             std::uint64_t seed) {
  constexpr std::int64_t kMemory = 131'072;
  constexpr std::int64_t kOwn = 1'024;
  constexpr std::int64_t kDisk = 4'000'000;
  Random random(seed);
  GanetiCluster cluster;
  cluster.group = "group|uuid|preferred||";
  cluster.after_nodes = {
      "", "|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,16,1048576,16,8,12|drbd|4.0|32.0",
      "group|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,16,1048576,16,8,12|drbd|4.0|32.0", ""};
  std::vector<std::int64_t> free(nodes, kMemory - kOwn);
  for (std::uint32_t n = 0; n < nodes; ++n) {
    Host host;
    host.name = fmt::format("node{}", n);
    host.capacity[Resource::Memory] = (kMemory - kOwn) * kMiB;
    host.capacity[Resource::Disk] = kDisk * kMiB;
    cluster.farm.hosts.push_back(host);
    cluster.node_lines.push_back(fmt::format("{}|{}|{}|0|{}|0|32|{}|uuid|1||N|0|1|1.0", host.name,
                                             kMemory, kOwn, kDisk, n == 0 ? 'M' : 'N'));
  }
  // Sizes are drawn so that together they take `memory_use` of the memory.
  constexpr std::array<std::int64_t, 4> kSizes = {1, 2, 4, 8};
  const double unit = memory_use * static_cast<double>(kMemory) / (3.75 * guests_per_node);
  const std::uint32_t count = nodes * guests_per_node;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto size = static_cast<std::int64_t>(unit * static_cast<double>(kSizes[random.below(4)]));
    // The lower of two draws: early nodes are the crowded ones.
    std::uint64_t primary = std::min(random.below(nodes), random.below(nodes));
    for (std::uint32_t tries = 0; tries < nodes && free[primary] < size; ++tries) {
      primary = (primary + 1) % nodes;
    }
    const std::uint64_t secondary = (primary + 1 + random.below(nodes - 1)) % nodes;
    size = std::min(size, free[primary]);
    if (size < 128) continue;
    free[primary] -= size;
    Guest guest;
    guest.name = fmt::format("inst{}", i);
    guest.needs[Resource::Memory] = size * kMiB;
    guest.needs[Resource::Disk] = static_cast<std::int64_t>(10'240 << random.below(3)) * kMiB;
    guest.needs[Resource::Cpu] = 1000 << random.below(3);
    guest.host = HostIndex(static_cast<std::uint32_t>(primary));
    guest.replicas = {*guest.host, HostIndex(static_cast<std::uint32_t>(secondary))};
    cluster.farm.guests.push_back(guest);
  }
  return write_cluster(cluster, cluster.farm);
}

}  // namespace aloft::bench
