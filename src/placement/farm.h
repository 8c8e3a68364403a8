// The farm as placement sees it: plain values, dense indexes, names only for explanations.
//
// Whoever uses the room (controller, simulator, benchmarks) fills a Farm from its own records. An
// index is the position in the Farm's vectors. Amounts have fixed units: thousandths of a CPU,
// bytes of memory and disk, bits per second, pages, cores.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strong_id.h"

namespace aloft::placement {

using HostIndex = StrongId<struct HostIndexTag, std::uint32_t>;
using GuestIndex = StrongId<struct GuestIndexTag, std::uint32_t>;
using RuleIndex = StrongId<struct RuleIndexTag, std::uint32_t>;

enum class Resource : std::uint8_t { Cpu, Memory, Disk, Network, HugePages, PinnedCores };
inline constexpr std::size_t kResourceCount = 6;
inline constexpr std::array<Resource, kResourceCount> kResources = {
    Resource::Cpu,     Resource::Memory,    Resource::Disk,
    Resource::Network, Resource::HugePages, Resource::PinnedCores};
[[nodiscard]] std::string_view to_string(Resource resource);

// One number per resource.
class Amounts {
 public:
  constexpr std::int64_t& operator[](Resource resource) {
    return values_[static_cast<std::size_t>(resource)];
  }
  constexpr std::int64_t operator[](Resource resource) const {
    return values_[static_cast<std::size_t>(resource)];
  }
  constexpr Amounts& operator+=(const Amounts& other) {
    for (std::size_t i = 0; i < kResourceCount; ++i) values_[i] += other.values_[i];
    return *this;
  }
  constexpr Amounts& operator-=(const Amounts& other) {
    for (std::size_t i = 0; i < kResourceCount; ++i) values_[i] -= other.values_[i];
    return *this;
  }
  // True if a need of *this finds room in `free`: what is not needed may be overdrawn.
  [[nodiscard]] constexpr bool fits_in(const Amounts& free) const {
    bool fits = true;
    for (std::size_t i = 0; i < kResourceCount; ++i) {
      fits &= values_[i] == 0 || values_[i] <= free.values_[i];
    }
    return fits;
  }
  [[nodiscard]] constexpr Amounts max(const Amounts& other) const {
    Amounts result = *this;
    for (std::size_t i = 0; i < kResourceCount; ++i) {
      if (other.values_[i] > result.values_[i]) result.values_[i] = other.values_[i];
    }
    return result;
  }
  constexpr bool operator==(const Amounts&) const = default;

 private:
  std::array<std::int64_t, kResourceCount> values_{};
};
constexpr Amounts operator+(Amounts a, const Amounts& b) {
  return a += b;
}
constexpr Amounts operator-(Amounts a, const Amounts& b) {
  return a -= b;
}
// An amount with its unit: "8 GiB", "2.5 CPUs", "1.2 Gbit/s".
[[nodiscard]] std::string describe(Resource resource, std::int64_t amount);

// Measured use of one guest, smoothed (load.h): CPUs in thousandths, bytes resident, bytes per
// second of disk, bits per second of network.
struct Load {
  double cpu = 0;
  double memory = 0;
  double disk = 0;
  double network = 0;
};

// Share of time in which tasks of the host stood still for want of it (/proc/pressure), 0 .. 1.
struct Pressure {
  double cpu = 0;
  double memory = 0;
  double io = 0;
};

struct DeviceCount {
  std::uint32_t device_class = 0;  // numbered by the caller
  std::uint32_t count = 0;
};

enum class HostState : std::uint8_t {
  Up,
  Maintenance,  // what runs goes on, nothing comes
  Lost,         // nothing runs; its replicas do not count
};

struct Host {
  std::string name;
  std::string rack;  // failure zone; empty: a rack of its own
  std::string site;  // empty: the one site
  HostState state = HostState::Up;
  Amounts capacity;                          // what guests may use; 0 = has none
  std::uint32_t cpu_overcommit_percent = 0;  // 0 = the farm's
  std::uint32_t architecture = 0;            // numbered by the caller
  std::uint64_t features = 0;                // bit set, numbered by the caller
  std::uint64_t licences = 0;                // bit set of the licence groups that cover it
  std::vector<DeviceCount> devices;
  double disk_bandwidth = 0;  // bytes per second it can do; 0 = unknown
  Pressure pressure;
};

enum class Locality : std::uint8_t {
  None,
  Preferred,  // runs faster beside a replica
  Required,   // runs only on a host of its replicas
};

// A wish for or against a host; required wishes are `allowed` and `forbidden`.
struct HostPreference {
  HostIndex host;
  std::int32_t weight = 0;  // -1000 .. 1000; higher is better
};

struct Guest {
  std::string name;
  std::uint32_t priority = 0;  // higher is started first
  // What it takes of the host it runs on, overhead included (memory_overhead). Disk is taken on
  // every replica's host when it has replicas, on its own host otherwise.
  Amounts needs;
  std::optional<HostIndex> host;    // where it runs, or ran when the host was lost
  bool restartable = true;          // its restart is promised by admission
  bool movable = true;              // may be moved while it runs
  std::vector<HostIndex> replicas;  // in-sync copies of its disks
  std::uint32_t replica_count = 0;  // wanted
  Locality locality = Locality::None;
  std::uint32_t architecture = 0;
  std::uint64_t features = 0;  // needs all of them
  std::uint64_t licences = 0;  // needs a host that all of them cover
  std::vector<DeviceCount> devices;
  std::vector<HostIndex> allowed;  // empty: every host
  std::vector<HostIndex> forbidden;
  std::vector<HostPreference> preferences;
  std::optional<Load> load;  // none: not measured, its needs stand for it
};

enum class Level : std::uint8_t { Host, Rack, Site };
enum class RuleKind : std::uint8_t { KeepTogether, KeepApart };
enum class Strength : std::uint8_t { Required, Preferred };

struct Rule {
  std::string name;
  RuleKind kind = RuleKind::KeepApart;
  Strength strength = Strength::Required;
  Level level = Level::Host;
  std::uint32_t weight = 100;  // of a preferred rule
  std::vector<GuestIndex> guests;
};

struct Farm {
  std::vector<Host> hosts;
  std::vector<Guest> guests;
  std::vector<Rule> rules;
  std::uint32_t cpu_overcommit_percent = 400;
};

enum class Technique : std::uint8_t { Emulation, FullVirtualization, Paravirtualization, OsLevel };
// Memory that a technique takes beside the guest's own, in bytes.
[[nodiscard]] std::int64_t memory_overhead(Technique technique, std::int64_t memory_bytes);

// Whether the values hang together: indexes exist, amounts are in range, names are unique.
// Errors: InvalidArgument "placement.unknown_host", "placement.unknown_guest",
// "placement.bad_amount", "placement.name_twice", "placement.bad_load"; ResourceExhausted
// "placement.farm_too_large".
[[nodiscard]] Result<void> validate(const Farm& farm);
// The same for one guest that is to join the farm.
[[nodiscard]] Result<void> validate_guest(const Farm& farm, const Guest& guest);

// Whether the required rules can hold together at all.
// Errors: InvalidArgument "placement.rules_contradict" naming both rules and the guests,
// "placement.rule_unsatisfiable" (more guests to keep apart than zones, no allowed host in common),
// "placement.guest_too_large" (no host, even empty, has room).
[[nodiscard]] Result<void> check_rules(const Farm& farm);

}  // namespace aloft::placement
