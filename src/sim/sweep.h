// Many seeds of a simulated farm, and the table of defects that they must find.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/farm.h"
#include "sim/farm_options.h"

namespace aloft::sim {

// One seed of a sweep: its swarm drawn from `base`.
[[nodiscard]] FarmResult run_seed(std::uint64_t seed, const FarmOptions& base);

// The same with a readable trace; the last lines lead to the violation.
struct Replay {
  FarmResult result;
  FarmOptions options;
  std::vector<std::string> trace;
};
[[nodiscard]] Replay replay_seed(std::uint64_t seed, const FarmOptions& base);

// Faults that are not needed for the first violation are left out, one after another, as long as
// the same rule is still broken: what is left is easier to read.
[[nodiscard]] FarmOptions shrink(std::uint64_t seed, const FarmOptions& base);

// The first of `seeds` seeds from 1 that breaks a rule with `defect` switched on.
[[nodiscard]] std::optional<std::uint64_t> seeds_until_found(controller::Defect defect,
                                                             std::uint64_t seeds,
                                                             const FarmOptions& base);

}  // namespace aloft::sim
