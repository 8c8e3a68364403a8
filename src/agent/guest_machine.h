// One guest of this host: what is wanted of it, what is known of it, what must happen next.
//
// A pure value that the agent owns, one for each guest record; it lives on the agent's loop. The
// agent feeds it events (each carries `now`), performs the effects it gives and answers each call
// with `Called`. Status and notes are for people and for the next life of aloftd; nothing safe
// depends on them having been written.
//
// It knows the guest by *evidence* alone: None (not asked yet, or the last answer is void), Down
// (the driver said that no process of it exists, and nothing was begun since), Up, Foreign (a guest
// of this name but another uid is here). A start is ordered with evidence Down only, one call is
// under way at a time (a kill alone may overtake a graceful stop), and every lost, failed or
// surprising answer turns the evidence to None, which means: ask. So whatever aloftd, the driver or
// its daemon do, no second instance is started; and an unanswered question neither starts nor fails
// a guest.
//
//   evidence  call     event                        then
//   --------  -------  --------------------------- ------------------------------------------------
//   None      -        driver reachable             Inspect
//   any       Inspect  answer: nothing there        Down; if it was Up: an ending (see below)
//   any       Inspect  answer: here, our uid        Up; if it was not: adopted
//   any       Inspect  answer: here, other uid      Foreign; asked again later, never touched
//   any       any      answer: driver unreachable   None, phase Unknown; Inspect with back-off
//   Down      -        wanted, nothing holds it     wants_start(); on Granted: Start
//   Down      -        deletion wanted              Remove; on success Gone, on error with back-off
//   Down      Start    done                         Up, a new run
//   Down      Start    refused: already running     None -> Inspect -> adopted
//   Down      Start    failed                       None -> Inspect; if down, an ending
//   Up        -        not wanted, deletion         Stop (graceful, its timeout, then by force)
//   Up        -        hung, watchdog paused it     Kill
//   Up        -        unhealthy, restart asked     Stop
//   Up        Stop     done                         Down
//   Up        Stop     failed                       None -> Inspect -> Kill, with back-off
//   Up        -        freeze or thaw asked for     Freeze, Thaw -> None -> Inspect
//   Up        -        size differs from the wish   Resize; an error is reported, not repeated
//   Up        -        driver says: stopped, ...    None -> Inspect (an event is a hint, no proof)
//
//   ending: it ended by itself, hung, unhealthy or could not start. Policy never (or on-failure and
//   a clean exit): rests, Stopped. Else a try of the budget: BackingOff, then wants_start(); none
//   left: Failed, until the spec changes or a start is asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/health_table.h"
#include "agent/restart_budget.h"
#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"
#include "guest/driver.h"

namespace aloft::agent {

enum class RestartRule { Always, OnFailure, Never };

// What a running guest can be changed to without a new start.
struct Size {
  std::uint32_t cpus = 1;
  Bytes memory;
  std::uint32_t cpu_shares = 100;
  bool operator==(const Size&) const = default;
};

struct Wish {
  std::string uid;
  std::uint64_t generation = 0;
  bool running = true;
  bool deleting = false;
  Size size;
  RestartRule rule = RestartRule::Always;
  RestartLimits restart;
  Duration stop_timeout = 30s;
  Duration heartbeat_timeout{};  // 0: not watched
  std::vector<CheckLimits> checks;
  std::string definition;  // changes when something did that needs a new start to take effect
  bool operator==(const Wish&) const = default;
};

enum class Phase {
  Unseen,  // nothing is known in this life of aloftd
  Waiting,
  Starting,
  Running,
  Frozen,
  Stopping,
  Stopped,
  BackingOff,
  Failed,
  Unknown,
  Gone,  // removed; the machine is done
};

// What the status record says of an earlier life of aloftd.
struct Remembered {
  Phase phase = Phase::Unseen;
  std::string reason, message, last_exit, instance;
  std::uint64_t generation = 0;
  std::uint32_t restarts = 0;
  bool same_boot = true;  // the host has not been started anew since
};

struct Status {
  Phase phase = Phase::Unseen;
  std::string reason, message, last_exit;
  std::uint64_t generation = 0;  // of the wish that was seen
  std::uint32_t restarts = 0;
  std::uint64_t run = 0;  // counts starts and adoptions of this life of aloftd; 0: none
  std::optional<guest::Observation> seen;  // while it is up
  std::vector<CheckLimits> checks;
  std::vector<CheckState> health;  // one for each of checks
};

enum class CallKind { Inspect, Start, Stop, Kill, Resize, Freeze, Thaw, Remove };
enum class Command { Start, Restart, ForceStop, ForceRestart, Freeze, Thaw };

struct Event {
  struct Wished {
    Wish wish;
  };
  // Answer to a call: what the driver sees now (nothing: no process; also of
  // Stop, Kill and Remove; of Freeze and Thaw it says nothing).
  struct Called {
    std::uint64_t call = 0;
    Result<std::optional<guest::Observation>> answer;
  };
  // The driver reported a change; not DriverLost or DriverBack.
  struct Hinted {
    guest::Change change = guest::Change::Stopped;
    std::string detail;
  };
  struct DriverLost {};
  struct DriverBack {};
  struct Granted {};  // it may start now; void when it does not want to any more
  struct Held {       // it may not start yet, and why
    std::string reason, message;
  };
  struct Probed {
    std::uint64_t run = 0;
    std::size_t check = 0;
    bool good = false;
    std::string message;
  };
  struct Pinged {
    std::uint64_t run = 0;
    bool good = false;
  };
  struct Commanded {
    Command command = Command::Start;
  };
  struct Ticked {};

  Instant now;
  std::variant<Wished, Called, Hinted, DriverLost, DriverBack, Granted, Held, Probed, Pinged,
               Commanded, Ticked>
      what;
};

struct Effect {
  // A call of the driver, to be answered by Called with the same number.
  struct Call {
    std::uint64_t call = 0;
    CallKind kind = CallKind::Inspect;
    Duration timeout{};  // of Stop
    Size size;           // of Resize
  };
  // Performs check `check` of status().checks; answered by Probed with the same run.
  struct Probe {
    std::uint64_t run = 0;
    std::size_t check = 0;
  };
  struct Ping {
    std::uint64_t run = 0;
    Duration timeout{};
  };
  enum class Weight { Info, Warning, Error };
  struct Note {
    std::string kind;     // "guest.started"
    std::string message;  // one sentence without the guest's name
    std::string cause;
    Weight weight = Weight::Info;
  };
  struct Report {};  // status() changed

  std::variant<Call, Probe, Ping, Note, Report> what;
};
using Effects = std::vector<Effect>;

class GuestMachine {
 public:
  GuestMachine(Wish wish, Remembered remembered);

  // Takes the event in and appends what must be done, in this order.
  void step(const Event& event, Effects& out);

  // When it wants a Ticked at the latest.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  // Nothing but a grant keeps it from starting.
  [[nodiscard]] bool wants_start() const;
  [[nodiscard]] bool starting() const { return call_ && call_->kind == CallKind::Start; }
  [[nodiscard]] Phase phase() const;
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] const Wish& wish() const { return wish_; }
  [[nodiscard]] bool gone() const { return gone_; }
  // Up, and no check says that it is unhealthy.
  [[nodiscard]] bool serves() const;

  void check_invariants() const;
  // Everything that decides the future, as text; times relative to `now`. For logs and tests.
  [[nodiscard]] std::string describe(Instant now) const;

 private:
  enum class Evidence { None, Down, Up, Foreign };
  enum class Why { NotWanted, Restart, Hung, Unhealthy };
  struct UnderWay {
    std::uint64_t call = 0;
    CallKind kind = CallKind::Inspect;
  };
  struct Ending {
    Why why = Why::NotWanted;
    bool force = false;
    std::string detail;
  };
  struct Exit {
    bool clean = false;
    std::string detail;
  };

  void take(const Event::Wished& event, Effects& out);
  void take(const Event::Called& event, Effects& out);
  void take(const Event::Hinted& event, Effects& out);
  void take(const Event::DriverLost& event, Effects& out);
  void take(const Event::DriverBack& event, Effects& out);
  void take(const Event::Granted& event, Effects& out);
  void take(const Event::Held& event, Effects& out);
  void take(const Event::Probed& event, Effects& out);
  void take(const Event::Pinged& event, Effects& out);
  void take(const Event::Commanded& event, Effects& out);
  void take(const Event::Ticked& event, Effects& out);

  void saw_up(const guest::Observation& seen, CallKind how, Effects& out);
  void saw_down(CallKind how, Effects& out);
  void first_sight_down(Effects& out);
  void failed_call(CallKind kind, const Error& error, Effects& out);
  void begin_run();
  void begin_probing();
  void end_run();
  // It ended otherwise than wanted: rest, back off or fail.
  void ended(bool clean, const std::string& detail, Effects& out);
  void forgive();
  void lose_evidence(Duration wait);
  void call(CallKind kind, Effects& out);
  void settle(Effects& out);
  void settle_up(Effects& out);
  void settle_down(Effects& out);
  void want_ending(Why why, bool force, std::string detail);
  void note(Effects& out, Effect::Weight weight, std::string kind, std::string message,
            std::string cause = {});
  void refresh_status(Effects& out);
  void explain(Status& status) const;
  [[nodiscard]] bool wanted() const { return wish_.running && !wish_.deleting; }
  [[nodiscard]] Duration heartbeat_interval() const;

  Wish wish_;
  Remembered remembered_;
  Instant now_{};
  Evidence evidence_ = Evidence::None;
  bool seen_once_ = false;
  bool up_ = false;  // a run goes on as far as is known; stays while evidence is None
  bool hinted_ = false;
  bool watchdog_fired_ = false;
  bool unreachable_ = false;
  bool gone_ = false;
  bool granted_ = false;
  bool rested_ = false;  // ended by itself and the rule leaves it so
  std::optional<guest::Observation> seen_;
  std::optional<UnderWay> call_;
  std::uint64_t calls_ = 0;
  std::uint64_t run_ = 0;
  std::optional<Ending> ending_;
  std::optional<Exit> exit_hint_;
  std::optional<CallKind> asked_;  // Freeze or Thaw
  std::optional<Error> start_error_;
  std::optional<Error> failed_;
  std::optional<Instant> backoff_until_;
  Instant ask_at_{};  // no question before
  Duration ask_wait_{};
  Instant retry_at_{};  // nothing is killed or removed again before
  Duration retry_wait_{};
  Duration start_wait_{};           // after starts that the driver could not even try
  std::optional<Instant> look_at_;  // it is on its way up or down by itself: look again
  RestartBudget budget_;
  std::uint32_t restarts_ = 0;
  std::string last_exit_;
  std::string rest_reason_, rest_message_;
  std::string hold_reason_, hold_message_;
  std::string trouble_reason_, trouble_message_;  // of a call that is repeated
  Size pending_size_;                             // of the start or resize under way
  std::optional<Size> applied_;                   // what the run has
  std::uint64_t resize_failed_generation_ = 0;
  std::string pending_definition_, started_definition_;  // empty: not known
  std::uint64_t probing_ = 0;  // changes whenever answers to older probes are void
  HealthTable health_;
  Instant heard_at_{}, next_ping_{};
  bool ping_armed_ = false, ping_under_way_ = false;
  std::uint32_t ping_misses_ = 0;
  Status status_;
};

[[nodiscard]] std::string_view name_of(Phase phase);
[[nodiscard]] std::string_view name_of(CallKind kind);

}  // namespace aloft::agent
