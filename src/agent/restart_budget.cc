#include "agent/restart_budget.h"

#include <algorithm>

namespace aloft::agent {

std::optional<Duration> RestartBudget::spend(const RestartLimits& limits, Instant now) {
  while (!spent_.empty() && now - spent_.front() >= limits.window) spent_.pop_front();
  if (spent_.size() >= limits.tries) return std::nullopt;
  Duration wait = std::min(limits.backoff_initial, limits.backoff_max);
  for (std::size_t i = 0; i < spent_.size() && wait < limits.backoff_max; ++i) {
    wait = wait > limits.backoff_max / 2 ? limits.backoff_max : wait * 2;
  }
  spent_.push_back(now);
  return wait;
}

}  // namespace aloft::agent
