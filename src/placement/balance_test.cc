#include "placement/balance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::kGiB;
using testing::make_guest;
using testing::make_host;
using testing::make_rule;

State loaded_farm(std::uint32_t hosts, std::uint32_t guests, std::uint64_t seed,
                  bool mirrored = false) {
  Random random(seed);
  Farm farm;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 256, 64, 4000));
    farm.hosts.back().disk_bandwidth = 1e9;
  }
  for (std::uint32_t g = 0; g < guests; ++g) {
    // Half of the guests crowd on the first hosts.
    const auto host = static_cast<std::uint32_t>(random.below(random.chance(1, 2) ? 2 : hosts));
    Guest guest = make_guest("g" + std::to_string(g), random.between(1, 3), host);
    guest.needs[Resource::Cpu] = 4000;
    guest.needs[Resource::Disk] = 10 * kGiB;
    guest.load = Load{.cpu = 800 * random.unit(), .memory = kGiB * random.unit(), .disk = 1e6};
    if (mirrored) {
      guest.replicas = {HostIndex(host), HostIndex((host + 1) % hosts)};
      guest.replica_count = 2;
      guest.locality = Locality::Required;
    }
    farm.guests.push_back(std::move(guest));
  }
  return *State::make(std::move(farm));
}

TEST(Balance, few_moves_bring_the_score_down_and_change_nothing_by_themselves) {
  State state = loaded_farm(6, 60, 1);
  const Farm before = state.farm();
  const BalancePlan plan = balance(state, {});
  EXPECT_LT(plan.score_after, plan.score_before / 2);
  EXPECT_LT(plan.moves.size(), 40U);
  state.check_invariants();
  for (std::size_t g = 0; g < before.guests.size(); ++g) {
    EXPECT_EQ(state.farm().guests[g].host, before.guests[g].host);
  }
  for (const Move& move : plan.moves) {
    EXPECT_GT(move.gain, 0);
    EXPECT_NE(explain(state, move).find("evens out"), std::string::npos);
    apply(state, move);
    ASSERT_EQ(testing::Oracle(state.farm()).judge({move.guest}), "");
  }
}

TEST(Balance, mirrored_guests_move_to_their_replicas_or_take_them_along) {
  State state = loaded_farm(6, 60, 2, true);
  const BalancePlan plan = balance(state, {});
  EXPECT_LT(plan.score_after, plan.score_before / 2);
  for (const Move& move : plan.moves) apply(state, move);
  state.check_invariants();
  for (const Guest& guest : state.farm().guests) {
    EXPECT_EQ(guest.replicas.size(), 2U);
    EXPECT_NE(std::ranges::find(guest.replicas, *guest.host), guest.replicas.end());
  }
  // The score kept move by move is the one counted afresh.
  EXPECT_NEAR(Score(state, {}).value(), plan.score_after, 1e-9);
}

TEST(Balance, breaches_of_rules_are_ended_first) {
  State state = loaded_farm(4, 0, 3);
  for (int g = 0; g < 2; ++g) {
    ASSERT_TRUE(state.add_guest(make_guest("g" + std::to_string(g), 1, 0)));
  }
  ASSERT_TRUE(state.add_rule(make_rule("apart", RuleKind::KeepApart, {0, 1})));
  const BalancePlan plan = balance(state, {.max_moves = 1});
  ASSERT_EQ(plan.moves.size(), 1U);
  EXPECT_EQ(plan.moves[0].purpose, Purpose::Rules);
}

TEST(Balance, no_move_ends_the_promise_of_admission) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    State state = loaded_farm(4, 40, seed);
    Admission admission(state, {.count = 1});
    const Proof before = admission.verdict().proof;
    const BalancePlan plan = balance(state, {}, &admission);
    EXPECT_EQ(admission.verdict().proof, before);
    for (const Move& move : plan.moves) apply(state, move);
    Admission after(state, {.count = 1});
    if (before == Proof::Proved) EXPECT_EQ(after.verdict().proof, Proof::Proved) << seed;
  }
}

TEST(Balance, random_farms_with_rules_are_never_broken) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    State state = loaded_farm(5, 20, seed, seed % 2 == 0);
    for (int r = 0; r < 6; ++r) {
      const std::vector<std::uint32_t> pair = {static_cast<std::uint32_t>(random.below(20)),
                                               static_cast<std::uint32_t>(random.below(20))};
      if (pair[0] == pair[1]) continue;
      if (!state.present(GuestIndex(pair[0])) || !state.present(GuestIndex(pair[1]))) continue;
      const RuleKind kind = random.chance(1, 2) ? RuleKind::KeepApart : RuleKind::KeepTogether;
      Rule rule = make_rule("r" + std::to_string(r), kind, pair);
      ASSERT_TRUE(state.add_rule(rule));
      if (!testing::Oracle(state.farm()).judge({}).empty()) {
        state.remove_guest(GuestIndex(pair[0]));  // start without a breach
      }
    }
    if (!testing::Oracle(state.farm()).judge({}).empty()) continue;
    for (const Move& move : balance(state, {}).moves) {
      apply(state, move);
      ASSERT_EQ(testing::Oracle(state.farm()).judge({move.guest}), "") << "seed " << seed;
    }
  }
}

// Runs rounds a minute apart; gives back how often each guest moved, by round.
template <class SetLoads>
std::map<GuestIndex, std::vector<int>> run_rounds(State& state, Balancer& balancer, int rounds,
                                                  SetLoads set_loads) {
  std::map<GuestIndex, std::vector<int>> moves;
  for (int round = 0; round < rounds; ++round) {
    set_loads(round);
    const Instant now{round * Duration(std::chrono::minutes(1))};
    for (const Move& move : balancer.round(state, now).moves) {
      apply(state, move);
      balancer.moved(state, move);
      moves[move.guest].push_back(round);
    }
  }
  return moves;
}

TEST(Balancer, steady_load_never_causes_a_second_move) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    State state = loaded_farm(6, 70, seed, seed % 2 == 0);
    Balancer balancer({.max_moves = 5}, {});
    const auto moves = run_rounds(state, balancer, 50, [](int) {});
    int last = 0;
    for (const auto& [guest, rounds] : moves) {
      EXPECT_EQ(rounds.size(), 1U);
      EXPECT_GE(rounds.front(), 2);  // held for three rounds first
      last = std::max(last, rounds.back());
    }
    EXPECT_FALSE(moves.empty());
    EXPECT_LT(last, 40) << "the farm does not come to rest";
  }
}

TEST(Balancer, noise_within_the_band_never_causes_a_second_move) {
  State state = loaded_farm(6, 70, 5);
  const Farm base = state.farm();
  Random random(9);
  Balancer balancer({.max_moves = 5}, {});
  const auto moves = run_rounds(state, balancer, 80, [&](int) {
    for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
      Load load = *base.guests[g].load;
      load.cpu *= 0.97 + 0.06 * random.unit();
      state.set_load(GuestIndex(g), load);
    }
  });
  for (const auto& [guest, rounds] : moves) EXPECT_EQ(rounds.size(), 1U);
}

TEST(Balancer, an_adversary_gets_one_move_of_a_guest_per_cool_down) {
  State state = loaded_farm(4, 40, 6);
  Balancer balancer({.max_moves = 10}, {.hold_rounds = 1});
  // Whoever shares a host with guest 0 gets hot, the rest cold: load that chases the moves.
  const auto moves = run_rounds(state, balancer, 120, [&](int) {
    const HostIndex hot = *state.guest(GuestIndex(0)).host;
    for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
      const bool is_hot = state.guest(GuestIndex(g)).host == hot;
      state.set_load(GuestIndex(g), Load{.cpu = is_hot ? 2000.0 : 10.0});
    }
  });
  for (const auto& [guest, rounds] : moves) {
    for (std::size_t i = 1; i < rounds.size(); ++i) {
      EXPECT_GE(rounds[i] - rounds[i - 1], 10) << "guest " << guest.value();
    }
  }
}

TEST(Balancer, a_day_of_recorded_load_moves_guests_once_or_twice) {
  State state = loaded_farm(6, 60, 7);
  // Recorded shape of an office day, in per cent of the peak, one value for half an hour.
  constexpr std::array kDay = {12, 11, 10, 10, 9,  9,  9,  10, 11, 12, 14,  18, 25, 38, 55, 72,
                               88, 95, 97, 92, 78, 66, 70, 85, 94, 98, 100, 96, 90, 82, 70, 55,
                               42, 35, 30, 28, 27, 26, 25, 24, 22, 20, 18,  17, 16, 15, 14, 13};
  std::vector<LoadTracker> trackers(state.guest_count());
  const Farm base = state.farm();
  Balancer balancer({.max_moves = 4}, {});
  const auto moves = run_rounds(state, balancer, 24 * 60, [&](int minute) {
    const Instant now{minute * Duration(std::chrono::minutes(1))};
    const double share = kDay.at(static_cast<std::size_t>(minute / 30)) / 100.0;
    for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
      Load load = *base.guests[g].load;
      load.cpu *= share;
      trackers[g].observe(now, load);
      state.set_load(GuestIndex(g), trackers[g].value(now));
    }
  });
  for (const auto& [guest, rounds] : moves) EXPECT_LE(rounds.size(), 2U);
}

TEST(Balancer, a_clock_that_jumps_back_neither_hangs_nor_shortens_the_cool_down) {
  State state = loaded_farm(6, 70, 8);
  Balancer balancer({.max_moves = 5}, {.hold_rounds = 1});
  std::map<GuestIndex, int> moves;
  for (int round = 0; round < 50; ++round) {
    const Instant now{(round % 2 == 0 ? round : -1000 * round) * Duration(std::chrono::minutes(1))};
    for (const Move& move : balancer.round(state, now).moves) {
      apply(state, move);
      balancer.moved(state, move);
      ++moves[move.guest];
    }
  }
  for (const auto& [guest, count] : moves) EXPECT_EQ(count, 1);
}

TEST(Load, samples_that_are_absurd_or_late_change_nothing) {
  LoadTracker tracker(std::chrono::minutes(1));
  const Instant start{std::chrono::hours(1)};
  EXPECT_FALSE(tracker.value(start).has_value());
  EXPECT_EQ(tracker.observe(start, {.cpu = std::nan("")}), SampleUse::Absurd);
  EXPECT_EQ(tracker.observe(start, {.cpu = -1}), SampleUse::Absurd);
  EXPECT_EQ(tracker.observe(start, {.cpu = HUGE_VAL}), SampleUse::Absurd);
  EXPECT_FALSE(tracker.value(start).has_value());
  EXPECT_EQ(tracker.observe(start, {.cpu = 100}), SampleUse::Taken);
  EXPECT_EQ(tracker.observe(start - 5min, {.cpu = 900}), SampleUse::NotNewer);
  EXPECT_DOUBLE_EQ(tracker.value(start)->cpu, 100);
  EXPECT_EQ(tracker.observe(start + 1min, {.cpu = 200}), SampleUse::Taken);
  EXPECT_NEAR(tracker.value(start + 1min)->cpu, 163.2, 0.1);
  EXPECT_FALSE(tracker.value(start + 1h).has_value());
}

TEST(Load, missing_and_impossible_loads_are_bounded_by_what_the_guest_can_use) {
  State state = loaded_farm(2, 2, 4);
  state.set_load(GuestIndex(0), Load{.cpu = 1e300, .memory = 1e300, .disk = 1e300});
  state.set_load(GuestIndex(1), std::nullopt);
  EXPECT_LE(effective_load(state, GuestIndex(0)).cpu, 4000);
  EXPECT_LE(effective_load(state, GuestIndex(0)).disk, 1e9);
  EXPECT_GT(effective_load(state, GuestIndex(1)).memory, 0);
  EXPECT_TRUE(std::isfinite(balance(state, {}).score_after));
}

TEST(Load, a_host_under_pressure_counts_as_more_loaded) {
  State state = loaded_farm(2, 4, 4);
  const double before = effective_load(state, state.guests_on(HostIndex(0))[0]).cpu;
  state.set_pressure(HostIndex(0), {.cpu = 0.5});
  EXPECT_NEAR(effective_load(state, state.guests_on(HostIndex(0))[0]).cpu, before * 1.5, 1e-9);
}

}  // namespace
}  // namespace aloft::placement
