#include "placement/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "placement/limits.h"

namespace aloft::placement {
namespace {

constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20U;
constexpr std::size_t kMaxBits = 64;

using Numbers = std::map<std::string, std::uint32_t, std::less<>>;

std::int64_t amount(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min(value, static_cast<std::uint64_t>(kMaxAmount)));
}
std::int64_t percent_of(std::int64_t value, std::uint32_t percent) {
  return std::min(kMaxAmount, value / 100 * percent + value % 100 * percent / 100);
}

// The capabilities a guest cannot do without, those that its kind implies among them.
std::vector<std::string> needed_capabilities(const model::GuestSpec& spec) {
  std::vector<std::string> names = spec.placement.capabilities;
  if (spec.technique == model::Technique::Container) names.emplace_back("driver.lxc");
  if (spec.technique == model::Technique::Vm) names.emplace_back("driver.libvirt");
  if (spec.architecture != model::Architecture::Unspecified) {
    names.push_back(fmt::format("tcg.{}", model::name_of(spec.architecture)));
  }
  return names;
}

bool can(const model::Host& host, std::string_view name) {
  if (name == fmt::format("tcg.{}", model::name_of(host.status().architecture))) return true;
  const auto& capabilities = host.status().capabilities;
  const auto found = std::ranges::find(capabilities, name, &model::Capability::name);
  if (found != capabilities.end()) return found->available;
  // A driver that the host's agent says nothing of is not what keeps a guest away.
  return name.starts_with("driver.");
}

class Builder {
 public:
  explicit Builder(const Records& records) : records_(records) {}

  Result<View> build() {
    ALOFT_TRY(number_names());
    for (const auto& image : records_.images) images_.emplace(image.name(), &image);
    for (const auto& volume : records_.volumes) volumes_.emplace(volume.name(), &volume);
    const auto& settings = records_.settings;
    view_.tolerance = {static_cast<Level>(static_cast<int>(settings.tolerate.level) - 1),
                       std::min(settings.tolerate.count, kMaxTolerated)};
    if (settings.cpu_overcommit_percent != 0) {
      view_.farm.cpu_overcommit_percent = settings.cpu_overcommit_percent;
    }
    for (const auto& host : records_.hosts) {
      hosts_.emplace(host.name(), static_cast<std::uint32_t>(view_.farm.hosts.size()));
      view_.farm.hosts.push_back(host_of(host));
    }
    for (const auto& guest : records_.guests) {
      all_guests_.insert(guest.name());
      if (guest.deleting() || guest.spec().desired != model::Desired::Running) continue;
      const auto index = static_cast<std::uint32_t>(view_.farm.guests.size());
      guests_.emplace(guest.name(), index);
      for (const auto& [key, value] : guest.metadata().labels) {
        labels_[key].push_back(index);
        labels_[fmt::format("{}={}", key, value)].push_back(index);
      }
      view_.farm.guests.push_back(guest_of(guest));
    }
    for (const auto& rule : records_.rules) add_rule(rule);
    return std::move(view_);
  }

 private:
  Result<void> number_names() {
    for (const auto& guest : records_.guests) {
      for (auto& name : needed_capabilities(guest.spec())) number(features_, std::move(name));
      for (const auto& name : guest.spec().placement.licences) number(licences_, name);
      for (const auto& [name, count] : guest.spec().placement.devices) number(devices_, name);
    }
    for (const auto* names : {&features_, &licences_}) {
      if (names->size() <= kMaxBits) continue;
      return fail(
          Code::ResourceExhausted, "placement.too_many_names",
          fmt::format("guests ask for {} different {}; placement knows {} at a time", names->size(),
                      names == &features_ ? "capabilities" : "licence groups", kMaxBits));
    }
    return {};
  }

  static void number(Numbers& numbers, std::string name) {
    numbers.try_emplace(std::move(name), static_cast<std::uint32_t>(numbers.size()));
  }

  [[nodiscard]] Host host_of(const model::Host& in) const {
    const auto& spec = in.spec();
    const auto& settings = records_.settings;
    Host host;
    host.name = in.name();
    host.rack = spec.zone;
    host.site = spec.site;
    host.state = spec.maintenance ? HostState::Maintenance : HostState::Up;
    host.cpu_overcommit_percent = spec.cpu_overcommit_percent;
    const std::uint32_t shared = in.status().cpus - std::min(in.status().cpus, spec.pinned_cores);
    host.capacity[Resource::Cpu] = amount(shared * std::uint64_t{1000});
    host.capacity[Resource::Memory] = percent_of(
        amount(memory_for_guests(in).count()),
        settings.memory_overcommit_percent == 0 ? 100 : settings.memory_overcommit_percent);
    host.capacity[Resource::Disk] =
        percent_of(amount(in.status().disk.count()),
                   settings.disk_overcommit_percent == 0 ? 100 : settings.disk_overcommit_percent);
    host.capacity[Resource::Network] = amount(spec.network_bits_per_second);
    host.capacity[Resource::HugePages] = amount(spec.huge_pages);
    host.capacity[Resource::PinnedCores] = amount(spec.pinned_cores);
    for (const auto& [name, bit] : features_) {
      if (can(in, name)) host.features |= std::uint64_t{1} << bit;
    }
    for (const auto& name : spec.licences) {
      const auto found = licences_.find(name);
      if (found != licences_.end()) host.licences |= std::uint64_t{1} << found->second;
    }
    for (const auto& [name, count] : spec.devices) {
      const auto found = devices_.find(name);
      if (found != devices_.end()) host.devices.push_back({found->second, count});
    }
    const auto& pressure = in.status().pressure;
    host.pressure = {std::min(pressure.cpu_permille, 1000U) / 1000.0,
                     std::min(pressure.memory_permille, 1000U) / 1000.0,
                     std::min(pressure.io_permille, 1000U) / 1000.0};
    return host;
  }

  [[nodiscard]] std::uint64_t disk_bytes(const model::GuestSpec& spec) const {
    std::uint64_t total = 0;
    bool root = false;
    for (const auto& disk : spec.disks) {
      root |= disk.name == "root";
      if (disk.size.count() != 0) {
        total += disk.size.count();
      } else if (const auto volume = volumes_.find(disk.volume); volume != volumes_.end()) {
        total += volume->second->spec().size.count();
      } else if (disk.name == "root") {
        total += image_bytes(spec.image);
      }
    }
    return root ? total : total + image_bytes(spec.image);
  }
  [[nodiscard]] std::uint64_t image_bytes(std::string_view name) const {
    const auto image = images_.find(name);
    return image == images_.end() ? 0 : image->second->status().size.count();
  }

  [[nodiscard]] static Technique technique_of(const model::Guest& guest) {
    if (guest.spec().technique == model::Technique::Container) return Technique::OsLevel;
    return guest.status().accelerator == "tcg" ? Technique::Emulation
                                               : Technique::FullVirtualization;
  }

  Guest guest_of(const model::Guest& in) {
    const auto& spec = in.spec();
    const auto& wishes = spec.placement;
    Guest guest;
    guest.name = in.name();
    guest.priority = spec.priority;
    const std::int64_t memory = amount(spec.memory.count());
    const std::int64_t overhead = memory_overhead(technique_of(in), memory);
    guest.needs[Resource::Memory] = wishes.huge_pages ? overhead : memory + overhead;
    if (wishes.huge_pages) {
      guest.needs[Resource::HugePages] =
          amount((spec.memory.count() + kHugePageBytes - 1) / kHugePageBytes);
    }
    guest.needs[wishes.pinned_cpus ? Resource::PinnedCores : Resource::Cpu] =
        wishes.pinned_cpus ? spec.cpus : std::int64_t{1000} * spec.cpus;
    guest.needs[Resource::Disk] = amount(disk_bytes(spec));
    guest.needs[Resource::Network] = amount(wishes.network_bits_per_second);
    guest.restartable = spec.restart.policy != model::RestartPolicy::Never;
    for (const auto& name : needed_capabilities(spec)) {
      guest.features |= std::uint64_t{1} << features_.at(name);
    }
    for (const auto& name : wishes.licences) {
      guest.licences |= std::uint64_t{1} << licences_.at(name);
    }
    for (const auto& [name, count] : wishes.devices) {
      guest.devices.push_back({devices_.at(name), count});
    }
    const std::string who = "guest " + in.name();
    for (const auto& name : wishes.allowed_hosts) add_host(who, name, guest.allowed);
    if (guest.allowed.empty() && !wishes.allowed_hosts.empty()) {
      // None of the allowed hosts is there: it may run nowhere.
      for (std::uint32_t h = 0; h < view_.farm.hosts.size(); ++h) guest.forbidden.emplace_back(h);
    } else {
      for (const auto& name : wishes.forbidden_hosts) add_host(who, name, guest.forbidden);
    }
    for (const auto& [name, weight] : wishes.preferences) {
      if (const auto host = find_host(who, name)) guest.preferences.push_back({*host, weight});
    }
    if (const auto host = hosts_.find(in.status().host); host != hosts_.end()) {
      guest.host = HostIndex(host->second);
    }
    guest.load = load_of(in);
    return guest;
  }

  [[nodiscard]] std::optional<Load> load_of(const model::Guest& guest) const {
    const auto& load = guest.status().load;
    if (load.measured_at == WallTime{}) return std::nullopt;
    const auto age = records_.now - load.measured_at;
    if (age > kLoadLifetime || age < -kLoadLifetime) return std::nullopt;
    return Load{static_cast<double>(load.cpu_millis), static_cast<double>(load.memory.count()),
                static_cast<double>(load.disk_bytes_per_second),
                static_cast<double>(load.network_bits_per_second)};
  }

  std::optional<HostIndex> find_host(const std::string& who, const std::string& name) {
    const auto found = hosts_.find(name);
    if (found != hosts_.end()) return HostIndex(found->second);
    view_.problems.push_back(
        fmt::format("{} names host {}, which the farm does not have", who, name));
    return std::nullopt;
  }
  void add_host(const std::string& who, const std::string& name, std::vector<HostIndex>& hosts) {
    if (const auto host = find_host(who, name)) hosts.push_back(*host);
  }

  void add_rule(const model::Rule& in) {
    const auto& spec = in.spec();
    Rule rule;
    rule.name = in.name();
    rule.kind =
        spec.kind == model::RuleKind::KeepTogether ? RuleKind::KeepTogether : RuleKind::KeepApart;
    rule.strength =
        spec.strength == model::RuleStrength::Preferred ? Strength::Preferred : Strength::Required;
    rule.level = static_cast<Level>(static_cast<int>(spec.level) - 1);
    rule.weight = spec.weight == 0 ? 100 : spec.weight;
    std::set<std::uint32_t> members;
    for (const auto& name : spec.guests) {
      if (const auto found = guests_.find(name); found != guests_.end()) {
        members.insert(found->second);
      } else if (!all_guests_.contains(name)) {
        view_.problems.push_back(
            fmt::format("rule {} names guest {}, which the farm does not have", in.name(), name));
      }
    }
    if (const auto found = labels_.find(spec.label); found != labels_.end()) {
      members.insert(found->second.begin(), found->second.end());
    }
    for (const std::uint32_t member : members) rule.guests.emplace_back(member);
    view_.farm.rules.push_back(std::move(rule));
  }

  const Records& records_;
  View view_;
  Numbers features_;
  Numbers licences_;
  Numbers devices_;
  Numbers hosts_;
  Numbers guests_;
  std::set<std::string_view> all_guests_;
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> labels_;
  std::map<std::string, const model::Image*, std::less<>> images_;
  std::map<std::string, const model::Volume*, std::less<>> volumes_;
};

}  // namespace

std::optional<HostIndex> View::host(std::string_view name) const {
  const auto found = std::ranges::find(farm.hosts, name, &Host::name);
  if (found == farm.hosts.end()) return std::nullopt;
  return HostIndex(static_cast<std::uint32_t>(found - farm.hosts.begin()));
}

std::optional<GuestIndex> View::guest(std::string_view name) const {
  const auto found = std::ranges::find(farm.guests, name, &Guest::name);
  if (found == farm.guests.end()) return std::nullopt;
  return GuestIndex(static_cast<std::uint32_t>(found - farm.guests.begin()));
}

Bytes memory_for_guests(const model::Host& host) {
  const std::uint64_t memory = host.status().memory.count();
  const std::uint64_t reserved = host.spec().reserved_memory.count() != 0
                                     ? host.spec().reserved_memory.count()
                                     : std::min(memory / 8, std::uint64_t{1} << 30U);
  const std::uint64_t apart =
      std::min(host.spec().huge_pages, memory / kHugePageBytes) * kHugePageBytes + reserved;
  return Bytes(memory - std::min(memory, apart));
}

Result<View> view_of(const Records& records) {
  return Builder(records).build();
}

}  // namespace aloft::placement
