// Plays every scenario of a folder, each with three seeds, and compares the table of failures with
// the files. Arguments: the folder, docs/reference/failures.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario_judge.h"
#include "sim/scenario_player.h"
#include "sim/scenario_reader.h"
#include "sim/scenario_report.h"

namespace aloft::sim {
namespace {

std::filesystem::path folder;
std::filesystem::path table;

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

class ScenarioFile : public testing::Test {
 public:
  explicit ScenarioFile(std::filesystem::path file) : file_(std::move(file)) {}
  void TestBody() override {
    auto scenario = read_scenario(content(file_), file_.filename().string());
    ASSERT_TRUE(scenario) << scenario.error().message;
    EXPECT_EQ(scenario->about.size(), 2U) << "two lines of prose say what it shows";
    EXPECT_FALSE(scenario->covers.empty()) << "covers names rows of the table of failures";
    // What is promised does not depend on the luck of one seed.
    const std::uint64_t first = scenario->seed;
    for (std::uint64_t seed = first; seed < first + 3; ++seed) {
      scenario->seed = seed;
      const ScenarioAnswer answer = play(*scenario);
      const std::vector<std::string> differences = judge(*scenario, answer);
      if (differences.empty()) continue;
      ADD_FAILURE() << "seed " << seed << "\n" << report_text(*scenario, answer, differences);
    }
  }

 private:
  std::filesystem::path file_;
};

// | Failure | What happens | Scenarios |
std::map<std::string, std::set<std::string>> rows() {
  std::map<std::string, std::set<std::string>> result;
  std::istringstream lines(content(table));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ") || line.starts_with("| Failure")) continue;
    const std::size_t first = line.find(" | ");
    const std::size_t second = line.find(" | ", first + 3);
    if (second == std::string::npos) continue;
    std::set<std::string>& names = result[line.substr(2, first - 2)];
    std::string rest = line.substr(second + 3);
    for (std::size_t at = rest.find('['); at != std::string::npos; at = rest.find('[', at + 1)) {
      names.insert(rest.substr(at + 1, rest.find(']', at) - at - 1));
    }
  }
  return result;
}

TEST(Failures, the_table_names_every_scenario_in_the_rows_that_it_covers) {
  const auto told = rows();
  ASSERT_GE(told.size(), 10U);
  std::map<std::string, std::set<std::string>> covered;
  for (const auto& [row, names] : told) {
    EXPECT_FALSE(names.empty()) << row;
    covered[row];
  }
  for (const auto& file : files()) {
    const auto scenario = read_scenario(content(file), file.filename().string());
    ASSERT_TRUE(scenario) << scenario.error().message;
    for (const std::string& row : scenario->covers) {
      EXPECT_TRUE(told.contains(row)) << file.filename() << " covers '" << row << "'";
      covered[row].insert(file.stem().string());
    }
  }
  for (const auto& [row, names] : told) EXPECT_EQ(names, covered[row]) << row;
}

// Nothing that a file may hold crashes whoever reads it: every file cut short and with bytes
// changed.
TEST(Corpus, damaged_scenarios_are_read_or_refused) {
  std::uint64_t state = 88172645463325252U;
  const auto draw = [&](std::size_t below) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    return static_cast<std::size_t>(state % below);
  };
  std::size_t refused = 0;
  for (const auto& file : files()) {
    const std::string whole = content(file);
    for (int i = 0; i < 40; ++i) {
      std::string damaged = whole.substr(0, i % 2 == 0 ? draw(whole.size()) : whole.size());
      for (std::size_t n = draw(4); n > 0 && !damaged.empty(); --n) {
        damaged[draw(damaged.size())] = "{}[]\",:0-9e\n\\x"[draw(14)];
      }
      const auto read = read_scenario(damaged, "damaged.json");
      if (read) continue;
      ++refused;
      EXPECT_TRUE(read.error().message.starts_with("damaged.json:")) << read.error().message;
    }
  }
  EXPECT_GT(refused, files().size());
}

}  // namespace
}  // namespace aloft::sim

int main(int count, char** values) {
  testing::InitGoogleTest(&count, values);
  if (count != 3) {
    fmt::print(stderr, "usage: aloft_scenarios_test FOLDER TABLE\n");
    return 2;
  }
  aloft::sim::folder = values[1];
  aloft::sim::table = values[2];
  for (const auto& file : aloft::sim::files()) {
    std::string name = file.stem().string();
    std::ranges::replace(name, '-', '_');
    testing::RegisterTest(
        "Scenario", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [file]() -> testing::Test* { return new aloft::sim::ScenarioFile(file); });
  }
  return RUN_ALL_TESTS();
}
