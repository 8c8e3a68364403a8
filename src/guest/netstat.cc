// What /proc/PID/net tells about a container's network, without entering its namespace.
#include <algorithm>
#include <array>
#include <sstream>

#include "guest/cgroup.h"
#include "guest/files.h"

namespace aloft::guest {
namespace {

// "fe800000000000000000000000000001" as people write it, without shortening of zeros in groups.
std::string ipv6_text(const std::string& hex) {
  std::string out;
  for (std::size_t group = 0; group < 8; ++group) {
    std::string digits = hex.substr(group * 4, 4);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    out += (group == 0 ? "" : ":") + digits;
  }
  return out;
}

}  // namespace

void read_network(pid_t process, Stats& stats) {
  const std::string path = "/proc/" + std::to_string(process) + "/net/dev";
  std::istringstream lines(read_file(path).value_or(""));
  std::string line;
  while (std::getline(lines, line)) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto name_start = line.find_first_not_of(' ');
    if (line.substr(name_start, colon - name_start) == "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    std::array<std::uint64_t, 9> values{};
    for (auto& value : values) fields >> value;
    stats.network_received_bytes += values[0];
    stats.network_sent_bytes += values[8];
  }
}

std::vector<std::string> parse_fib_trie(const std::string& text) {
  std::vector<std::string> addresses;
  std::istringstream lines(text);
  std::string line;
  std::string last;
  while (std::getline(lines, line)) {
    if (const auto dashes = line.find("|-- "); dashes != std::string::npos) {
      last = line.substr(dashes + 4);
    } else if (line.find("/32 host LOCAL") != std::string::npos && !last.starts_with("127.") &&
               std::ranges::find(addresses, last) == addresses.end()) {
      addresses.push_back(last);
    }
  }
  return addresses;
}

std::vector<std::string> read_addresses(pid_t process) {
  const std::string net = "/proc/" + std::to_string(process) + "/net/";
  auto addresses = parse_fib_trie(read_file(net + "fib_trie").value_or(""));
  // "address index prefix scope flags name"; scope 0 is global
  std::istringstream lines(read_file(net + "if_inet6").value_or(""));
  std::string hex;
  std::string index;
  std::string prefix;
  std::string scope;
  std::string flags;
  std::string name;
  while (lines >> hex >> index >> prefix >> scope >> flags >> name) {
    if (scope == "00" && hex.size() == 32) addresses.push_back(ipv6_text(hex));
  }
  return addresses;
}

}  // namespace aloft::guest
