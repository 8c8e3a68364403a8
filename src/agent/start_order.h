// Who may start now: dependencies first, then priority, then name; a few at a time.
//
// Pure. The agent asks whenever something changed. A guest waits for every guest it depends on to
// run; it fails to wait for one that can never run: missing, being stopped, failed, or waiting for
// it in a circle, and is told so (it still starts when that changes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace aloft::agent {

struct StartCandidate {
  std::uint32_t priority = 0;
  std::vector<std::string> depends_on;
  bool wants_start = false;  // nothing but this order keeps it from starting
  bool starting = false;     // a start is under way: takes one of the places
  bool running = false;      // and healthy, as far as is known
  std::string why_not;       // of one that neither runs nor will by itself: "failed", "stopped"
};

struct StartHold {
  std::string reason;   // "guest.waits_for_dependency", "guest.dependency_cycle", ...
  std::string message;  // one sentence
  bool operator==(const StartHold&) const = default;
};

struct StartDecision {
  std::vector<std::string> start;         // in this order
  std::map<std::string, StartHold> held;  // those that want to start and may not yet
};

[[nodiscard]] StartDecision decide_starts(const std::map<std::string, StartCandidate>& guests,
                                          std::size_t max_parallel);

}  // namespace aloft::agent
