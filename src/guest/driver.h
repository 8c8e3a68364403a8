// One way of running guests: libvirt (virtual machines) or LXC (containers).
//
// A driver makes one host run, watch and stop guests; it decides nothing. The agent owns it and
// calls it from its worker threads; calls on different guests may run at the same time, calls on
// one guest come one after another. State changes arrive through the handler given to `watch`,
// from a thread of the driver.
//
// Guests never depend on aloftd being alive: a new driver object finds the guests of its instance
// (same `instance` name) that already run, by `list`, and nothing is started twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"

namespace aloft::guest {

enum class State {
  Absent,    // not defined here
  Stopped,   // defined, no process
  Starting,  // process exists, not yet past the driver's own start-up
  Running,
  Frozen,  // all its processes stand still
  Stopping,
  Unknown,  // the driver's daemon does not answer
};

enum class DiskBus { Virtio, Sata, Ide, Scsi, Usb };
enum class DiskFormat { Raw, Qcow2, Directory };

struct DiskConfig {
  std::string name;  // unique in the guest; "root" first
  std::string path;  // image file, block device, NBD socket URI ("nbd+unix:///...") or directory
  DiskFormat format = DiskFormat::Raw;
  DiskBus bus = DiskBus::Virtio;
  bool read_only = false;
  bool cdrom = false;
  bool discard_changes = false;  // volatile: changes go when the guest stops
};

struct NicConfig {
  std::string bridge;
  std::string mac;      // "52:54:00:..", lower case
  std::string address;  // with prefix length, for containers set up by the driver; may be empty
  std::string gateway;
};

enum class WatchdogAction { None, Reset, PowerOff, Pause, Ignore };  // None: no device

// Everything a driver needs to make the guest; complete, validated, all paths absolute.
struct Config {
  std::string name;          // RFC 1123 label
  std::string uid;           // UUID of the guest, constant over its life
  std::string instance;      // changes with every start that Aloft orders; drivers record it
  std::string architecture;  // "x86_64", "aarch64", ...
  std::uint32_t cpus = 1;
  std::uint32_t cpus_max = 1;
  std::uint32_t cpu_shares = 100;
  Bytes memory;
  Bytes memory_max;
  std::vector<DiskConfig> disks;
  std::vector<NicConfig> nics;
  std::string cloud_init_seed;  // path of a NoCloud seed image; may be empty
  std::string kernel;           // direct boot; may be empty
  std::string initrd;
  std::string kernel_arguments;
  WatchdogAction watchdog = WatchdogAction::None;
  bool guest_agent = false;
  bool vnc = false;
  std::vector<std::string> entrypoint;         // containers: what runs as init; empty: /sbin/init
  std::map<std::string, std::string> options;  // driver options (docs/reference/guests.md)
};

struct Observation {
  std::string name;
  std::string uid;
  std::string instance;
  State state = State::Absent;
  std::int64_t process_id = 0;  // QEMU's, or the container's init; 0: none
  std::string accelerator;      // "kvm", "tcg", "lxc"
  std::string console_path;     // pty or socket
  std::string vnc_address;
  std::uint32_t cpus = 0;
  Bytes memory;
  std::vector<std::string> addresses;
};

enum class Change {
  Started,
  Stopped,  // on order, or because the guest ended itself in good order (detail says which)
  Crashed,  // its process was killed, died or exited with an error
  Frozen,
  Thawed,
  WatchdogFired,  // detail: the action taken
  Degraded,       // runs, but with less than was asked for: "KVM failed (...), runs under TCG"
  DriverLost,     // the driver's daemon went away; guests run on, their states are not known
  DriverBack      // it answers again; what happened meanwhile was reported just before
};

struct Event {
  Change change = Change::Stopped;
  std::string name;    // empty for DriverLost and DriverBack
  std::string detail;  // "killed by signal 9", "shut down by the guest", "exited with 1"
  Instant at;
};

struct Stats {
  Duration cpu_time{};  // since the start
  Bytes memory_used;    // resident
  std::uint64_t disk_read_bytes = 0, disk_written_bytes = 0;
  std::uint64_t disk_reads = 0, disk_writes = 0;
  std::uint64_t network_received_bytes = 0, network_sent_bytes = 0;
};

// An attached console; closed by its destructor. One client at a time has a guest's console.
class ConsoleFd {
 public:
  // `hold` stays open as long as the console is attached; -1: nothing to hold.
  explicit ConsoleFd(int console, int hold_open = -1) : fd(console), hold(hold_open) {}
  ConsoleFd(ConsoleFd&& other) noexcept
      : fd(std::exchange(other.fd, -1)), hold(std::exchange(other.hold, -1)) {}
  ConsoleFd& operator=(ConsoleFd&& other) noexcept;
  ~ConsoleFd();

  int fd = -1;  // read and write, non-blocking; end of file or EIO when the guest has ended

 private:
  int hold = -1;
};

struct ExecResult {
  int exit_status = 0;
  std::string standard_output;  // at most 1 MiB
  std::string standard_error;
};

struct Capability {
  std::string name;  // "kvm", "tcg.aarch64", "lxc", "driver.xen"
  bool available = false;
  std::string reason;
};

class Driver {
 public:
  virtual ~Driver() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  // "libvirt", "lxc"
  virtual std::vector<Capability> capabilities() = 0;

  // Begins to report; called once, before anything else.
  virtual Result<void> watch(std::function<void(const Event&)> handler) = 0;

  // Every guest of this driver that belongs to this aloft instance, running or not.
  virtual Result<std::vector<Observation>> list() = 0;
  // Errors: Unavailable when the driver's daemon does not answer (the guest may well run).
  virtual Result<Observation> inspect(std::string_view name) = 0;

  // Makes the guest known; replaces an older definition, which a running guest keeps until its next
  // start. Does not start it. Idempotent. Durability: flushed.
  virtual Result<void> define(const Config& config) = 0;
  // Starts a defined guest. Errors: FailedPrecondition "guest.already_running" (also when another
  // process started it), NotFound "guest.not_defined". After an error nothing of it runs.
  virtual Result<Observation> start(std::string_view name) = 0;
  // Asks the guest to shut down; after `timeout` kills it. Returns when its processes are gone.
  virtual Result<void> stop(std::string_view name, Duration timeout) = 0;
  // Ends its processes at once; returns when they are gone. Success when there are none.
  virtual Result<void> kill(std::string_view name) = 0;
  virtual Result<void> freeze(std::string_view name) = 0;
  virtual Result<void> thaw(std::string_view name) = 0;
  // Forgets a stopped guest; its disks are not touched. Success when there is none.
  virtual Result<void> undefine(std::string_view name) = 0;

  // Changes a running guest; returns what it has now. Errors: FailedPrecondition above the maximum.
  virtual Result<Observation> resize(std::string_view name, std::uint32_t cpus, Bytes memory,
                                     std::uint32_t cpu_shares) = 0;
  virtual Result<Stats> stats(std::string_view name) = 0;
  // Errors: FailedPrecondition "guest.not_running", ResourceExhausted "guest.console_busy".
  virtual Result<ConsoleFd> console(std::string_view name) = 0;
  // Runs a command in the guest (container: its namespaces; VM: the guest agent).
  virtual Result<ExecResult> exec(std::string_view name, const std::vector<std::string>& command,
                                  Duration timeout) = 0;
  // True when the guest agent inside answered. Errors: Unimplemented for containers.
  virtual Result<bool> ping(std::string_view name, Duration timeout) = 0;
};

}  // namespace aloft::guest
