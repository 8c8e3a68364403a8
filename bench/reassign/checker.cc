#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "instance.h"

namespace aloft::bench {
namespace {

std::unexpected<Error> broken(std::string what) {
  return fail(Code::FailedPrecondition, "reassign.infeasible", std::move(what));
}

using Usage = std::vector<std::vector<std::int64_t>>;  // by machine, resource

Usage usage_of(const Instance& instance, const Assignment& now) {
  Usage usage(instance.machines.size(), std::vector<std::int64_t>(instance.resources.size()));
  for (std::size_t p = 0; p < now.size(); ++p) {
    for (std::size_t r = 0; r < instance.resources.size(); ++r) {
      usage[now[p]][r] += instance.processes[p].needs[r];
    }
  }
  return usage;
}

Result<void> check_capacity(const Instance& instance, const Assignment& start,
                            const Assignment& now) {
  Usage usage = usage_of(instance, now);
  for (std::size_t p = 0; p < now.size(); ++p) {
    if (now[p] == start[p]) continue;
    for (std::size_t r = 0; r < instance.resources.size(); ++r) {
      if (instance.resources[r].transient) usage[start[p]][r] += instance.processes[p].needs[r];
    }
  }
  for (std::size_t m = 0; m < usage.size(); ++m) {
    for (std::size_t r = 0; r < instance.resources.size(); ++r) {
      if (usage[m][r] > instance.machines[m].capacity[r]) {
        return broken(fmt::format("machine {} uses {} of resource {}, it has {}", m, usage[m][r], r,
                                  instance.machines[m].capacity[r]));
      }
    }
  }
  return {};
}

Result<void> check_services(const Instance& instance, const Assignment& now) {
  const std::size_t count = instance.services.size();
  std::vector<std::set<std::uint32_t>> machines(count);
  std::vector<std::set<std::uint32_t>> locations(count);
  std::vector<std::set<std::uint32_t>> neighbourhoods(count);
  for (std::size_t p = 0; p < now.size(); ++p) {
    const std::uint32_t service = instance.processes[p].service;
    if (!machines[service].insert(now[p]).second) {
      return broken(fmt::format("two processes of service {} are on machine {}", service, now[p]));
    }
    locations[service].insert(instance.machines[now[p]].location);
    neighbourhoods[service].insert(instance.machines[now[p]].neighbourhood);
  }
  for (std::size_t s = 0; s < count; ++s) {
    if (locations[s].size() < instance.services[s].spread) {
      return broken(fmt::format("service {} is in {} locations, it needs {}", s,
                                locations[s].size(), instance.services[s].spread));
    }
    for (std::uint32_t other : instance.services[s].depends_on) {
      for (std::uint32_t place : neighbourhoods[s]) {
        if (neighbourhoods[other].contains(place)) continue;
        return broken(
            fmt::format("service {} needs service {} in neighbourhood {}", s, other, place));
      }
    }
  }
  return {};
}

}  // namespace

Result<std::int64_t> check(const Instance& instance, const Assignment& start,
                           const Assignment& now) {
  ALOFT_TRY(check_capacity(instance, start, now));
  ALOFT_TRY(check_services(instance, now));
  const Usage usage = usage_of(instance, now);
  std::int64_t cost = 0;
  for (std::size_t m = 0; m < usage.size(); ++m) {
    const Machine& machine = instance.machines[m];
    for (std::size_t r = 0; r < instance.resources.size(); ++r) {
      cost +=
          instance.resources[r].weight * std::max<std::int64_t>(0, usage[m][r] - machine.safety[r]);
    }
    for (const BalanceCost& balance : instance.balances) {
      const std::int64_t first = machine.capacity[balance.first] - usage[m][balance.first];
      const std::int64_t second = machine.capacity[balance.second] - usage[m][balance.second];
      cost += balance.weight * std::max<std::int64_t>(0, balance.target * first - second);
    }
  }
  std::map<std::uint32_t, std::int64_t> moved;
  std::int64_t most = 0;
  for (std::size_t p = 0; p < now.size(); ++p) {
    if (now[p] == start[p]) continue;
    cost += instance.process_weight * instance.processes[p].move_cost;
    cost += instance.machine_weight * instance.machines[start[p]].move_cost[now[p]];
    most = std::max(most, ++moved[instance.processes[p].service]);
  }
  return cost + instance.service_weight * most;
}

}  // namespace aloft::bench
