// What the machine tells of itself: phase, status, deadlines, invariants.
#include <fmt/format.h>

#include <algorithm>

#include "agent/guest_machine.h"
#include "agent/limits.h"
#include "base/assert.h"

namespace aloft::agent {
namespace {

bool same(const guest::Observation& a, const guest::Observation& b) {
  return a.uid == b.uid && a.instance == b.instance && a.state == b.state &&
         a.process_id == b.process_id && a.accelerator == b.accelerator &&
         a.console_path == b.console_path && a.vnc_address == b.vnc_address && a.cpus == b.cpus &&
         a.memory == b.memory && a.addresses == b.addresses;
}

bool same(const CheckState& a, const CheckState& b) {
  return a.verdict == b.verdict && a.consecutive_failures == b.consecutive_failures;
}

bool same(const Status& a, const Status& b) {
  return a.phase == b.phase && a.reason == b.reason && a.message == b.message &&
         a.last_exit == b.last_exit && a.generation == b.generation && a.restarts == b.restarts &&
         a.run == b.run && a.seen.has_value() == b.seen.has_value() &&
         (!a.seen || same(*a.seen, *b.seen)) && a.checks == b.checks &&
         std::ranges::equal(a.health, b.health,
                            [](const auto& x, const auto& y) { return same(x, y); });
}

// Of a time that decides something: how far away, or that it has passed.
std::string relative(Instant at, Instant now) {
  return at <= now ? "past" : fmt::format("{}", (at - now) / 1us);
}

}  // namespace

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::Unseen:
      return "unseen";
    case Phase::Waiting:
      return "waiting";
    case Phase::Starting:
      return "starting";
    case Phase::Running:
      return "running";
    case Phase::Frozen:
      return "frozen";
    case Phase::Stopping:
      return "stopping";
    case Phase::Stopped:
      return "stopped";
    case Phase::BackingOff:
      return "backing-off";
    case Phase::Failed:
      return "failed";
    case Phase::Unknown:
      return "unknown";
    case Phase::Gone:
      return "gone";
  }
  return "";
}

std::string_view name_of(CallKind kind) {
  switch (kind) {
    case CallKind::Inspect:
      return "inspect";
    case CallKind::Start:
      return "start";
    case CallKind::Stop:
      return "stop";
    case CallKind::Kill:
      return "kill";
    case CallKind::Resize:
      return "resize";
    case CallKind::Freeze:
      return "freeze";
    case CallKind::Thaw:
      return "thaw";
    case CallKind::Remove:
      return "remove";
  }
  return "";
}

Duration GuestMachine::heartbeat_interval() const {
  return std::max(kHeartbeatMinInterval, wish_.heartbeat_timeout / 3);
}

bool GuestMachine::wants_start() const {
  return !gone_ && evidence_ == Evidence::Down && !call_ && wanted() && !failed_ && !rested_ &&
         !backoff_until_ && !granted_;
}

bool GuestMachine::serves() const {
  return up_ && !ending_ && std::ranges::none_of(health_.states(), [](const CheckState& state) {
           return state.verdict == CheckState::Verdict::Unhealthy;
         });
}

Phase GuestMachine::phase() const {
  if (gone_) return Phase::Gone;
  if (unreachable_) return Phase::Unknown;
  if (evidence_ == Evidence::Foreign) return Phase::Waiting;
  if (!seen_once_) return Phase::Unseen;
  if (starting()) return Phase::Starting;
  if (ending_ || (call_ && (call_->kind == CallKind::Stop || call_->kind == CallKind::Kill))) {
    return Phase::Stopping;
  }
  if (up_) {
    const bool frozen = seen_ && seen_->state == guest::State::Frozen;
    const bool starts = seen_ && seen_->state == guest::State::Starting;
    return frozen ? Phase::Frozen : (starts ? Phase::Starting : Phase::Running);
  }
  if (wish_.deleting) return Phase::Stopping;
  if (!wish_.running || rested_) return Phase::Stopped;
  if (failed_) return Phase::Failed;
  if (start_error_ || backoff_until_) return Phase::BackingOff;
  return Phase::Waiting;
}

void GuestMachine::explain(Status& status) const {
  switch (status.phase) {
    case Phase::Unknown:
      status.reason = "guest.driver_unreachable";
      status.message =
          "the daemon of its driver does not answer: neither started nor given up until it does";
      return;
    case Phase::Failed:
      status.reason = failed_->reason;
      status.message = failed_->message;
      return;
    case Phase::Stopped:
      if (!rested_ || !wish_.running) return;
      status.reason = "guest.exited";
      status.message = rest_message_;
      return;
    case Phase::BackingOff:
      status.reason = "guest.backing_off";
      status.message = fmt::format("ended ({}), is started again", last_exit_);
      return;
    case Phase::Waiting:
      status.reason = trouble_reason_.empty() ? hold_reason_ : trouble_reason_;
      status.message = trouble_reason_.empty() ? hold_message_ : trouble_message_;
      return;
    case Phase::Stopping:
      status.reason = trouble_reason_;
      status.message = trouble_message_;
      return;
    case Phase::Running:
      if (resize_failed_generation_ == wish_.generation) {
        status.reason = "guest.resize_failed";
        status.message = "its new size takes effect at its next start";
      } else if (!started_definition_.empty() && started_definition_ != wish_.definition) {
        status.reason = "guest.restart_needed";
        status.message = "a change of its configuration takes effect at its next start";
      }
      return;
    case Phase::Unseen:
    case Phase::Starting:
    case Phase::Frozen:
    case Phase::Gone:
      return;
  }
}

void GuestMachine::refresh_status(Effects& out) {
  Status next;
  next.phase = phase();
  next.last_exit = last_exit_;
  next.generation = wish_.generation;
  next.restarts = restarts_;
  next.run = run_;
  next.seen = seen_;
  next.checks = health_.checks();
  next.health = health_.states();
  explain(next);
  if (same(next, status_)) return;
  status_ = std::move(next);
  out.push_back({Effect::Report{}});
}

std::optional<Instant> GuestMachine::next_deadline() const {
  if (gone_ || call_) return std::nullopt;
  switch (evidence_) {
    case Evidence::None:
    case Evidence::Foreign:
      return ask_at_;
    case Evidence::Down:
      if (wish_.deleting) return retry_at_;
      return wanted() && !failed_ && !rested_ ? backoff_until_ : std::nullopt;
    case Evidence::Up:
      break;
  }
  if (ending_) return retry_at_;
  std::optional<Instant> next = health_.next_deadline();
  if (look_at_) next = next ? std::min(*next, *look_at_) : *look_at_;
  if (wish_.heartbeat_timeout > Duration{} && !ping_under_way_) {
    next = next ? std::min(*next, next_ping_) : next_ping_;
  }
  return next;
}

void GuestMachine::check_invariants() const {
  ALOFT_ASSERT(!starting() || evidence_ == Evidence::Down || evidence_ == Evidence::None);
  ALOFT_ASSERT(!starting() || !up_);
  ALOFT_ASSERT(evidence_ != Evidence::Up || (up_ && seen_.has_value()));
  ALOFT_ASSERT(evidence_ != Evidence::Down || !up_);
  ALOFT_ASSERT(up_ || !ending_ || (call_ && call_->kind != CallKind::Start));
  ALOFT_ASSERT(up_ || health_.checks().empty());
  ALOFT_ASSERT(!(failed_ && up_));
  ALOFT_ASSERT(!gone_ || !call_);
}

std::string GuestMachine::describe(Instant now) const {
  std::string text = fmt::format(
      "{} evidence={} up={} call={} ending={} wish={}{} g{} {} hint={} backoff={} ask={} retry={} "
      "waits={}/{}/{} spent={} flags={}{}{}{}{}{}",
      name_of(phase()), static_cast<int>(evidence_), up_,
      call_ ? fmt::format("{}#{}", name_of(call_->kind), calls_ - call_->call) : "-",
      ending_ ? fmt::format("{}{}", static_cast<int>(ending_->why), ending_->force ? "!" : "")
              : "-",
      wish_.running ? "running" : "stopped", wish_.deleting ? ",deleting" : "", wish_.generation,
      applied_ ? (*applied_ == wish_.size ? "sized" : "resize") : "unsized",
      exit_hint_ ? (exit_hint_->clean ? "clean" : "crash") : "-",
      backoff_until_ ? relative(*backoff_until_, now) : "-", relative(ask_at_, now),
      relative(retry_at_, now), ask_wait_ / 1ms, retry_wait_ / 1ms, start_wait_ / 1ms,
      budget_.spent(), hinted_ ? "h" : "", unreachable_ ? "u" : "", granted_ ? "g" : "",
      rested_ ? "r" : "", failed_ ? "f" : "", start_error_ ? "e" : "");
  text += fmt::format(" {}{}{}", seen_once_ ? "" : name_of(remembered_.phase),
                      watchdog_fired_ ? "w" : "",
                      resize_failed_generation_ == wish_.generation ? "z" : "");
  if (asked_) text += fmt::format(" asked={}", name_of(*asked_));
  if (look_at_) text += fmt::format(" look={}", relative(*look_at_, now));
  for (const CheckState& state : health_.states()) {
    text += fmt::format(" check={}/{}/{}/{}/{}", static_cast<int>(state.verdict),
                        state.consecutive_failures, state.consecutive_successes, state.under_way,
                        relative(state.next, now));
  }
  if (up_ && wish_.heartbeat_timeout > Duration{}) {
    text += fmt::format(" ping={}/{}/{}/{}", ping_armed_, ping_under_way_, ping_misses_,
                        relative(next_ping_, now));
  }
  return text;
}

}  // namespace aloft::agent
