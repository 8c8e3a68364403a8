#include "placement/admission.h"

#include <gtest/gtest.h>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::kGiB;
using testing::make_guest;
using testing::make_host;

Result<Placement> launch(State& state, Admission& admission, Guest guest, Force force = Force::No) {
  const GuestIndex index = *state.add_guest(std::move(guest));
  auto placed = admission.place(index, force);
  if (!placed) admission.remove_guest(index);
  return placed;
}

State empty_farm(std::uint32_t hosts, std::int64_t memory_gib) {
  Farm farm;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), memory_gib));
  }
  return *State::make(farm);
}

TEST(Admission, two_hosts_are_filled_to_half) {
  State state = empty_farm(2, 32);
  Admission admission(state, {.count = 1});
  for (int g = 0; g < 4; ++g) {
    ASSERT_TRUE(launch(state, admission, make_guest("g" + std::to_string(g), 8)));
  }
  const auto refused = launch(state, admission, make_guest("web7", 8));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "placement.not_tolerated");
  EXPECT_NE(refused.error().message.find("finds no room; largest gap"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(admission.verdict().proof, Proof::Proved);
  EXPECT_EQ(admission.reserve(HostIndex(0))[Resource::Memory], 16 * kGiB);
}

TEST(Admission, force_takes_the_room_and_the_verdict_says_what_it_cost) {
  State state = empty_farm(2, 32);
  Admission admission(state, {.count = 1});
  for (int g = 0; g < 4; ++g) {
    ASSERT_TRUE(launch(state, admission, make_guest("g" + std::to_string(g), 8)));
  }
  ASSERT_TRUE(launch(state, admission, make_guest("web7", 8), Force::Yes));
  const Verdict verdict = admission.verdict();
  EXPECT_EQ(verdict.proof, Proof::Refuted);
  const std::string text = explain(state, admission.tolerance(), verdict);
  EXPECT_NE(text.find("dies"), std::string::npos) << text;
  EXPECT_FALSE(launch(state, admission, make_guest("web8", 1)).has_value());
}

TEST(Admission, stopping_a_guest_gives_the_promise_back) {
  State state = empty_farm(2, 32);
  Admission admission(state, {.count = 1});
  std::vector<GuestIndex> guests;
  for (int g = 0; g < 5; ++g) {
    guests.push_back(*state.add_guest(make_guest("g" + std::to_string(g), 8)));
    ASSERT_TRUE(admission.place(guests.back(), Force::Yes));
  }
  EXPECT_EQ(admission.verdict().proof, Proof::Refuted);
  admission.take(guests[0]);
  EXPECT_EQ(admission.verdict().proof, Proof::Proved);
}

TEST(Admission, guests_larger_than_any_host_are_refused_with_the_largest_gap) {
  State state = empty_farm(3, 32);
  Admission admission(state, {.count = 1});
  const auto refused = launch(state, admission, make_guest("huge", 33));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "placement.no_room");
  EXPECT_NE(refused.error().message.find("largest gap 32 GiB on h0"), std::string::npos)
      << refused.error().message;
}

TEST(Admission, mirrored_guests_get_replicas_in_other_racks_with_room_to_start) {
  Farm farm;
  for (std::uint32_t h = 0; h < 4; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 32));
    farm.hosts.back().rack = h < 2 ? "r0" : "r1";
  }
  State state = *State::make(farm);
  Admission admission(state, {.count = 1});
  for (int g = 0; g < 8; ++g) {
    Guest guest = make_guest("g" + std::to_string(g), 8);
    guest.replica_count = 2;
    guest.locality = Locality::Required;
    guest.needs[Resource::Disk] = 20 * kGiB;
    const auto placed = launch(state, admission, guest);
    ASSERT_TRUE(placed.has_value()) << placed.error().message;
    ASSERT_EQ(placed->new_replicas.size(), 2U);
    EXPECT_EQ(placed->new_replicas[0], placed->host);
    EXPECT_NE(state.domain(Level::Rack, placed->new_replicas[0]),
              state.domain(Level::Rack, placed->new_replicas[1]));
  }
  state.check_invariants();
  EXPECT_EQ(admission.verdict().proof, Proof::Proved);
}

TEST(Admission, two_replicas_do_not_outlive_two_hosts) {
  State state = empty_farm(5, 64);
  Admission admission(state, {.count = 2});
  Guest guest = make_guest("db", 4);
  guest.replica_count = 2;
  guest.locality = Locality::Required;
  const auto refused = launch(state, admission, guest);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("replica"), std::string::npos) << refused.error().message;
  guest.replica_count = 3;
  EXPECT_TRUE(launch(state, admission, guest));
}

TEST(Admission, a_whole_rack_may_be_promised) {
  Farm farm;
  for (std::uint32_t h = 0; h < 6; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 16));
    farm.hosts.back().rack = "r" + std::to_string(h / 2);
  }
  State state = *State::make(farm);
  Admission admission(state, {.level = Level::Rack, .count = 1});
  int placed = 0;
  while (launch(state, admission, make_guest("g" + std::to_string(placed), 4))) ++placed;
  // Three racks of 32 GiB: at most two racks' worth of 4 GiB guests.
  EXPECT_EQ(placed, 16);
}

struct Trial {
  std::uint64_t seed;
  std::uint32_t count;
  Level level;
  bool replicas;
  bool rules;
};

class AdmissionProof : public ::testing::TestWithParam<Trial> {};

Farm random_farm(Random& random, const Trial& trial) {
  Farm farm;
  const auto hosts = static_cast<std::uint32_t>(random.between(3, 6));
  for (std::uint32_t h = 0; h < hosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), random.between(8, 16)));
    if (trial.level == Level::Rack) farm.hosts.back().rack = "r" + std::to_string(h / 2);
  }
  return farm;
}

Guest random_guest(Random& random, const Trial& trial, int number) {
  Guest guest = make_guest("g" + std::to_string(number), random.between(1, 7));
  guest.priority = static_cast<std::uint32_t>(random.below(3));
  guest.needs[Resource::Disk] = 5 * kGiB;
  if (trial.replicas && random.chance(2, 3)) {
    guest.replica_count = trial.count + 1;
    guest.locality = random.chance(2, 3) ? Locality::Required : Locality::Preferred;
  }
  return guest;
}

void add_random_rule(Random& random, const Trial& trial, State& state, GuestIndex a, GuestIndex b) {
  const bool apart = random.chance(2, 3);
  const bool racks = apart && trial.level == Level::Host && random.chance(1, 2);
  ASSERT_TRUE(state.add_rule({.name = "r" + std::to_string(a.value()),
                              .kind = apart ? RuleKind::KeepApart : RuleKind::KeepTogether,
                              .level = racks ? Level::Rack : Level::Host,
                              .guests = {a, b}}));
}

// Takes the failing units out of the oracle's farm; gives back the guests to restart.
std::vector<GuestIndex> fail_units(testing::Oracle& oracle, const State& state, Level level,
                                   const std::vector<std::uint32_t>& units,
                                   std::vector<HostIndex>& lost) {
  std::vector<GuestIndex> down;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    if (std::ranges::count(units, state.domain(level, HostIndex(h))) == 0) continue;
    lost.emplace_back(h);
    oracle.farm().hosts[h].state = HostState::Lost;
  }
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    auto& place = oracle.farm().guests[g].host;
    if (place && oracle.farm().hosts[place->value()].state == HostState::Lost) {
      place.reset();
      down.emplace_back(g);
    }
  }
  return down;
}

// Every accepted state has a plan for every failing set; every refusal is true.
void check_every_failing_set(State& state, Admission& admission, const Trial& trial) {
  const Verdict verdict = admission.prove();
  ASSERT_NE(verdict.proof, Proof::Unproven);
  bool all_packable = true;
  for (const auto& units : testing::all_sets(state.domain_count(trial.level), trial.count)) {
    testing::Oracle oracle(state.farm());
    std::vector<HostIndex> lost;
    const std::vector<GuestIndex> down = fail_units(oracle, state, trial.level, units, lost);
    if (verdict.proof == Proof::Proved) {
      const RecoveryPlan plan = admission.recover(lost, {.room_making = RoomMaking::Never});
      ASSERT_TRUE(plan.complete()) << "accepted, but a set fails";
      for (const Start& start : plan.starts) {
        oracle.farm().guests[start.guest.value()].host = start.host;
      }
      ASSERT_EQ(oracle.judge(down), "");
    } else if (down.size() <= 6) {
      all_packable &= oracle.packable(down);
    } else {
      return;  // too many for brute force
    }
  }
  if (verdict.proof == Proof::Refuted) EXPECT_FALSE(all_packable) << "refused without a reason";
}

TEST_P(AdmissionProof, holds_for_every_failing_set) {
  const Trial& trial = GetParam();
  for (std::uint64_t round = 0; round < 25; ++round) {
    Random random(trial.seed * 1000 + round);
    State state = *State::make(random_farm(random, trial));
    Admission admission(state, {.level = trial.level, .count = trial.count});
    int refused = 0;
    for (int g = 0; g < 24 && refused < 2; ++g) {
      const GuestIndex index = *state.add_guest(random_guest(random, trial, g));
      const GuestIndex partner(static_cast<std::uint32_t>(random.below(index.value() + 1ULL)));
      if (trial.rules && g % 3 == 2 && partner != index && state.present(partner)) {
        add_random_rule(random, trial, state, index, partner);
      }
      if (!admission.place(index)) {
        ++refused;
        admission.remove_guest(index);
      }
      ASSERT_EQ(admission.verdict().proof, Proof::Proved);
      if (random.chance(1, 8)) {
        const GuestIndex gone(static_cast<std::uint32_t>(random.below(state.guest_count())));
        if (state.present(gone)) admission.remove_guest(gone);
      }
    }
    state.check_invariants();
    check_every_failing_set(state, admission, trial);
    if (HasFatalFailure()) FAIL() << "seed " << trial.seed << " round " << round;
    // One guest too many: the refusal must be true as well.
    const GuestIndex extra = *state.add_guest(random_guest(random, trial, 99));
    if (!admission.place(extra, Force::Yes)) continue;
    check_every_failing_set(state, admission, trial);
    if (HasFatalFailure()) FAIL() << "seed " << trial.seed << " round " << round << " forced";
  }
}

INSTANTIATE_TEST_SUITE_P(
    small_farms, AdmissionProof,
    ::testing::Values(Trial{1, 1, Level::Host, false, false}, Trial{2, 1, Level::Host, true, false},
                      Trial{3, 1, Level::Host, true, true}, Trial{4, 2, Level::Host, false, false},
                      Trial{5, 2, Level::Host, true, true}, Trial{6, 3, Level::Host, false, true},
                      Trial{7, 1, Level::Rack, false, true}, Trial{8, 1, Level::Rack, true, true}),
    [](const auto& name) { return "trial" + std::to_string(name.param.seed); });

TEST(Admission, the_running_verdict_is_that_of_a_fresh_count) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    const Trial trial{seed, 1, Level::Host, seed % 2 == 0, false};
    State state = *State::make(random_farm(random, trial));
    Admission admission(state, {.count = 1});
    for (int step = 0; step < 60; ++step) {
      const auto pick = [&] {
        return GuestIndex(static_cast<std::uint32_t>(random.below(state.guest_count())));
      };
      if (state.guest_count() == 0 || random.chance(1, 2)) {
        const GuestIndex index = *state.add_guest(random_guest(random, trial, step));
        if (!admission.place(index, random.chance(1, 3) ? Force::Yes : Force::No)) {
          admission.remove_guest(index);
        }
      } else if (const GuestIndex guest = pick(); state.present(guest)) {
        if (random.chance(1, 2) && state.guest(guest).host) {
          Eligibility eligibility(state);
          eligibility.prepare(guest);
          const HostIndex to(static_cast<std::uint32_t>(random.below(state.host_count())));
          if (to != *state.guest(guest).host && eligibility.allows(to) &&
              eligibility.has_room(to)) {
            admission.apply({.guest = guest, .from = *state.guest(guest).host, .to = to});
          }
        } else {
          admission.remove_guest(guest);
        }
      }
      state.check_invariants();
      Admission fresh(state, {.count = 1});
      ASSERT_EQ(admission.verdict().proof, fresh.verdict().proof)
          << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace aloft::placement
