// aloft-sim: farms in virtual time that try to break the controller.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "aloft_sim.h"
#include "sim/sweep.h"

namespace {

using namespace aloft;
using namespace aloft::sim;

constexpr std::string_view kUsage = R"(usage: aloft-sim COMMAND [OPTIONS]

  run      simulates a farm for every seed of a range; stops at the first broken rule
           --seeds A..B      1..100
           --jobs J          threads; 1
  replay SEED   one seed again: its trace hash, or with --explain its readable timeline
           --explain         the timeline, with only the faults that matter when a rule is broken
  defects  switches on every known mistake in turn and looks for the first seed that shows it
           --seeds A..B      how many seeds to try for each
  list     names the faults and the defects
  scenario FILE   plays a scenario file (docs/reference/scenarios.md); 1: not as expected
           -o json           the answer as JSON; text
           --explain         the timeline too
           --commands        instead of a file: the commands that a scenario may give

options of run, replay and defects
           --hosts N         2 to 16; 5
           --guests M        1 to 1000; 50
           --minutes T       of faults, before everything is mended; 10
           --interval S      seconds between faults, on average; 30
           --faults LIST     comma-separated, of `list`; all
           --defect NAME     switches one on

examples
  aloft-sim run --seeds 1..200 --jobs 2
  aloft-sim run --seeds 1..1000 --hosts 3 --guests 10 --faults power-cut,partition
  aloft-sim replay 17 --explain
)";

std::atomic<bool> interrupted{false};

struct Arguments {
  std::string command;
  std::uint64_t seed = 0;
  std::uint64_t first = 1;
  std::uint64_t last = 100;
  unsigned jobs = 1;
  bool explain = false;
  FarmOptions options;
};

[[noreturn]] void refuse(const std::string& words) {
  fmt::print(stderr, "aloft-sim: {}\n{}", words, kUsage);
  std::exit(2);
}

std::uint64_t number(std::string_view text, std::string_view what, std::uint64_t low,
                     std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc{} || end != text.end() || value < low || value > high) {
    refuse(fmt::format("{} must be a number from {} to {}, not '{}'", what, low, high, text));
  }
  return value;
}

FaultSet faults_of(std::string_view text) {
  FaultSet set = 0;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    const auto known = std::ranges::find(kFaults, name, &FaultName::name);
    if (known == kFaults.end()) refuse(fmt::format("there is no fault '{}'", name));
    set |= bit(known->fault);
  }
  if (set == 0) refuse("--faults names none");
  return set;
}

Arguments parse(const std::vector<std::string_view>& words) {
  Arguments arguments;
  if (words.empty()) refuse("a command is missing");
  arguments.command = words[0];
  std::size_t at = 1;
  if (arguments.command == "replay") {
    if (words.size() < 2) refuse("replay needs a seed");
    arguments.seed = number(words[at++], "the seed", 0, UINT64_MAX);
  }
  while (at < words.size()) {
    const std::string_view name = words[at++];
    if (name == "--explain") {
      arguments.explain = true;
      continue;
    }
    if (at == words.size()) refuse(fmt::format("'{}' is unknown or needs a value", name));
    const std::string_view value = words[at++];
    FarmOptions& options = arguments.options;
    if (name == "--seeds") {
      const std::size_t dots = value.find("..");
      if (dots == std::string_view::npos) refuse("--seeds is a range, like 1..100");
      arguments.first = number(value.substr(0, dots), "the first seed", 0, UINT64_MAX - 1);
      arguments.last =
          number(value.substr(dots + 2), "the last seed", arguments.first, UINT64_MAX - 1);
    } else if (name == "--jobs") {
      arguments.jobs = static_cast<unsigned>(number(value, "--jobs", 1, 256));
    } else if (name == "--hosts") {
      options.hosts = static_cast<std::uint32_t>(number(value, "--hosts", 2, 16));
      options.voters = std::min(options.voters, options.hosts);
    } else if (name == "--guests") {
      options.guests = static_cast<std::uint32_t>(number(value, "--guests", 1, 1000));
    } else if (name == "--minutes") {
      options.faulty_time = std::chrono::minutes(number(value, "--minutes", 1, 100'000));
    } else if (name == "--interval") {
      options.fault_interval = std::chrono::seconds(number(value, "--interval", 1, 86'400));
    } else if (name == "--faults") {
      options.faults = faults_of(value);
    } else if (name == "--defect") {
      const auto known =
          std::ranges::find(controller::kDefects, value, &controller::DefectName::name);
      if (known == controller::kDefects.end())
        refuse(fmt::format("there is no defect '{}'", value));
      options.defect = known->defect;
    } else {
      refuse(fmt::format("there is no option '{}'", name));
    }
  }
  return arguments;
}

void print_violation(std::uint64_t seed, const Violation& violation) {
  fmt::print("seed {}: {} is broken after {:.3f} s: {}\n", seed, violation.rule,
             std::chrono::duration<double>(violation.at.time_since_epoch()).count(),
             violation.words);
}

int replay(const Arguments& arguments) {
  Replay played = replay_seed(arguments.seed, arguments.options);
  if (played.result.violation && arguments.explain) {
    FarmOptions less = shrink(arguments.seed, arguments.options);
    less.record = true;
    Farm farm(less);
    played.result = farm.run();
    played.trace = farm.trace();
    played.options = less;
  }
  if (arguments.explain) {
    std::string faults;
    for (const FaultName& name : kFaults) {
      if ((played.options.faults & bit(name.fault)) != 0) faults += fmt::format(" {}", name.name);
    }
    fmt::print("{} hosts, {} guests, {} voters{}; faults:{}\n", played.options.hosts,
               played.options.guests, played.options.voters,
               played.options.witness ? ", one a witness" : "", faults);
    for (const std::string& line : played.trace) fmt::print("{}\n", line);
  }
  fmt::print("seed {}: trace {:016x}, {} events, {} faults, {} moves of guests\n", arguments.seed,
             played.result.hash, played.result.statistics.events, played.result.statistics.faults,
             played.result.statistics.take_overs);
  if (!played.result.violation) return 0;
  print_violation(arguments.seed, *played.result.violation);
  return 1;
}

struct Totals {
  std::mutex mutex;
  std::uint64_t seeds = 0;
  Duration simulated{};
  FarmStatistics statistics;
  std::optional<std::pair<std::uint64_t, Violation>> worst;  // of the lowest seed
};

int run(const Arguments& arguments) {
  Totals totals;
  std::atomic<std::uint64_t> next{arguments.first};
  std::atomic<bool> broken{false};
  const auto started = std::chrono::steady_clock::now();
  const auto work = [&] {
    while (!interrupted && !broken) {
      const std::uint64_t seed = next++;
      if (seed > arguments.last) return;
      const FarmResult result = run_seed(seed, arguments.options);
      // The same seed, the same trace: every tenth is run again to see that it is so.
      const bool differs = seed % 10 == 0 && run_seed(seed, arguments.options).hash != result.hash;
      const std::lock_guard lock(totals.mutex);
      ++totals.seeds;
      totals.simulated += result.simulated;
      totals.statistics.events += result.statistics.events;
      totals.statistics.faults += result.statistics.faults;
      totals.statistics.take_overs += result.statistics.take_overs;
      std::optional<Violation> violation = result.violation;
      if (differs) violation = Violation{"determinism", "two runs of it differ", {}};
      if (!violation) continue;
      broken = true;
      if (!totals.worst || totals.worst->first > seed) totals.worst = {seed, *violation};
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < arguments.jobs; ++i) threads.emplace_back(work);
  threads.clear();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const double hours = std::chrono::duration<double>(totals.simulated).count() / 3600;
  fmt::print(
      "{} seeds, {:.1f} simulated hours ({:.4f} years), {} faults, {} moves of guests, {} events; "
      "{:.1f} seeds/s, {:.0f} simulated hours a minute\n",
      totals.seeds, hours, hours / 8766, totals.statistics.faults, totals.statistics.take_overs,
      totals.statistics.events, static_cast<double>(totals.seeds) / seconds, hours / seconds * 60);
  if (totals.worst) {
    print_violation(totals.worst->first, totals.worst->second);
    fmt::print("look at it with: aloft-sim replay {} --explain (and the same options)\n",
               totals.worst->first);
    return 1;
  }
  if (interrupted) fmt::print("interrupted: seeds from {} on were not run\n", next.load());
  return interrupted ? 130 : 0;
}

int defects(const Arguments& arguments) {
  bool all = true;
  for (const controller::DefectName& name : controller::kDefects) {
    if (interrupted) return 130;
    FarmOptions options = arguments.options;
    options.defect = name.defect;
    const auto found = seeds_until_found(name.defect, arguments.last, options);
    all = all && found.has_value();
    if (found) {
      const auto result = run_seed(*found, options);
      fmt::print("{:32} seed {:4}: {} {}\n", name.name, *found, result.violation->rule,
                 result.violation->words);
    } else {
      fmt::print("{:32} not found in {} seeds\n", name.name, arguments.last);
    }
    std::fflush(stdout);
  }
  return all ? 0 : 1;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string_view> words(values + 1, values + count);
  if (std::ranges::find(words, "--help") != words.end() ||
      (words.size() == 1 && words[0] == "help")) {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (!words.empty() && words[0] == "scenario") {
    return scenario_command({words.begin() + 1, words.end()});
  }
  const Arguments arguments = parse(words);
  std::signal(SIGINT, [](int) { interrupted = true; });
  if (arguments.command == "run") return run(arguments);
  if (arguments.command == "replay") return replay(arguments);
  if (arguments.command == "defects") return defects(arguments);
  if (arguments.command == "list") {
    for (const FaultName& name : kFaults) fmt::print("fault   {}\n", name.name);
    for (const auto& name : controller::kDefects) fmt::print("defect  {}\n", name.name);
    return 0;
  }
  refuse(fmt::format("there is no command '{}'", arguments.command));
}
