// An instance of machine reassignment in the text format of the ROADEF/EURO challenge 2012.
//
// Model file: resources (transient?, weight of load cost), machines (neighbourhood, location,
// capacities, safety capacities, cost of moving to each machine), services (spread, dependencies),
// processes (service, requirements, move cost), balance costs (two resources, target, weight) and
// the weights of the three move costs. Assignment file: one machine per process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aloft::bench {

struct Machine {
  std::uint32_t neighbourhood = 0;
  std::uint32_t location = 0;
  std::vector<std::int64_t> capacity;
  std::vector<std::int64_t> safety;
  std::vector<std::int32_t> move_cost;  // to each machine
};
struct Service {
  std::uint32_t spread = 0;  // locations at least
  std::vector<std::uint32_t> depends_on;
};
struct Process {
  std::uint32_t service = 0;
  std::vector<std::int64_t> needs;
  std::int64_t move_cost = 0;
};
struct BalanceCost {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::int64_t target = 0;
  std::int64_t weight = 0;
};
struct ResourceKind {
  bool transient = false;
  std::int64_t weight = 0;
};

using Assignment = std::vector<std::uint32_t>;  // machine by process

struct Instance {
  std::vector<ResourceKind> resources;
  std::vector<Machine> machines;
  std::vector<Service> services;
  std::vector<Process> processes;
  std::vector<BalanceCost> balances;
  std::int64_t process_weight = 0;
  std::int64_t service_weight = 0;
  std::int64_t machine_weight = 0;
};

// Errors: InvalidArgument "reassign.bad_model", "reassign.bad_assignment": line and what is wrong.
[[nodiscard]] Result<Instance> read_model(std::string_view text);
[[nodiscard]] Result<Assignment> read_assignment(const Instance& instance, std::string_view text);
[[nodiscard]] std::string write_model(const Instance& instance);
[[nodiscard]] std::string write_assignment(const Assignment& assignment);

// Cost of `now` counted from the definition, nothing shared with the search.
// Errors: FailedPrecondition "reassign.infeasible" naming the first constraint that is broken.
[[nodiscard]] Result<std::int64_t> check(const Instance& instance, const Assignment& start,
                                         const Assignment& now);

struct GeneratorOptions {
  std::uint32_t machines = 100;
  std::uint32_t processes = 1000;
  std::uint64_t seed = 1;
};
// An instance of the challenge's shape with a feasible, uneven start.
[[nodiscard]] Instance generate(const GeneratorOptions& options, Assignment& start);

struct SearchOptions {
  double seconds = 10;
  std::uint64_t seed = 1;
  std::uint64_t max_steps = UINT64_MAX;
};
// Improves a feasible `start` by shifts and swaps of processes until the time is over.
[[nodiscard]] Assignment improve(const Instance& instance, const Assignment& start,
                                 const SearchOptions& options);

}  // namespace aloft::bench
