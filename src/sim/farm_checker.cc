#include "sim/farm_checker.h"

#include <fmt/format.h>

#include <utility>

namespace aloft::sim {

using controller::Cause;
using controller::Generation;
using controller::GuestId;
using controller::GuestRecord;
using controller::HostId;
using controller::kNoHost;

FarmChecker::FarmChecker(std::size_t hosts, std::size_t guests)
    // Every guest of the farm may need a few actions at once, after a full power cut for example.
    : work_limit_(64 + 12 * guests + 16 * hosts), guests_(guests) {}

void FarmChecker::violate(std::string rule, std::string words, Instant at) {
  if (!violation_) violation_ = Violation{std::move(rule), std::move(words), at};
}

void FarmChecker::executes(GuestId id, HostId host, bool now_executes, Instant at) {
  Guest& guest = guests_[id.value()];
  if (!now_executes) {
    --guest.runners;
    if (guest.runner == host) guest.runner = kNoHost;
    return;
  }
  ++guest.runners;
  if (guest.runners > 1) {
    violate("S2",
            fmt::format("guest {} executes on host {} while it executes on host {}", id.value(),
                        host.value(), guest.runner.value()),
            at);
  }
  guest.runner = host;
}

void FarmChecker::acknowledged(GuestId id, HostId host, Generation generation, Instant at) {
  Guest& guest = guests_[id.value()];
  const bool older = generation < guest.writer_generation;
  const bool twice =
      generation == guest.writer_generation && guest.writer != kNoHost && guest.writer != host;
  if (older || twice) {
    violate(
        "S1",
        fmt::format("guest {} acknowledges a write on host {} at generation {} after host {} did "
                    "at generation {}",
                    id.value(), host.value(), generation.value(), guest.writer.value(),
                    guest.writer_generation.value()),
        at);
  }
  guest.writer = host;
  guest.writer_generation = generation;
}

void FarmChecker::opened(GuestId id, HostId host, bool in_sync, std::uint32_t version, Instant at) {
  const Guest& guest = guests_[id.value()];
  if (!in_sync) {
    violate("S4",
            fmt::format("host {} opens its replica of guest {}, which is not in sync", host.value(),
                        id.value()),
            at);
  }
  if (version < guest.version) {
    violate("S3",
            fmt::format("host {} opens guest {} at write {}, {} were acknowledged", host.value(),
                        id.value(), version, guest.version),
            at);
  }
}

void FarmChecker::frozen(GuestId id, HostId host, bool cause, Instant at) {
  if (cause) return;
  violate("S5",
          fmt::format("guest {} is frozen on host {} though all its grantors are well", id.value(),
                      host.value()),
          at);
}

void FarmChecker::asked_bmc(HostId asking, HostId host, bool reaches_store, Instant at) {
  if (reaches_store) return;
  violate("S5",
          fmt::format("host {}, cut off from the store, has host {} switched off", asking.value(),
                      host.value()),
          at);
}

void FarmChecker::moved(GuestId id, const GuestRecord& before, const GuestRecord& after,
                        bool owner_was_well, bool owner_is_well, Instant at) {
  Guest& guest = guests_[id.value()];
  if (after.cause == Cause::HostLost && before.host != kNoHost && after.host != kNoHost &&
      after.fences.size() > before.fences.size()) {
    if (owner_was_well) {
      violate("S5",
              fmt::format("guest {} is taken from host {}, which is well and is heard", id.value(),
                          before.host.value()),
              at);
    }
    const bool seen = after.evidence.second != kNoHost || after.evidence.lease_gone;
    if (!seen || !after.evidence.grantor_deaf) {
      violate("evidence",
              fmt::format("guest {} is taken from host {} without evidence", id.value(),
                          before.host.value()),
              at);
    }
  }
  if (before.host != kNoHost && owner_is_well && guest.moved > last_disturbed_) {
    violate("ping-pong",
            fmt::format("guest {} moves from host {} again without a new cause", id.value(),
                        before.host.value()),
            at);
  }
  if (before.host != kNoHost) guest.moved = at;
}

void FarmChecker::worked(std::size_t effects, Instant at) {
  if (effects <= work_limit_) return;
  violate("bounded work",
          fmt::format("one event had {} effects, more than {}", effects, work_limit_), at);
}

}  // namespace aloft::sim
