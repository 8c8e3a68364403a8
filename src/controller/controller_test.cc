#include <gtest/gtest.h>

#include <algorithm>

#include "controller/grant_table.h"
#include "controller/host_machine.h"
#include "controller/recovery.h"
#include "controller/silence_machine.h"

namespace aloft::controller {
namespace {

const Timing kTiming;
const HostId kOwner(1);
const GuestId kGuest(0);

Instant at(int ms) {
  return Instant(std::chrono::seconds(100) + std::chrono::milliseconds(ms));
}

// ---- silence

TEST(SilenceMachine, calls_a_peer_silent_after_the_time_without_a_beat) {
  SilenceMachine machine(2, HostId(0), kTiming);
  machine.restart(at(0));
  machine.heard_regularly(kOwner, at(100), at(10'000));
  EXPECT_FALSE(machine.silent(kOwner, at(10'799)));
  EXPECT_TRUE(machine.silent(kOwner, at(10'801)));
  EXPECT_FALSE(machine.silent(HostId(0), at(99'999))) << "nobody is silent to itself";
}

TEST(SilenceMachine, grows_patient_with_the_jitter_it_sees_and_never_beyond_its_maximum) {
  SilenceMachine machine(2, HostId(0), kTiming);
  machine.restart(at(0));
  int now = 0;
  for (int i = 0; i < 200; ++i) machine.heard(kOwner, at(now += i % 2 == 0 ? 20 : 600));
  EXPECT_FALSE(machine.silent(kOwner, at(now + 1200)));
  EXPECT_TRUE(machine.silent(kOwner, at(now + 3001)));
}

TEST(SilenceMachine, does_not_learn_patience_from_an_outage) {
  SilenceMachine machine(2, HostId(0), kTiming);
  machine.restart(at(0));
  machine.heard_regularly(kOwner, at(100), at(10'000));
  const Duration before = machine.silent_at(kOwner) - at(10'000);
  machine.heard(kOwner, at(60'000));
  EXPECT_EQ(machine.silent_at(kOwner) - at(60'000), before);
}

TEST(SilenceMachine, many_regular_beats_are_the_same_as_each_of_them) {
  SilenceMachine one(2, HostId(0), kTiming);
  SilenceMachine other(2, HostId(0), kTiming);
  for (SilenceMachine* machine : {&one, &other}) {
    machine->restart(at(0));
    machine->heard(kOwner, at(500));
  }
  one.heard_regularly(kOwner, at(600), at(60'000));
  for (int ms = 600; ms <= 60'000; ms += 100) other.heard(kOwner, at(ms));
  EXPECT_EQ(one.silent_at(kOwner), other.silent_at(kOwner));
}

// ---- grants

TEST(GrantTable, a_right_is_counted_from_the_sending_and_ends_before_the_grant) {
  GrantTable table(3, kTiming, Defect::None);
  table.held(HostId(2), at(0), at(50), {}, 1);
  EXPECT_EQ(table.right_until(HostId(2), kGuest, Generation(1)),
            at(0) + kTiming.grant - kTiming.margin);
  EXPECT_EQ(table.right_until(HostId(0), kGuest, Generation(1)), Instant::min());
}

TEST(GrantTable, an_agreement_is_in_force_when_what_was_granted_has_run_out) {
  GrantTable table(3, kTiming, Defect::None);
  table.grant(kOwner, at(0));
  EXPECT_TRUE(table.agree(kGuest, kOwner, Generation(2), HostId(2), at(300)));
  EXPECT_EQ(table.agreement(kGuest, kOwner)->clear_at, at(1000));
  // Heartbeats that come later grant the owner's other guests, never this one.
  table.grant(kOwner, at(900));
  ASSERT_EQ(table.refusals(kOwner).size(), 1U);
  EXPECT_FALSE(table.agree(kGuest, kOwner, Generation(2), HostId(2), at(950)));
  EXPECT_EQ(table.agreement(kGuest, kOwner)->clear_at, at(1000));
}

TEST(GrantTable, the_refused_owner_has_no_right_until_it_owns_the_guest_anew) {
  GrantTable table(3, kTiming, Defect::None);
  table.held(HostId(2), at(0), at(1), {{kGuest, Generation(5)}}, 1);
  EXPECT_EQ(table.right_until(HostId(2), kGuest, Generation(4)), Instant::min());
  EXPECT_GT(table.right_until(HostId(2), kGuest, Generation(5)), at(0));
  EXPECT_GT(table.right_until(HostId(2), GuestId(1), Generation(1)), at(0));
}

TEST(GrantTable, a_restarted_grantor_counts_everybody_as_granted_and_keeps_its_agreements) {
  GrantTable table(3, kTiming, Defect::None);
  table.agree(kGuest, kOwner, Generation(2), HostId(2), at(0));
  const auto durable = table.agreements();
  table.restart(at(5000), durable);
  EXPECT_EQ(table.refusals(kOwner).size(), 1U);
  EXPECT_EQ(table.agreement(kGuest, kOwner)->clear_at, at(5000) + kTiming.grant);
  table.agree(GuestId(7), kOwner, Generation(2), HostId(2), at(5001));
  EXPECT_EQ(table.agreement(GuestId(7), kOwner)->clear_at, at(5000) + kTiming.grant);
}

// ---- the host's agent

class Agent : public ::testing::Test {
 protected:
  Agent() : machine_(kOwner, 3, 1, kTiming, Defect::None) {
    machine_.on_hosts(std::vector<HostRecord>(3));
    machine_.on_boot(at(0), {});
    record_.revision = Revision(10);
    record_.host = kOwner;
    record_.generation = Generation(4);
    record_.grantors.push_back(HostId(2));
  }
  void beat(int ms) {
    machine_.on_beat(HostId(2), at(ms));
    machine_.on_answer(HostId(2), at(ms), at(ms), {}, 1);
  }
  // Answers the last change of the record as the store would.
  void store_takes_it() {
    record_ = changes_.back();
    record_.revision = record_.revision.next();
    machine_.on_store_answer(kGuest, StoreAnswer::Done, record_, now_, effects_);
    take();
  }
  void take() {
    for (const HostEffect& effect : effects_) {
      if (effect.action == HostAction::Cas) changes_.push_back(effect.record);
      actions_.push_back(effect.action);
    }
    effects_.clear();
  }
  int count(HostAction action) const {
    return static_cast<int>(std::ranges::count(actions_, action));
  }
  void time(int ms) {
    now_ = at(ms);
    machine_.on_time(now_, effects_);
    take();
  }
  // A guest that runs with the grant of host 2.
  void run() {
    beat(10);
    machine_.on_record(kGuest, record_, at(20), effects_);
    take();
    store_takes_it();
    machine_.on_started(kGuest, at(40), effects_);
    take();
    ASSERT_EQ(machine_.run(kGuest), Run::Running);
  }

  HostMachine machine_;
  GuestRecord record_;
  Instant now_ = at(20);
  HostEffects effects_;
  std::vector<HostAction> actions_;
  std::vector<GuestRecord> changes_;
};

TEST_F(Agent, starts_nothing_before_a_change_of_its_earlier_life_can_no_longer_come_true) {
  beat(10);
  machine_.on_record(kGuest, record_, at(20), effects_);
  take();
  EXPECT_EQ(count(HostAction::Start), 0);
  ASSERT_EQ(changes_.size(), 1U);
  store_takes_it();
  EXPECT_EQ(count(HostAction::Start), 1);
}

TEST_F(Agent, starts_nothing_without_the_grant_of_every_grantor) {
  machine_.on_record(kGuest, record_, at(20), effects_);
  take();
  store_takes_it();
  EXPECT_EQ(count(HostAction::Start), 0);
  beat(100);
  time(120);
  EXPECT_EQ(count(HostAction::Start), 1);
}

TEST_F(Agent, starts_nothing_before_the_fence_is_cleared) {
  record_.fences.push_back({.owner = HostId(0), .grantors = {}});
  beat(10);
  machine_.on_record(kGuest, record_, at(20), effects_);
  take();
  store_takes_it();
  EXPECT_GT(count(HostAction::AskToClear), 0);
  EXPECT_EQ(count(HostAction::Start), 0);
  machine_.on_clear(kGuest, Generation(3), HostId(0), at(60), effects_);
  take();
  EXPECT_EQ(count(HostAction::Start), 0) << "a clearing of another generation is none";
  machine_.on_clear(kGuest, record_.generation, HostId(0), at(70), effects_);
  take();
  EXPECT_EQ(count(HostAction::Start), 1);
}

TEST_F(Agent, freezes_when_its_right_ends_and_thaws_when_the_store_has_left_the_deaf_grantor_out) {
  run();
  EXPECT_EQ(machine_.next_deadline(HostSet()), at(10) + kTiming.grant - kTiming.margin);
  time(811);
  EXPECT_EQ(machine_.run(kGuest), Run::Frozen);
  ASSERT_TRUE(changes_.back().grantors.empty());
  EXPECT_EQ(count(HostAction::Thaw), 0) << "not before the store has said so";
  store_takes_it();
  EXPECT_EQ(machine_.run(kGuest), Run::Running);
}

TEST_F(Agent, stays_frozen_while_the_answer_of_the_store_is_lost) {
  run();
  time(811);
  machine_.on_store_answer(kGuest, StoreAnswer::Unknown, {}, at(1800), effects_);
  take();
  time(2100);
  EXPECT_EQ(machine_.run(kGuest), Run::Frozen);
  EXPECT_EQ(count(HostAction::Cas), 3) << "the same change is tried again";
  store_takes_it();
  EXPECT_EQ(machine_.run(kGuest), Run::Running);
}

TEST_F(Agent, kills_a_guest_whose_generation_has_moved_and_resets_the_host_when_it_cannot) {
  run();
  GuestRecord moved = record_;
  moved.revision = record_.revision.next();
  moved.host = HostId(0);
  moved.generation = record_.generation.next();
  machine_.on_record(kGuest, moved, at(200), effects_);
  take();
  EXPECT_EQ(machine_.run(kGuest), Run::Killing);
  machine_.on_kill_failed(kGuest, at(300), effects_);
  take();
  EXPECT_EQ(count(HostAction::ResetHost), 1);
}

TEST_F(Agent, an_older_record_changes_nothing) {
  run();
  GuestRecord old = record_;
  old.revision = Revision(3);
  old.host = HostId(0);
  machine_.on_record(kGuest, old, at(200), effects_);
  take();
  EXPECT_EQ(machine_.run(kGuest), Run::Running);
}

TEST_F(Agent, the_watchdog_is_fed_only_while_it_bites_before_the_grants_end) {
  run();
  EXPECT_EQ(machine_.grants_end(), at(10) + kTiming.grant);
  time(811);
  EXPECT_EQ(machine_.grants_end(), kNever) << "what stands still needs no watchdog";
}

TEST_F(Agent, gives_a_guest_that_crashes_again_and_again_back_to_the_controller) {
  run();
  int now = 100;
  for (std::uint32_t i = 0; i < kTriesHere; ++i) {
    machine_.on_exited(kGuest, true, at(now), effects_);
    take();
    if (i + 1 == kTriesHere) break;
    const int starts = count(HostAction::Start);
    while (count(HostAction::Start) == starts) {
      beat(now += 100);
      time(now);
    }
    machine_.on_started(kGuest, at(now), effects_);
    take();
  }
  EXPECT_EQ(changes_.back().host, kNoHost);
  EXPECT_EQ(changes_.back().cause, Cause::Crashes);
}

// ---- recovery

TEST(Recovery, plans_twenty_thousand_guests_of_fifty_lost_hosts_among_a_thousand) {
  constexpr std::uint32_t kHosts = 1000;
  constexpr std::uint32_t kGuests = 20'000;
  std::vector<HostRecord> hosts(kHosts);
  std::vector<std::int64_t> used(kHosts);
  HostSet usable;
  for (std::uint32_t i = 0; i < kHosts; ++i) {
    hosts[i].memory_mib = 64 << 10;
    if (i >= 50) usable.set(i);
  }
  std::vector<GuestRecord> records(kGuests);
  std::vector<GuestId> lost;
  for (std::uint32_t g = 0; g < kGuests; ++g) {
    records[g].host = HostId(g % kHosts);
    records[g].memory_mib = 2048;
    records[g].priority = static_cast<std::uint16_t>(g % 10);
    used[g % kHosts] += 2048;
    if (g % kHosts < 50) lost.push_back(GuestId(g));
  }
  Capacity capacity(hosts, usable, used);
  const auto plan = plan_recovery(records, lost, capacity);
  ASSERT_EQ(plan.size(), 1000U);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    ASSERT_TRUE(plan[i].host.has_value());
    EXPECT_GE(plan[i].host->value(), 50U);
    EXPECT_GE(capacity.free_mib(*plan[i].host), 0);
    if (i > 0) {
      EXPECT_GE(records[plan[i - 1].guest.value()].priority,
                records[plan[i].guest.value()].priority);
    }
  }
}

TEST(Recovery, a_mirrored_guest_goes_only_where_its_disk_is_in_sync) {
  std::vector<HostRecord> hosts(3);
  for (HostRecord& host : hosts) host.memory_mib = 4096;
  HostSet usable;
  usable.set(1).set(2);
  GuestRecord guest;
  guest.replicas = 2;
  guest.memory_mib = 1024;
  guest.members.push_back({.host = HostId(0), .state = MemberState::InSync});
  guest.members.push_back({.host = HostId(1), .state = MemberState::Stale});
  Capacity capacity(hosts, usable, {0, 0, 0});
  EXPECT_FALSE(capacity.take(guest, HostId(0), Defect::None));
  guest.members.begin()[1].state = MemberState::InSync;
  EXPECT_EQ(capacity.take(guest, HostId(0), Defect::None), HostId(1));
  guest.memory_mib = 4000;
  EXPECT_FALSE(capacity.take(guest, HostId(0), Defect::None)) << "its room is taken now";
}

}  // namespace
}  // namespace aloft::controller
