#include "placement/evacuate.h"

#include <gtest/gtest.h>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::kGiB;
using testing::make_guest;
using testing::make_host;
using testing::make_rule;

State farm_of(std::uint32_t hosts, std::int64_t memory_gib) {
  Farm farm;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), memory_gib));
  }
  return *State::make(std::move(farm));
}

TEST(Evacuate, every_guest_leaves_and_nothing_is_changed_yet) {
  State state = farm_of(3, 32);
  for (int g = 0; g < 4; ++g) {
    ASSERT_TRUE(state.add_guest(make_guest("g" + std::to_string(g), 8, 0)));
  }
  const std::vector<HostIndex> hosts = {HostIndex(0)};
  const EvacuationPlan plan = evacuate(state, hosts);
  EXPECT_TRUE(plan.complete());
  EXPECT_EQ(plan.moves.size(), 4U);
  EXPECT_EQ(state.guests_on(HostIndex(0)).size(), 4U);
  EXPECT_TRUE(state.up(HostIndex(0)));
  for (const Move& move : plan.moves) {
    EXPECT_NE(move.to, HostIndex(0));
    apply(state, move);
  }
  state.check_invariants();
}

TEST(Evacuate, guests_kept_together_leave_together) {
  State state = farm_of(3, 16);
  ASSERT_TRUE(state.add_guest(make_guest("a", 5, 0)));
  ASSERT_TRUE(state.add_guest(make_guest("b", 5, 0)));
  ASSERT_TRUE(state.add_guest(make_guest("c", 8, 1)));
  ASSERT_TRUE(state.add_rule(make_rule("pair", RuleKind::KeepTogether, {0, 1})));
  const std::vector<HostIndex> hosts = {HostIndex(0)};
  const EvacuationPlan plan = evacuate(state, hosts);
  ASSERT_EQ(plan.moves.size(), 2U);
  EXPECT_EQ(plan.moves[0].to, HostIndex(2));
  EXPECT_EQ(plan.moves[1].to, HostIndex(2));
}

TEST(Evacuate, what_finds_no_place_is_named_and_stays) {
  State state = farm_of(2, 16);
  ASSERT_TRUE(state.add_guest(make_guest("a", 10, 0)));
  ASSERT_TRUE(state.add_guest(make_guest("b", 10, 1)));
  Guest fixed = make_guest("fixed", 1, 0);
  fixed.movable = false;
  ASSERT_TRUE(state.add_guest(fixed));
  const std::vector<HostIndex> hosts = {HostIndex(0)};
  const EvacuationPlan plan = evacuate(state, hosts);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_EQ(plan.unplaced.size(), 2U);
}

TEST(Evacuate, mirrored_guests_go_to_their_replica_or_take_it_along) {
  State state = farm_of(4, 16);
  for (int g = 0; g < 2; ++g) {
    Guest guest = make_guest("g" + std::to_string(g), 10, 0);
    guest.needs[Resource::Disk] = 10 * kGiB;
    guest.replicas = {HostIndex(0), HostIndex(1)};
    guest.replica_count = 2;
    guest.locality = Locality::Required;
    ASSERT_TRUE(state.add_guest(guest) || g == 1);
  }
  const std::vector<HostIndex> hosts = {HostIndex(0)};
  const EvacuationPlan plan = evacuate(state, hosts, Leave::GuestsAndReplicas);
  EXPECT_TRUE(plan.complete());
  for (const Move& move : plan.moves) apply(state, move);
  state.check_invariants();
  EXPECT_TRUE(state.guests_on(HostIndex(0)).empty());
  EXPECT_TRUE(state.replicas_on(HostIndex(0)).empty());
}

TEST(Consolidate, empties_hosts_while_the_promise_stands) {
  State state = farm_of(6, 32);
  for (std::uint32_t h = 0; h < 6; ++h) {
    ASSERT_TRUE(state.add_guest(make_guest("g" + std::to_string(h), 8, h)));
  }
  const ConsolidationPlan plan = consolidate(state, {.count = 1}, 10);
  // 48 GiB on three hosts of 32 GiB can lose one, on two they cannot.
  EXPECT_EQ(plan.emptied.size(), 3U);
  state.check_invariants();
  for (std::uint32_t h = 0; h < 6; ++h) EXPECT_TRUE(state.up(HostIndex(h)));
  for (const Move& move : plan.moves) apply(state, move);
  for (HostIndex host : plan.emptied) {
    EXPECT_TRUE(state.guests_on(host).empty());
    state.set_host_state(host, HostState::Maintenance);
  }
  EXPECT_EQ(Admission(state, {.count = 1}).verdict().proof, Proof::Proved);
}

TEST(Replicas, missing_ones_are_put_into_other_racks) {
  Farm farm;
  for (std::uint32_t h = 0; h < 4; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 32));
    farm.hosts.back().rack = h < 2 ? "r0" : "r1";
  }
  farm.hosts[2].state = HostState::Lost;
  farm.guests.push_back(make_guest("db", 4, 0));
  farm.guests[0].needs[Resource::Disk] = 10 * kGiB;
  farm.guests[0].replicas = {HostIndex(0), HostIndex(2)};
  farm.guests[0].replica_count = 2;
  State state = *State::make(std::move(farm));
  const ReplicaPlan plan = repair_replicas(state);
  ASSERT_EQ(plan.moves.size(), 1U);
  EXPECT_EQ(plan.moves[0].add_replica, HostIndex(3));
  EXPECT_EQ(plan.moves[0].drop_replica, HostIndex(2));
  EXPECT_NE(explain(state, plan.moves[0]).find("replica h2 -> h3"), std::string::npos);
}

TEST(Replicas, a_guest_without_live_replica_is_left_alone) {
  Farm farm;
  farm.hosts = {make_host("h0", 32), make_host("h1", 32)};
  farm.hosts[0].state = HostState::Lost;
  farm.guests.push_back(make_guest("db", 4, 0));
  farm.guests[0].replicas = {HostIndex(0)};
  farm.guests[0].replica_count = 2;
  State state = *State::make(std::move(farm));
  const ReplicaPlan plan = repair_replicas(state);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_TRUE(plan.unplaced.empty());
}

TEST(Replicas, full_disks_are_evened_out_and_then_left_in_peace) {
  Farm farm;
  for (std::uint32_t h = 0; h < 4; ++h)
    farm.hosts.push_back(make_host("h" + std::to_string(h), 64));
  for (std::uint32_t g = 0; g < 8; ++g) {
    Guest guest = make_guest("g" + std::to_string(g), 1, 0);
    guest.needs[Resource::Disk] = 100 * kGiB;
    guest.replicas = {HostIndex(0), HostIndex(1)};
    guest.replica_count = 2;
    farm.guests.push_back(guest);
  }
  State state = *State::make(std::move(farm));
  const ReplicaPlan plan = even_out_replicas(state, 100);
  EXPECT_GE(plan.moves.size(), 4U);
  for (const Move& move : plan.moves) apply(state, move);
  state.check_invariants();
  EXPECT_TRUE(even_out_replicas(state, 100).moves.empty());
}

}  // namespace
}  // namespace aloft::placement
