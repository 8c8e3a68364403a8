#include "placement/farm.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_set>

#include "base/bytes.h"
#include "placement/limits.h"

namespace aloft::placement {
namespace {

Result<void> check_host_index(const Farm& farm, HostIndex host, std::string_view who) {
  if (host.value() < farm.hosts.size()) return {};
  return fail(Code::InvalidArgument, "placement.unknown_host",
              fmt::format("{} names host number {}, but the farm has {} hosts", who, host.value(),
                          farm.hosts.size()));
}

Result<void> check_amounts(const Amounts& amounts, std::string_view who) {
  for (Resource resource : kResources) {
    if (amounts[resource] < 0 || amounts[resource] > kMaxAmount) {
      return fail(Code::InvalidArgument, "placement.bad_amount",
                  fmt::format("{} has {} of {}; allowed are 0 .. 2^60", who, amounts[resource],
                              to_string(resource)));
    }
  }
  return {};
}

bool sane(double value) {
  return std::isfinite(value) && value >= 0;
}

Result<void> validate_host(const Host& host) {
  const std::string who = fmt::format("host {}", host.name);
  ALOFT_TRY(check_amounts(host.capacity, who));
  if (host.cpu_overcommit_percent > kMaxOvercommitPercent) {
    return fail(Code::InvalidArgument, "placement.bad_amount",
                fmt::format("{} overcommits CPUs by {} %; at most {} %", who,
                            host.cpu_overcommit_percent, kMaxOvercommitPercent));
  }
  const Pressure& pressure = host.pressure;
  for (double value : {pressure.cpu, pressure.memory, pressure.io}) {
    if (!sane(value) || value > 1) {
      return fail(Code::InvalidArgument, "placement.bad_load",
                  fmt::format("{} reports a pressure of {}; allowed are 0 .. 1", who, value));
    }
  }
  if (!sane(host.disk_bandwidth)) {
    return fail(Code::InvalidArgument, "placement.bad_load",
                fmt::format("{} has a disk bandwidth of {}", who, host.disk_bandwidth));
  }
  return {};
}

template <class Items>
Result<void> check_unique(const Items& items, std::string_view what) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(items.size());
  for (const auto& item : items) {
    if (!seen.insert(item.name).second) {
      return fail(Code::InvalidArgument, "placement.name_twice",
                  fmt::format("two {} have the name '{}'", what, item.name));
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(Resource resource) {
  switch (resource) {
    case Resource::Cpu:
      return "CPU";
    case Resource::Memory:
      return "memory";
    case Resource::Disk:
      return "disk";
    case Resource::Network:
      return "network";
    case Resource::HugePages:
      return "huge pages";
    case Resource::PinnedCores:
      return "pinned cores";
  }
  return "?";
}

std::string describe(Resource resource, std::int64_t amount) {
  const std::string_view sign = amount < 0 ? "-" : "";
  const auto size = static_cast<std::uint64_t>(amount < 0 ? -amount : amount);
  const double number = static_cast<double>(size);
  switch (resource) {
    case Resource::Cpu:
      return fmt::format("{}{:.3g} CPUs", sign, number / 1000);
    case Resource::Memory:
    case Resource::Disk:
      return fmt::format("{}{}", sign, to_string(Bytes(size)));
    case Resource::Network:
      return number >= 1e9 ? fmt::format("{}{:.3g} Gbit/s", sign, number / 1e9)
                           : fmt::format("{}{:.3g} Mbit/s", sign, number / 1e6);
    case Resource::HugePages:
      return fmt::format("{}{} huge pages", sign, size);
    case Resource::PinnedCores:
      return fmt::format("{}{} pinned cores", sign, size);
  }
  return "?";
}

std::int64_t memory_overhead(Technique technique, std::int64_t memory_bytes) {
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  // Page tables and the device model grow with the guest; an emulator keeps translated code too.
  switch (technique) {
    case Technique::Emulation:
      return 256 * kMiB + memory_bytes / 64;
    case Technique::FullVirtualization:
      return 128 * kMiB + memory_bytes / 128;
    case Technique::Paravirtualization:
      return 64 * kMiB + memory_bytes / 128;
    case Technique::OsLevel:
      return 8 * kMiB;
  }
  return 0;
}

Result<void> validate_guest(const Farm& farm, const Guest& guest) {
  const std::string who = fmt::format("guest {}", guest.name);
  ALOFT_TRY(check_amounts(guest.needs, who));
  if (guest.host) ALOFT_TRY(check_host_index(farm, *guest.host, who));
  if (guest.replicas.size() > kMaxReplicas || guest.replica_count > kMaxReplicas) {
    return fail(Code::InvalidArgument, "placement.bad_amount",
                fmt::format("{} has more than {} replicas", who, kMaxReplicas));
  }
  for (std::size_t i = 0; i < guest.replicas.size(); ++i) {
    ALOFT_TRY(check_host_index(farm, guest.replicas[i], who));
    for (std::size_t j = 0; j < i; ++j) {
      if (guest.replicas[i] == guest.replicas[j]) {
        return fail(Code::InvalidArgument, "placement.name_twice",
                    fmt::format("{} has two replicas on host {}", who,
                                farm.hosts[guest.replicas[i].value()].name));
      }
    }
  }
  for (HostIndex host : guest.allowed) ALOFT_TRY(check_host_index(farm, host, who));
  for (HostIndex host : guest.forbidden) ALOFT_TRY(check_host_index(farm, host, who));
  for (const HostPreference& preference : guest.preferences) {
    ALOFT_TRY(check_host_index(farm, preference.host, who));
    if (preference.weight < -1000 || preference.weight > 1000) {
      return fail(Code::InvalidArgument, "placement.bad_amount",
                  fmt::format("{} has a preference of {}; allowed are -1000 .. 1000", who,
                              preference.weight));
    }
  }
  if (guest.load) {
    for (double value :
         {guest.load->cpu, guest.load->memory, guest.load->disk, guest.load->network}) {
      if (!sane(value)) {
        return fail(Code::InvalidArgument, "placement.bad_load",
                    fmt::format("{} has a measured load of {}", who, value));
      }
    }
  }
  return {};
}

Result<void> validate(const Farm& farm) {
  std::size_t members = 0;
  for (const Rule& rule : farm.rules) members += rule.guests.size();
  if (farm.hosts.size() > kMaxHosts || farm.guests.size() > kMaxGuests ||
      farm.rules.size() > kMaxRules || members > kMaxRuleMembers) {
    return fail(Code::ResourceExhausted, "placement.farm_too_large",
                fmt::format("the farm has {} hosts, {} guests, {} rules with {} members; at most "
                            "{}, {}, {} and {} are placed",
                            farm.hosts.size(), farm.guests.size(), farm.rules.size(), members,
                            kMaxHosts, kMaxGuests, kMaxRules, kMaxRuleMembers));
  }
  if (farm.cpu_overcommit_percent == 0 || farm.cpu_overcommit_percent > kMaxOvercommitPercent) {
    return fail(Code::InvalidArgument, "placement.bad_amount",
                fmt::format("the farm overcommits CPUs by {} %; allowed are 1 .. {} %",
                            farm.cpu_overcommit_percent, kMaxOvercommitPercent));
  }
  ALOFT_TRY(check_unique(farm.hosts, "hosts"));
  ALOFT_TRY(check_unique(farm.guests, "guests"));
  for (const Host& host : farm.hosts) ALOFT_TRY(validate_host(host));
  for (const Guest& guest : farm.guests) ALOFT_TRY(validate_guest(farm, guest));
  for (const Rule& rule : farm.rules) {
    for (GuestIndex guest : rule.guests) {
      if (guest.value() >= farm.guests.size()) {
        return fail(Code::InvalidArgument, "placement.unknown_guest",
                    fmt::format("rule {} names guest number {}, but the farm has {} guests",
                                rule.name, guest.value(), farm.guests.size()));
      }
    }
  }
  return {};
}

}  // namespace aloft::placement
