// A physical machine running aloftd.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "model/object.h"
#include "model/placement.h"

namespace aloft::model {

struct HostSpec {
  static constexpr std::string_view kKind = "host";
  static constexpr std::string_view kPlural = "hosts";

  bool maintenance = false;
  std::string zone{};                              // failure zone: a label, or empty
  std::string site{};                              // a label, or empty
  Bytes reserved_memory{};                         // not for guests; 0 = an eighth, at most 1 GiB
  std::uint32_t cpu_overcommit_percent = 0;        // 0 = the farm's
  std::vector<std::string> licences{};             // licence groups that cover this host
  std::map<std::string, std::uint32_t> devices{};  // class -> how many
  std::uint64_t huge_pages = 0;                    // of 2 MiB, for guests that ask for them
  std::uint32_t pinned_cores = 0;                  // for guests with CPUs of their own
  std::uint64_t network_bits_per_second = 0;       // what guests may have kept for them

  bool operator==(const HostSpec&) const = default;
};

// What the host can do, found by trying: "kvm", "tcg.aarch64", "lxc", "reflink", "driver.xen".
struct Capability {
  std::string name{};
  bool available = false;
  std::string reason{};  // why not, and what would help; or a version

  bool operator==(const Capability&) const = default;
};

struct HostStatus {
  std::string machine_id{};
  std::string boot_id{};
  std::string version{};  // of aloftd
  std::string kernel{};
  Architecture architecture = Architecture::Unspecified;
  std::uint32_t cpus = 0;
  Bytes memory{};
  Bytes memory_available{};
  Bytes disk{};  // of the state directory's file system
  Bytes disk_free{};
  std::vector<Capability> capabilities{};
  WallTime seen_at{};
  WallTime booted_at{};
  Pressure pressure{};

  bool operator==(const HostStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const HostSpec& spec);

using Host = Object<HostSpec, HostStatus>;

}  // namespace aloft::model
