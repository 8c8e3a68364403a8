#include "placement/balancer.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace aloft::placement {
namespace {

Load measured(const State& state, GuestIndex guest) {
  return state.guest(guest).load.value_or(Load{});
}

double share(double amount, double capacity) {
  return capacity > 0 ? amount / capacity : 0;
}

}  // namespace

void Balancer::meet(const State& state) {
  guests_.resize(state.guest_count());
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    if (guests_[g].seen) continue;
    guests_[g].seen = true;
    guests_[g].reference = measured(state, GuestIndex(g));
  }
}

bool Balancer::loads_changed(const State& state, HostIndex host) const {
  double cpu = 0;
  double memory = 0;
  double disk = 0;
  double network = 0;
  for (GuestIndex guest : state.guests_on(host)) {
    const Load now = measured(state, guest);
    const Load& then = guests_[guest.value()].reference;
    cpu += std::abs(now.cpu - then.cpu);
    memory += std::abs(now.memory - then.memory);
    disk += std::abs(now.disk - then.disk);
    network += std::abs(now.network - then.network);
  }
  const Amounts& capacity = state.host(host).capacity;
  const auto of = [&](Resource resource) { return static_cast<double>(capacity[resource]); };
  return std::max({share(cpu, of(Resource::Cpu)), share(memory, of(Resource::Memory)),
                   share(disk, state.host(host).disk_bandwidth),
                   share(network, of(Resource::Network))}) > steadiness_.change_band;
}

bool Balancer::may_move(const State& state, GuestIndex guest) const {
  const Memory& memory = guests_[guest.value()];
  if (!memory.has_moved) return true;
  const auto& host = state.guest(guest).host;
  return now_ - memory.moved_at >= steadiness_.cool_down && host && changed_[host->value()];
}

void Balancer::settle(const State& state, HostIndex host) {
  for (GuestIndex guest : state.guests_on(host)) {
    guests_[guest.value()].reference = measured(state, guest);
  }
}

BalancePlan Balancer::round(State& state, Instant now, Admission* admission) {
  now_ = std::max(now_, now);
  meet(state);
  changed_.assign(state.host_count(), false);
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    changed_[h] = loads_changed(state, HostIndex(h));
  }
  std::vector<bool> pinned(state.guest_count());
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    pinned[g] = state.present(GuestIndex(g)) && !may_move(state, GuestIndex(g));
  }
  BalanceOptions options = options_;
  options.pinned = [&](GuestIndex guest) {
    return pinned[guest.value()] || (options_.pinned && options_.pinned(guest));
  };
  BalancePlan plan = balance(state, options, admission);
  std::set<HostIndex> asked;
  for (const Move& move : plan.moves) asked.insert(move.from);
  std::erase_if(asking_, [&](const auto& entry) { return !asked.contains(entry.first); });
  bool held = false;
  for (HostIndex host : asked) held |= ++asking_[host] < steadiness_.hold_rounds;
  if (!held || plan.moves.empty()) return plan;
  // Moves of hosts that have asked long enough, planned without the others.
  options.pinned = [&](GuestIndex guest) {
    const auto& host = state.guest(guest).host;
    const bool waits =
        !host || !asking_.contains(*host) || asking_.at(*host) < steadiness_.hold_rounds;
    return waits || pinned[guest.value()] || (options_.pinned && options_.pinned(guest));
  };
  return balance(state, options, admission);
}

void Balancer::moved(const State& state, const Move& move) {
  meet(state);
  Memory& memory = guests_[move.guest.value()];
  memory.has_moved = true;
  memory.moved_at = now_;
  settle(state, move.from);
  settle(state, move.to);
}

}  // namespace aloft::placement
