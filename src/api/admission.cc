#include "api/admission.h"

#include "api/placement_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace aloft::api {
namespace {

using model::Guest;
using model::Host;
using model::Image;
using model::Network;
using model::Volume;
using records::Records;

constexpr std::string_view kDefaultNetwork = "default";  // the agent makes it

template <class Object>
Result<bool> exists(Records& records, std::string_view name) {
  const auto found = records.get<Object>(name);
  if (found) return true;
  if (found.error().code == Code::NotFound) return false;
  return std::unexpected(found.error());
}

// An error unless `name` is empty or there is such an object.
template <class Object>
Result<void> require(Records& records, const std::string& who, std::string_view name) {
  if (name.empty()) return {};
  ALOFT_ASSIGN(const bool there, exists<Object>(records, name));
  if (there) return {};
  const std::string_view kind = Object::kKind;
  return fail(Code::FailedPrecondition,
              fmt::format("{}.{}_missing", who.substr(0, who.find(' ')), kind),
              fmt::format("{}: there is no {} called \"{}\"; make it first (aloft {} list shows "
                          "those there are)",
                          who, kind, name, kind));
}

Result<void> require_admin(const Identity& who, const std::string& what) {
  if (who.role == Role::Admin) return {};
  return fail(Code::PermissionDenied, "api.forbidden",
              fmt::format("{} reaches into the host and needs the role admin, but {} has {}", what,
                          who.name, name_of(who.role)));
}

std::unexpected<Error> immutable(std::string_view kind, std::string_view name,
                                 std::string_view field) {
  return fail(
      Code::FailedPrecondition, fmt::format("{}.immutable", kind),
      fmt::format("{} {}: {} cannot change; make a new {} instead", kind, name, field, kind));
}

std::unexpected<Error> in_use(std::string_view kind, std::string_view name,
                              std::string_view guest) {
  return fail(Code::FailedPrecondition, fmt::format("{}.in_use", kind),
              fmt::format("{} {} is used by guest {}; delete that guest first", kind, name, guest));
}

Result<void> check_memory(Records& records, const Guest& guest) {
  ALOFT_ASSIGN(const auto hosts, records.list<Host>());
  Bytes largest;
  for (const auto& host : hosts.items) largest = std::max(largest, host.status().memory);
  if (largest.count() == 0 || guest.spec().memory <= largest) return {};
  return fail(Code::FailedPrecondition, "guest.memory_exceeds_hosts",
              fmt::format("guest {}: {} of memory, but the largest host has {}; give less",
                          guest.name(), to_string(guest.spec().memory), to_string(largest)));
}

Result<void> check_privileges(const Identity& who, const Guest& guest) {
  const auto& spec = guest.spec();
  if (!spec.driver_options.empty()) {
    ALOFT_TRY(require_admin(who, fmt::format("guest {}: driver_options", guest.name())));
  }
  if (spec.kernel.starts_with('/') || spec.initrd.starts_with('/')) {
    ALOFT_TRY(require_admin(
        who, fmt::format("guest {}: an absolute path of kernel or initrd", guest.name())));
  }
  return {};
}

Result<void> check_references(Records& records, const Guest& guest) {
  const std::string who = "guest " + guest.name();
  for (const auto& nic : guest.spec().nics) {
    if (nic.network != kDefaultNetwork) ALOFT_TRY(require<Network>(records, who, nic.network));
  }
  for (const auto& disk : guest.spec().disks) {
    ALOFT_TRY(require<Volume>(records, who, disk.volume));
  }
  return {};
}

}  // namespace

Result<void> admit_new(Records& records, const Identity& who, const Guest& guest) {
  ALOFT_TRY(check_privileges(who, guest));
  ALOFT_TRY(require<Image>(records, "guest " + guest.name(), guest.spec().image));
  ALOFT_TRY(check_references(records, guest));
  return check_memory(records, guest);
}

Result<void> admit_new(Records& /*records*/, const Identity& who, const Image& image) {
  const auto& spec = image.spec();
  if (spec.source.starts_with("debian:") && spec.kernel.empty() && spec.initrd.empty()) return {};
  return require_admin(who,
                       fmt::format("image {}: a source that is a path of the host", image.name()));
}

Result<void> admit_new(Records& /*records*/, const Identity& who, const Network& network) {
  if (network.spec().mode != model::NetworkMode::Bridge) return {};
  return require_admin(who, fmt::format("network {}: a bridge of the host", network.name()));
}

Result<void> admit_new(Records& records, const Identity& /*who*/, const Volume& volume) {
  ALOFT_TRY(require<Image>(records, "volume " + volume.name(), volume.spec().image));
  return require<Guest>(records, "volume " + volume.name(), volume.spec().guest);
}

Result<void> admit_change(Records& records, const Identity& who, const Guest& before,
                          const Guest& after) {
  if (before.spec() == after.spec()) return {};
  if (before.spec().technique != after.spec().technique) {
    return immutable("guest", before.name(), "technique");
  }
  if (before.spec().image != after.spec().image) return immutable("guest", before.name(), "image");
  if (before.spec().architecture != after.spec().architecture) {
    return immutable("guest", before.name(), "architecture");
  }
  ALOFT_TRY(check_privileges(who, after));
  ALOFT_TRY(check_references(records, after));
  return check_memory(records, after);
}

Result<void> admit_change(Records& /*records*/, const Identity& /*who*/, const Host& /*before*/,
                          const Host& /*after*/) {
  return {};
}

Result<void> admit_change(Records& /*records*/, const Identity& /*who*/, const Image& before,
                          const Image& after) {
  if (before.spec() == after.spec()) return {};
  return immutable("image", before.name(), "spec");
}

Result<void> admit_change(Records& records, const Identity& who, const Network& before,
                          const Network& after) {
  if (before.spec() == after.spec()) return {};
  return admit_new(records, who, after);
}

Result<void> admit_change(Records& records, const Identity& /*who*/, const Volume& before,
                          const Volume& after) {
  if (before.spec().image != after.spec().image) {
    return immutable("volume", before.name(), "image");
  }
  if (before.spec().kind != after.spec().kind) return immutable("volume", before.name(), "kind");
  if (after.spec().size < before.spec().size) {
    return fail(Code::FailedPrecondition, "volume.shrink",
                fmt::format("volume {}: {} is less than its {}; a volume only grows", before.name(),
                            to_string(after.spec().size), to_string(before.spec().size)));
  }
  if (before.spec().guest == after.spec().guest) return {};
  return require<Guest>(records, "volume " + after.name(), after.spec().guest);
}

Result<void> admit_change(Records& records, const Identity& /*who*/, const model::Rule& before,
                          const model::Rule& after) {
  if (before.spec() == after.spec()) return {};
  return admit_rule(records, after);
}

// What is promised from now on may be broken already; the placement report says so.
Result<void> admit_change(Records& /*records*/, const Identity& /*who*/,
                          const model::Farm& /*before*/, const model::Farm& /*after*/) {
  return {};
}

Result<void> admit_deletion(Records& records, const Guest& guest) {
  ALOFT_ASSIGN(const auto guests, records.list<Guest>());
  for (const auto& other : guests.items) {
    if (other.deleting() || std::ranges::count(other.spec().depends_on, guest.name()) == 0)
      continue;
    return fail(
        Code::FailedPrecondition, "guest.in_use",
        fmt::format("guest {}: guest {} depends on it; delete that or change its depends_on "
                    "first",
                    guest.name(), other.name()));
  }
  return {};
}

Result<void> admit_deletion(Records& records, const Image& image) {
  ALOFT_ASSIGN(const auto guests, records.list<Guest>());
  for (const auto& guest : guests.items) {
    if (guest.spec().image == image.name()) return in_use("image", image.name(), guest.name());
  }
  return {};
}

Result<void> admit_deletion(Records& records, const Network& network) {
  ALOFT_ASSIGN(const auto guests, records.list<Guest>());
  for (const auto& guest : guests.items) {
    for (const auto& nic : guest.spec().nics) {
      const std::string_view name = nic.network.empty() ? kDefaultNetwork : nic.network;
      if (name == network.name()) return in_use("network", network.name(), guest.name());
    }
  }
  return {};
}

Result<void> admit_deletion(Records& records, const Volume& volume) {
  ALOFT_ASSIGN(const auto guests, records.list<Guest>());
  for (const auto& guest : guests.items) {
    for (const auto& disk : guest.spec().disks) {
      if (disk.volume == volume.name()) return in_use("volume", volume.name(), guest.name());
    }
  }
  if (volume.spec().guest.empty()) return {};
  ALOFT_ASSIGN(const bool there, exists<Guest>(records, volume.spec().guest));
  if (there) return in_use("volume", volume.name(), volume.spec().guest);
  return {};
}

}  // namespace aloft::api
