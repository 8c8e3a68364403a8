#include "model/guest.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/address.h"
#include "model/check.h"
#include "model/limits.h"
#include "model/text.h"

namespace aloft::model {
namespace {

Duration milliseconds_or(std::uint32_t value, std::uint32_t if_zero) {
  return std::chrono::milliseconds(value == 0 ? if_zero : value);
}

Result<void> check_count(std::string_view field, std::size_t count, std::size_t max) {
  return check_number(fmt::format("number of {}", field), count, 0, max);
}

Result<void> duplicate(std::string_view field, std::string_view name) {
  return fail(Code::InvalidArgument, "guest.duplicate",
              fmt::format("two {} are called \"{}\"; give each its own name", field, name));
}

Result<void> check_disks(const std::vector<Disk>& disks) {
  ALOFT_TRY(check_count("disks", disks.size(), kMaxDisks));
  std::set<std::string_view> names;
  for (const Disk& disk : disks) {
    ALOFT_TRY(Name::make("disk name", disk.name));
    if (!names.insert(disk.name).second) return duplicate("disks", disk.name);
    const std::string field = fmt::format("disk {}", disk.name);
    ALOFT_TRY(check_optional_name(field + " volume", disk.volume));
    const bool sized = disk.size.count() != 0;
    if (!sized && disk.volume.empty() && !disk.cdrom && disk.name != "root") {
      return fail(Code::InvalidArgument, "size.out_of_range",
                  fmt::format("{} size is 0; give {} to {}, or a volume", field,
                              to_string(kMinVolume), to_string(kMaxVolume)));
    }
    if (sized) ALOFT_TRY(check_size(field + " size", disk.size, kMinVolume, kMaxVolume));
  }
  return {};
}

Result<void> check_nics(const std::vector<Nic>& nics) {
  ALOFT_TRY(check_count("nics", nics.size(), kMaxNics));
  std::set<std::string> macs;
  for (const Nic& nic : nics) {
    ALOFT_TRY(check_optional_name("network name", nic.network));
    if (!nic.address.empty()) ALOFT_TRY(parse_ip_prefix(nic.address));
    if (nic.mac.empty()) continue;
    ALOFT_ASSIGN(auto mac, parse_mac(nic.mac));
    if (!macs.insert(std::move(mac)).second) return duplicate("nics", nic.mac);
  }
  return {};
}

Result<void> check_probe(const std::string& field, const HealthCheck& check) {
  if (const auto* tcp = std::get_if<TcpProbe>(&check.probe)) {
    return check_number(field + " port", tcp->port, 1, 65'535);
  }
  if (const auto* http = std::get_if<HttpProbe>(&check.probe)) {
    ALOFT_TRY(check_number(field + " port", http->port, 1, 65'535));
    ALOFT_TRY(check_line(field + " path", http->path, kMaxPathBytes));
    if (!http->path.empty() && (http->path[0] != '/' || http->path.contains(' '))) {
      return fail(Code::InvalidArgument, "guest.probe_path",
                  fmt::format("{} path \"{}\" does not begin with '/' or has a space; give one "
                              "like /healthz",
                              field, http->path));
    }
    return {};
  }
  const auto& command = std::get<ExecProbe>(check.probe).command;
  ALOFT_TRY(check_number(field + " number of arguments", command.size(), 1, kMaxArguments));
  for (const auto& argument : command) {
    ALOFT_TRY(check_line(field + " argument", argument, kMaxArgumentBytes));
  }
  return {};
}

Result<void> check_health_checks(const std::vector<HealthCheck>& checks) {
  ALOFT_TRY(check_count("health checks", checks.size(), kMaxHealthChecks));
  std::set<std::string_view> names;
  for (const HealthCheck& check : checks) {
    ALOFT_TRY(Name::make("health check name", check.name));
    if (!names.insert(check.name).second) return duplicate("health checks", check.name);
    const std::string field = fmt::format("health check {}", check.name);
    ALOFT_TRY(check_probe(field, check));
    ALOFT_TRY(check_number(field + " interval_ms", check.interval_ms, 0, kMaxIntervalMs));
    ALOFT_TRY(check_number(field + " timeout_ms", check.timeout_ms, 0, kMaxIntervalMs));
    ALOFT_TRY(check_number(field + " start_period_ms", check.start_period_ms, 0, kMaxIntervalMs));
    ALOFT_TRY(
        check_number(field + " failure_threshold", check.failure_threshold, 0, kMaxThreshold));
    ALOFT_TRY(
        check_number(field + " success_threshold", check.success_threshold, 0, kMaxThreshold));
  }
  return {};
}

Result<void> check_resources(const GuestSpec& spec) {
  ALOFT_TRY(check_number("cpus", spec.cpus, 1, kMaxCpus));
  if (spec.cpus_max != 0) ALOFT_TRY(check_number("cpus_max", spec.cpus_max, spec.cpus, kMaxCpus));
  ALOFT_TRY(check_number("cpu_shares", spec.cpu_shares, 0, kMaxCpuShares));
  ALOFT_TRY(check_size("memory_bytes", spec.memory, kMinMemory, kMaxMemory));
  if (spec.memory_max.count() != 0) {
    ALOFT_TRY(check_size("memory_max_bytes", spec.memory_max, spec.memory, kMaxMemory));
  }
  return {};
}

Result<void> check_dependencies(const Name& name, const std::vector<std::string>& depends_on) {
  ALOFT_TRY(check_count("depends_on", depends_on.size(), kMaxDependencies));
  std::set<std::string_view> names;
  for (const auto& other : depends_on) {
    ALOFT_TRY(Name::make("depends_on", other));
    if (!names.insert(other).second) return duplicate("dependencies", other);
    if (other == name.text()) {
      return fail(Code::InvalidArgument, "guest.depends_on_itself",
                  "depends_on names the guest itself; take it out");
    }
  }
  return {};
}

}  // namespace

Duration Restart::window() const {
  return milliseconds_or(window_ms, 600'000);
}
Duration Restart::backoff_initial() const {
  return milliseconds_or(backoff_initial_ms, 500);
}
Duration Restart::backoff_max() const {
  return milliseconds_or(backoff_max_ms, 60'000);
}
Duration HealthCheck::interval() const {
  return milliseconds_or(interval_ms, 5'000);
}
Duration HealthCheck::timeout() const {
  return milliseconds_or(timeout_ms, 2'000);
}
Duration HealthCheck::start_period() const {
  return milliseconds_or(start_period_ms, 30'000);
}
Duration GuestSpec::stop_timeout() const {
  return milliseconds_or(stop_timeout_ms, 30'000);
}

Result<void> validate(const Name& name, const GuestSpec& spec) {
  ALOFT_TRY(check_resources(spec));
  ALOFT_TRY(check_optional_name("image name", spec.image));
  ALOFT_TRY(check_disks(spec.disks));
  ALOFT_TRY(check_nics(spec.nics));
  ALOFT_TRY(check_health_checks(spec.health_checks));
  ALOFT_TRY(check_dependencies(name, spec.depends_on));
  ALOFT_TRY(check_number("priority", spec.priority, 0, kMaxPriority));
  if (spec.cloud_init.size() > kMaxCloudInitBytes) {
    return fail(Code::InvalidArgument, "guest.cloud_init_too_long",
                fmt::format("cloud_init has {} bytes; give at most {}", spec.cloud_init.size(),
                            kMaxCloudInitBytes));
  }
  if (!is_utf8(spec.cloud_init)) {
    return fail(Code::InvalidArgument, "text.not_utf8",
                "cloud_init is not UTF-8; write it in UTF-8");
  }
  const Restart& restart = spec.restart;
  ALOFT_TRY(check_number("restart max_tries", restart.max_tries, 0, kMaxRestartTries));
  ALOFT_TRY(check_number("restart window_ms", restart.window_ms, 0, kMaxIntervalMs));
  ALOFT_TRY(
      check_number("restart backoff_initial_ms", restart.backoff_initial_ms, 0, kMaxIntervalMs));
  ALOFT_TRY(check_number("restart backoff_max_ms", restart.backoff_max_ms, 0, kMaxIntervalMs));
  ALOFT_TRY(check_number("watchdog heartbeat_timeout_ms", spec.watchdog.heartbeat_timeout_ms, 0,
                         kMaxIntervalMs));
  ALOFT_TRY(check_number("stop_timeout_ms", spec.stop_timeout_ms, 0, kMaxIntervalMs));
  ALOFT_TRY(check_options("driver_options", spec.driver_options, kMaxDriverOptions,
                          kMaxLabelKeyBytes, kMaxOptionValueBytes));
  ALOFT_TRY(validate(spec.placement));
  ALOFT_TRY(check_path("kernel", spec.kernel));
  ALOFT_TRY(check_path("initrd", spec.initrd));
  return check_line("kernel_arguments", spec.kernel_arguments, kMaxOptionValueBytes);
}

std::string_view name_of(GuestState state) {
  switch (state) {
    case GuestState::Unspecified:
      return "new";
    case GuestState::Defining:
      return "defining";
    case GuestState::Starting:
      return "starting";
    case GuestState::Running:
      return "running";
    case GuestState::Stopping:
      return "stopping";
    case GuestState::Stopped:
      return "stopped";
    case GuestState::Frozen:
      return "frozen";
    case GuestState::BackingOff:
      return "backing-off";
    case GuestState::Failed:
      return "failed";
    case GuestState::Waiting:
      return "waiting";
    case GuestState::Unknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace aloft::model
