// What placement is told of guests and hosts beside their size: wishes, needs, measured load.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"

namespace aloft::model {

enum class Level { Host = 1, Rack = 2, Site = 3 };  // Rack: the zone of a host

struct HostPreference {
  std::string host{};
  std::int32_t weight = 0;  // -1000 .. 1000

  bool operator==(const HostPreference&) const = default;
};

// Where a guest may and would like to run.
struct Placement {
  std::vector<std::string> allowed_hosts{};  // empty: every host
  std::vector<std::string> forbidden_hosts{};
  std::vector<HostPreference> preferences{};
  std::vector<std::string> capabilities{};  // of the host: "kvm"
  std::vector<std::string> licences{};
  std::map<std::string, std::uint32_t> devices{};  // class -> how many
  bool huge_pages = false;
  bool pinned_cpus = false;
  std::uint64_t network_bits_per_second = 0;

  bool operator==(const Placement&) const = default;
};

// Measured use of a guest, smoothed over minutes.
struct Load {
  std::uint64_t cpu_millis = 0;  // thousandths of a CPU
  Bytes memory{};
  std::uint64_t disk_bytes_per_second = 0;
  std::uint64_t network_bits_per_second = 0;
  WallTime measured_at{};  // the epoch: never

  bool operator==(const Load&) const = default;
};

// Thousandths of the last minute in which some task of a host stood still for want of it.
struct Pressure {
  std::uint32_t cpu_permille = 0;
  std::uint32_t memory_permille = 0;
  std::uint32_t io_permille = 0;

  bool operator==(const Pressure&) const = default;
};

[[nodiscard]] Result<void> validate(const Placement& placement);
// Of a host or a guest: classes and groups are labels, and no more than limits.h allows.
[[nodiscard]] Result<void> check_devices(const std::map<std::string, std::uint32_t>& devices);
[[nodiscard]] Result<void> check_licences(const std::vector<std::string>& licences);

}  // namespace aloft::model
