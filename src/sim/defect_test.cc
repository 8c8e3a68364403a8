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
    {Defect::StartBeforeGrantRanOut, 1},
    {Defect::RenewAfterAgreeing, 50},
    {Defect::ForgetAgreementAtRestart, 152},
    {Defect::CountDeadlineFromAnswer, 203},
    {Defect::NoMargin, 72},
    {Defect::IgnoreOneGrantor, 2},
    {Defect::ThawBeforeStoreAnswers, 1},
    {Defect::ExcludeWithoutStore, 2},
    {Defect::PromoteStale, 3},
    {Defect::StartWithoutClearing, 1},
    {Defect::SkipGenerationCompare, 65},
    {Defect::AddGrantorBeforeAsking, 222},
    {Defect::KeepRunningWhenMoved, 24},
    {Defect::BmcSuccessClearsFences, 215},
    {Defect::SilenceAloneIsLoss, 1},
    {Defect::TakeOverHeardOwner, 3},
    {Defect::HandOverWhileRunning, 1},
    {Defect::FeedWatchdogAlways, 112},
    {Defect::AssumePermissionAtRestart, 1},
    {Defect::NoRetryAfterConflict, 14},
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
