#include "agent/guest_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/limits.h"
#include "base/assert.h"

namespace aloft::agent {
namespace {

using guest::Change;
using Weight = Effect::Weight;

enum class Sight { Down, Up, Unreachable };

Sight sight_of(const std::optional<guest::Observation>& seen) {
  if (!seen) return Sight::Down;
  switch (seen->state) {
    case guest::State::Absent:
    case guest::State::Stopped:
      return Sight::Down;
    case guest::State::Starting:
    case guest::State::Running:
    case guest::State::Frozen:
    case guest::State::Stopping:
      return Sight::Up;
    case guest::State::Unknown:
      return Sight::Unreachable;
  }
  return Sight::Unreachable;
}

bool transient(guest::State state) {
  return state == guest::State::Starting || state == guest::State::Stopping;
}

// The next wait of a doubling back-off; `wait` remembers the last one.
Duration doubled(Duration& wait, Duration first, Duration last) {
  wait = wait == Duration{} ? first : std::min(wait * 2, last);
  return wait;
}

std::string seconds(Duration duration) {
  const auto milliseconds = duration / 1ms;
  return milliseconds % 1000 == 0
             ? fmt::format("{} s", milliseconds / 1000)
             : fmt::format("{}.{:03} s", milliseconds / 1000, milliseconds % 1000);
}

}  // namespace

GuestMachine::GuestMachine(Wish wish, Remembered remembered)
    : wish_(std::move(wish)), remembered_(std::move(remembered)) {
  last_exit_ = remembered_.last_exit;
  if (remembered_.generation == wish_.generation) restarts_ = remembered_.restarts;
}

void GuestMachine::step(const Event& event, Effects& out) {
  ALOFT_ASSERT(event.now >= now_);
  now_ = event.now;
  if (gone_) return;
  std::visit([&](const auto& what) { take(what, out); }, event.what);
  settle(out);
  refresh_status(out);
}

void GuestMachine::take(const Event::Wished& event, Effects& out) {
  ALOFT_ASSERT(event.wish.uid == wish_.uid);
  const bool new_checks =
      event.wish.checks != wish_.checks || event.wish.heartbeat_timeout != wish_.heartbeat_timeout;
  const bool changed = event.wish.generation != wish_.generation;
  wish_ = event.wish;
  if (changed) {
    forgive();
    restarts_ = 0;
  }
  if (new_checks && up_) begin_probing();
  if (wish_.deleting) note(out, Weight::Info, "guest.deleting", "its deletion was asked for");
}

void GuestMachine::take(const Event::Called& event, Effects& out) {
  if (!call_ || call_->call != event.call) return;  // overtaken by a kill
  const CallKind kind = call_->kind;
  call_.reset();
  const bool hinted = std::exchange(hinted_, false);
  if (!event.answer) {
    failed_call(kind, event.answer.error(), out);
    return;
  }
  switch (kind) {
    case CallKind::Inspect:
    case CallKind::Start:
    case CallKind::Resize:
      switch (sight_of(*event.answer)) {
        case Sight::Unreachable:
          failed_call(kind == CallKind::Start ? CallKind::Start : CallKind::Inspect,
                      Error{Code::Unavailable, "guest.unknown", "its driver does not know"}, out);
          return;
        case Sight::Down:
          if (kind == CallKind::Start) {
            start_error_ = Error{Code::Internal, "guest.start_failed", "it ended while it started"};
          }
          saw_down(kind, out);
          break;
        case Sight::Up:
          saw_up(**event.answer, kind, out);
          break;
      }
      break;
    case CallKind::Stop:
    case CallKind::Kill:
      saw_down(kind, out);
      break;
    case CallKind::Freeze:
    case CallKind::Thaw:
      lose_evidence(Duration{});
      return;
    case CallKind::Remove:
      gone_ = true;
      note(out, Weight::Info, "guest.removed", "removed with everything that belonged to it");
      return;
  }
  if (hinted) lose_evidence(Duration{});
}

void GuestMachine::take(const Event::Hinted& event, Effects& out) {
  switch (event.change) {
    case Change::Stopped:
    case Change::Crashed:
      exit_hint_ = Exit{event.change == Change::Stopped, event.detail};
      break;
    case Change::WatchdogFired:
      watchdog_fired_ = true;
      note(out, Weight::Warning, "guest.watchdog", "its watchdog ran out: the guest hangs",
           event.detail);
      break;
    case Change::Degraded:
      note(out, Weight::Warning, "guest.degraded", "runs with less than was asked for",
           event.detail);
      break;
    case Change::Started:
    case Change::Frozen:
    case Change::Thawed:
    case Change::DriverLost:
    case Change::DriverBack:
      break;
  }
  if (!call_) {
    lose_evidence(Duration{});
    return;
  }
  // The end that a stop or kill is about to answer for is no news.
  const bool expected = (call_->kind == CallKind::Stop || call_->kind == CallKind::Kill) &&
                        event.change != Change::Started;
  if (!expected) hinted_ = true;
}

void GuestMachine::take(const Event::DriverLost&, Effects&) {
  unreachable_ = true;
  lose_evidence(ask_wait_ = kAskAgainLast);
}

void GuestMachine::take(const Event::DriverBack&, Effects&) {
  unreachable_ = false;
  ask_wait_ = Duration{};
  if (call_) hinted_ = true;
  lose_evidence(Duration{});
}

void GuestMachine::take(const Event::Granted&, Effects&) {
  if (wants_start()) granted_ = true;
}

void GuestMachine::take(const Event::Held& event, Effects&) {
  hold_reason_ = event.reason;
  hold_message_ = event.message;
}

void GuestMachine::take(const Event::Probed& event, Effects& out) {
  if (event.run != probing_ || event.check >= health_.checks().size()) return;
  const auto turn = health_.answer(event.check, event.good, event.message, now_);
  const CheckLimits& check = health_.checks()[event.check];
  if (turn.healthy) {
    note(out, Weight::Info, "guest.healthy", fmt::format("check {} succeeds", check.name));
  }
  if (turn.unhealthy) {
    note(out, Weight::Warning, "guest.unhealthy",
         fmt::format("check {} failed {} times in a row", check.name, check.failures),
         event.message);
  }
  if (turn.restart && !ending_) {
    want_ending(Why::Unhealthy, false,
                fmt::format("check {} failed {} times in a row: {}", check.name, check.failures,
                            event.message));
  }
}

void GuestMachine::take(const Event::Pinged& event, Effects& out) {
  if (event.run != probing_ || !ping_under_way_) return;
  ping_under_way_ = false;
  next_ping_ = now_ + heartbeat_interval();
  if (event.good) {
    ping_armed_ = true;
    heard_at_ = now_;
    ping_misses_ = 0;
    return;
  }
  // A guest whose agent never answered in this run is still booting, or has none.
  if (!ping_armed_ || ending_) return;
  ++ping_misses_;
  if (ping_misses_ < kHeartbeatMinMisses || now_ - heard_at_ < wish_.heartbeat_timeout) return;
  const std::string detail =
      fmt::format("its guest agent was silent for {}", seconds(now_ - heard_at_));
  note(out, Weight::Warning, "guest.hung", detail);
  want_ending(Why::Hung, true, detail);
}

void GuestMachine::take(const Event::Commanded& event, Effects&) {
  const bool up = up_ || (call_ && call_->kind == CallKind::Stop);
  switch (event.command) {
    case Command::Start:
      forgive();
      break;
    case Command::Restart:
      forgive();
      if (up) want_ending(Why::Restart, false, "a restart was asked for");
      break;
    case Command::ForceRestart:
      forgive();
      if (up) want_ending(Why::Restart, true, "a restart by force was asked for");
      break;
    case Command::Freeze:
    case Command::Thaw:
      if (up_) asked_ = event.command == Command::Freeze ? CallKind::Freeze : CallKind::Thaw;
      break;
    case Command::ForceStop:
      if (up) want_ending(wanted() ? Why::Restart : Why::NotWanted, true, "a kill was asked for");
      break;
  }
}

void GuestMachine::take(const Event::Ticked&, Effects&) {}

void GuestMachine::saw_up(const guest::Observation& seen, CallKind how, Effects& out) {
  unreachable_ = false;
  ask_wait_ = start_wait_ = Duration{};
  if (!seen.uid.empty() && seen.uid != wish_.uid) {
    evidence_ = Evidence::Foreign;
    if (trouble_reason_ != "guest.name_taken") {
      trouble_reason_ = "guest.name_taken";
      trouble_message_ = "another guest of this name runs here and is left alone: stop that one";
      note(out, Weight::Error, trouble_reason_, trouble_message_);
    }
    ask_at_ = now_ + kAskAgainLast;
    return;
  }
  if (trouble_reason_ == "guest.name_taken") trouble_reason_.clear(), trouble_message_.clear();
  const bool first = !seen_once_;
  const bool other_instance =
      up_ && seen_ && !seen.instance.empty() && seen.instance != seen_->instance;
  evidence_ = Evidence::Up;
  seen_once_ = true;
  exit_hint_.reset();
  seen_ = seen;
  look_at_.reset();
  if (transient(seen.state)) look_at_ = now_ + kTransientLook;
  if (how == CallKind::Resize) applied_ = pending_size_;
  if (!up_ || other_instance) {
    begin_run();
    if (how == CallKind::Start) {
      applied_ = pending_size_;
      started_definition_ = pending_definition_;
      note(out, Weight::Info, "guest.started",
           fmt::format("started, process {}, {}", seen.process_id, seen.accelerator));
    } else {
      // Its size is what it has, whatever was written down: a start that was under way when
      // aloftd died may have been an older one. Shares cannot be seen.
      const bool known = first && remembered_.generation == wish_.generation;
      applied_ = Size{seen.cpus, seen.memory, known ? wish_.size.cpu_shares : 0};
      started_definition_ = known ? wish_.definition : std::string{};
      note(out, Weight::Info, "guest.adopted",
           fmt::format("runs already as process {}: taken over as it is", seen.process_id),
           first ? "aloftd was started" : "it was started by somebody else");
    }
  }
  // The answer of a resize was lost: its size is what it has. Shares cannot be seen.
  if (!applied_) applied_ = Size{seen.cpus, seen.memory, 0};
  if (std::exchange(watchdog_fired_, false) && seen.state == guest::State::Frozen && !ending_) {
    want_ending(Why::Hung, true, "its watchdog ran out and paused it");
  }
}

void GuestMachine::saw_down(CallKind how, Effects& out) {
  const bool was_up = up_;
  const bool first = !seen_once_;
  const bool by_us = how == CallKind::Stop || how == CallKind::Kill;
  evidence_ = Evidence::Down;
  seen_once_ = true;
  unreachable_ = false;
  ask_wait_ = Duration{};
  if (was_up || by_us || trouble_reason_ == "guest.name_taken") {
    retry_wait_ = Duration{};
    retry_at_ = now_;
    trouble_reason_.clear();
    trouble_message_.clear();
  }
  end_run();
  const auto ending = std::exchange(ending_, std::nullopt);
  const auto hint = std::exchange(exit_hint_, std::nullopt);
  const auto start_error = std::exchange(start_error_, std::nullopt);
  if (ending && (was_up || by_us)) {
    switch (ending->why) {
      case Why::NotWanted:
      case Why::Restart:
        last_exit_ = hint && !hint->detail.empty() ? hint->detail : "stopped by Aloft";
        note(out, Weight::Info, "guest.stopped", "stopped", ending->detail);
        return;
      case Why::Hung:
      case Why::Unhealthy:
        ended(false, ending->detail, out);
        return;
    }
  }
  if (start_error) {
    start_error_ = start_error;
    ended(false, start_error->message, out);
    start_error_.reset();
  } else if (was_up) {
    if (hint) {
      ended(hint->clean, hint->detail.empty() ? "ended" : hint->detail, out);
    } else {
      ended(false, "ended, nobody saw why", out);
    }
  } else if (first) {
    first_sight_down(out);
  }
}

void GuestMachine::first_sight_down(Effects& out) {
  if (!wanted() || remembered_.generation != wish_.generation) return;
  switch (remembered_.phase) {
    case Phase::Failed:
      if (remembered_.same_boot) {
        failed_ = Error{Code::FailedPrecondition, remembered_.reason, remembered_.message};
      }
      return;
    case Phase::Stopped:
      if (remembered_.reason == "guest.exited") {
        rested_ = true;
        rest_message_ = remembered_.message;
      }
      return;
    case Phase::Running:
    case Phase::Frozen:
    case Phase::Unknown:
      if (remembered_.same_boot) {
        ended(false, "ended while aloftd did not run", out);
      } else if (wish_.rule == RestartRule::Never) {
        ended(false, "ended with its host", out);
      } else {
        last_exit_ = "ended with its host";
        note(out, Weight::Info, "guest.host_restarted",
             "ran before its host was started anew: starts again");
      }
      return;
    case Phase::BackingOff:
      if (remembered_.same_boot) {
        if (const auto wait = budget_.spend(wish_.restart, now_)) backoff_until_ = now_ + *wait;
      }
      return;
    case Phase::Unseen:
    case Phase::Waiting:
    case Phase::Starting:
    case Phase::Stopping:
    case Phase::Gone:
      return;
  }
}

void GuestMachine::failed_call(CallKind kind, const Error& error, Effects& out) {
  const bool lost = error.code == Code::Unavailable;
  switch (kind) {
    case CallKind::Inspect:
      if (error.code == Code::NotFound) {
        saw_down(kind, out);
        return;
      }
      unreachable_ = true;
      lose_evidence(doubled(ask_wait_, kAskAgainFirst, kAskAgainLast));
      return;
    case CallKind::Start:
      if (lost || error.code == Code::Cancelled) {
        backoff_until_ = now_ + doubled(start_wait_, kRetryFirst, kRetryLast);
      } else if (error.reason != "guest.already_running") {
        start_error_ = error;
      }
      lose_evidence(Duration{});
      return;
    case CallKind::Stop:
      note(out, Weight::Warning, "guest.stop_failed", "could not be stopped, is killed",
           error.message);
      if (ending_) ending_->force = true;
      lose_evidence(Duration{});
      return;
    case CallKind::Kill:
    case CallKind::Remove:
      if (trouble_message_ != error.message) {
        trouble_reason_ = kind == CallKind::Kill ? "guest.kill_failed" : "guest.remove_failed";
        trouble_message_ = error.message;
        note(out, Weight::Error, trouble_reason_,
             kind == CallKind::Kill ? "could not be killed, is tried again"
                                    : "could not be removed, is tried again",
             error.message);
      }
      retry_at_ = now_ + doubled(retry_wait_, kRetryFirst, kRetryLast);
      lose_evidence(Duration{});
      return;
    case CallKind::Resize:
      applied_.reset();
      if (!lost) {
        resize_failed_generation_ = wish_.generation;
        note(out, Weight::Error, "guest.resize_failed", "could not be resized while it runs",
             error.message);
      }
      lose_evidence(Duration{});
      return;
    case CallKind::Freeze:
    case CallKind::Thaw:
      note(out, Weight::Error,
           kind == CallKind::Freeze ? "guest.freeze_failed" : "guest.thaw_failed",
           kind == CallKind::Freeze ? "could not be frozen" : "could not be thawed", error.message);
      lose_evidence(Duration{});
      return;
  }
}

void GuestMachine::begin_run() {
  up_ = true;
  ++run_;
  backoff_until_.reset();
  start_error_.reset();
  failed_.reset();
  rested_ = false;
  resize_failed_generation_ = 0;
  begin_probing();
}

void GuestMachine::begin_probing() {
  ++probing_;
  health_.begin(wish_.checks, now_);
  ping_armed_ = ping_under_way_ = false;
  ping_misses_ = 0;
  next_ping_ = now_ + heartbeat_interval();
}

void GuestMachine::end_run() {
  up_ = false;
  seen_.reset();
  look_at_.reset();
  ++probing_;
  health_.end();
  applied_.reset();
  asked_.reset();
  started_definition_.clear();
  watchdog_fired_ = false;
}

void GuestMachine::ended(bool clean, const std::string& detail, Effects& out) {
  last_exit_ = detail;
  if (!wanted()) {
    note(out, Weight::Info, "guest.stopped", "ended", detail);
    return;
  }
  if (!start_error_ &&
      (wish_.rule == RestartRule::Never || (wish_.rule == RestartRule::OnFailure && clean))) {
    rested_ = true;
    rest_message_ = fmt::format("ended ({}); its restart policy leaves it so", detail);
    note(out, Weight::Info, "guest.exited", "ended, is not started again by its policy", detail);
    return;
  }
  if (const auto wait = budget_.spend(wish_.restart, now_)) {
    backoff_until_ = now_ + *wait;
    ++restarts_;
    note(out, Weight::Warning,
         start_error_ ? "guest.start_failed" : (clean ? "guest.exited" : "guest.crashed"),
         fmt::format("{}, next start in {}", start_error_ ? "could not start" : "ended",
                     seconds(*wait)),
         detail);
    return;
  }
  failed_ = Error{
      Code::FailedPrecondition, start_error_ ? "guest.start_failed" : "guest.crash_loop",
      fmt::format("given up after {} restarts within {}; the last end: {}. Mend the cause, then "
                  "start it",
                  wish_.restart.tries, seconds(wish_.restart.window), detail)};
  note(out, Weight::Error, "guest.failed", failed_->message, detail);
}

void GuestMachine::forgive() {
  failed_.reset();
  rested_ = false;
  backoff_until_.reset();
  start_wait_ = Duration{};
  budget_.reset();
  if (!seen_once_) remembered_.phase = Phase::Unseen;
}

void GuestMachine::lose_evidence(Duration wait) {
  evidence_ = Evidence::None;
  ask_at_ = now_ + wait;
  granted_ = false;
}

void GuestMachine::call(CallKind kind, Effects& out) {
  call_ = UnderWay{++calls_, kind};
  hinted_ = false;
  Effect::Call effect{calls_, kind, {}, {}};
  if (kind == CallKind::Stop) effect.timeout = wish_.stop_timeout;
  if (kind == CallKind::Start || kind == CallKind::Resize) {
    pending_size_ = effect.size = wish_.size;
    pending_definition_ = wish_.definition;
  }
  out.push_back({effect});
}

void GuestMachine::settle(Effects& out) {
  if (gone_) return;
  if (call_) {
    if (call_->kind == CallKind::Stop && ending_ && ending_->force) call(CallKind::Kill, out);
    return;
  }
  switch (evidence_) {
    case Evidence::None:
    case Evidence::Foreign:
      if (now_ >= ask_at_) call(CallKind::Inspect, out);
      return;
    case Evidence::Up:
      settle_up(out);
      return;
    case Evidence::Down:
      settle_down(out);
      return;
  }
}

void GuestMachine::settle_up(Effects& out) {
  if (ending_ && ending_->why == Why::NotWanted && wanted()) ending_.reset();
  if (!ending_ && !wanted()) {
    want_ending(Why::NotWanted, false,
                wish_.deleting ? "its deletion was asked for" : "it is wanted stopped");
  }
  if (ending_) {
    if (now_ >= retry_at_) call(ending_->force ? CallKind::Kill : CallKind::Stop, out);
    return;
  }
  if (asked_) {
    call(*std::exchange(asked_, std::nullopt), out);
    return;
  }
  if (look_at_ && now_ >= *look_at_) {
    call(CallKind::Inspect, out);
    return;
  }
  if (applied_ && *applied_ != wish_.size && resize_failed_generation_ != wish_.generation) {
    call(CallKind::Resize, out);
    return;
  }
  for (const std::size_t check : health_.take_due(now_)) {
    out.push_back({Effect::Probe{probing_, check}});
  }
  if (wish_.heartbeat_timeout > Duration{} && !ping_under_way_ && now_ >= next_ping_) {
    ping_under_way_ = true;
    out.push_back({Effect::Ping{probing_, heartbeat_interval()}});
  }
}

void GuestMachine::settle_down(Effects& out) {
  if (wish_.deleting) {
    if (now_ >= retry_at_) call(CallKind::Remove, out);
    return;
  }
  if (!wanted() || failed_ || rested_) {
    granted_ = false;
    return;
  }
  if (backoff_until_ && now_ >= *backoff_until_) backoff_until_.reset();
  if (!backoff_until_ && std::exchange(granted_, false)) {
    hold_reason_.clear();
    hold_message_.clear();
    call(CallKind::Start, out);
  }
}

void GuestMachine::want_ending(Why why, bool force, std::string detail) {
  if (ending_) {
    ending_->force = ending_->force || force;
    return;
  }
  ending_ = Ending{why, force, std::move(detail)};
}

void GuestMachine::note(Effects& out, Weight weight, std::string kind, std::string message,
                        std::string cause) {
  out.push_back({Effect::Note{std::move(kind), std::move(message), std::move(cause), weight}});
}

}  // namespace aloft::agent
