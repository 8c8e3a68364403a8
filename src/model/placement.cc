#include "model/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/check.h"
#include "model/farm.h"
#include "model/limits.h"
#include "model/rule.h"
#include "model/text.h"

namespace aloft::model {
namespace {

Result<void> twice(std::string_view field, std::string_view name) {
  return fail(Code::InvalidArgument, "placement.named_twice",
              fmt::format("{} names \"{}\" twice; once is enough", field, name));
}

// Labels, each once.
Result<void> check_names(std::string_view field, const std::vector<std::string>& names,
                         std::size_t max) {
  ALOFT_TRY(check_number(fmt::format("number of {}", field), names.size(), 0, max));
  std::set<std::string_view> seen;
  for (const auto& name : names) {
    ALOFT_TRY(Name::make(field, name));
    if (!seen.insert(name).second) return twice(field, name);
  }
  return {};
}

Result<void> check_percent(std::string_view field, std::uint32_t value, std::uint32_t most) {
  if (value == 0) return {};
  return check_number(field, value, 100, most);
}

}  // namespace

Result<void> check_devices(const std::map<std::string, std::uint32_t>& devices) {
  ALOFT_TRY(check_number("number of devices", devices.size(), 0, kMaxDeviceClasses));
  for (const auto& [device, count] : devices) {
    ALOFT_TRY(Name::make("device class", device));
    ALOFT_TRY(check_number(fmt::format("devices of class {}", device), count, 1, kMaxDevices));
  }
  return {};
}

Result<void> check_licences(const std::vector<std::string>& licences) {
  return check_names("licences", licences, kMaxLicences);
}

Result<void> validate(const Placement& placement) {
  ALOFT_TRY(check_names("allowed_hosts", placement.allowed_hosts, kMaxNamedHosts));
  ALOFT_TRY(check_names("forbidden_hosts", placement.forbidden_hosts, kMaxNamedHosts));
  ALOFT_TRY(check_number("number of preferences", placement.preferences.size(), 0, kMaxNamedHosts));
  std::set<std::string_view> hosts;
  for (const auto& [host, weight] : placement.preferences) {
    ALOFT_TRY(Name::make("preferences", host));
    if (!hosts.insert(host).second) return twice("preferences", host);
    if (weight < -kMaxPreference || weight > kMaxPreference) {
      return fail(Code::InvalidArgument, "number.out_of_range",
                  fmt::format("weight of the preference for host {} is {}; give {} to {}", host,
                              weight, -kMaxPreference, kMaxPreference));
    }
  }
  ALOFT_TRY(check_number("number of capabilities", placement.capabilities.size(), 0,
                         kMaxNeededCapabilities));
  for (const auto& capability : placement.capabilities) {
    ALOFT_TRY(check_line("capabilities", capability, kMaxNameBytes));
    if (!capability.empty()) continue;
    return fail(Code::InvalidArgument, "placement.empty_capability",
                "capabilities has an empty name; name one that aloft host show lists");
  }
  ALOFT_TRY(check_licences(placement.licences));
  ALOFT_TRY(check_devices(placement.devices));
  return check_number("network_bits_per_second", placement.network_bits_per_second, 0,
                      kMaxBitsPerSecond);
}

Result<void> validate(const Name& /*name*/, const RuleSpec& spec) {
  if (spec.kind == RuleKind::Unspecified) {
    return fail(Code::InvalidArgument, "rule.no_kind",
                "kind is missing; give KIND_KEEP_TOGETHER or KIND_KEEP_APART");
  }
  ALOFT_TRY(check_names("guests", spec.guests, kMaxRuleGuests));
  ALOFT_TRY(check_line("label", spec.label, kMaxLabelKeyBytes + kMaxLabelValueBytes + 1));
  if (spec.label.empty() && spec.guests.size() < 2) {
    return fail(Code::InvalidArgument, "rule.too_few_guests",
                "a rule is about two guests or more; name them in guests, or give a label");
  }
  return check_number("weight", spec.weight, 0, kMaxRuleWeight);
}

Result<void> validate(const Name& name, const FarmSpec& spec) {
  if (name.text() != kFarmName) {
    return fail(Code::InvalidArgument, "farm.other_name",
                fmt::format("the farm is called \"{}\", not \"{}\"", kFarmName, name.text()));
  }
  ALOFT_TRY(check_number("tolerate count", spec.tolerate.count, 0, kMaxTolerated));
  ALOFT_TRY(check_percent("cpu_overcommit_percent", spec.cpu_overcommit_percent, 10'000));
  ALOFT_TRY(check_percent("memory_overcommit_percent", spec.memory_overcommit_percent, 1'000));
  return check_percent("disk_overcommit_percent", spec.disk_overcommit_percent, 10'000);
}

bool has_label(const Metadata& metadata, std::string_view filter) {
  const std::size_t equal = filter.find('=');
  const auto found = metadata.labels.find(std::string(filter.substr(0, equal)));
  if (found == metadata.labels.end()) return false;
  return equal == std::string_view::npos || found->second == filter.substr(equal + 1);
}

}  // namespace aloft::model
