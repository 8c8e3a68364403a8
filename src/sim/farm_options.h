// What a simulated farm is made of, and which faults may strike it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/instant.h"
#include "controller/defect.h"
#include "controller/limits.h"

namespace aloft::sim {

enum class Fault : std::uint8_t {
  PowerCut,      // a host loses its power, and gets it back
  FullPowerCut,  // all of them at once
  Pause,         // a host stands still, guests and all; its clock goes on
  AgentHang,     // the agent stands still, its guests do not
  AgentRestart,  // the agent is killed and started again
  LinkCut,       // one direction between two hosts
  Isolate,       // one host, from all others
  Partition,     // into any two groups
  Flap,          // a link goes and comes again and again
  Loss,          // a host's packets are lost, duplicated and late
  StoreOutage,   // the store answers nobody
  StoreTrouble,  // answers are late or lost, changes come true after it was given up
  GuestCrash,
  StubbornGuest,  // refuses to freeze, perhaps to die
  DiskError,      // of one host
  SlowGuests,     // starts take seconds
  BmcTrouble,     // dead, slow, or says "off" and is not
  Operator,       // stop, start, move, resize, maintenance, at bad moments
};

struct FaultName {
  Fault fault;
  std::string_view name;
};
inline constexpr std::array<FaultName, 18> kFaults{{
    {Fault::PowerCut, "power-cut"},
    {Fault::FullPowerCut, "full-power-cut"},
    {Fault::Pause, "pause"},
    {Fault::AgentHang, "agent-hang"},
    {Fault::AgentRestart, "agent-restart"},
    {Fault::LinkCut, "link-cut"},
    {Fault::Isolate, "isolate"},
    {Fault::Partition, "partition"},
    {Fault::Flap, "flap"},
    {Fault::Loss, "loss"},
    {Fault::StoreOutage, "store-outage"},
    {Fault::StoreTrouble, "store-trouble"},
    {Fault::GuestCrash, "guest-crash"},
    {Fault::StubbornGuest, "stubborn-guest"},
    {Fault::DiskError, "disk-error"},
    {Fault::SlowGuests, "slow-guests"},
    {Fault::BmcTrouble, "bmc-trouble"},
    {Fault::Operator, "operator"},
}};

using FaultSet = std::uint32_t;  // a bit for each Fault
constexpr FaultSet kAllFaults = (1U << kFaults.size()) - 1;

[[nodiscard]] constexpr FaultSet bit(Fault fault) {
  return 1U << static_cast<unsigned>(fault);
}

struct FarmOptions {
  std::uint64_t seed = 1;
  std::uint32_t hosts = 5;
  std::uint32_t guests = 50;
  std::uint32_t voters = 3;                         // the first hosts
  bool witness = false;                             // the last voter runs no guests
  Duration faulty_time = std::chrono::minutes(10);  // the safety phase
  Duration quiet_time = std::chrono::minutes(4);    // the bound of the liveness phase
  FaultSet faults = kAllFaults;
  Duration fault_interval = std::chrono::seconds(30);  // mean
  controller::Timing timing;
  controller::Defect defect = controller::Defect::None;
  bool record = false;  // keep a readable trace
};

// Draws what a seed of a sweep looks like: which faults, how often, how many voters, a witness.
[[nodiscard]] FarmOptions swarm_options(std::uint64_t seed, const FarmOptions& base);

}  // namespace aloft::sim
