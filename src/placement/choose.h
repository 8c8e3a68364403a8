// The scan that every planner shares: the best host for a prepared guest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "placement/eligibility.h"
#include "placement/state.h"

namespace aloft::placement {

struct Scan {
  std::uint32_t first = 0;        // where to begin, so that cheap scans spread
  std::size_t enough = SIZE_MAX;  // stop after that many hosts that fit
};

// The host of the lowest `score(host)` among those that `accept(host)`, the first one on a tie.
template <class Accept, class Score>
[[nodiscard]] std::optional<Choice> best_host(const State& state, const Eligibility& eligibility,
                                              Scan scan, Accept accept, Score score) {
  std::optional<Choice> best;
  std::size_t found = 0;
  const auto look = [&](HostIndex host) {
    if (!accept(host) || !eligibility.allows(host)) return;
    ++found;
    const double value = score(host);
    if (!best || value < best->score) best = Choice{host, value};
  };
  if (!eligibility.shortlist().empty()) {
    for (HostIndex host : eligibility.shortlist()) look(host);
    return best;
  }
  const std::uint32_t count = state.host_count();
  for (std::uint32_t i = 0; i < count && found < scan.enough; ++i) {
    const std::uint32_t at = scan.first + i;
    look(HostIndex(at < count ? at : at - count));
  }
  return best;
}

}  // namespace aloft::placement
