#include "sim/farm.h"

#include <gtest/gtest.h>

#include "sim/sweep.h"

namespace aloft::sim {
namespace {

using controller::Desired;
using controller::GuestId;
using controller::HostId;

FarmOptions small() {
  FarmOptions options;
  options.hosts = 3;
  options.guests = 12;
  options.faults = 0;
  options.record = true;
  return options;
}

// A farm that has started everything.
std::unique_ptr<Farm> started(const FarmOptions& options) {
  auto farm = std::make_unique<Farm>(options);
  farm->run_until(Instant(std::chrono::seconds(20)));
  EXPECT_EQ(farm->unsettled(), std::nullopt);
  return farm;
}

void expect_no_violation(const Farm& farm) {
  const auto violation = farm.result().violation;
  EXPECT_FALSE(violation) << violation->rule << ": " << violation->words;
}

void elapse(Farm& farm, Duration time) {
  farm.run_until(farm.now() + time);
}

bool takes_over(const controller::GuestRecord& record) {
  return !record.pinned;
}

TEST(Farm, starts_every_guest_on_its_owner) {
  const auto farm = started(small());
  for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
    EXPECT_TRUE(farm->executes(GuestId(g), farm->guest_record(GuestId(g)).host));
  }
  expect_no_violation(*farm);
}

TEST(Farm, the_guests_of_a_host_without_power_run_elsewhere_within_seconds) {
  for (std::uint32_t victim = 0; victim < 3; ++victim) {
    const auto farm = started(small());
    std::vector<GuestId> there;
    for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
      const auto& record = farm->guest_record(GuestId(g));
      if (record.host == HostId(victim) && takes_over(record)) there.push_back(GuestId(g));
    }
    ASSERT_FALSE(there.empty());
    const Instant cut = farm->now();
    farm->power_off(HostId(victim));
    elapse(*farm, std::chrono::seconds(6));
    for (const GuestId guest : there) {
      const HostId now = farm->guest_record(guest).host;
      EXPECT_NE(now, HostId(victim));
      EXPECT_TRUE(farm->executes(guest, now)) << guest.value();
      EXPECT_LE(farm->intervals(guest).back().from, cut + std::chrono::seconds(3));
    }
    expect_no_violation(*farm);
  }
}

TEST(Farm, an_isolated_host_freezes_its_guests_before_they_start_elsewhere) {
  const auto farm = started(small());
  farm->isolate(HostId(1));
  elapse(*farm, std::chrono::seconds(6));
  int moved = 0;
  for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
    const auto& intervals = farm->intervals(GuestId(g));
    if (intervals.size() < 2 || intervals.front().host != HostId(1)) continue;
    ++moved;
    ASSERT_TRUE(intervals.front().to.has_value());
    EXPECT_LT(*intervals.front().to, intervals.back().from);
  }
  EXPECT_GT(moved, 0);
  farm->rejoin(HostId(1));
  // Its BMC has switched it off, and somebody switches it on again within a minute.
  elapse(*farm, std::chrono::minutes(2));
  EXPECT_EQ(farm->unsettled(), std::nullopt);
  expect_no_violation(*farm);
}

TEST(Farm, the_outage_of_the_store_stops_nobody) {
  const auto farm = started(small());
  farm->set_store(false);
  elapse(*farm, std::chrono::minutes(5));
  EXPECT_EQ(farm->unsettled(), std::nullopt);
  for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
    EXPECT_EQ(farm->intervals(GuestId(g)).size(), 1U) << "guest " << g << " never stood still";
  }
  expect_no_violation(*farm);
}

TEST(Farm, a_full_power_cut_ends_with_everything_running) {
  const auto farm = started(small());
  for (std::uint32_t h = 0; h < 3; ++h) farm->power_off(HostId(h));
  elapse(*farm, std::chrono::seconds(10));
  for (std::uint32_t h = 0; h < 3; ++h) farm->power_on(HostId(h));
  elapse(*farm, std::chrono::seconds(60));
  EXPECT_EQ(farm->unsettled(), std::nullopt);
  expect_no_violation(*farm);
}

TEST(Farm, two_hosts_and_a_witness_survive_either_host) {
  FarmOptions options = small();
  options.witness = true;
  for (std::uint32_t victim = 0; victim < 2; ++victim) {
    const auto farm = started(options);
    farm->power_off(HostId(victim));
    elapse(*farm, std::chrono::seconds(10));
    for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
      const auto& record = farm->guest_record(GuestId(g));
      if (!record.pinned) EXPECT_TRUE(farm->executes(GuestId(g), HostId(1 - victim))) << g;
    }
    expect_no_violation(*farm);
  }
}

TEST(Farm, a_host_in_maintenance_is_emptied_and_its_guests_stop_before_they_start) {
  const auto farm = started(small());
  farm->set_maintenance(HostId(1), true);
  elapse(*farm, std::chrono::minutes(1));
  for (std::uint32_t g = 0; g < farm->guest_count(); ++g) {
    const auto& record = farm->guest_record(GuestId(g));
    if (!record.pinned) EXPECT_NE(record.host, HostId(1)) << g;
  }
  expect_no_violation(*farm);
}

TEST(Farm, a_stopped_guest_stays_stopped_through_the_loss_of_its_host) {
  const auto farm = started(small());
  farm->set_desired(GuestId(0), Desired::Stopped);
  elapse(*farm, std::chrono::seconds(5));
  farm->power_off(farm->guest_record(GuestId(0)).host);
  elapse(*farm, std::chrono::seconds(20));
  for (std::uint32_t h = 0; h < 3; ++h) EXPECT_FALSE(farm->executes(GuestId(0), HostId(h)));
  expect_no_violation(*farm);
}

TEST(Farm, the_same_seed_gives_the_same_trace) {
  FarmOptions options;
  options.faulty_time = std::chrono::minutes(3);
  for (const std::uint64_t seed : {1U, 2U, 3U, 77U}) {
    const FarmResult first = run_seed(seed, options);
    EXPECT_EQ(first.hash, run_seed(seed, options).hash) << seed;
    EXPECT_EQ(first.hash, replay_seed(seed, options).result.hash) << "recording changes nothing";
    EXPECT_NE(first.hash, run_seed(seed + 1000, options).hash);
  }
}

TEST(Farm, random_faults_break_no_rule) {
  FarmOptions options;
  options.guests = 20;
  options.faulty_time = std::chrono::minutes(3);
  options.fault_interval = std::chrono::seconds(8);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto violation = run_seed(seed, options).violation;
    ASSERT_FALSE(violation) << "seed " << seed << ": " << violation->rule << ": "
                            << violation->words;
  }
}

}  // namespace
}  // namespace aloft::sim
