#include "sim/sweep.h"

namespace aloft::sim {

FarmResult run_seed(std::uint64_t seed, const FarmOptions& base) {
  Farm farm(swarm_options(seed, base));
  return farm.run();
}

Replay replay_seed(std::uint64_t seed, const FarmOptions& base) {
  Replay replay;
  replay.options = swarm_options(seed, base);
  replay.options.record = true;
  Farm farm(replay.options);
  replay.result = farm.run();
  replay.trace = farm.trace();
  return replay;
}

FarmOptions shrink(std::uint64_t seed, const FarmOptions& base) {
  FarmOptions best = swarm_options(seed, base);
  const auto rule_of = [](const FarmOptions& options) {
    Farm farm(options);
    const FarmResult result = farm.run();
    return result.violation ? result.violation->rule : std::string();
  };
  const std::string rule = rule_of(best);
  if (rule.empty()) return best;
  for (const FaultName& name : kFaults) {
    FarmOptions less = best;
    less.faults &= ~bit(name.fault);
    if (less.faults == 0 || less.faults == best.faults) continue;
    if (rule_of(less) == rule) best = less;
  }
  return best;
}

std::optional<std::uint64_t> seeds_until_found(controller::Defect defect, std::uint64_t seeds,
                                               const FarmOptions& base) {
  FarmOptions options = base;
  options.defect = defect;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    if (run_seed(seed, options).violation) return seed;
  }
  return std::nullopt;
}

}  // namespace aloft::sim
