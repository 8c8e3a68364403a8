// A scenario: a small farm, commands at given times and what is expected in the end, as values.
// docs/reference/scenarios.md describes the file; scenario_reader.h reads it, scenario_player.h
// plays it, scenario_judge.h judges it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "controller/farm_record.h"
#include "controller/ids.h"

namespace aloft::sim {

enum class Bmc : std::uint8_t { Works, Dead, Lies };

struct ScenarioHost {
  std::string name;
  controller::HostRecord record;
  bool powered = true;  // at the beginning
  Bmc bmc = Bmc::Works;
  std::int64_t clock_ppm = 0;  // how much its clock loses
};

struct ScenarioGuest {
  std::string name;
  controller::GuestRecord record;
  bool present = true;  // at the beginning; else `guest NAME add` brings it
};

enum class Act : std::uint8_t {
  PowerOn,
  PowerOff,
  Reboot,    // emptied, off, on again
  Shutdown,  // emptied, off
  HangHost,
  UnhangHost,
  HangAgent,
  ResumeAgent,
  RestartAgent,  // `time`: how long it is away
  NetworkOff,
  NetworkOn,
  LinkOff,  // between `host` and `other`, both ways
  LinkOn,
  OneWayOff,  // from `host` to `other`
  OneWayOn,
  Lossy,
  Lossless,
  Partition,  // `groups`: one number for each host
  PartitionOver,
  StoreOff,
  StoreOn,
  StoreTrouble,
  StoreCalm,
  StoreLinkOff,  // `host` alone
  StoreLinkOn,
  MaintenanceOn,
  MaintenanceOff,
  Leave,  // the farm
  Join,
  DiskFails,
  DiskWorks,
  BmcWorks,
  BmcDead,
  BmcLies,
  ClockJump,  // of the wall clock
  StubbornNot,
  StubbornFreeze,  // guests of the host cannot be frozen
  StubbornKill,    // nor killed
  SlowStarts,
  FastStarts,
  HostCapacity,  // `memory_mib`
  GuestAdd,
  GuestRemove,
  GuestStart,
  GuestStop,
  GuestCrash,
  GuestHang,       // its virtual watchdog notices
  GuestUnhealthy,  // its application does not answer probes any more
  GuestMove,       // to `host`
  GuestResize,     // `memory_mib`
};

struct Command {
  Duration at{};
  Act act = Act::PowerOff;
  controller::HostId host = controller::kNoHost;
  controller::HostId other = controller::kNoHost;
  controller::GuestId guest{};
  Duration time{};
  std::uint32_t memory_mib = 0;
  std::vector<std::uint32_t> groups;
  std::string text;  // as written
};

struct GuestExpectation {
  std::vector<std::string> states;              // any of these; empty: any
  std::optional<std::vector<std::string>> on;   // any of these hosts; an empty list: on none
  std::optional<std::vector<std::string>> ran;  // hosts one after another
  std::optional<std::size_t> runs;              // how often it was started or went on
  std::optional<Duration> down_at_most;         // the longest gap
  std::optional<Duration> down_at_least;
  std::optional<std::vector<std::string>> in_sync;  // hosts of replicas, as the store has them
  std::vector<std::string> starts_before;           // guests whose last start is later
};

struct Expectations {
  std::map<std::string, GuestExpectation> guests;  // "*": every guest that is not named
  std::map<std::string, std::vector<std::string>> hosts;
  std::optional<std::size_t> losses;
  std::optional<Duration> restarts_within;  // from the cause to the restart, of every loss
  std::vector<std::vector<std::string>> together;
  std::vector<std::vector<std::string>> apart;
  std::vector<std::string> says;  // parts of lines of the timeline
  std::vector<std::string> never_says;
};

struct Scenario {
  std::string name;  // of the file
  std::vector<std::string> about;
  std::vector<std::string> covers;  // rows of docs/reference/failures.md
  std::uint64_t seed = 1;
  std::vector<ScenarioHost> hosts;
  std::vector<ScenarioGuest> guests;
  std::vector<Command> commands;  // as in the file; repetitions follow each other
  Duration end{};
  Expectations expect;
};

}  // namespace aloft::sim
