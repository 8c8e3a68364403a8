// The machine reassignment problem of the ROADEF/EURO challenge 2012.
//
//   aloft_reassign solve MODEL ASSIGNMENT SOLUTION SECONDS [SEED]
//   aloft_reassign check MODEL ASSIGNMENT SOLUTION
//   aloft_reassign generate MACHINES PROCESSES SEED MODEL ASSIGNMENT
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "instance.h"

namespace {

using namespace aloft;
using namespace aloft::bench;

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::NotFound, "reassign.no_file", "cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) return fail(Code::Internal, "reassign.no_file", "cannot write " + path);
  return {};
}

Result<Assignment> load_assignment(const Instance& instance, const std::string& path) {
  ALOFT_ASSIGN(const std::string text, read_file(path));
  auto assignment = read_assignment(instance, text);
  if (!assignment) return std::unexpected(with_context(assignment.error(), path));
  return assignment;
}

Result<void> run(const std::vector<std::string>& args) {
  const auto whole = [&](std::size_t i) { return std::strtoull(args[i].c_str(), nullptr, 10); };
  if (args.size() == 6 && args[0] == "generate") {
    Assignment start;
    const GeneratorOptions options{.machines = static_cast<std::uint32_t>(whole(1)),
                                   .processes = static_cast<std::uint32_t>(whole(2)),
                                   .seed = whole(3)};
    if (options.machines == 0 || options.machines > 50'000 || options.processes == 0 ||
        options.processes > 1'000'000) {
      return fail(Code::InvalidArgument, "reassign.usage",
                  "1 .. 50,000 machines and 1 .. 1,000,000 processes can be generated");
    }
    const Instance instance = generate(options, start);
    ALOFT_TRY(write_file(args[4], write_model(instance)));
    return write_file(args[5], write_assignment(start));
  }
  const bool solve = args.size() >= 5 && args[0] == "solve";
  if (!solve && !(args.size() == 4 && args[0] == "check")) {
    return fail(Code::InvalidArgument, "reassign.usage",
                "usage: aloft_reassign solve MODEL ASSIGNMENT SOLUTION SECONDS [SEED] | check "
                "MODEL ASSIGNMENT SOLUTION | generate MACHINES PROCESSES SEED MODEL ASSIGNMENT");
  }
  ALOFT_ASSIGN(const std::string text, read_file(args[1]));
  auto instance = read_model(text);
  if (!instance) return std::unexpected(with_context(instance.error(), args[1]));
  ALOFT_ASSIGN(const Assignment start, load_assignment(*instance, args[2]));
  if (!solve) {
    ALOFT_ASSIGN(const Assignment solution, load_assignment(*instance, args[3]));
    ALOFT_ASSIGN(const std::int64_t cost, check(*instance, start, solution));
    fmt::print("cost={}\n", cost);
    return {};
  }
  ALOFT_ASSIGN(const std::int64_t before, check(*instance, start, start));
  SearchOptions options;
  options.seconds = std::strtod(args[4].c_str(), nullptr);
  if (args.size() > 5) options.seed = whole(5);
  const Assignment solution = improve(*instance, start, options);
  ALOFT_ASSIGN(const std::int64_t after, check(*instance, start, solution));
  ALOFT_TRY(write_file(args[3], write_assignment(solution)));
  fmt::print("before={} after={} ratio={:.4f}\n", before, after,
             before > 0 ? static_cast<double>(after) / static_cast<double>(before) : 0);
  return {};
}

}  // namespace

int main(int count, char** values) {
  const auto done = run(std::vector<std::string>(values + 1, values + count));
  if (done) return 0;
  fmt::print(stderr, "{}\n", done.error().message);
  return 1;
}
