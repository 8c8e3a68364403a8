#include "controller/grant_table.h"

#include <algorithm>
#include <utility>

namespace aloft::controller {

GrantTable::GrantTable(std::size_t hosts, const Timing& timing, Defect defect)
    : timing_(timing), defect_(defect), given_(hosts), held_(hosts) {}

void GrantTable::grant(HostId owner, Instant now) {
  given_[owner.value()].until = std::max(given_[owner.value()].until, now + timing_.grant);
}

const Agreement* GrantTable::agreement(GuestId guest, HostId owner) const {
  for (const Agreement& entry : agreements_) {
    if (entry.guest == guest && entry.owner == owner) return &entry;
  }
  return nullptr;
}

bool GrantTable::agree(GuestId guest, HostId owner, Generation generation, HostId asker,
                       Instant now) {
  for (Agreement& entry : agreements_) {
    if (entry.guest != guest || entry.owner != owner) continue;
    if (asker != kNoHost) entry.asker = asker;
    if (entry.generation >= generation) return false;
    entry.generation = generation;
    entry.clear_at = std::max(now, given_[owner.value()].until);
    rebuild_refusals(owner);
    return true;
  }
  Instant clear_at = std::max(now, given_[owner.value()].until);
  if (defect_ == Defect::StartBeforeGrantRanOut) clear_at = now;
  agreements_.push_back({guest, owner, generation, clear_at, asker});
  rebuild_refusals(owner);
  return true;
}

bool GrantTable::forget(GuestId guest, HostId owner, Generation generation) {
  const std::size_t removed = std::erase_if(agreements_, [&](const Agreement& entry) {
    return entry.guest == guest && entry.owner == owner && entry.generation <= generation;
  });
  if (removed > 0) rebuild_refusals(owner);
  return removed > 0;
}

void GrantTable::rebuild_refusals(HostId owner) {
  Given& given = given_[owner.value()];
  given.refusals.clear();
  ++given.version;
  if (defect_ == Defect::RenewAfterAgreeing) return;
  for (const Agreement& entry : agreements_) {
    if (entry.owner == owner) given.refusals.push_back({entry.guest, entry.generation});
  }
}

void GrantTable::held(HostId grantor, Instant sent_at, Instant now,
                      const std::vector<Refusal>& refusals, std::uint32_t version) {
  Held& held = held_[grantor.value()];
  const Instant from = defect_ == Defect::CountDeadlineFromAnswer ? now : sent_at;
  if (from < held.from) return;
  held.from = from;
  if (held.version == version) return;
  held.version = version;
  held.refusals = refusals;
}

Instant GrantTable::right_until(HostId grantor, GuestId guest, Generation generation) const {
  const Held& held = held_[grantor.value()];
  if (held.from == Instant::min()) return Instant::min();
  for (const Refusal& refusal : held.refusals) {
    if (refusal.guest == guest && refusal.generation > generation) return Instant::min();
  }
  const Duration margin = defect_ == Defect::NoMargin ? Duration::zero() : timing_.margin;
  return held.from + timing_.grant - margin;
}

void GrantTable::restart(Instant now, std::vector<Agreement> durable) {
  for (Held& held : held_) held = Held{};
  agreements_ = std::move(durable);
  restart_agent(now);
}

void GrantTable::restart_agent(Instant now) {
  const Instant until = defect_ == Defect::ForgetGrantsAtRestart ? now : now + timing_.grant;
  for (std::size_t i = 0; i < given_.size(); ++i) {
    given_[i].until = until;
    rebuild_refusals(HostId(static_cast<std::uint32_t>(i)));
  }
  for (Agreement& entry : agreements_) {
    entry.clear_at = until;
    entry.asker = kNoHost;
  }
  if (defect_ == Defect::AssumePermissionAtRestart) {
    for (Held& held : held_) held = Held{.from = now, .refusals = {}, .version = 0};
  }
}

}  // namespace aloft::controller
