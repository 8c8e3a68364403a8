// Plays a scenario in a farm in virtual time and says what became of everything.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "sim/farm_checker.h"
#include "sim/scenario.h"

namespace aloft::sim {

inline constexpr std::array<std::string_view, 6> kGuestStates{
    "running",  // executes
    "frozen",   // its host has no right to run it now
    "stopped",  // as wanted
    "failed",   // given up after too many crashes
    "waiting",  // for a host, a replica or a right
    "absent",   // not in the farm
};
inline constexpr std::array<std::string_view, 7> kHostStates{
    "up", "maintenance", "lost", "agent-down", "hung", "off", "left",
};

// The guest executed on `host` during [from, to).
struct Run {
  std::string host;
  Instant from{};
  std::optional<Instant> to;
};

struct GuestAnswer {
  std::string name;
  std::string state;
  std::string host;  // its owner; empty: none
  std::vector<Run> runs;
  std::vector<std::string> in_sync;  // hosts of its replicas
};

struct HostAnswer {
  std::string name;
  std::string state;
};

// A guest ceased to run though nobody asked for it.
struct Loss {
  std::string guest;
  std::string host;
  std::string cause;  // the last command before it that may have been the cause
  Instant cause_at{};
  Instant stopped_at{};
  std::optional<Instant> restarted_at;
  std::string restarted_on;
};

struct ScenarioAnswer {
  Duration end{};
  std::vector<GuestAnswer> guests;
  std::vector<HostAnswer> hosts;
  std::vector<Loss> losses;  // by the time of the stop
  std::optional<Violation> violation;
  std::vector<std::string> timeline;
  std::uint64_t hash = 0;  // of the whole trace
};

[[nodiscard]] ScenarioAnswer play(const Scenario& scenario);

}  // namespace aloft::sim
