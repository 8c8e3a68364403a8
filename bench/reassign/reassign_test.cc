#include <gtest/gtest.h>

#include "instance.h"

namespace aloft::bench {
namespace {

// Two resources (the first transient), two machines, one service of one process, one of two.
constexpr std::string_view kModel =
    "2\n1 100\n0 10\n"
    "2\n0 0 30 400 16 80 0 1\n0 1 10 240 8 160 1 0\n"
    "2\n1 0\n1 1 0\n"
    "3\n0 12 10 1000\n1 10 20 100\n1 6 200 1\n"
    "1\n0 1 20\n10\n"
    "1 10 100\n";

TEST(Reassign, the_model_is_read_and_written_back) {
  const auto instance = read_model(kModel);
  ASSERT_TRUE(instance.has_value()) << instance.error().message;
  EXPECT_EQ(instance->machines.size(), 2U);
  EXPECT_EQ(instance->services[1].depends_on, std::vector<std::uint32_t>{0});
  EXPECT_EQ(instance->balances[0].weight, 10);
  const auto again = read_model(write_model(*instance));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(write_model(*again), write_model(*instance));
}

TEST(Reassign, the_checker_counts_each_cost_by_its_definition) {
  const auto instance = *read_model(kModel);
  const Assignment start = {0, 0, 1};
  // Machine 0 uses 22 and 30: load 100*(22-16)=600; balance 10*max(0, 20*8 - 370)=0.
  // Machine 1 uses 6 and 200: load 10*(200-160)=400; balance 10*(20*4 - 40)=400.
  EXPECT_EQ(*check(instance, start, start), 1400);
  // Process 1 to machine 1 beside its brother is a conflict.
  EXPECT_FALSE(check(instance, start, {0, 1, 1}).has_value());
  // Both processes of service 1 change places: 1 needs 10 on machine 1, of which 6 stay behind.
  EXPECT_EQ(check(instance, start, {0, 1, 0}).error().reason, "reassign.infeasible");
}

TEST(Reassign, errors_name_the_line) {
  EXPECT_NE(read_model("2\n1 100\n0 x\n").error().message.find("line 3"), std::string::npos);
  EXPECT_FALSE(read_model("").has_value());
  EXPECT_FALSE(read_model(std::string(kModel) + " 7").has_value());
  const auto instance = *read_model(kModel);
  EXPECT_FALSE(read_assignment(instance, "0 0").has_value());
  EXPECT_FALSE(read_assignment(instance, "0 0 2").has_value());
  EXPECT_FALSE(read_assignment(instance, "0 0 -1").has_value());
  for (std::size_t cut = 0; cut + 3 < kModel.size(); ++cut) {
    EXPECT_FALSE(read_model(kModel.substr(0, cut)).has_value()) << cut;
  }
}

TEST(Reassign, the_search_lowers_the_cost_and_stays_feasible) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    Assignment start;
    const Instance instance = generate({.machines = 30, .processes = 300, .seed = seed}, start);
    const auto before = check(instance, start, start);
    ASSERT_TRUE(before.has_value()) << before.error().message;
    const Assignment found =
        improve(instance, start, {.seconds = 600, .seed = seed, .max_steps = 60'000});
    const auto after = check(instance, start, found);
    ASSERT_TRUE(after.has_value()) << after.error().message;
    EXPECT_LT(*after, *before);
  }
}

}  // namespace
}  // namespace aloft::bench
