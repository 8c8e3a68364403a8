// The probes of one run of a guest: when each is due, what its answers add up to.
//
// A pure value owned by a GuestMachine. A check is healthy after `successes` good answers in a row
// and unhealthy after `failures` bad ones; bad answers do not count within the start period, unless
// there was a good one before. At most one probe of a check is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"

namespace aloft::agent {

struct CheckLimits {
  std::string name;
  Duration interval = 5s;
  Duration timeout = 2s;
  Duration start_period = 30s;
  std::uint32_t failures = 3;
  std::uint32_t successes = 1;
  bool restarts = true;  // an unhealthy guest is restarted, not only reported

  bool operator==(const CheckLimits&) const = default;
};

struct CheckState {
  enum class Verdict { Undecided, Healthy, Unhealthy };
  Verdict verdict = Verdict::Undecided;
  std::uint32_t consecutive_failures = 0;
  std::uint32_t consecutive_successes = 0;
  bool ever_succeeded = false;
  bool under_way = false;
  Instant next{};
  std::string message{};

  bool operator==(const CheckState&) const = default;
};

class HealthTable {
 public:
  // A new run began at `now`: every check is undecided, its first probe due one interval later.
  void begin(std::vector<CheckLimits> checks, Instant now);
  void end() { checks_.clear(), states_.clear(); }

  // Indexes of the checks whose probe must begin now; they count as under way from here.
  std::vector<std::size_t> take_due(Instant now);

  struct Turn {
    bool changed = false;    // the verdict, or what people are told of it
    bool restart = false;    // it became unhealthy and the guest must be restarted
    bool healthy = false;    // it became healthy
    bool unhealthy = false;  // it became unhealthy
  };
  Turn answer(std::size_t check, bool good, std::string message, Instant now);

  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] const std::vector<CheckLimits>& checks() const { return checks_; }
  [[nodiscard]] const std::vector<CheckState>& states() const { return states_; }

 private:
  std::vector<CheckLimits> checks_;
  std::vector<CheckState> states_;
  Instant began_{};
};

}  // namespace aloft::agent
