// Whatever a scenario file holds, it is refused with a place or played; nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sim/scenario_judge.h"
#include "sim/scenario_player.h"
#include "sim/scenario_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aloft::sim;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scenario = read_scenario(text, "fuzz.json");
  if (!scenario) {
    if (!scenario.error().message.starts_with("fuzz.json:")) std::abort();
    return 0;
  }
  // Long and large ones take their time and show nothing new.
  const bool small = scenario->hosts.size() <= 5 && scenario->guests.size() <= 10 &&
                     scenario->commands.size() <= 100 && scenario->end <= std::chrono::minutes(5);
  if (small) (void)judge(*scenario, play(*scenario));
  return 0;
}
