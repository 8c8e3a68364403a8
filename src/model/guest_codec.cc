#include "aloft/v1/guest.pb.h"
#include "model/codec.h"
#include "model/message.h"
#include "model/placement_codec.h"

namespace aloft::model {
namespace {

Result<Disk> disk_from(const v1::Disk& message) {
  Disk disk;
  disk.name = message.name();
  disk.volume = message.volume();
  disk.size = Bytes(message.size_bytes());
  ALOFT_TRY(enum_from("bus of a disk", message.bus(), v1::Disk::Bus_IsValid, disk.bus));
  disk.read_only = message.read_only();
  disk.cdrom = message.cdrom();
  ALOFT_TRY(enum_from("mode of a disk", message.mode(), v1::Disk::Mode_IsValid, disk.mode));
  return disk;
}

void disk_to(const Disk& disk, v1::Disk& message) {
  message.set_name(disk.name);
  message.set_volume(disk.volume);
  message.set_size_bytes(disk.size.count());
  message.set_bus(static_cast<v1::Disk::Bus>(disk.bus));
  message.set_read_only(disk.read_only);
  message.set_cdrom(disk.cdrom);
  message.set_mode(static_cast<v1::Disk::Mode>(disk.mode));
}

Result<HealthCheck> health_check_from(const v1::HealthCheck& message) {
  HealthCheck check;
  check.name = message.name();
  switch (message.probe_case()) {
    case v1::HealthCheck::kTcp:
      check.probe = TcpProbe{message.tcp().port()};
      break;
    case v1::HealthCheck::kHttp:
      check.probe = HttpProbe{message.http().port(), message.http().path()};
      break;
    case v1::HealthCheck::kExec: {
      const auto& command = message.exec().command();
      check.probe = ExecProbe{{command.begin(), command.end()}};
      break;
    }
    case v1::HealthCheck::PROBE_NOT_SET:
      return fail(Code::InvalidArgument, "guest.no_probe",
                  fmt::format("health check {} has no probe; give tcp, http or exec",
                              clean_text(message.name(), kMaxNameBytes)));
  }
  check.interval_ms = message.interval_ms();
  check.timeout_ms = message.timeout_ms();
  check.failure_threshold = message.failure_threshold();
  check.success_threshold = message.success_threshold();
  check.start_period_ms = message.start_period_ms();
  ALOFT_TRY(enum_from("action of a health check", message.action(), v1::HealthCheck::Action_IsValid,
                      check.action));
  return check;
}

void health_check_to(const HealthCheck& check, v1::HealthCheck& message) {
  message.set_name(check.name);
  if (const auto* tcp = std::get_if<TcpProbe>(&check.probe)) {
    message.mutable_tcp()->set_port(tcp->port);
  } else if (const auto* http = std::get_if<HttpProbe>(&check.probe)) {
    message.mutable_http()->set_port(http->port);
    message.mutable_http()->set_path(http->path);
  } else {
    const auto& command = std::get<ExecProbe>(check.probe).command;
    message.mutable_exec()->mutable_command()->Assign(command.begin(), command.end());
  }
  message.set_interval_ms(check.interval_ms);
  message.set_timeout_ms(check.timeout_ms);
  message.set_failure_threshold(check.failure_threshold);
  message.set_success_threshold(check.success_threshold);
  message.set_start_period_ms(check.start_period_ms);
  message.set_action(static_cast<v1::HealthCheck::Action>(check.action));
}

Result<Restart> restart_from(const v1::Restart& message) {
  Restart restart;
  ALOFT_TRY(
      enum_from("restart policy", message.policy(), v1::Restart::Policy_IsValid, restart.policy));
  restart.max_tries = message.max_tries();
  restart.window_ms = message.window_ms();
  restart.backoff_initial_ms = message.backoff_initial_ms();
  restart.backoff_max_ms = message.backoff_max_ms();
  return restart;
}

void restart_to(const Restart& restart, v1::Restart& message) {
  message.set_policy(static_cast<v1::Restart::Policy>(restart.policy));
  message.set_max_tries(restart.max_tries);
  message.set_window_ms(restart.window_ms);
  message.set_backoff_initial_ms(restart.backoff_initial_ms);
  message.set_backoff_max_ms(restart.backoff_max_ms);
}

Result<GuestSpec> spec_from(const v1::GuestSpec& message) {
  GuestSpec spec;
  ALOFT_TRY(enum_from("technique", message.technique(), v1::Technique_IsValid, spec.technique));
  spec.image = message.image();
  ALOFT_TRY(enum_from("desired", message.desired(), v1::GuestSpec::Desired_IsValid, spec.desired));
  spec.cpus = message.cpus();
  spec.cpu_shares = message.cpu_shares();
  spec.memory = Bytes(message.memory_bytes());
  spec.memory_max = Bytes(message.memory_max_bytes());
  spec.cpus_max = message.cpus_max();
  ALOFT_TRY(enum_from("architecture", message.architecture(), v1::Architecture_IsValid,
                      spec.architecture));
  for (const auto& disk : message.disks()) {
    ALOFT_ASSIGN(spec.disks.emplace_back(), disk_from(disk));
  }
  for (const auto& nic : message.nics()) {
    spec.nics.push_back({nic.network(), nic.mac(), nic.address()});
  }
  spec.cloud_init = message.cloud_init();
  ALOFT_ASSIGN(spec.restart, restart_from(message.restart()));
  spec.priority = message.priority();
  spec.depends_on.assign(message.depends_on().begin(), message.depends_on().end());
  for (const auto& check : message.health_checks()) {
    ALOFT_ASSIGN(spec.health_checks.emplace_back(), health_check_from(check));
  }
  ALOFT_TRY(enum_from("watchdog action", message.watchdog().action(), v1::Watchdog::Action_IsValid,
                      spec.watchdog.action));
  spec.watchdog.heartbeat_timeout_ms = message.watchdog().heartbeat_timeout_ms();
  spec.guest_agent = message.guest_agent();
  spec.vnc = message.vnc();
  spec.driver_options.insert(message.driver_options().begin(), message.driver_options().end());
  spec.kernel = message.kernel();
  spec.initrd = message.initrd();
  spec.kernel_arguments = message.kernel_arguments();
  spec.stop_timeout_ms = message.stop_timeout_ms();
  spec.placement = placement_from(message.placement());
  return spec;
}

void spec_to(const GuestSpec& spec, v1::GuestSpec& message) {
  message.set_technique(static_cast<v1::Technique>(spec.technique));
  message.set_image(spec.image);
  message.set_desired(static_cast<v1::GuestSpec::Desired>(spec.desired));
  message.set_cpus(spec.cpus);
  message.set_cpu_shares(spec.cpu_shares);
  message.set_memory_bytes(spec.memory.count());
  message.set_memory_max_bytes(spec.memory_max.count());
  message.set_cpus_max(spec.cpus_max);
  message.set_architecture(static_cast<v1::Architecture>(spec.architecture));
  for (const auto& disk : spec.disks) disk_to(disk, *message.add_disks());
  for (const auto& nic : spec.nics) {
    auto& out = *message.add_nics();
    out.set_network(nic.network);
    out.set_mac(nic.mac);
    out.set_address(nic.address);
  }
  message.set_cloud_init(spec.cloud_init);
  restart_to(spec.restart, *message.mutable_restart());
  message.set_priority(spec.priority);
  message.mutable_depends_on()->Assign(spec.depends_on.begin(), spec.depends_on.end());
  for (const auto& check : spec.health_checks) health_check_to(check, *message.add_health_checks());
  if (spec.watchdog != Watchdog{}) {
    message.mutable_watchdog()->set_action(static_cast<v1::Watchdog::Action>(spec.watchdog.action));
    message.mutable_watchdog()->set_heartbeat_timeout_ms(spec.watchdog.heartbeat_timeout_ms);
  }
  message.set_guest_agent(spec.guest_agent);
  message.set_vnc(spec.vnc);
  message.mutable_driver_options()->insert(spec.driver_options.begin(), spec.driver_options.end());
  message.set_kernel(spec.kernel);
  message.set_initrd(spec.initrd);
  message.set_kernel_arguments(spec.kernel_arguments);
  message.set_stop_timeout_ms(spec.stop_timeout_ms);
  if (spec.placement != Placement{}) placement_to(spec.placement, *message.mutable_placement());
}

GuestStatus status_from(const v1::GuestStatus& message) {
  GuestStatus status;
  status.state =
      enum_or_default(message.state(), v1::GuestStatus::State_IsValid, GuestState::Unspecified);
  status.host = message.host();
  status.reason = message.reason();
  status.message = message.message();
  status.process_id = message.process_id();
  status.since = time_from(message.since());
  status.observed_generation = message.observed_generation();
  status.restarts = message.restarts();
  status.addresses.assign(message.addresses().begin(), message.addresses().end());
  for (const auto& health : message.health()) {
    status.health.push_back(
        {health.name(), health.healthy(), health.consecutive_failures(), health.message()});
  }
  status.cpus = message.cpus();
  status.memory = Bytes(message.memory_bytes());
  status.accelerator = message.accelerator();
  status.console = message.console();
  status.vnc_address = message.vnc_address();
  status.started_at = time_from(message.started_at());
  status.last_exit = message.last_exit();
  status.instance = message.instance();
  if (message.has_load()) status.load = load_from(message.load());
  return status;
}

void status_to(const GuestStatus& status, v1::GuestStatus& message) {
  message.set_state(static_cast<v1::GuestStatus::State>(status.state));
  message.set_host(stored(status.host));
  message.set_reason(stored(status.reason));
  message.set_message(stored(status.message));
  message.set_process_id(status.process_id);
  if (status.since != WallTime{}) *message.mutable_since() = time_to(status.since);
  message.set_observed_generation(status.observed_generation);
  message.set_restarts(status.restarts);
  for (const auto& address : status.addresses) message.add_addresses(stored(address));
  for (const auto& health : status.health) {
    auto& out = *message.add_health();
    out.set_name(stored(health.name));
    out.set_healthy(health.healthy);
    out.set_consecutive_failures(health.consecutive_failures);
    out.set_message(stored(health.message));
  }
  message.set_cpus(status.cpus);
  message.set_memory_bytes(status.memory.count());
  message.set_accelerator(stored(status.accelerator));
  message.set_console(stored(status.console));
  message.set_vnc_address(stored(status.vnc_address));
  if (status.started_at != WallTime{}) *message.mutable_started_at() = time_to(status.started_at);
  message.set_last_exit(stored(status.last_exit));
  message.set_instance(stored(status.instance));
  if (status.load != Load{}) load_to(status.load, *message.mutable_load());
}

}  // namespace

Result<Guest> from_message(const v1::Guest& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Guest::kKind, message.metadata()));
  auto spec = spec_from(message.spec());
  if (!spec) {
    return std::unexpected(with_context(std::move(spec).error(), "guest " + metadata.name.text()));
  }
  return Guest::make(std::move(metadata), *std::move(spec), status_from(message.status()));
}

v1::Guest to_message(const Guest& guest) {
  v1::Guest message;
  metadata_to(guest.metadata(), *message.mutable_metadata());
  spec_to(guest.spec(), *message.mutable_spec());
  if (guest.status() != GuestStatus{}) status_to(guest.status(), *message.mutable_status());
  return message;
}

}  // namespace aloft::model
