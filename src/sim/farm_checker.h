// Judges a simulated farm from outside: it sees what really happens, not what machines believe.
//
//   S1 one writer            acknowledged() in rising generations only
//   S2 one runner            executes() of one guest on one host at most
//   S3 nothing lost          opened() with every acknowledged write
//   S4 no stale promotion    opened() on a member that the store calls in sync
//   S5 no friendly fire      frozen(), moved() and asked_bmc() only where something was really
//   wrong evidence, ping-pong      moved() names what was seen; away from a host that is well only
//   for a
//                            new cause
//   bounded work             worked()
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "controller/farm_record.h"
#include "controller/ids.h"

namespace aloft::sim {

struct Violation {
  std::string rule;  // "S2"
  std::string words;
  Instant at{};
};

class FarmChecker {
 public:
  FarmChecker(std::size_t hosts, std::size_t guests);

  void executes(controller::GuestId guest, controller::HostId host, bool now_executes, Instant at);
  void acknowledged(controller::GuestId guest, controller::HostId host,
                    controller::Generation generation, Instant at);
  void opened(controller::GuestId guest, controller::HostId host, bool in_sync,
              std::uint32_t version, Instant at);
  void frozen(controller::GuestId guest, controller::HostId host, bool cause, Instant at);
  void moved(controller::GuestId guest, const controller::GuestRecord& before,
             const controller::GuestRecord& after, bool owner_was_well, bool owner_is_well,
             Instant at);
  // `asking` wants `host` switched off; `reaches_store`: or did until a moment ago.
  void asked_bmc(controller::HostId asking, controller::HostId host, bool reaches_store,
                 Instant at);
  // A fault, or a command: whatever may be the cause of a move.
  void disturbed(Instant at) { last_disturbed_ = at; }
  void worked(std::size_t effects, Instant at);
  void violate(std::string rule, std::string words, Instant at);

  [[nodiscard]] std::uint32_t acknowledged_version(controller::GuestId guest) const {
    return guests_[guest.value()].version;
  }
  [[nodiscard]] std::uint32_t next_version(controller::GuestId guest) {
    return ++guests_[guest.value()].version;
  }
  [[nodiscard]] std::uint32_t runners(controller::GuestId guest) const {
    return guests_[guest.value()].runners;
  }
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }

 private:
  struct Guest {
    std::uint32_t runners = 0;
    controller::HostId runner = controller::kNoHost;
    std::uint32_t version = 0;  // of its disk: acknowledged writes
    controller::Generation writer_generation;
    controller::HostId writer = controller::kNoHost;
    Instant moved = Instant::min();
  };

  std::size_t work_limit_;
  std::vector<Guest> guests_;
  Instant last_disturbed_ = Instant::min();
  std::optional<Violation> violation_;  // the first one
};

}  // namespace aloft::sim
