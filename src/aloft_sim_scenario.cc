// aloft-sim scenario: plays a scenario file.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "aloft_sim.h"
#include "aloft_sim_file.h"
#include "sim/scenario_command.h"
#include "sim/scenario_judge.h"
#include "sim/scenario_player.h"
#include "sim/scenario_reader.h"
#include "sim/scenario_report.h"

using namespace aloft;
using namespace aloft::sim;

int scenario_command(const std::vector<std::string_view>& words) {
  std::string_view file;
  bool json = false;
  bool explain = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--commands") {
      for (const std::string& form : command_forms()) fmt::print("{}\n", form);
      return 0;
    }
    if (words[i] == "--explain") {
      explain = true;
    } else if (words[i] == "-o" && i + 1 < words.size() &&
               (words[i + 1] == "json" || words[i + 1] == "text")) {
      json = words[++i] == "json";
    } else if (file.empty() && !words[i].starts_with('-')) {
      file = words[i];
    } else {
      fmt::print(stderr, "aloft-sim scenario: '{}' is not understood; see aloft-sim --help\n",
                 words[i]);
      return 2;
    }
  }
  if (file.empty()) {
    fmt::print(stderr, "aloft-sim scenario: a file is missing\n");
    return 2;
  }
  const auto text = read_whole_file(std::string(file));
  const auto scenario = text ? read_scenario(*text, file) : std::unexpected(text.error());
  if (!scenario) {
    fmt::print(stderr, "{}\n", scenario.error().message);
    return 2;
  }
  const ScenarioAnswer answer = play(*scenario);
  const std::vector<std::string> differences = judge(*scenario, answer);
  if (explain) {
    for (const std::string& line : answer.timeline) fmt::print("{}\n", line);
    fmt::print("\n");
  }
  fmt::print("{}", json ? report_json(*scenario, answer, differences)
                        : report_text(*scenario, answer, differences));
  return differences.empty() ? 0 : 1;
}
