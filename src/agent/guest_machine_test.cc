#include "agent/guest_machine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/limits.h"

namespace aloft::agent {
namespace {

Wish plain_wish() {
  Wish wish;
  wish.uid = "u1";
  wish.generation = 1;
  wish.size = Size{1, mib(128), 100};
  wish.definition = "d1";
  return wish;
}

guest::Observation running(std::string instance = "i1") {
  guest::Observation seen;
  seen.name = "web";
  seen.uid = "u1";
  seen.instance = std::move(instance);
  seen.state = guest::State::Running;
  seen.process_id = 7;
  seen.accelerator = "lxc";
  seen.cpus = 1;
  seen.memory = mib(128);
  return seen;
}

// Drives one machine by hand.
struct Hand {
  explicit Hand(Wish wish = plain_wish(), Remembered remembered = {})
      : machine(std::move(wish), std::move(remembered)) {}

  void step(decltype(Event::what) what) {
    effects.clear();
    machine.step(Event{now, std::move(what)}, effects);
    machine.check_invariants();
  }
  void wait(Duration duration) {
    now += duration;
    step(Event::Ticked{});
  }
  [[nodiscard]] const Effect::Call* call() const {
    for (const Effect& effect : effects) {
      if (const auto* found = std::get_if<Effect::Call>(&effect.what)) return found;
    }
    return nullptr;
  }
  [[nodiscard]] std::string called() const {
    return call() ? std::string(name_of(call()->kind)) : "";
  }
  [[nodiscard]] bool noted(std::string_view kind) const {
    for (const Effect& effect : effects) {
      const auto* found = std::get_if<Effect::Note>(&effect.what);
      if (found && found->kind == kind) return true;
    }
    return false;
  }
  [[nodiscard]] std::vector<Effect::Probe> probes() const {
    std::vector<Effect::Probe> found;
    for (const Effect& effect : effects) {
      if (const auto* probe = std::get_if<Effect::Probe>(&effect.what)) found.push_back(*probe);
    }
    return found;
  }
  [[nodiscard]] const Effect::Ping* ping() const {
    for (const Effect& effect : effects) {
      if (const auto* found = std::get_if<Effect::Ping>(&effect.what)) return found;
    }
    return nullptr;
  }
  void answer(Result<std::optional<guest::Observation>> result) {
    ASSERT_TRUE(call());
    step(Event::Called{call()->call, std::move(result)});
  }
  void answer_down() { answer(std::optional<guest::Observation>{}); }
  void answer_up(std::string instance = "i1") { answer(running(std::move(instance))); }
  void bring_up() {
    step(Event::Ticked{});
    ASSERT_EQ(called(), "inspect");
    answer_down();
    ASSERT_TRUE(machine.wants_start());
    step(Event::Granted{});
    ASSERT_EQ(called(), "start");
    answer_up();
    ASSERT_EQ(machine.phase(), Phase::Running);
  }
  void crash(std::string detail = "killed by signal 9") {
    step(Event::Hinted{guest::Change::Crashed, std::move(detail)});
    ASSERT_EQ(called(), "inspect");
    answer_down();
  }

  Instant now{1h};
  GuestMachine machine;
  Effects effects;
};

TEST(GuestMachine, asks_the_driver_before_it_starts_anything) {
  Hand hand;
  hand.step(Event::Granted{});
  EXPECT_EQ(hand.called(), "inspect");
  EXPECT_FALSE(hand.machine.wants_start());
  hand.answer_down();
  EXPECT_TRUE(hand.machine.wants_start());
  EXPECT_EQ(hand.called(), "");  // the grant before the evidence is void
  hand.step(Event::Granted{});
  EXPECT_EQ(hand.called(), "start");
}

TEST(GuestMachine, adopts_a_guest_that_runs_already) {
  Remembered remembered;
  remembered.phase = Phase::Running;
  remembered.generation = 1;
  remembered.restarts = 2;
  Hand hand(plain_wish(), remembered);
  hand.step(Event::Ticked{});
  hand.answer_up();
  EXPECT_TRUE(hand.noted("guest.adopted"));
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
  EXPECT_EQ(hand.machine.status().restarts, 2U);
  EXPECT_EQ(hand.called(), "");
}

TEST(GuestMachine, adopts_when_the_driver_refuses_a_second_start) {
  Hand hand;
  hand.step(Event::Ticked{});
  hand.answer_down();
  hand.step(Event::Granted{});
  hand.answer(fail(Code::FailedPrecondition, "guest.already_running", "runs"));
  EXPECT_EQ(hand.called(), "inspect");
  hand.answer_up("i0");
  EXPECT_TRUE(hand.noted("guest.adopted"));
  EXPECT_EQ(hand.machine.status().restarts, 0U);
}

TEST(GuestMachine, starts_a_crashed_guest_again_after_its_backoff) {
  Hand hand;
  hand.bring_up();
  hand.crash();
  EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
  EXPECT_EQ(hand.machine.status().last_exit, "killed by signal 9");
  EXPECT_FALSE(hand.machine.wants_start());
  EXPECT_EQ(hand.machine.next_deadline(), hand.now + 500ms);
  hand.wait(500ms);
  EXPECT_TRUE(hand.machine.wants_start());
  hand.step(Event::Granted{});
  hand.answer_up("i2");
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
  EXPECT_EQ(hand.machine.status().restarts, 1U);
}

TEST(GuestMachine, gives_up_after_its_tries_and_says_why) {
  Hand hand;
  hand.bring_up();
  Duration expected = 500ms;
  for (int i = 0; i < 5; ++i) {
    hand.crash();
    EXPECT_EQ(hand.machine.next_deadline(), hand.now + expected);
    hand.wait(expected);
    expected *= 2;
    hand.step(Event::Granted{});
    hand.answer_up();
  }
  hand.crash("exited with 3");
  EXPECT_TRUE(hand.noted("guest.failed"));
  EXPECT_EQ(hand.machine.phase(), Phase::Failed);
  EXPECT_EQ(hand.machine.status().reason, "guest.crash_loop");
  EXPECT_NE(hand.machine.status().message.find("exited with 3"), std::string::npos);
  EXPECT_EQ(hand.machine.next_deadline(), std::nullopt);
}

TEST(GuestMachine, starts_a_failed_guest_when_it_is_asked_for_or_its_spec_changes) {
  Wish wish = plain_wish();
  wish.restart.tries = 0;
  Hand hand(wish);
  hand.bring_up();
  hand.crash();
  ASSERT_EQ(hand.machine.phase(), Phase::Failed);
  hand.step(Event::Commanded{Command::Start});
  EXPECT_TRUE(hand.machine.wants_start());
  hand.step(Event::Granted{});
  hand.answer_up();
  hand.crash();
  ASSERT_EQ(hand.machine.phase(), Phase::Failed);
  wish.generation = 2;
  hand.step(Event::Wished{wish});
  EXPECT_TRUE(hand.machine.wants_start());
}

TEST(GuestMachine, counts_restarts_within_the_window_only) {
  Wish wish = plain_wish();
  wish.restart.tries = 1;
  Hand hand(wish);
  hand.bring_up();
  for (int i = 0; i < 4; ++i) {
    hand.crash();
    EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
    hand.wait(10min);
    hand.step(Event::Granted{});
    hand.answer_up();
  }
}

TEST(GuestMachine, leaves_a_guest_that_ended_well_to_its_policy) {
  for (const auto& [rule, clean, again] :
       std::vector<std::tuple<RestartRule, bool, bool>>{{RestartRule::Always, true, true},
                                                        {RestartRule::Always, false, true},
                                                        {RestartRule::OnFailure, true, false},
                                                        {RestartRule::OnFailure, false, true},
                                                        {RestartRule::Never, true, false},
                                                        {RestartRule::Never, false, false}}) {
    Wish wish = plain_wish();
    wish.rule = rule;
    Hand hand(wish);
    hand.bring_up();
    hand.step(Event::Hinted{clean ? guest::Change::Stopped : guest::Change::Crashed, "x"});
    hand.answer_down();
    EXPECT_EQ(hand.machine.phase(), again ? Phase::BackingOff : Phase::Stopped);
    if (!again) EXPECT_EQ(hand.machine.status().reason, "guest.exited");
  }
}

TEST(GuestMachine, stops_gracefully_and_rests) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.generation = 2;
  wish.running = false;
  hand.step(Event::Wished{wish});
  ASSERT_EQ(hand.called(), "stop");
  EXPECT_EQ(hand.call()->timeout, 30s);
  EXPECT_EQ(hand.machine.phase(), Phase::Stopping);
  const auto stop = hand.call()->call;
  hand.step(Event::Hinted{guest::Change::Stopped, "shut down by the guest"});
  hand.step(Event::Called{stop, std::optional<guest::Observation>{}});
  EXPECT_EQ(hand.machine.phase(), Phase::Stopped);
  EXPECT_EQ(hand.machine.status().last_exit, "shut down by the guest");
  EXPECT_EQ(hand.machine.next_deadline(), std::nullopt);
}

TEST(GuestMachine, lets_a_kill_overtake_a_graceful_stop) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.running = false;
  wish.generation = 2;
  hand.step(Event::Wished{wish});
  ASSERT_EQ(hand.called(), "stop");
  const auto stop = hand.call()->call;
  hand.step(Event::Commanded{Command::ForceStop});
  ASSERT_EQ(hand.called(), "kill");
  const auto kill = hand.call()->call;
  hand.step(Event::Called{kill, std::optional<guest::Observation>{}});
  EXPECT_EQ(hand.machine.phase(), Phase::Stopped);
  hand.step(Event::Called{stop, std::optional<guest::Observation>{}});
  EXPECT_EQ(hand.machine.phase(), Phase::Stopped);
}

TEST(GuestMachine, kills_what_cannot_be_stopped_and_repeats_it) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.running = false;
  wish.generation = 2;
  hand.step(Event::Wished{wish});
  hand.answer(fail(Code::Internal, "x.y", "no"));
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer_up();
  ASSERT_EQ(hand.called(), "kill");
  hand.answer(fail(Code::Internal, "x.y", "no way"));
  EXPECT_EQ(hand.called(), "inspect");
  hand.answer_up();
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.status().reason, "guest.kill_failed");
  hand.wait(kRetryFirst);
  ASSERT_EQ(hand.called(), "kill");
  hand.answer_down();
  EXPECT_EQ(hand.machine.phase(), Phase::Stopped);
}

TEST(GuestMachine, removes_a_deleted_guest_only_when_it_is_down) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.deleting = true;
  hand.step(Event::Wished{wish});
  ASSERT_EQ(hand.called(), "stop");
  hand.answer_down();
  ASSERT_EQ(hand.called(), "remove");
  hand.answer(fail(Code::Internal, "x.y", "busy"));
  EXPECT_TRUE(hand.noted("guest.remove_failed"));
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer_down();
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.phase(), Phase::Stopping);
  hand.wait(kRetryFirst);
  ASSERT_EQ(hand.called(), "remove");
  hand.answer_down();
  EXPECT_TRUE(hand.machine.gone());
}

TEST(GuestMachine, neither_starts_nor_fails_a_guest_whose_driver_is_silent) {
  Hand hand;
  hand.bring_up();
  hand.step(Event::DriverLost{});
  EXPECT_EQ(hand.machine.phase(), Phase::Unknown);
  for (int i = 0; i < 50; ++i) {
    hand.wait(kAskAgainLast);
    ASSERT_EQ(hand.called(), "inspect");
    hand.answer(fail(Code::Unavailable, "driver.unreachable", "no answer"));
    EXPECT_EQ(hand.machine.phase(), Phase::Unknown);
    EXPECT_FALSE(hand.machine.wants_start());
  }
  hand.step(Event::DriverBack{});
  hand.answer_up();
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
  EXPECT_EQ(hand.machine.status().restarts, 0U);
}

TEST(GuestMachine, does_not_charge_a_guest_for_a_driver_that_cannot_start_now) {
  Hand hand;
  hand.step(Event::Ticked{});
  hand.answer_down();
  for (int i = 0; i < 20; ++i) {
    hand.step(Event::Granted{});
    ASSERT_EQ(hand.called(), "start");
    hand.answer(fail(Code::Unavailable, "driver.unreachable", "gone"));
    ASSERT_EQ(hand.called(), "inspect");
    hand.answer_down();
    EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
    hand.wait(kRetryLast);
    EXPECT_TRUE(hand.machine.wants_start());
  }
}

TEST(GuestMachine, fails_a_guest_that_cannot_start_with_the_drivers_words) {
  Hand hand;
  hand.step(Event::Ticked{});
  hand.answer_down();
  for (int i = 0; i < 6; ++i) {
    hand.step(Event::Granted{});
    hand.answer(fail(Code::Internal, "libvirt.error", "disk /x is missing"));
    hand.answer_down();
    hand.wait(1min);
  }
  EXPECT_EQ(hand.machine.phase(), Phase::Failed);
  EXPECT_EQ(hand.machine.status().reason, "guest.start_failed");
  EXPECT_NE(hand.machine.status().message.find("disk /x is missing"), std::string::npos);
}

TEST(GuestMachine, takes_late_news_of_an_old_end_for_a_hint_only) {
  Hand hand;
  hand.bring_up();
  hand.step(Event::Hinted{guest::Change::Crashed, "of the run before"});
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer_up();
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
  EXPECT_EQ(hand.machine.status().restarts, 0U);
}

TEST(GuestMachine, asks_again_when_the_guest_ended_while_a_call_was_under_way) {
  Hand hand;
  hand.step(Event::Ticked{});
  hand.answer_down();
  hand.step(Event::Granted{});
  const auto start = hand.call()->call;
  hand.step(Event::Hinted{guest::Change::Crashed, "killed by signal 9"});
  hand.step(Event::Called{start, running()});
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer_down();
  EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
}

TEST(GuestMachine, resizes_a_running_guest_once_and_reports_a_refusal) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.generation = 2;
  wish.size.memory = mib(256);
  hand.step(Event::Wished{wish});
  ASSERT_EQ(hand.called(), "resize");
  EXPECT_EQ(hand.call()->size.memory, mib(256));
  auto grown = running();
  grown.memory = mib(256);
  hand.answer(grown);
  EXPECT_EQ(hand.called(), "");
  wish.generation = 3;
  wish.size.cpus = 64;
  hand.step(Event::Wished{wish});
  ASSERT_EQ(hand.called(), "resize");
  hand.answer(fail(Code::FailedPrecondition, "guest.above_maximum", "too many"));
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer(grown);
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.status().reason, "guest.resize_failed");
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
}

TEST(GuestMachine, says_that_a_change_needs_a_new_start) {
  Hand hand;
  hand.bring_up();
  Wish wish = plain_wish();
  wish.generation = 2;
  wish.definition = "d2";
  hand.step(Event::Wished{wish});
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.status().reason, "guest.restart_needed");
  hand.step(Event::Commanded{Command::Restart});
  ASSERT_EQ(hand.called(), "stop");
  hand.answer_down();
  ASSERT_TRUE(hand.machine.wants_start());
  hand.step(Event::Granted{});
  hand.answer_up("i2");
  EXPECT_EQ(hand.machine.status().reason, "");
  EXPECT_EQ(hand.machine.status().restarts, 0U);
}

TEST(GuestMachine, restarts_an_unhealthy_guest) {
  Wish wish = plain_wish();
  CheckLimits check;
  check.name = "web";
  check.start_period = 0s;
  wish.checks = {check};
  Hand hand(wish);
  hand.bring_up();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(hand.machine.serves());
    hand.wait(5s);
    ASSERT_EQ(hand.probes().size(), 1U);
    hand.step(Event::Probed{hand.probes()[0].run, 0, false, "connection refused"});
  }
  EXPECT_TRUE(hand.noted("guest.unhealthy"));
  ASSERT_EQ(hand.called(), "stop");
  EXPECT_FALSE(hand.machine.serves());
  hand.answer_down();
  EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
  EXPECT_NE(hand.machine.status().last_exit.find("connection refused"), std::string::npos);
}

TEST(GuestMachine, forgives_failing_probes_within_the_start_period) {
  Wish wish = plain_wish();
  CheckLimits check;
  check.name = "web";
  check.start_period = 1min;
  wish.checks = {check};
  Hand hand(wish);
  hand.bring_up();
  for (int i = 0; i < 11; ++i) {
    hand.wait(5s);
    ASSERT_EQ(hand.probes().size(), 1U);
    hand.step(Event::Probed{hand.probes()[0].run, 0, false, "refused"});
    EXPECT_EQ(hand.called(), "");
  }
}

TEST(GuestMachine, ignores_answers_to_probes_of_an_earlier_run) {
  Wish wish = plain_wish();
  CheckLimits check;
  check.start_period = 0s;
  check.failures = 1;
  wish.checks = {check};
  Hand hand(wish);
  hand.bring_up();
  hand.wait(5s);
  const auto old = hand.probes()[0].run;
  hand.crash();
  hand.wait(1s);
  hand.step(Event::Granted{});
  hand.answer_up("i2");
  hand.step(Event::Probed{old, 0, false, "refused"});
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.phase(), Phase::Running);
}

TEST(GuestMachine, kills_a_guest_whose_agent_fell_silent_but_not_one_that_never_spoke) {
  Wish wish = plain_wish();
  wish.heartbeat_timeout = 9s;
  Hand hand(wish);
  hand.bring_up();
  for (int i = 0; i < 20; ++i) {
    hand.wait(3s);
    ASSERT_TRUE(hand.ping());
    hand.step(Event::Pinged{hand.ping()->run, false});
    EXPECT_EQ(hand.called(), "");
  }
  hand.wait(3s);
  hand.step(Event::Pinged{hand.ping()->run, true});
  // This process itself stood still: one late miss is no proof.
  hand.wait(1h);
  hand.step(Event::Pinged{hand.ping()->run, false});
  EXPECT_EQ(hand.called(), "");
  for (int i = 0; i < 2; ++i) {
    hand.wait(3s);
    ASSERT_TRUE(hand.ping());
    hand.step(Event::Pinged{hand.ping()->run, false});
  }
  ASSERT_EQ(hand.called(), "kill");
  EXPECT_TRUE(hand.noted("guest.hung"));
  hand.answer_down();
  EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
}

TEST(GuestMachine, kills_a_guest_that_its_watchdog_paused) {
  Hand hand;
  hand.bring_up();
  hand.step(Event::Hinted{guest::Change::WatchdogFired, "pause"});
  auto frozen = running();
  frozen.state = guest::State::Frozen;
  hand.answer(frozen);
  ASSERT_EQ(hand.called(), "kill");
  hand.answer_down();
  EXPECT_EQ(hand.machine.phase(), Phase::BackingOff);
}

TEST(GuestMachine, leaves_a_guest_of_another_uid_alone) {
  Hand hand;
  hand.step(Event::Ticked{});
  auto other = running();
  other.uid = "u0";
  hand.answer(other);
  EXPECT_EQ(hand.called(), "");
  EXPECT_EQ(hand.machine.status().reason, "guest.name_taken");
  EXPECT_FALSE(hand.machine.wants_start());
  hand.wait(kAskAgainLast);
  ASSERT_EQ(hand.called(), "inspect");
  hand.answer_down();
  EXPECT_TRUE(hand.machine.wants_start());
}

TEST(GuestMachine, tells_the_ends_it_did_not_see_apart) {
  const auto phase_after = [](Phase phase, std::string reason, bool same_boot, RestartRule rule) {
    Wish wish = plain_wish();
    wish.rule = rule;
    Remembered remembered;
    remembered.phase = phase;
    remembered.reason = std::move(reason);
    remembered.generation = 1;
    remembered.same_boot = same_boot;
    Hand hand(wish, remembered);
    hand.step(Event::Ticked{});
    hand.answer_down();
    return hand.machine.phase();
  };
  using enum Phase;
  using enum RestartRule;
  EXPECT_EQ(phase_after(Running, "", true, Always), BackingOff);
  EXPECT_EQ(phase_after(Running, "", true, Never), Stopped);
  EXPECT_EQ(phase_after(Running, "", false, Always), Waiting);
  EXPECT_EQ(phase_after(Running, "", false, Never), Stopped);
  EXPECT_EQ(phase_after(Starting, "", true, Always), Waiting);
  EXPECT_EQ(phase_after(Failed, "guest.crash_loop", true, Always), Failed);
  EXPECT_EQ(phase_after(Failed, "guest.crash_loop", false, Always), Waiting);
  EXPECT_EQ(phase_after(Stopped, "guest.exited", true, OnFailure), Stopped);
  EXPECT_EQ(phase_after(Stopped, "", true, Always), Waiting);
  EXPECT_EQ(phase_after(BackingOff, "", true, Always), BackingOff);
}

}  // namespace
}  // namespace aloft::agent
