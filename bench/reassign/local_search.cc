// Late-acceptance search over shifts and swaps: a step is taken when the cost is no higher than it
// was some thousand steps ago, which lets the search leave local optima without a temperature.
#include <algorithm>
#include <chrono>
#include <vector>

#include "base/random.h"
#include "instance.h"

namespace aloft::bench {
namespace {

constexpr std::size_t kHistory = 20'000;
constexpr std::uint64_t kStepsPerClock = 1'024;

class Search {
 public:
  Search(const Instance& instance, const Assignment& start, std::uint64_t seed)
      : instance_(instance),
        start_(start),
        now_(start),
        random_(seed),
        resources_(instance.resources.size()),
        usage_(instance.machines.size() * resources_),
        left_behind_(usage_.size()),
        machine_cost_(instance.machines.size()),
        on_machine_(instance.services.size() * instance.machines.size()),
        moved_(instance.services.size()),
        users_(instance.services.size()) {
    for (const Machine& machine : instance.machines) {
      locations_ = std::max(locations_, std::size_t{machine.location} + 1);
      neighbourhoods_ = std::max(neighbourhoods_, std::size_t{machine.neighbourhood} + 1);
    }
    in_location_.resize(instance.services.size() * locations_);
    spread_.resize(instance.services.size());
    in_neighbourhood_.resize(instance.services.size() * neighbourhoods_);
    moved_counts_.resize(instance.processes.size() + 1);
    moved_counts_[0] = static_cast<std::uint32_t>(instance.services.size());
    for (std::uint32_t s = 0; s < instance.services.size(); ++s) {
      for (std::uint32_t other : instance.services[s].depends_on) users_[other].push_back(s);
    }
    for (std::uint32_t m = 0; m < instance.machines.size(); ++m) refresh_cost(m);
    for (std::uint32_t p = 0; p < start.size(); ++p) attach(p, start[p]);
  }

  Assignment run(const SearchOptions& options);

 private:
  [[nodiscard]] const Process& process(std::uint32_t p) const { return instance_.processes[p]; }
  void refresh_cost(std::uint32_t m);
  void count_moved(std::uint32_t service, int change);
  void attach(std::uint32_t p, std::uint32_t m);
  void detach(std::uint32_t p);
  [[nodiscard]] bool has_room(std::uint32_t p, std::uint32_t m) const;
  [[nodiscard]] bool fits(std::uint32_t m) const;
  [[nodiscard]] bool sound(std::uint32_t service, std::uint32_t left, std::uint32_t entered) const;
  [[nodiscard]] std::int64_t cost() const {
    return sum_ + instance_.service_weight * static_cast<std::int64_t>(most_moved_);
  }
  bool shift(std::uint32_t p, std::uint32_t to, std::int64_t limit);
  bool swap(std::uint32_t p, std::uint32_t q, std::int64_t limit);

  const Instance& instance_;
  const Assignment& start_;
  Assignment now_;
  Random random_;
  std::size_t resources_;
  std::vector<std::int64_t> usage_;        // by machine, resource
  std::vector<std::int64_t> left_behind_;  // of transient resources, by processes that have moved
  std::vector<std::int64_t> machine_cost_;
  std::vector<bool> on_machine_;  // by service, machine
  std::vector<std::uint32_t> moved_;
  std::vector<std::vector<std::uint32_t>> users_;  // services that depend on it
  std::size_t locations_ = 0;
  std::size_t neighbourhoods_ = 0;
  std::vector<std::uint32_t> in_location_;
  std::vector<std::uint32_t> spread_;
  std::vector<std::uint32_t> in_neighbourhood_;
  std::vector<std::uint32_t> moved_counts_;  // services by number of moved processes
  std::uint32_t most_moved_ = 0;
  std::int64_t sum_ = 0;  // all costs but the service move cost
};

void Search::refresh_cost(std::uint32_t m) {
  const Machine& machine = instance_.machines[m];
  const std::int64_t* const usage = &usage_[m * resources_];
  std::int64_t cost = 0;
  for (std::size_t r = 0; r < resources_; ++r) {
    cost += instance_.resources[r].weight * std::max<std::int64_t>(0, usage[r] - machine.safety[r]);
  }
  for (const BalanceCost& balance : instance_.balances) {
    const std::int64_t first = machine.capacity[balance.first] - usage[balance.first];
    const std::int64_t second = machine.capacity[balance.second] - usage[balance.second];
    cost += balance.weight * std::max<std::int64_t>(0, balance.target * first - second);
  }
  sum_ += cost - machine_cost_[m];
  machine_cost_[m] = cost;
}

void Search::count_moved(std::uint32_t service, int change) {
  --moved_counts_[moved_[service]];
  moved_[service] = static_cast<std::uint32_t>(static_cast<int>(moved_[service]) + change);
  ++moved_counts_[moved_[service]];
  most_moved_ = std::max(most_moved_, moved_[service]);
  while (most_moved_ > 0 && moved_counts_[most_moved_] == 0) --most_moved_;
}

void Search::attach(std::uint32_t p, std::uint32_t m) {
  const Process& it = process(p);
  const Machine& machine = instance_.machines[m];
  const bool away = m != start_[p];
  for (std::size_t r = 0; r < resources_; ++r) {
    usage_[m * resources_ + r] += it.needs[r];
    if (away && instance_.resources[r].transient) {
      left_behind_[start_[p] * resources_ + r] += it.needs[r];
    }
  }
  refresh_cost(m);
  on_machine_[std::size_t{it.service} * instance_.machines.size() + m] = true;
  if (in_location_[it.service * locations_ + machine.location]++ == 0) ++spread_[it.service];
  ++in_neighbourhood_[it.service * neighbourhoods_ + machine.neighbourhood];
  now_[p] = m;
  if (!away) return;
  sum_ += instance_.process_weight * it.move_cost +
          instance_.machine_weight * instance_.machines[start_[p]].move_cost[m];
  count_moved(it.service, 1);
}

void Search::detach(std::uint32_t p) {
  const Process& it = process(p);
  const std::uint32_t m = now_[p];
  const Machine& machine = instance_.machines[m];
  const bool away = m != start_[p];
  for (std::size_t r = 0; r < resources_; ++r) {
    usage_[m * resources_ + r] -= it.needs[r];
    if (away && instance_.resources[r].transient) {
      left_behind_[start_[p] * resources_ + r] -= it.needs[r];
    }
  }
  refresh_cost(m);
  on_machine_[std::size_t{it.service} * instance_.machines.size() + m] = false;
  if (--in_location_[it.service * locations_ + machine.location] == 0) --spread_[it.service];
  --in_neighbourhood_[it.service * neighbourhoods_ + machine.neighbourhood];
  if (!away) return;
  sum_ -= instance_.process_weight * it.move_cost +
          instance_.machine_weight * instance_.machines[start_[p]].move_cost[m];
  count_moved(it.service, -1);
}

// Room and no other process of its service. Counts what p itself would leave behind.
bool Search::has_room(std::uint32_t p, std::uint32_t m) const {
  const Process& it = process(p);
  if (on_machine_[std::size_t{it.service} * instance_.machines.size() + m]) return false;
  const Machine& machine = instance_.machines[m];
  for (std::size_t r = 0; r < resources_; ++r) {
    const std::size_t at = m * resources_ + r;
    if (usage_[at] + left_behind_[at] + it.needs[r] > machine.capacity[r]) return false;
  }
  return true;
}

bool Search::fits(std::uint32_t m) const {
  for (std::size_t r = 0; r < resources_; ++r) {
    const std::size_t at = m * resources_ + r;
    if (usage_[at] + left_behind_[at] > instance_.machines[m].capacity[r]) return false;
  }
  return true;
}

// Whether spread and dependencies hold after a process went from one machine to another.
bool Search::sound(std::uint32_t service, std::uint32_t left, std::uint32_t entered) const {
  if (spread_[service] < instance_.services[service].spread) return false;
  const std::size_t old_place = instance_.machines[left].neighbourhood;
  const std::size_t new_place = instance_.machines[entered].neighbourhood;
  if (old_place == new_place) return true;
  for (std::uint32_t other : instance_.services[service].depends_on) {
    if (in_neighbourhood_[other * neighbourhoods_ + new_place] == 0) return false;
  }
  if (in_neighbourhood_[service * neighbourhoods_ + old_place] > 0) return true;
  return std::ranges::all_of(users_[service], [&](std::uint32_t user) {
    return in_neighbourhood_[user * neighbourhoods_ + old_place] == 0;
  });
}

bool Search::shift(std::uint32_t p, std::uint32_t to, std::int64_t limit) {
  const std::uint32_t from = now_[p];
  if (from == to) return false;
  if (to != start_[p] && !has_room(p, to)) return false;
  detach(p);
  bool good = has_room(p, to);
  if (good) {
    attach(p, to);
    good = cost() <= limit && sound(process(p).service, from, to);
    if (!good) detach(p);
  }
  if (!good) attach(p, from);
  return good;
}

bool Search::swap(std::uint32_t p, std::uint32_t q, std::int64_t limit) {
  const std::uint32_t a = now_[p];
  const std::uint32_t b = now_[q];
  if (a == b || process(p).service == process(q).service) return false;
  detach(p);
  detach(q);
  bool good = has_room(p, b) && has_room(q, a);
  if (good) {
    attach(p, b);
    // What a transient resource leaves behind may take the room that was seen before.
    good = has_room(q, a);
    if (good) {
      attach(q, a);
      good = cost() <= limit && sound(process(p).service, a, b) &&
             sound(process(q).service, b, a) && fits(a) && fits(b);
      if (!good) detach(q);
    }
    if (!good) detach(p);
  }
  if (!good) {
    attach(p, a);
    attach(q, b);
  }
  return good;
}

Assignment Search::run(const SearchOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const auto processes = static_cast<std::uint32_t>(instance_.processes.size());
  const auto machines = static_cast<std::uint32_t>(instance_.machines.size());
  std::vector<std::int64_t> history(kHistory, cost());
  Assignment best = now_;
  std::int64_t best_cost = cost();
  for (std::uint64_t step = 0; step < options.max_steps; ++step) {
    if (step % kStepsPerClock == 0) {
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
      if (spent.count() >= options.seconds) break;
    }
    std::int64_t& past = history[step % kHistory];
    const std::int64_t limit = std::max(past, cost());
    const auto p = static_cast<std::uint32_t>(random_.below(processes));
    if (random_.chance(1, 2)) {
      shift(p, static_cast<std::uint32_t>(random_.below(machines)), limit);
    } else {
      swap(p, static_cast<std::uint32_t>(random_.below(processes)), limit);
    }
    past = std::min(past, cost());
    if (cost() >= best_cost) continue;
    best_cost = cost();
    best = now_;
  }
  return best;
}

}  // namespace

Assignment improve(const Instance& instance, const Assignment& start,
                   const SearchOptions& options) {
  return Search(instance, start, options.seed).run(options);
}

}  // namespace aloft::bench
