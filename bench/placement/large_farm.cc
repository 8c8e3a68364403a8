#include "large_farm.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>

#include "base/random.h"
#include "placement/placement.h"

namespace aloft::bench {
namespace {

using namespace placement;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

// CPU time of the process: what others do on the machine does not count.
double cpu_now() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_since(double start) {
  return cpu_now() - start;
}

Farm empty_farm(std::uint32_t hosts) {
  Farm farm;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    Host host;
    host.name = fmt::format("host{}", h);
    host.rack = fmt::format("rack{}", h / 40);
    host.capacity[Resource::Memory] = 256 * kGiB;
    host.capacity[Resource::Cpu] = 64'000;
    host.capacity[Resource::Disk] = 20'000 * kGiB;
    host.capacity[Resource::Network] = 25'000'000'000;
    host.disk_bandwidth = 3e9;
    farm.hosts.push_back(std::move(host));
  }
  return farm;
}

Guest random_guest(Random& random, std::uint32_t number) {
  Guest guest;
  guest.name = fmt::format("guest{}", number);
  guest.priority = static_cast<std::uint32_t>(random.below(4));
  guest.needs[Resource::Memory] = std::int64_t{2} << random.below(4) << 30;
  guest.needs[Resource::Cpu] = 1000 << random.below(4);
  guest.needs[Resource::Disk] = random.between(20, 200) * kGiB;
  guest.needs[Resource::Network] = 10'000'000;
  if (random.chance(1, 2)) {
    guest.replica_count = 2;
    guest.locality = Locality::Required;
  }
  guest.load = Load{.cpu = 500 * random.unit(),
                    .memory = static_cast<double>(kGiB) * random.unit(),
                    .disk = 1e7 * random.unit(),
                    .network = 1e7 * random.unit()};
  return guest;
}

void print_percentiles(const char* what, std::vector<double>& seconds) {
  std::ranges::sort(seconds);
  const auto at = [&](double share) {
    return 1e6 * seconds[static_cast<std::size_t>(share * static_cast<double>(seconds.size() - 1))];
  };
  fmt::print("{}: median {:.0f} us, p99 {:.0f} us, worst {:.0f} us\n", what, at(0.5), at(0.99),
             at(1));
}

}  // namespace

void measure_large_farm(std::uint32_t hosts, std::uint32_t guests) {
  Random random(1);
  State state = *State::make(empty_farm(hosts));
  Admission admission(state, {.level = Level::Host, .count = 1});
  std::vector<double> launches;
  auto start = cpu_now();
  std::uint32_t refused = 0;
  for (std::uint32_t g = 0; g < guests; ++g) {
    const GuestIndex index = *state.add_guest(random_guest(random, g));
    const auto before = cpu_now();
    const bool placed = admission.place(index).has_value();
    launches.push_back(seconds_since(before));
    if (!placed) {
      ++refused;
      admission.remove_guest(index);
    }
  }
  fmt::print("{} hosts, {} guests launched under N+1 in {:.1f} s, {} refused\n", hosts, guests,
             seconds_since(start), refused);
  std::vector<double> last(
      launches.end() -
          std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(launches.size()), 20'000),
      launches.end());
  print_percentiles("a launch with host, replicas and N+1 verdict, all", launches);
  print_percentiles("the same, the last 20,000", last);
  std::vector<double> changes;
  for (int i = 0; i < 10'000; ++i) {
    const GuestIndex guest(static_cast<std::uint32_t>(random.below(state.guest_count())));
    if (!state.present(guest) || !state.guest(guest).host) continue;
    const HostIndex home = *state.guest(guest).host;
    const auto before = cpu_now();
    admission.take(guest);
    admission.put(guest, home);
    static_cast<void>(admission.verdict());
    changes.push_back(seconds_since(before));
  }
  print_percentiles("N+1 verdict after a stop and a start", changes);
  // Load that a planner by needs cannot foresee: a tenth of the hosts is hot.
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    const auto& home = state.guest(GuestIndex(g)).host;
    if (!home || home->value() % 10 != 0) continue;
    state.set_load(GuestIndex(g), Load{.cpu = 2000, .memory = 2e9, .disk = 5e7, .network = 2e7});
  }
  start = cpu_now();
  const BalancePlan plan = balance(state, {.max_moves = 1000});
  fmt::print("a balancing round: {:.2f} s, {} moves, score {:.4f} -> {:.4f}\n",
             seconds_since(start), plan.moves.size(), plan.score_before, plan.score_after);
  start = cpu_now();
  const BalancePlan kept = balance(state, {.max_moves = 1000}, &admission);
  fmt::print("the same, each move under N+1: {:.2f} s, {} moves, score {:.4f} -> {:.4f}\n",
             seconds_since(start), kept.moves.size(), kept.score_before, kept.score_after);
  std::vector<HostIndex> rack;
  for (std::uint32_t h = 0; h < std::min(hosts, 40U); ++h) rack.emplace_back(h);
  start = cpu_now();
  const RecoveryPlan one = recover(state, std::vector{HostIndex(0)});
  fmt::print("recovery plan of one host: {:.2f} ms, {} starts, {} without room\n",
             1e3 * seconds_since(start), one.starts.size(), one.unplaced.size());
  start = cpu_now();
  const RecoveryPlan plan40 = recover(state, rack);
  fmt::print("recovery plan of a rack of 40: {:.0f} ms, {} starts, {} without room or replica\n",
             1e3 * seconds_since(start), plan40.starts.size(), plan40.unplaced.size());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("memory at most: {} MiB\n", usage.ru_maxrss / 1024);
}

}  // namespace aloft::bench
