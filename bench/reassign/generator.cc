#include <algorithm>
#include <set>

#include "base/random.h"
#include "instance.h"

namespace aloft::bench {
namespace {

constexpr std::size_t kResources = 4;
constexpr std::uint32_t kProcessesPerService = 6;

void add_machines(Random& random, const GeneratorOptions& options, Instance& instance) {
  const std::uint32_t locations = std::max(2U, options.machines / 10);
  const std::uint32_t neighbourhoods = std::max(2U, options.machines / 20);
  for (std::uint32_t m = 0; m < options.machines; ++m) {
    Machine machine;
    machine.location = static_cast<std::uint32_t>(random.below(locations));
    machine.neighbourhood = static_cast<std::uint32_t>(random.below(neighbourhoods));
    for (std::size_t r = 0; r < kResources; ++r) {
      const std::int64_t capacity = 50'000 * random.between(1, 4);
      machine.capacity.push_back(capacity);
      machine.safety.push_back(capacity * random.between(50, 80) / 100);
    }
    for (std::uint32_t other = 0; other < options.machines; ++other) {
      machine.move_cost.push_back(other == m ? 0 : static_cast<std::int32_t>(random.between(1, 9)));
    }
    instance.machines.push_back(std::move(machine));
  }
}

// A machine with room where no process of the service is; early machines are drawn more often.
std::uint32_t start_of(Random& random, Instance& instance,
                       std::vector<std::vector<std::int64_t>>& free, const Process& process,
                       const std::set<std::uint32_t>& taken) {
  const auto count = static_cast<std::uint32_t>(instance.machines.size());
  const auto first = static_cast<std::uint32_t>(std::min(random.below(count), random.below(count)));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t m = (first + i) % count;
    bool fits = !taken.contains(m);
    for (std::size_t r = 0; r < kResources; ++r) fits &= process.needs[r] <= free[m][r];
    if (fits) return m;
  }
  // No room anywhere: the machine grows, so that the start is feasible.
  for (std::size_t r = 0; r < kResources; ++r) {
    instance.machines[first].capacity[r] += process.needs[r];
    free[first][r] += process.needs[r];
  }
  std::uint32_t m = first;
  while (taken.contains(m)) m = (m + 1) % count;
  if (m == first) return m;
  for (std::size_t r = 0; r < kResources; ++r) {
    instance.machines[m].capacity[r] += process.needs[r];
    free[m][r] += process.needs[r];
  }
  return m;
}

// Dependencies that the start fulfils.
void add_dependencies(Random& random, Instance& instance, const Assignment& start) {
  const std::size_t count = instance.services.size();
  std::vector<std::set<std::uint32_t>> places(count);
  for (std::size_t p = 0; p < start.size(); ++p) {
    places[instance.processes[p].service].insert(instance.machines[start[p]].neighbourhood);
  }
  for (std::uint32_t s = 0; s < count; ++s) {
    for (int tries = 0; tries < 4; ++tries) {
      const auto other = static_cast<std::uint32_t>(random.below(count));
      std::vector<std::uint32_t>& list = instance.services[s].depends_on;
      if (other == s || std::ranges::find(list, other) != list.end()) continue;
      if (std::ranges::includes(places[other], places[s])) list.push_back(other);
    }
  }
}

}  // namespace

Instance generate(const GeneratorOptions& options, Assignment& start) {
  Random random(options.seed);
  Instance instance;
  for (std::size_t r = 0; r < kResources; ++r) {
    instance.resources.push_back({.transient = r == 1, .weight = random.between(1, 10) * 10});
  }
  add_machines(random, options, instance);
  std::vector<std::vector<std::int64_t>> free;
  for (const Machine& machine : instance.machines) free.push_back(machine.capacity);
  start.clear();
  const std::int64_t share =
      std::max<std::int64_t>(1, 2 * 75'000LL * options.machines / std::max(options.processes, 1U));
  while (instance.processes.size() < options.processes) {
    const auto service = static_cast<std::uint32_t>(instance.services.size());
    const std::uint64_t most = std::min<std::uint64_t>(
        {2 * kProcessesPerService, options.machines, options.processes - start.size()});
    const std::uint64_t size = 1 + random.below(most);
    std::set<std::uint32_t> taken;
    std::set<std::uint32_t> locations;
    for (std::uint64_t i = 0; i < size; ++i) {
      Process process{.service = service, .needs = {}, .move_cost = random.between(1, 100)};
      for (std::size_t r = 0; r < kResources; ++r)
        process.needs.push_back(random.between(1, share));
      const std::uint32_t m = start_of(random, instance, free, process, taken);
      for (std::size_t r = 0; r < kResources; ++r) free[m][r] -= process.needs[r];
      taken.insert(m);
      locations.insert(instance.machines[m].location);
      instance.processes.push_back(std::move(process));
      start.push_back(m);
    }
    Service made;
    made.spread = static_cast<std::uint32_t>(random.below(locations.size() + 1));
    instance.services.push_back(made);
  }
  add_dependencies(random, instance, start);
  instance.balances = {{.first = 0, .second = 1, .target = 1, .weight = 10},
                       {.first = 2, .second = 3, .target = 2, .weight = 5}};
  instance.process_weight = 1;
  instance.service_weight = 10;
  instance.machine_weight = 100;
  return instance;
}

}  // namespace aloft::bench
