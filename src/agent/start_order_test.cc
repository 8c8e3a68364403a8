#include "agent/start_order.h"

#include <gtest/gtest.h>

#include "agent/restart_budget.h"

namespace aloft::agent {
namespace {

StartCandidate wanting(std::uint32_t priority, std::vector<std::string> needs = {}) {
  return {.priority = priority, .depends_on = std::move(needs), .wants_start = true, .why_not = {}};
}
StartCandidate up() {
  return {.depends_on = {}, .running = true, .why_not = {}};
}

using Names = std::vector<std::string>;

TEST(StartOrder, starts_the_higher_priority_first_and_names_in_order) {
  const auto decided = decide_starts({{"a", wanting(1)}, {"b", wanting(9)}, {"c", wanting(1)}}, 2);
  EXPECT_EQ(decided.start, (Names{"b", "a"}));
  EXPECT_EQ(decided.held.at("c").reason, "guest.waits_for_turn");
}

TEST(StartOrder, counts_starts_under_way) {
  auto starting = wanting(5);
  starting.wants_start = false;
  starting.starting = true;
  EXPECT_EQ(decide_starts({{"a", starting}, {"b", wanting(0)}}, 1).start, Names{});
}

TEST(StartOrder, waits_for_what_a_guest_depends_on) {
  const auto decided = decide_starts({{"db", wanting(0)}, {"web", wanting(9, {"db"})}}, 4);
  EXPECT_EQ(decided.start, Names{"db"});
  EXPECT_EQ(decided.held.at("web").reason, "guest.waits_for_dependency");
  EXPECT_EQ(decide_starts({{"db", up()}, {"web", wanting(9, {"db"})}}, 4).start, Names{"web"});
}

TEST(StartOrder, lends_a_dependency_the_urgency_of_who_waits_for_it) {
  const auto decided =
      decide_starts({{"db", wanting(0)}, {"other", wanting(5)}, {"web", wanting(9, {"db"})}}, 1);
  EXPECT_EQ(decided.start, Names{"db"});
}

TEST(StartOrder, tells_a_missing_a_stopped_and_a_circular_dependency) {
  auto stopped = StartCandidate{.depends_on = {}, .why_not = "stopped"};
  const auto decided = decide_starts({{"a", wanting(0, {"none"})},
                                      {"b", wanting(0, {"s"})},
                                      {"s", stopped},
                                      {"x", wanting(0, {"y"})},
                                      {"y", wanting(0, {"z"})},
                                      {"z", wanting(0, {"x"})},
                                      {"self", wanting(0, {"self"})}},
                                     9);
  EXPECT_EQ(decided.start, Names{});
  EXPECT_EQ(decided.held.at("a").reason, "guest.dependency_missing");
  EXPECT_EQ(decided.held.at("b").message, "waits for guest s, which is stopped");
  EXPECT_NE(decided.held.at("x").message.find("x -> y -> z -> x"), std::string::npos);
  EXPECT_NE(decided.held.at("self").message.find("self -> self"), std::string::npos);
}

TEST(RestartBudget, doubles_its_waits_up_to_the_maximum_and_slides) {
  RestartBudget budget;
  const RestartLimits limits{.tries = 4, .window = 60s, .backoff_initial = 1s, .backoff_max = 3s};
  const Instant start{1h};
  EXPECT_EQ(budget.spend(limits, start), Duration(1s));
  EXPECT_EQ(budget.spend(limits, start), Duration(2s));
  EXPECT_EQ(budget.spend(limits, start), Duration(3s));
  EXPECT_EQ(budget.spend(limits, start), Duration(3s));
  EXPECT_EQ(budget.spend(limits, start + 59s), std::nullopt);
  EXPECT_EQ(budget.spend(limits, start + 60s), Duration(1s));
}

}  // namespace
}  // namespace aloft::agent
