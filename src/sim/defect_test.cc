// The simulation finds mistakes: each defect that can be switched on breaks a rule at a known seed.
#include <gtest/gtest.h>

#include "sim/sweep.h"

namespace aloft::sim {
namespace {

using controller::Defect;

struct Known {
  Defect defect;
  std::uint64_t seed;
};

constexpr Known kKnown[] = {
    {Defect::StartBeforeGrantRanOut, 4},     {Defect::RenewAfterAgreeing, 6},
    {Defect::ForgetAgreementAtRestart, 154}, {Defect::NoMargin, 98},
    {Defect::IgnoreOneGrantor, 123},         {Defect::ThawBeforeStoreAnswers, 1},
    {Defect::ExcludeWithoutStore, 3},        {Defect::PromoteStale, 2},
    {Defect::StartWithoutClearing, 4},       {Defect::SkipGenerationCompare, 52},
    {Defect::KeepRunningWhenMoved, 4},       {Defect::SilenceAloneIsLoss, 2},
    {Defect::TakeOverHeardOwner, 1},         {Defect::HandOverWhileRunning, 3},
    {Defect::FeedWatchdogAlways, 4},         {Defect::AssumePermissionAtRestart, 4},
    {Defect::NoRetryAfterConflict, 49},
};

// Many faults at a time, so that few seeds are enough.
FarmOptions dense() {
  FarmOptions options;
  options.guests = 20;
  options.faulty_time = std::chrono::minutes(6);
  options.fault_interval = std::chrono::seconds(6);
  return options;
}

TEST(Defects, each_breaks_a_rule_at_its_seed_and_nothing_breaks_without_it) {
  for (const Known& known : kKnown) {
    FarmOptions options = dense();
    options.defect = known.defect;
    EXPECT_TRUE(run_seed(known.seed, options).violation)
        << "defect " << static_cast<int>(known.defect) << " at seed " << known.seed;
    options.defect = Defect::None;
    EXPECT_FALSE(run_seed(known.seed, options).violation) << "seed " << known.seed;
  }
}

}  // namespace
}  // namespace aloft::sim
