// The parts of a simulated farm that its three files share. Internal to the simulator.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/farm.h"

namespace aloft::sim {

constexpr Duration kHop = std::chrono::microseconds(200);  // one way between hosts, on a good day
// How long something must have been well before nobody may act on its being unwell.
constexpr Duration kSettled = std::chrono::milliseconds(1500);

enum class Farm::Kind : std::uint8_t {
  Wake,           // a: host
  Deliver,        // a: letter
  StoreExecutes,  // a: letter
  GuestStarted,   // a: host, b: guest, c: token of the instance
  GuestExited,    // the same; a graceful or forced end
  GuestCrashed,   // the same
  FreezeFailed,   // the same
  KillFailed,     // the same
  CaughtUp,       // a: letter
  WatchdogBites,  // a: host, c: agent's run
  PowerOn,        // a: host, c: boot
  AgentStarts,    // a: host, c: agent's run
  AgentResumes,   // the same
  Resumes,        // a: host, c: boot
  LeaseEnds,      // a: host, c: token
  LeaderReady,    // c: term
  BmcAnswers,     // a: asking host, b: host, c: off
  FaultStrikes,
  FaultEnds,  // a: index of the fault
  Writes,
};

enum class LetterKind : std::uint8_t {
  AskToClear,
  Clear,
  CasGuest,
  CasController,
  ReadGuest,
  GuestAnswer,
  ControllerAnswer,
  GuestChanged,
  HostsChanged,
  ControllerChanged,
  LeaseChanged,
  ReadAll,
  Resynced,
};

struct Farm::Letter {
  LetterKind kind = LetterKind::Clear;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t run = 0;  // of the receiving agent; of another run: nobody reads it
  bool for_controller = false;
  bool answered = false;  // whoever sent it has given it up
  controller::StoreAnswer answer = controller::StoreAnswer::Done;
  controller::GuestId guest{};
  controller::HostId owner = controller::kNoHost;
  controller::Generation generation{};
  controller::GuestRecord record{};
  controller::ControllerRecord controller{};
};

struct Farm::Instance {
  bool exists = false;
  bool frozen = false;
  controller::Generation generation;
  std::uint32_t token = 0;
};

struct Farm::Host {
  Host(controller::HostId self, std::size_t hosts, std::size_t guests, const FarmOptions& options)
      : agent(self, hosts, guests, options.timing, options.defect),
        controller(self, hosts, guests, options.timing, options.defect, agent.silence()),
        instances(guests),
        versions(guests),
        disk_ok(true) {}

  Power power = Power::Off;
  bool agent_up = false;
  bool hung = false;
  std::uint32_t boot = 0;
  std::uint32_t run = 0;        // of the agent
  std::int64_t slower_ppm = 0;  // how much its clock loses
  Duration beat_phase{};
  controller::HostMachine agent;
  controller::ControllerMachine controller;
  std::vector<controller::Agreement> durable;
  std::vector<Instance> instances;
  std::vector<std::uint32_t> versions;  // of its replicas: acknowledged writes they hold
  bool disk_ok;
  bool bmc_works = true;
  bool bmc_lies = false;
  std::uint8_t stubborn = 0;  // 1: guests do not freeze, 2: nor die
  bool lease_held = true;
  bool lease_ending = false;
  std::uint32_t lease_token = 0;
  bool store_link = true;
  bool reaches = false;  // the store
  Instant reached_last{};
  Instant wake_at = kNever;
  Instant well_since = Instant::min();
  controller::HostSet regular;  // peers whose beats and answers keep coming
  bool all_regular = false;
};

}  // namespace aloft::sim
