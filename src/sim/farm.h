// A farm in virtual time: hosts with the product's own machines, links, a store, guests and disks,
// all of which fail on purpose. One seed, one trace.
//
// Driven in three ways: a seeded run (`run`: faults, then quiet, then convergence is asked for), a
// scenario (commands between `run_until`), and tests. The store is a linearizable black box on the
// voters: it is there for a host that reaches a voter of a connected majority.
//
// Heartbeats are not events of their own: before anything happens, the beats that arrived since are
// given to the machines at the times at which they came (`catch_up`). Clocks of hosts run at
// different speeds, up to 200 ppm apart.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "controller/controller_machine.h"
#include "controller/farm_record.h"
#include "controller/host_machine.h"
#include "sim/event_queue.h"
#include "sim/farm_checker.h"
#include "sim/farm_options.h"
#include "sim/network_model.h"

namespace aloft::sim {

enum class Power : std::uint8_t { On, Paused, Off };

// When and where a guest executed.
struct Interval {
  controller::HostId host;
  Instant from{};
  std::optional<Instant> to;
};

struct FarmStatistics {
  std::uint64_t events = 0;
  std::uint64_t effects = 0;
  std::uint64_t faults = 0;
  std::uint64_t take_overs = 0;
  std::uint64_t writes = 0;
};

struct FarmResult {
  std::optional<Violation> violation;
  std::uint64_t hash = 0;
  FarmStatistics statistics;
  Duration simulated{};
};

class Farm {
 public:
  explicit Farm(const FarmOptions& options);
  ~Farm();
  Farm(const Farm&) = delete;
  Farm& operator=(const Farm&) = delete;

  // The whole seeded run.
  FarmResult run();
  [[nodiscard]] FarmResult result() const;

  // ---- building, before the first run_until
  void set_host(controller::HostId host, const controller::HostRecord& record);
  // Replaces guest `guest`; its members' replicas are made as the record says.
  void set_guest(controller::GuestId guest, const controller::GuestRecord& record);

  // ---- time
  void run_until(Instant until);
  [[nodiscard]] Instant now() const { return now_; }

  // ---- faults and commands, at the present time
  void power_off(controller::HostId host);
  void power_on(controller::HostId host);
  void pause(controller::HostId host);
  void resume(controller::HostId host);
  void hang_agent(controller::HostId host);
  void restart_agent(controller::HostId host, Duration away);
  void cut(controller::HostId from, controller::HostId to);
  void mend(controller::HostId from, controller::HostId to);
  void isolate(controller::HostId host);
  void rejoin(controller::HostId host);
  void set_lossy(controller::HostId host, bool lossy);
  void set_store(bool answers);
  void crash_guest(controller::GuestId guest);
  void break_disk(controller::HostId host);
  void replace_disk(controller::HostId host);
  void set_bmc(controller::HostId host, bool works, bool lies);
  void set_maintenance(controller::HostId host, bool on);
  void set_member(controller::HostId host, bool member);
  void set_desired(controller::GuestId guest, controller::Desired desired);
  void move_guest(controller::GuestId guest, controller::HostId to);
  void resize_guest(controller::GuestId guest, std::uint32_t memory_mib);
  void resize_host(controller::HostId host, std::uint32_t memory_mib);
  void heal_everything();

  // ---- of scenarios (farm_scenario.cc)
  // Building: the guest is not there yet; the farm is built, its store may elect.
  void withhold_guest(controller::GuestId guest);
  void set_clock(controller::HostId host, std::int64_t slower_ppm);
  void ready();
  void add_guest(controller::GuestId guest, const controller::GuestRecord& record);
  // Requires: nothing of it runs.
  void forget_guest(controller::GuestId guest);
  // It does not work any more, which is noticed `after` that time.
  void crash_guest_later(controller::GuestId guest, Duration after, std::string_view why);
  void set_stubborn(controller::HostId host, std::uint8_t how);  // Host::stubborn
  void set_slow_guests(bool slow);
  void resume_agent(controller::HostId host);
  void jump_clock(controller::HostId host);  // the wall clock
  void set_store_trouble(bool trouble);
  void set_store_link(controller::HostId host, bool works);
  [[nodiscard]] bool frozen(controller::GuestId guest, controller::HostId host) const;
  // up, maintenance, lost, agent-down, hung, off, left
  [[nodiscard]] std::string_view state_words(controller::HostId host) const;

  // ---- what is
  [[nodiscard]] std::size_t host_count() const { return hosts_.size(); }
  [[nodiscard]] std::size_t guest_count() const { return guests_.size(); }
  [[nodiscard]] const controller::GuestRecord& guest_record(controller::GuestId guest) const {
    return guests_[guest.value()];
  }
  [[nodiscard]] const controller::HostRecord& host_record(controller::HostId host) const {
    return host_records_[host.value()];
  }
  [[nodiscard]] Power power(controller::HostId host) const;
  [[nodiscard]] bool executes(controller::GuestId guest, controller::HostId host) const;
  [[nodiscard]] const std::vector<Interval>& intervals(controller::GuestId guest) const {
    return intervals_[guest.value()];
  }
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }
  // What is not yet as it should be; nullopt: everything that should run does, with all replicas.
  [[nodiscard]] std::optional<std::string> unsettled() const;

 private:
  struct Host;
  struct Instance;
  struct Letter;
  enum class Kind : std::uint8_t;
  struct Event {
    Kind kind;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
  };
  // ---- farm.cc: time, hosts
  void build();
  void process(const Event& event);
  void catch_up();
  void catch_up_pair(std::size_t from, std::size_t to);
  void topology_changed();
  void schedule_wake(std::size_t host);
  void wake(std::size_t host);
  void look_again(std::size_t host);
  void lose_everything(std::size_t host);
  void boot(std::size_t host);
  [[nodiscard]] bool beats(std::size_t host) const;
  [[nodiscard]] Instant local(std::size_t host, Instant at) const;
  [[nodiscard]] Instant global(std::size_t host, Instant at) const;
  void note(std::uint64_t kind, std::uint64_t a, std::uint64_t b);
  template <class... Values>
  void tell(fmt::format_string<Values...> words, Values&&... values);

  // ---- farm_faults.cc: what fails on purpose
  void strike(const Event& event);
  void strike_one(Fault fault);
  void end_after(Duration time, std::uint32_t fault, std::uint32_t a, std::uint32_t b);
  void operate();
  void starve_watchdog(std::size_t host);
  template <class Change>
  void change_guest(controller::GuestId guest, Change change);

  // ---- farm_effects.cc: what machines do
  void apply(std::size_t host, bool check_time);
  void perform(std::size_t host, const controller::HostEffect& effect);
  void perform(std::size_t host, const controller::ControllerEffect& effect);
  void send(std::size_t from, std::size_t to, Letter letter);
  void set_executing(std::size_t host, std::size_t guest, bool executing);
  void write_everywhere();
  void write(std::size_t host, std::size_t guest);
  void deliver(std::uint32_t letter);
  [[nodiscard]] std::uint32_t keep(Letter letter);

  // ---- farm_store.cc: the store
  [[nodiscard]] bool reaches_store(std::size_t host) const;
  void elect();
  void ask_store(std::size_t host, Letter letter);
  void store_executes(std::uint32_t letter);
  bool commit(const controller::GuestRecord& record, std::size_t guest);
  void tell_watchers(std::size_t guest);
  void read_all(std::size_t host);
  void update_leases();

  FarmOptions options_;
  Random random_;
  Instant now_{};
  EventQueue<Event> queue_;
  NetworkModel network_;
  FarmChecker checker_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Letter> letters_;
  std::vector<std::uint32_t> free_letters_;
  std::vector<Instant> caught_up_;  // per pair: time of the last beat given
  Instant next_beat_{};             // when the next host beats

  // The store's truth.
  std::vector<controller::GuestRecord> guests_;
  std::vector<controller::HostRecord> host_records_;
  controller::ControllerRecord controller_;
  std::uint64_t revision_ = 1;
  bool store_answers_ = true;
  bool store_trouble_ = false;
  std::size_t leader_ = SIZE_MAX;
  Instant leader_ready_{};
  std::uint32_t leader_term_ = 0;
  Instant store_well_since_ = Instant::min();
  bool slow_guests_ = false;
  bool healed_ = false;  // the liveness phase has begun

  struct Ending {
    Fault fault{};
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t left = 0;  // of a flapping link
  };
  std::vector<Ending> endings_;

  std::vector<std::vector<Interval>> intervals_;
  std::vector<std::string> trace_;
  std::uint64_t hash_ = 0xcbf29ce484222325U;
  FarmStatistics statistics_;
  controller::HostEffects host_effects_;
  controller::ControllerEffects controller_effects_;
  std::vector<std::pair<std::size_t, std::size_t>> missed_;  // members that writes did not reach
};

}  // namespace aloft::sim
