#include "agent/health_table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace aloft::agent {

void HealthTable::begin(std::vector<CheckLimits> checks, Instant now) {
  checks_ = std::move(checks);
  states_.assign(checks_.size(), {});
  began_ = now;
  for (std::size_t i = 0; i < checks_.size(); ++i) states_[i].next = now + checks_[i].interval;
}

std::vector<std::size_t> HealthTable::take_due(Instant now) {
  std::vector<std::size_t> due;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].under_way || states_[i].next > now) continue;
    states_[i].under_way = true;
    due.push_back(i);
  }
  return due;
}

HealthTable::Turn HealthTable::answer(std::size_t check, bool good, std::string message,
                                      Instant now) {
  ALOFT_ASSERT(check < states_.size());
  const CheckLimits& limits = checks_[check];
  CheckState& state = states_[check];
  const CheckState before = state;
  state.under_way = false;
  state.next = now + limits.interval;
  state.message = std::move(message);
  Turn turn;
  if (good) {
    state.consecutive_failures = 0;
    ++state.consecutive_successes;
    state.ever_succeeded = true;
    if (state.consecutive_successes >= limits.successes) {
      turn.healthy = state.verdict != CheckState::Verdict::Healthy;
      state.verdict = CheckState::Verdict::Healthy;
    }
  } else if (state.ever_succeeded || now - began_ >= limits.start_period) {
    state.consecutive_successes = 0;
    ++state.consecutive_failures;
    if (state.consecutive_failures >= limits.failures) {
      turn.unhealthy = state.verdict != CheckState::Verdict::Unhealthy;
      turn.restart = turn.unhealthy && limits.restarts;
      state.verdict = CheckState::Verdict::Unhealthy;
    }
  } else {
    state.consecutive_successes = 0;
  }
  turn.changed =
      state.verdict != before.verdict || state.consecutive_failures != before.consecutive_failures;
  return turn;
}

std::optional<Instant> HealthTable::next_deadline() const {
  std::optional<Instant> next;
  for (const CheckState& state : states_) {
    if (state.under_way) continue;
    next = next ? std::min(*next, state.next) : state.next;
  }
  return next;
}

}  // namespace aloft::agent
