// A guest: a virtual machine or a container that Aloft keeps running.
//
// Numbers whose comment says "0 = x" keep their 0 in the spec, so that a change of one field does
// not need the others; the functions of GuestSpec give the value in force.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"
#include "model/object.h"
#include "model/placement.h"

namespace aloft::model {

enum class Desired { Running = 1, Stopped = 2 };
enum class DiskBus { Virtio = 1, Sata = 2, Ide = 3, Scsi = 4, Usb = 5 };
enum class DiskMode { Persistent = 1, Volatile = 2 };

struct Disk {
  std::string name{};    // a label, unique in the guest; "root" is the image's clone
  std::string volume{};  // empty: made with the guest
  Bytes size{};          // 0: the image's, or a cdrom's
  DiskBus bus = DiskBus::Virtio;
  bool read_only = false;
  bool cdrom = false;
  DiskMode mode = DiskMode::Persistent;

  bool operator==(const Disk&) const = default;
};

struct Nic {
  std::string network{};  // empty: "default"
  std::string mac{};      // lower case; empty: derived from the guest's uid
  std::string address{};  // with prefix length; empty: from the network

  bool operator==(const Nic&) const = default;
};

enum class RestartPolicy { Always = 1, OnFailure = 2, Never = 3 };

struct Restart {
  RestartPolicy policy = RestartPolicy::Always;
  std::uint32_t max_tries = 0;           // within window; 0 = 5
  std::uint32_t window_ms = 0;           // 0 = 600,000
  std::uint32_t backoff_initial_ms = 0;  // 0 = 500, doubled at each try
  std::uint32_t backoff_max_ms = 0;      // 0 = 60,000

  [[nodiscard]] std::uint32_t tries() const { return max_tries == 0 ? 5 : max_tries; }
  [[nodiscard]] Duration window() const;
  [[nodiscard]] Duration backoff_initial() const;
  [[nodiscard]] Duration backoff_max() const;
  bool operator==(const Restart&) const = default;
};

struct TcpProbe {
  std::uint32_t port = 0;
  bool operator==(const TcpProbe&) const = default;
};
struct HttpProbe {
  std::uint32_t port = 0;
  std::string path{};  // empty = "/"
  bool operator==(const HttpProbe&) const = default;
};
struct ExecProbe {
  std::vector<std::string> command{};
  bool operator==(const ExecProbe&) const = default;
};
enum class HealthAction { Restart = 1, Report = 2 };

struct HealthCheck {
  std::string name{};  // a label, unique in the guest
  std::variant<TcpProbe, HttpProbe, ExecProbe> probe{};
  std::uint32_t interval_ms = 0;        // 0 = 5,000
  std::uint32_t timeout_ms = 0;         // 0 = 2,000
  std::uint32_t failure_threshold = 0;  // 0 = 3
  std::uint32_t success_threshold = 0;  // 0 = 1
  std::uint32_t start_period_ms = 0;    // failures do not count before; 0 = 30,000
  HealthAction action = HealthAction::Restart;

  [[nodiscard]] Duration interval() const;
  [[nodiscard]] Duration timeout() const;
  [[nodiscard]] Duration start_period() const;
  [[nodiscard]] std::uint32_t failures() const {
    return failure_threshold == 0 ? 3 : failure_threshold;
  }
  [[nodiscard]] std::uint32_t successes() const {
    return success_threshold == 0 ? 1 : success_threshold;
  }
  bool operator==(const HealthCheck&) const = default;
};

enum class WatchdogAction { NoDevice = 0, Reset = 1, PowerOff = 2, Pause = 3, Ignore = 4 };

struct Watchdog {
  WatchdogAction action = WatchdogAction::NoDevice;
  std::uint32_t heartbeat_timeout_ms = 0;  // guest agent silent this long = hung; 0 = not watched

  bool operator==(const Watchdog&) const = default;
};

struct GuestSpec {
  static constexpr std::string_view kKind = "guest";
  static constexpr std::string_view kPlural = "guests";

  Technique technique = Technique::Unspecified;  // unspecified: the image's
  std::string image{};
  Desired desired = Desired::Running;
  std::uint32_t cpus = 1;
  std::uint32_t cpu_shares = 0;  // weight against other guests of the host; 0 = 100
  Bytes memory{};
  Bytes memory_max{};          // ceiling for live growth; 0 = memory
  std::uint32_t cpus_max = 0;  // 0 = cpus
  Architecture architecture = Architecture::Unspecified;
  std::vector<Disk> disks{};
  std::vector<Nic> nics{};
  std::string cloud_init{};  // user-data, YAML
  Restart restart{};
  std::uint32_t priority = 0;             // higher starts first
  std::vector<std::string> depends_on{};  // guests that must run before it starts
  std::vector<HealthCheck> health_checks{};
  Watchdog watchdog{};
  bool guest_agent = false;
  bool vnc = false;
  std::map<std::string, std::string> driver_options{};  // docs/reference/guests.md
  std::string kernel{};                                 // direct boot: path in the image store
  std::string initrd{};
  std::string kernel_arguments{};
  std::uint32_t stop_timeout_ms = 0;  // graceful stop before force; 0 = 30,000
  Placement placement{};

  [[nodiscard]] Bytes memory_ceiling() const { return memory_max.count() ? memory_max : memory; }
  [[nodiscard]] std::uint32_t cpus_ceiling() const { return cpus_max ? cpus_max : cpus; }
  [[nodiscard]] std::uint32_t shares() const { return cpu_shares ? cpu_shares : 100; }
  [[nodiscard]] Duration stop_timeout() const;
  bool operator==(const GuestSpec&) const = default;
};

enum class GuestState {
  Unspecified = 0,  // no agent has seen it yet
  Defining = 1,
  Starting = 2,
  Running = 3,
  Stopping = 4,
  Stopped = 5,
  Frozen = 6,
  BackingOff = 7,  // crashed, waits before the next try
  Failed = 8,      // gave up, reason says why
  Waiting = 9,     // for what it depends on
  Unknown = 10,    // its driver does not answer
};
[[nodiscard]] std::string_view name_of(GuestState state);  // "backing-off"; "new" for Unspecified

struct HealthStatus {
  std::string name{};
  bool healthy = false;
  std::uint32_t consecutive_failures = 0;
  std::string message{};

  bool operator==(const HealthStatus&) const = default;
};

struct GuestStatus {
  GuestState state = GuestState::Unspecified;
  std::string host{};
  std::string reason{};   // stable, dotted: "guest.crash_loop"
  std::string message{};  // one sentence
  std::int64_t process_id = 0;
  WallTime since{};
  std::uint64_t observed_generation = 0;
  std::uint32_t restarts = 0;  // since the spec changed
  std::vector<std::string> addresses{};
  std::vector<HealthStatus> health{};
  std::uint32_t cpus = 0;  // as the guest has them now
  Bytes memory{};          // as the guest has it now
  std::string accelerator{};
  std::string console{};
  std::string vnc_address{};
  WallTime started_at{};
  std::string last_exit{};
  std::string instance{};  // changes with every start
  Load load{};

  bool operator==(const GuestStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const GuestSpec& spec);

using Guest = Object<GuestSpec, GuestStatus>;

}  // namespace aloft::model
