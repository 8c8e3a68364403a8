// Our side of the comparison with Ganeti's htools; bench/placement/run drives both sides.
//
//   aloft_placement_bench generate NODES GUESTS_PER_NODE MEMORY_USE SEED   > FILE
//   aloft_placement_bench balance FILE OUT [MAX_MOVES [TRIES]]
//   aloft_placement_bench verdict FILE
//   aloft_placement_bench allocate FILE OUT MEMORY_MIB DISK_MIB CPUS
//   aloft_placement_bench replay FILE OUT ALLOCATED      instances of ALLOCATED into FILE's nodes
//   aloft_placement_bench large HOSTS GUESTS
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ganeti_text.h"
#include "large_farm.h"
#include "placement/placement.h"

namespace {

using namespace aloft;
using namespace aloft::placement;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::NotFound, "bench.no_file", "cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<bench::GanetiCluster> load(const std::string& path) {
  ALOFT_ASSIGN(const std::string text, read_file(path));
  return bench::read_cluster(text);
}

Result<void> save(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) return fail(Code::Internal, "bench.no_file", "cannot write " + path);
  return {};
}

// The objective of hbal 3.0.2 in the terms of ours (hbal -v -v -v prints its weights).
ScoreOptions hbal_score() {
  ScoreOptions options;
  options.load_units = ScoreOptions::LoadUnits::Absolute;
  // Spindles repeat the disk load, divided by the policy's 32.
  options.weights[static_cast<std::size_t>(Metric::DiskLoad)] = 1 + 1.0 / 32;
  options.reserve_total_weight = 0.25;
  options.short_reserve_weight = 50;  // hbal counts the instances of such a node
  return options;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<void> run_balance(const std::vector<std::string>& args) {
  ALOFT_ASSIGN(bench::GanetiCluster cluster, load(args[1]));
  ALOFT_ASSIGN(State state, State::make(cluster.farm));
  BalanceOptions options{.score = hbal_score()};
  options.max_moves = args.size() > 3 ? std::strtoul(args[3].c_str(), nullptr, 10) : 1'000'000;
  options.min_gain = 0.01 * state.host_count();  // hbal's least gain of one move
  options.price_per_tib = 0;
  options.rounds = 8;  // hbal moves an instance as often as it likes
  if (args.size() > 4)
    options.tries = static_cast<std::uint32_t>(std::strtoul(args[4].c_str(), nullptr, 10));
  const auto start = std::chrono::steady_clock::now();
  const BalancePlan plan = balance(state, options);
  const double seconds = seconds_since(start);
  for (const Move& move : plan.moves) apply(state, move);
  ALOFT_TRY(save(args[2], bench::write_cluster(cluster, state.farm())));
  fmt::print("moves={} seconds={:.4f} before={:.6f} after={:.6f}\n", plan.moves.size(), seconds,
             plan.score_before, plan.score_after);
  return {};
}

Result<void> run_verdict(const std::vector<std::string>& args) {
  ALOFT_ASSIGN(bench::GanetiCluster cluster, load(args[1]));
  // hcheck counts memory alone for restarts.
  cluster.farm.cpu_overcommit_percent = 10'000;
  for (Guest& guest : cluster.farm.guests) guest.needs[Resource::Cpu] = 0;
  ALOFT_ASSIGN(State state, State::make(cluster.farm));
  const auto start = std::chrono::steady_clock::now();
  Admission admission(state, {.count = 1});
  const double seconds = seconds_since(start);
  const Verdict verdict = admission.verdict();
  // As hcheck counts: nodes that could not start what one other node would send.
  const Score score(state, hbal_score());
  std::size_t failing = 0;
  for (std::uint32_t h = 0; h < state.host_count(); ++h) {
    const double capacity = static_cast<double>(state.capacity(HostIndex(h))[Resource::Memory]);
    const double reserve = score.share(Metric::Reserve, HostIndex(h)) * capacity;
    if (reserve > static_cast<double>(state.free(HostIndex(h))[Resource::Memory]) + 0.5) ++failing;
  }
  fmt::print("n1={} failing_nodes={} seconds={:.4f} text={}\n",
             verdict.proof == Proof::Proved ? "pass" : "fail", failing, seconds,
             explain(state, admission.tolerance(), verdict));
  return {};
}

Guest new_guest(std::size_t number, std::int64_t memory, std::int64_t disk, std::int64_t cpus) {
  Guest guest;
  guest.name = fmt::format("ours{}", number);
  guest.needs[Resource::Memory] = memory * kMiB;
  guest.needs[Resource::Disk] = disk * kMiB;
  guest.needs[Resource::Cpu] = cpus * 1000;
  guest.replica_count = 2;
  guest.locality = Locality::Required;
  return guest;
}

bool launch(State& state, Admission& admission, Guest guest) {
  auto index = state.add_guest(std::move(guest));
  if (!index) return false;
  if (admission.place(*index)) return true;
  admission.remove_guest(*index);
  return false;
}

Result<void> run_allocate(const std::vector<std::string>& args) {
  ALOFT_ASSIGN(bench::GanetiCluster cluster, load(args[1]));
  ALOFT_ASSIGN(State state, State::make(cluster.farm));
  Admission admission(state, {.count = 1});
  const auto amount = [&](std::size_t i) { return std::strtoll(args[i].c_str(), nullptr, 10); };
  std::size_t count = 0;
  const auto start = std::chrono::steady_clock::now();
  while (launch(state, admission, new_guest(count, amount(3), amount(4), amount(5)))) ++count;
  const double seconds = seconds_since(start);
  ALOFT_TRY(save(args[2], bench::write_cluster(cluster, state.farm())));
  fmt::print("placed={} seconds={:.4f}\n", count, seconds);
  return {};
}

// The instances that a peer has allocated, in its order, then more of the last size.
Result<void> run_replay(const std::vector<std::string>& args) {
  ALOFT_ASSIGN(bench::GanetiCluster cluster, load(args[1]));
  ALOFT_ASSIGN(const bench::GanetiCluster peer, load(args[3]));
  ALOFT_ASSIGN(State state, State::make(cluster.farm));
  Admission admission(state, {.count = 1});
  std::size_t placed = 0;
  std::size_t more = 0;
  const auto start = std::chrono::steady_clock::now();
  const auto again = [&](const Guest& guest, std::size_t number) {
    return new_guest(number, guest.needs[Resource::Memory] / kMiB,
                     guest.needs[Resource::Disk] / kMiB, guest.needs[Resource::Cpu] / 1000);
  };
  for (std::size_t i = 0; i < peer.farm.guests.size(); ++i) {
    if (launch(state, admission, again(peer.farm.guests[i], i))) ++placed;
  }
  if (!peer.farm.guests.empty()) {
    const Guest& last = peer.farm.guests.back();
    while (launch(state, admission, again(last, peer.farm.guests.size() + more))) ++more;
  }
  const double seconds = seconds_since(start);
  ALOFT_TRY(save(args[2], bench::write_cluster(cluster, state.farm())));
  fmt::print("placed={} of={} more={} seconds={:.4f}\n", placed, peer.farm.guests.size(), more,
             seconds);
  return {};
}

Result<void> run(const std::vector<std::string>& args) {
  const auto is = [&](std::string_view name, std::size_t least) {
    return args.size() >= least && args[0] == name;
  };
  const auto whole = [&](std::size_t i) {
    return static_cast<std::uint32_t>(std::strtoul(args[i].c_str(), nullptr, 10));
  };
  if (is("generate", 5)) {
    const double use = std::strtod(args[3].c_str(), nullptr);
    if (whole(1) < 3 || whole(1) > 100'000 || whole(2) > 1'000 || !(use > 0 && use <= 1)) {
      return fail(Code::InvalidArgument, "bench.usage",
                  "clusters have 3 .. 100,000 nodes, up to 1,000 guests each, 0 < memory use <= 1");
    }
    fmt::print("{}", bench::generate_cluster(whole(1), whole(2), use, whole(4)));
    return {};
  }
  if (is("balance", 3)) return run_balance(args);
  if (is("verdict", 2)) return run_verdict(args);
  if (is("allocate", 6)) return run_allocate(args);
  if (is("replay", 4)) return run_replay(args);
  if (is("large", 3)) {
    bench::measure_large_farm(whole(1), whole(2));
    return {};
  }
  return fail(Code::InvalidArgument, "bench.usage",
              "usage: aloft_placement_bench generate|balance|verdict|allocate|replay|large ...");
}

}  // namespace

int main(int count, char** values) {
  const auto done = run(std::vector<std::string>(values + 1, values + count));
  if (done) return 0;
  fmt::print(stderr, "{}\n", done.error().message);
  return 1;
}
