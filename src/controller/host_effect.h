// What a host's agent is told to do. Plain values, carried out in order by a driver (the daemon's
// or the simulator's). `Persist` is durable before anything after it leaves the host.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/farm_record.h"
#include "controller/ids.h"

namespace aloft::controller {

enum class HostAction : std::uint8_t {
  Persist,     // the agreements of this host (HostMachine::agreements)
  AskToClear,  // to `host`: clear the fences of `record`
  Clear,       // to `host`: `owner` is shut out of `guest` up to `generation`
  Start,       // `guest`, as instance `generation`
  Freeze,      // at once; the answer is on_frozen or on_freeze_failed
  Thaw,
  Stop,       // gracefully; ends in on_exited
  Kill,       // at once; ends in on_exited or on_kill_failed
  Cas,        // `record`, if the store still has revision record.revision
  Read,       // the record of `guest`, linearizable
  Resync,     // copy the disk of `guest` to its member `host`; ends in on_caught_up
  ResetHost,  // this host cannot keep its promise in any other way: reset it now
};

struct HostEffect {
  HostAction action = HostAction::Persist;
  HostId host = kNoHost;
  HostId owner = kNoHost;
  GuestId guest{};
  Generation generation{};
  GuestRecord record{};
};
using HostEffects = std::vector<HostEffect>;

enum class StoreAnswer : std::uint8_t {
  Done,         // the record given is the new one
  Conflict,     // somebody else changed it: the record given is the present one
  Unknown,      // it may have happened
  Unavailable,  // it has not happened
};

}  // namespace aloft::controller
