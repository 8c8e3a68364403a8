#include "placement/recover.h"

#include <gtest/gtest.h>

#include <map>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::kGiB;
using testing::make_guest;
using testing::make_host;
using testing::make_rule;

RecoveryPlan plan_for(const Farm& farm, std::vector<HostIndex> lost, RecoveryOptions options = {}) {
  auto state = State::make(farm);
  EXPECT_TRUE(state.has_value());
  const RecoveryPlan plan = recover(*state, lost, options);
  state->check_invariants();
  for (std::size_t g = 0; g < farm.guests.size(); ++g) {
    EXPECT_EQ(state->farm().guests[g].host, farm.guests[g].host);
  }
  for (std::size_t h = 0; h < farm.hosts.size(); ++h) {
    EXPECT_EQ(state->farm().hosts[h].state, farm.hosts[h].state);
  }
  return plan;
}

TEST(Recover, guests_of_a_lost_host_start_elsewhere) {
  Farm farm;
  for (const char* name : {"h0", "h1", "h2"}) farm.hosts.push_back(make_host(name, 32));
  farm.guests = {make_guest("a", 8, 0), make_guest("b", 8, 0), make_guest("c", 8, 1)};
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0)});
  ASSERT_TRUE(plan.complete());
  EXPECT_EQ(plan.starts.size(), 2U);
  EXPECT_TRUE(plan.moves.empty());
  for (const Start& start : plan.starts) EXPECT_NE(start.host, HostIndex(0));
}

TEST(Recover, higher_priority_is_served_first_when_room_is_short) {
  Farm farm;
  farm.hosts = {make_host("h0", 64), make_host("h1", 16)};
  farm.guests = {make_guest("low", 8, 0), make_guest("high", 12, 0)};
  farm.guests[1].priority = 10;
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0)});
  ASSERT_EQ(plan.starts.size(), 1U);
  EXPECT_EQ(plan.starts[0].guest, GuestIndex(1));
  ASSERT_EQ(plan.unplaced.size(), 1U);
  const auto state = State::make(farm);
  EXPECT_EQ(explain(*state, plan.unplaced[0]),
            "low (8 GiB of memory) finds no room; largest gap 4 GiB on h1");
}

TEST(Recover, packs_tightly_when_spreading_leaves_a_large_guest_out) {
  Farm farm;
  farm.hosts = {make_host("h0", 64), make_host("h1", 10), make_host("h2", 10)};
  // Spread by priority: the two small ones take a host each, the large one finds no room.
  farm.guests = {make_guest("s1", 4, 0), make_guest("s2", 4, 0), make_guest("large", 10, 0)};
  farm.guests[0].priority = farm.guests[1].priority = 5;
  EXPECT_TRUE(plan_for(farm, {HostIndex(0)}, {.room_making = RoomMaking::Never}).complete());
}

TEST(Recover, moves_running_guests_to_make_room) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 16), make_host("h2", 16)};
  farm.guests = {make_guest("big", 14, 0), make_guest("b", 6, 1), make_guest("c", 6, 2)};
  EXPECT_FALSE(plan_for(farm, {HostIndex(0)}, {.room_making = RoomMaking::Never}).complete());
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0)});
  ASSERT_TRUE(plan.complete());
  ASSERT_EQ(plan.moves.size(), 1U);
  EXPECT_EQ(plan.moves[0].purpose, Purpose::MakeRoom);
  EXPECT_EQ(plan.moves[0].from, plan.starts[0].host);
  EXPECT_TRUE(plan.starts[0].needs_moves);
}

TEST(Recover, never_moves_what_is_not_movable) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 16), make_host("h2", 16)};
  farm.guests = {make_guest("big", 14, 0), make_guest("b", 6, 1), make_guest("c", 6, 2)};
  farm.guests[1].movable = farm.guests[2].movable = false;
  EXPECT_FALSE(plan_for(farm, {HostIndex(0)}).complete());
}

TEST(Recover, boots_are_spread_and_come_in_waves) {
  Farm farm;
  farm.hosts = {make_host("h0", 256), make_host("h1", 256), make_host("h2", 64),
                make_host("h3", 64)};
  for (int g = 0; g < 12; ++g) farm.guests.push_back(make_guest("g" + std::to_string(g), 1, 0));
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0)}, {.starts_at_once = 2});
  std::map<HostIndex, int> boots;
  std::map<std::pair<HostIndex, std::uint32_t>, int> waves;
  for (const Start& start : plan.starts) {
    ++boots[start.host];
    ++waves[{start.host, start.wave}];
  }
  for (const auto& [host, count] : boots) EXPECT_LE(count, 6);
  for (const auto& [wave, count] : waves) EXPECT_LE(count, 2);
}

TEST(Recover, a_guest_without_live_replica_is_named) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 32), make_host("h2", 32)};
  farm.guests = {make_guest("db", 4, 0)};
  farm.guests[0].replicas = {HostIndex(0), HostIndex(1)};
  farm.guests[0].locality = Locality::Required;
  EXPECT_EQ(plan_for(farm, {HostIndex(0)}).starts[0].host, HostIndex(1));
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0), HostIndex(1), HostIndex(1)});
  ASSERT_EQ(plan.unplaced.size(), 1U);
  const auto state = State::make(farm);
  EXPECT_NE(explain(*state, plan.unplaced[0]).find("replica"), std::string::npos);
}

TEST(Recover, guests_that_cannot_restart_are_left_alone) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 32)};
  farm.guests = {make_guest("local", 4, 0)};
  farm.guests[0].restartable = false;
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0)});
  EXPECT_TRUE(plan.starts.empty());
  EXPECT_TRUE(plan.unplaced.empty());
}

TEST(Recover, a_farm_that_is_all_lost_gives_no_starts) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 32)};
  farm.guests = {make_guest("a", 4, 0), make_guest("b", 4, 1)};
  const RecoveryPlan plan = plan_for(farm, {HostIndex(0), HostIndex(1)});
  EXPECT_EQ(plan.unplaced.size(), 2U);
}

// Random farms with rules, replicas and priorities; the oracle recounts every plan.
TEST(Recover, no_plan_breaks_a_rule_or_overdraws_a_host) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    Farm farm;
    const auto hosts = static_cast<std::uint32_t>(random.between(2, 7));
    for (std::uint32_t h = 0; h < hosts; ++h) {
      farm.hosts.push_back(make_host("h" + std::to_string(h), random.between(8, 40)));
      farm.hosts.back().rack = "r" + std::to_string(h / 2);
    }
    auto state = *State::make(farm);
    for (int g = 0; g < 14; ++g) {
      Guest guest = make_guest("g" + std::to_string(g), random.between(1, 9));
      guest.priority = static_cast<std::uint32_t>(random.below(3));
      guest.needs[Resource::Disk] = 10 * kGiB;
      guest.movable = random.chance(4, 5);
      const GuestIndex index = *state.add_guest(guest);
      if (g % 5 == 4) {
        const auto kind = random.chance(1, 2) ? RuleKind::KeepApart : RuleKind::KeepTogether;
        ASSERT_TRUE(state.add_rule({.name = "r" + std::to_string(g),
                                    .kind = kind,
                                    .level = random.chance(1, 3) ? Level::Rack : Level::Host,
                                    .guests = {index, GuestIndex(index.value() - 1)}}));
      }
      Admission admission(state, {.count = 0});
      static_cast<void>(admission.place(index));
    }
    std::vector<HostIndex> lost = {HostIndex(static_cast<std::uint32_t>(random.below(hosts)))};
    if (random.chance(1, 2)) lost.emplace_back(static_cast<std::uint32_t>(random.below(hosts)));
    const RecoveryPlan plan = recover(state, lost);
    state.check_invariants();
    testing::Oracle oracle(state.farm());
    if (!oracle.judge({}).empty()) continue;  // together-rules came after their guests
    std::vector<GuestIndex> newly;
    for (HostIndex host : lost) oracle.farm().hosts[host.value()].state = HostState::Lost;
    for (Guest& guest : oracle.farm().guests) {
      if (guest.host && oracle.farm().hosts[guest.host->value()].state == HostState::Lost) {
        guest.host.reset();
      }
    }
    for (const Move& move : plan.moves) {
      Guest& guest = oracle.farm().guests[move.guest.value()];
      ASSERT_EQ(guest.host, move.from);
      guest.host = move.to;
      newly.push_back(move.guest);
      ASSERT_EQ(oracle.judge(newly), "") << "round " << round;
    }
    for (const Start& start : plan.starts) {
      oracle.farm().guests[start.guest.value()].host = start.host;
      newly.push_back(start.guest);
    }
    ASSERT_EQ(oracle.judge(newly), "") << "round " << round;
  }
}

}  // namespace
}  // namespace aloft::placement
