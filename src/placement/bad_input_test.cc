// What a farm should not ask for but will.
#include <gtest/gtest.h>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::make_guest;
using testing::make_host;
using testing::make_rule;

TEST(BadInput, a_hundred_thousand_rules_are_kept_and_cost_no_more_than_their_members) {
  Random random(1);
  Farm farm;
  constexpr std::uint32_t kHosts = 40;
  constexpr std::uint32_t kGuests = 400;
  for (std::uint32_t h = 0; h < kHosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 64));
  }
  // Guest g belongs to host g % 40: rules keep guests of different hosts apart.
  for (std::uint32_t g = 0; g < kGuests; ++g) {
    farm.guests.push_back(make_guest("g" + std::to_string(g), 1, g % kHosts));
  }
  while (farm.rules.size() < 100'000) {
    const auto a = static_cast<std::uint32_t>(random.below(kGuests));
    const auto b = static_cast<std::uint32_t>(random.below(kGuests));
    if (a % kHosts == b % kHosts) continue;
    farm.rules.push_back(
        make_rule("r" + std::to_string(farm.rules.size()), RuleKind::KeepApart, {a, b}));
  }
  ASSERT_TRUE(check_rules(farm));
  State state = *State::make(std::move(farm));
  const BalancePlan plan = balance(state, {.max_moves = 10});
  for (const Move& move : plan.moves) apply(state, move);
  EXPECT_EQ(testing::Oracle(state.farm()).judge({}), "");
  // Nearly every pair is kept apart: what is lost finds no host, and each says by which rule.
  const RecoveryPlan recovery = recover(state, std::vector{HostIndex(0)});
  for (const NoRoom& no_room : recovery.unplaced) {
    EXPECT_NE(explain(state, no_room).find("rule r"), std::string::npos);
  }
}

TEST(BadInput, contradicting_rules_bind_their_guests_and_nobody_else) {
  Farm farm;
  for (const char* name : {"h0", "h1", "h2"}) farm.hosts.push_back(make_host(name, 32));
  farm.guests = {make_guest("a", 4, 0), make_guest("b", 4, 0), make_guest("c", 4, 0)};
  farm.rules = {make_rule("pair", RuleKind::KeepTogether, {0, 1}),
                make_rule("apart", RuleKind::KeepApart, {0, 1})};
  State state = *State::make(farm);
  const RecoveryPlan plan = recover(state, std::vector{HostIndex(0)});
  EXPECT_EQ(plan.starts.size(), 2U);  // c, and the first of the two
  ASSERT_EQ(plan.unplaced.size(), 1U);
  EXPECT_NE(explain(state, plan.unplaced[0]).find("rule "), std::string::npos);
  for (const Move& move : balance(state, {}).moves) EXPECT_EQ(move.guest, GuestIndex(2));
}

TEST(BadInput, a_farm_without_hosts_or_guests_is_answered) {
  State empty = *State::make(Farm{});
  EXPECT_TRUE(balance(empty, {}).moves.empty());
  EXPECT_EQ(Admission(empty, {.count = 2}).prove().proof, Proof::Proved);
  Farm farm;
  farm.guests = {make_guest("a", 4)};
  State state = *State::make(farm);
  Admission admission(state, {.count = 1});
  const auto refused = admission.place(GuestIndex(0));
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("no hosts"), std::string::npos);
}

TEST(BadInput, hosts_of_zero_capacity_are_never_chosen_and_never_divide) {
  Farm farm;
  farm.hosts = {make_host("h0", 0, 0, 0), make_host("h1", 32), make_host("h2", 32)};
  for (std::uint32_t g = 0; g < 6; ++g) {
    farm.guests.push_back(make_guest("g" + std::to_string(g), 2, 1));
  }
  State state = *State::make(farm);
  const BalancePlan plan = balance(state, {});
  EXPECT_FALSE(plan.moves.empty());
  for (const Move& move : plan.moves) EXPECT_EQ(move.to, HostIndex(2));
  EXPECT_TRUE(even_out_replicas(state, 10).moves.empty());
}

TEST(BadInput, a_promise_for_more_losses_than_hosts_is_refused_not_searched_for_ever) {
  Farm farm;
  for (std::uint32_t h = 0; h < 60; ++h) farm.hosts.push_back(make_host(std::to_string(h), 32));
  farm.guests = {make_guest("a", 4)};
  State state = *State::make(farm);
  Admission admission(state, {.count = 100});
  const auto refused = admission.place(GuestIndex(0));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "placement.not_tolerated");
}

}  // namespace
}  // namespace aloft::placement
