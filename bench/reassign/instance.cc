#include "instance.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

namespace aloft::bench {
namespace {

constexpr std::int64_t kMaxCount = 1'000'000;

// Numbers apart by white space, with the line each stands in.
class Numbers {
 public:
  Numbers(std::string_view text, std::string_view reason) : text_(text), reason_(reason) {}

  Result<std::int64_t> next(std::string_view what, std::int64_t least, std::int64_t most) {
    skip();
    if (at_ == text_.size()) return bad(fmt::format("the file ends where {} should stand", what));
    std::int64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data() + at_, end, value);
    if (error != std::errc{} || (stop != end && !is_space(*stop))) {
      return bad(fmt::format("{} is no whole number", what));
    }
    at_ = static_cast<std::size_t>(stop - text_.data());
    if (value < least || value > most) {
      return bad(fmt::format("{} is {}, allowed are {} .. {}", what, value, least, most));
    }
    return value;
  }
  Result<std::uint32_t> index(std::string_view what, std::size_t count) {
    ALOFT_ASSIGN(const std::int64_t value, next(what, 0, static_cast<std::int64_t>(count) - 1));
    return static_cast<std::uint32_t>(value);
  }
  Result<void> end() {
    skip();
    if (at_ != text_.size()) return bad("there is more than the model says");
    return {};
  }
  [[nodiscard]] std::unexpected<Error> bad(const std::string& what) const {
    return fail(Code::InvalidArgument, reason_, fmt::format("line {}: {}", line_, what));
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) line_ += text_[at_++] == '\n' ? 1 : 0;
  }

  std::string_view text_;
  std::string_view reason_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

constexpr std::int64_t kMost = std::int64_t{1} << 40;

Result<void> read_machines(Numbers& in, Instance& instance) {
  ALOFT_ASSIGN(const std::int64_t count, in.next("the number of machines", 1, 50'000));
  const std::size_t resources = instance.resources.size();
  for (std::int64_t m = 0; m < count; ++m) {
    Machine machine;
    ALOFT_ASSIGN(machine.neighbourhood, in.index("a neighbourhood", kMaxCount));
    ALOFT_ASSIGN(machine.location, in.index("a location", kMaxCount));
    for (std::size_t r = 0; r < resources; ++r) {
      ALOFT_ASSIGN(const std::int64_t value, in.next("a capacity", 0, kMost));
      machine.capacity.push_back(value);
    }
    for (std::size_t r = 0; r < resources; ++r) {
      ALOFT_ASSIGN(const std::int64_t value, in.next("a safety capacity", 0, kMost));
      machine.safety.push_back(value);
    }
    for (std::int64_t other = 0; other < count; ++other) {
      ALOFT_ASSIGN(const std::int64_t value, in.next("a machine move cost", 0, INT32_MAX));
      machine.move_cost.push_back(static_cast<std::int32_t>(value));
    }
    instance.machines.push_back(std::move(machine));
  }
  return {};
}

Result<void> read_services(Numbers& in, Instance& instance) {
  ALOFT_ASSIGN(const std::int64_t count, in.next("the number of services", 1, kMaxCount));
  for (std::int64_t s = 0; s < count; ++s) {
    Service service;
    ALOFT_ASSIGN(service.spread, in.index("a spread", kMaxCount));
    ALOFT_ASSIGN(const std::int64_t dependencies, in.next("the number of dependencies", 0, count));
    for (std::int64_t d = 0; d < dependencies; ++d) {
      ALOFT_ASSIGN(const std::uint32_t other,
                   in.index("a dependency", static_cast<std::size_t>(count)));
      service.depends_on.push_back(other);
    }
    instance.services.push_back(std::move(service));
  }
  return {};
}

Result<void> read_processes(Numbers& in, Instance& instance) {
  ALOFT_ASSIGN(const std::int64_t count, in.next("the number of processes", 1, kMaxCount));
  for (std::int64_t p = 0; p < count; ++p) {
    Process process;
    ALOFT_ASSIGN(process.service, in.index("a process's service", instance.services.size()));
    for (std::size_t r = 0; r < instance.resources.size(); ++r) {
      ALOFT_ASSIGN(const std::int64_t value, in.next("a requirement", 0, kMost));
      process.needs.push_back(value);
    }
    ALOFT_ASSIGN(process.move_cost, in.next("a process move cost", 0, kMost));
    instance.processes.push_back(std::move(process));
  }
  return {};
}

}  // namespace

Result<Instance> read_model(std::string_view text) {
  Numbers in(text, "reassign.bad_model");
  Instance instance;
  ALOFT_ASSIGN(const std::int64_t resources, in.next("the number of resources", 1, 1'000));
  for (std::int64_t r = 0; r < resources; ++r) {
    ResourceKind kind;
    ALOFT_ASSIGN(const std::int64_t transient, in.next("whether a resource is transient", 0, 1));
    ALOFT_ASSIGN(kind.weight, in.next("a load cost weight", 0, kMost));
    kind.transient = transient == 1;
    instance.resources.push_back(kind);
  }
  ALOFT_TRY(read_machines(in, instance));
  ALOFT_TRY(read_services(in, instance));
  ALOFT_TRY(read_processes(in, instance));
  ALOFT_ASSIGN(const std::int64_t balances, in.next("the number of balance costs", 0, 10'000));
  for (std::int64_t b = 0; b < balances; ++b) {
    BalanceCost balance;
    ALOFT_ASSIGN(balance.first, in.index("a balance cost's resource", instance.resources.size()));
    ALOFT_ASSIGN(balance.second, in.index("a balance cost's resource", instance.resources.size()));
    ALOFT_ASSIGN(balance.target, in.next("a balance target", 0, kMost));
    ALOFT_ASSIGN(balance.weight, in.next("a balance weight", 0, kMost));
    instance.balances.push_back(balance);
  }
  ALOFT_ASSIGN(instance.process_weight, in.next("the process move weight", 0, kMost));
  ALOFT_ASSIGN(instance.service_weight, in.next("the service move weight", 0, kMost));
  ALOFT_ASSIGN(instance.machine_weight, in.next("the machine move weight", 0, kMost));
  ALOFT_TRY(in.end());
  return instance;
}

Result<Assignment> read_assignment(const Instance& instance, std::string_view text) {
  Numbers in(text, "reassign.bad_assignment");
  Assignment assignment;
  for (std::size_t p = 0; p < instance.processes.size(); ++p) {
    ALOFT_ASSIGN(const std::uint32_t machine,
                 in.index(fmt::format("the machine of process {}", p), instance.machines.size()));
    assignment.push_back(machine);
  }
  ALOFT_TRY(in.end());
  return assignment;
}

std::string write_model(const Instance& instance) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{}\n", instance.resources.size());
  for (const ResourceKind& kind : instance.resources) {
    fmt::format_to(out, "{} {}\n", kind.transient ? 1 : 0, kind.weight);
  }
  fmt::format_to(out, "{}\n", instance.machines.size());
  for (const Machine& machine : instance.machines) {
    fmt::format_to(out, "{} {}", machine.neighbourhood, machine.location);
    for (std::int64_t value : machine.capacity) fmt::format_to(out, " {}", value);
    for (std::int64_t value : machine.safety) fmt::format_to(out, " {}", value);
    for (std::int32_t value : machine.move_cost) fmt::format_to(out, " {}", value);
    text += '\n';
  }
  fmt::format_to(out, "{}\n", instance.services.size());
  for (const Service& service : instance.services) {
    fmt::format_to(out, "{} {}", service.spread, service.depends_on.size());
    for (std::uint32_t other : service.depends_on) fmt::format_to(out, " {}", other);
    text += '\n';
  }
  fmt::format_to(out, "{}\n", instance.processes.size());
  for (const Process& process : instance.processes) {
    fmt::format_to(out, "{}", process.service);
    for (std::int64_t value : process.needs) fmt::format_to(out, " {}", value);
    fmt::format_to(out, " {}\n", process.move_cost);
  }
  fmt::format_to(out, "{}\n", instance.balances.size());
  for (const BalanceCost& balance : instance.balances) {
    fmt::format_to(out, "{} {} {}\n{}\n", balance.first, balance.second, balance.target,
                   balance.weight);
  }
  fmt::format_to(out, "{} {} {}\n", instance.process_weight, instance.service_weight,
                 instance.machine_weight);
  return text;
}

std::string write_assignment(const Assignment& assignment) {
  std::string text;
  for (std::uint32_t machine : assignment) {
    if (!text.empty()) text += ' ';
    text += std::to_string(machine);
  }
  return text + "\n";
}

}  // namespace aloft::bench
