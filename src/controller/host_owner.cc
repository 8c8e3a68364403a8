// The owner's side of HostMachine: running the instance and mending the record.
#include <algorithm>

#include "controller/host_machine.h"

namespace aloft::controller {

void HostMachine::advance(GuestId guest, Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  const bool moved = known.record.revision != Revision(0) &&
                     (!owner(known) || known.record.generation != known.generation);
  if (known.run != Run::Absent && moved && defect_ != Defect::KeepRunningWhenMoved) {
    kill(guest, known, out);
  }
  if (!owner(known)) return;
  // Whoever was asked but does not grant would only hold the guest back; while a change that names
  // it may still come true, it stays.
  if (!known.store_pending && !known.unsettled) {
    known.asked.remove_if([&](HostId host) { return !grants_now(guest, known, host, now); });
  }
  if (!fences_clear(known)) ask_for_clearing(guest, known, now, out);
  advance_instance(guest, known, now, out);
  if (now >= known.repair_due) look_for_repairs(guest, known, now, out);
  mend(guest, known, now, out);
}

void HostMachine::advance_instance(GuestId guest, Slot& known, Instant now, HostEffects& out) {
  const auto act = [&](HostAction action, Run next) {
    known.run = next;
    out.push_back({.action = action, .guest = guest, .generation = known.generation});
  };
  switch (known.run) {
    case Run::Absent: {
      known.tried_at = now;
      const bool disk = known.record.replicas == 0 || in_sync(known.record, self_) ||
                        defect_ == Defect::PromoteStale;
      if (!wanted(known) || !disk || !fences_clear(known) || now < known.start_due) return;
      if (right(guest, known, known.record.generation) <= now) return;
      known.generation = known.record.generation;
      act(HostAction::Start, Run::Starting);
      return;
    }
    case Run::Starting:
    case Run::Running:
      if (right_until(guest) <= now) {
        known.repair_due = now;
        act(HostAction::Freeze, Run::Frozen);
      } else if (!wanted(known) && known.run == Run::Running) {
        act(HostAction::Stop, Run::Stopping);
      }
      return;
    case Run::Frozen:
      if (!wanted(known) && known.record.revision != Revision(0)) {
        kill(guest, known, out);
      } else if (right_until(guest) > now) {
        act(HostAction::Thaw, Run::Running);
      }
      return;
    case Run::Stopping:
      // It cannot be left half stopped outside of its right.
      if (right_until(guest) <= now) kill(guest, known, out);
      return;
    case Run::Killing:
      return;
  }
}

void HostMachine::ask_for_clearing(GuestId guest, Slot& known, Instant now, HostEffects& out) {
  if (now < known.ask_due) return;
  known.ask_due = now + timing_.retry;
  const auto ask = [&](HostId host) {
    out.push_back(
        {.action = HostAction::AskToClear, .host = host, .guest = guest, .record = known.record});
  };
  for (const Fence& fence : known.record.fences) {
    if (has(known.cleared, fence.owner)) continue;
    for (const HostId grantor : fence.grantors) {
      if (grantor != self_) ask(grantor);
    }
    if (fence.owner != self_) {
      ask(fence.owner);
    } else if (known.run == Run::Absent) {
      // Its own earlier right: nothing of it runs here any more.
      if (!known.cleared.full()) known.cleared.push_back(self_);
    }
  }
}

void HostMachine::choose_grantor(GuestId guest, Slot& known, Instant now) {
  // Begins at another host for every guest, so that no host grants for all.
  const std::size_t count = hosts_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const HostId host(static_cast<std::uint32_t>((guest.value() + i) % count));
    if (host == self_ || !hosts_[host.value()].member) continue;
    if (silence_.silent(host, now) || !grants_now(guest, known, host, now)) continue;
    known.asked.push_back(host);
    return;
  }
}

void HostMachine::look_for_repairs(GuestId guest, Slot& known, Instant now, HostEffects& out) {
  known.repair_due = now + timing_.repair;
  if (known.run == Run::Frozen || known.run == Run::Absent) known.repair_due = now + timing_.beat;
  const auto deaf = [&](HostId host) { return silence_.silent(host, now); };
  known.resyncing.remove_if(deaf);
  if (!known.store_pending && !known.unsettled) known.caught_up.remove_if(deaf);
  if (!fences_clear(known)) return;

  if (known.record.replicas == 0) {
    if (!known.record.pinned && known.record.grantors.empty() && known.asked.empty()) {
      choose_grantor(guest, known, now);
    }
    return;
  }
  for (const Member& member : known.record.members) {
    if (member.state != MemberState::CatchingUp || member.host == self_) continue;
    if (has(known.caught_up, member.host)) {
      if (!has(known.asked, member.host) && grants_now(guest, known, member.host, now)) {
        known.asked.push_back(member.host);
      }
    } else if (!has(known.resyncing, member.host) && !deaf(member.host)) {
      known.resyncing.push_back(member.host);
      out.push_back({.action = HostAction::Resync,
                     .host = member.host,
                     .guest = guest,
                     .generation = known.record.generation});
    }
  }
}

void HostMachine::mend(GuestId guest, Slot& known, Instant now, HostEffects& out) {
  if (known.store_pending || now < known.store_due) return;
  GuestRecord next = known.record;
  if (!change_of(guest, known, now, next)) {
    // A change whose answer was lost is tried again as it was: whichever try comes true, the
    // revision moves on and the other cannot any more.
    if (!known.unsettled || known.attempt.revision != known.record.revision) return;
    next = known.attempt;
  }
  known.attempt = next;
  known.store_pending = true;
  out.push_back({.action = HostAction::Cas, .guest = guest, .record = next});
  if (defect_ == Defect::ThawBeforeStoreAnswers && known.run == Run::Frozen) {
    known.record.grantors = next.grantors;
    known.record.members = next.members;
    advance_instance(guest, known, now, out);
  }
}

// The change that the record needs now, if any. With now = Instant::max(): whether one may be
// needed at all, for next_deadline.
bool HostMachine::change_of(GuestId guest, const Slot& known, Instant now,
                            GuestRecord& record) const {
  bool changed = !settled(known);
  if (!record.fences.empty() && fences_clear(known)) {
    record.fences.clear();
    changed = true;
  }
  if (hand_over(known, now, record) || give_back(known, record)) return true;
  changed |= move_to_a_disk(known, now, record);
  changed |= set_aside_broken(known, now, record);
  changed |= leave_deaf_out(guest, known, now, record);
  changed |= take_asked_in(guest, known, now, record);
  for (Member& member : record.members) {
    const bool heard = now != Instant::max() && !silence_.silent(member.host, now);
    if (member.state == MemberState::Stale && heard &&
        (now >= known.broken_until || !has(known.broken, member.host)) && fences_clear(known) &&
        known.run != Run::Frozen) {
      member.state = MemberState::CatchingUp;
      changed = true;
    }
  }
  return changed;
}

bool HostMachine::set_aside_broken(const Slot& known, Instant now, GuestRecord& record) const {
  if (now >= known.broken_until) return false;
  bool changed = false;
  for (Member& member : record.members) {
    if (!has(known.broken, member.host) || member.state == MemberState::Stale) continue;
    const bool another = std::ranges::any_of(record.members, [&](const Member& other) {
      return other.host != member.host && other.state == MemberState::InSync;
    });
    // The last copy stays in sync, whatever its disk says: no other has what it has.
    if (!another && member.state == MemberState::InSync) continue;
    member.state = MemberState::Stale;
    record.grantors.remove_if([&](HostId host) { return host == member.host; });
    changed = true;
  }
  return changed;
}

// An owner whose own replica is not in sync gives the guest to a host whose is.
bool HostMachine::move_to_a_disk(const Slot& known, Instant now, GuestRecord& record) const {
  if (record.replicas == 0 || in_sync(record, self_) || !wanted(known)) return false;
  if (!record.fences.empty() || now == Instant::max()) return false;
  const auto home = [&](bool in_maintenance) {
    for (const Member& other : record.members) {
      const HostRecord& host = hosts_[other.host.value()];
      if (other.state != MemberState::InSync || silence_.silent(other.host, now)) continue;
      if (host.member && host.runs_guests && host.maintenance == in_maintenance) return other.host;
    }
    return kNoHost;
  };
  HostId to = home(false);
  // Better on a host that is to be emptied than nowhere.
  if (to == kNoHost && known.run == Run::Absent) to = home(true);
  if (to == kNoHost) return false;
  record.move_to = to;
  record.cause = Cause::Operator;
  return true;
}

bool HostMachine::leave_deaf_out(GuestId guest, const Slot& known, Instant now,
                                 GuestRecord& record) const {
  const bool held_back = known.run == Run::Frozen ||
                         (known.run == Run::Absent && wanted(known) && fences_clear(known) &&
                          now != Instant::max() && now - known.waiting_since > timing_.grant);
  if (!held_back) return false;
  bool changed = false;
  for (const HostId grantor : known.record.grantors) {
    if (now == Instant::max() || grants_now(guest, known, grantor, now)) continue;
    if (record.replicas > 0) {
      const bool another = std::ranges::any_of(record.members, [&](const Member& other) {
        return other.host != grantor && other.state == MemberState::InSync &&
               (other.host == self_ || grants_now(guest, known, other.host, now));
      });
      if (!another) continue;
      for (Member& member : record.members) {
        if (member.host == grantor) member.state = MemberState::Stale;
      }
    }
    record.grantors.remove_if([&](HostId host) { return host == grantor; });
    changed = true;
  }
  return changed;
}

bool HostMachine::take_asked_in(GuestId guest, const Slot& known, Instant now,
                                GuestRecord& record) const {
  bool changed = false;
  if (record.replicas > 0) {
    for (Member& member : record.members) {
      const bool grants = (has(known.asked, member.host) && now != Instant::max() &&
                           grants_now(guest, known, member.host, now)) ||
                          defect_ == Defect::InSyncWithoutGrant;
      if (member.state != MemberState::CatchingUp || !has(known.caught_up, member.host)) continue;
      if (!grants) continue;
      member.state = MemberState::InSync;
      if (!has(record.grantors, member.host) && !record.grantors.full()) {
        record.grantors.push_back(member.host);
      }
      changed = true;
    }
    return changed;
  }
  for (const HostId host : known.asked) {
    const bool grants = now != Instant::max() && grants_now(guest, known, host, now);
    if (!grants || record.grantors.full()) continue;
    record.grantors.push_back(host);
    changed = true;
  }
  if (defect_ == Defect::AddGrantorBeforeAsking && record.grantors.empty() && !record.pinned &&
      known.run == Run::Running) {
    const HostId host((self_.value() + 1) % static_cast<std::uint32_t>(hosts_.size()));
    record.grantors.push_back(host);
    changed = true;
  }
  return changed;
}

bool HostMachine::hand_over(const Slot& known, Instant now, GuestRecord& record) const {
  if (record.move_to == kNoHost) return false;
  const HostId to = record.move_to;
  const bool stopped = known.run == Run::Absent || defect_ == Defect::HandOverWhileRunning;
  // A host that is to be emptied gets a guest only when the guest has no disk elsewhere.
  const bool emptied =
      hosts_[to.value()].maintenance && (record.replicas == 0 || in_sync(record, self_));
  const bool possible = !emptied && to != self_ && hosts_[to.value()].member &&
                        hosts_[to.value()].runs_guests && !record.pinned &&
                        (record.replicas == 0 || in_sync(record, to)) &&
                        (now == Instant::max() || !silence_.silent(to, now));
  if (!possible) {
    record.move_to = kNoHost;
    return true;
  }
  if (!stopped || !record.fences.empty()) return false;
  record.move_to = kNoHost;
  record.host = to;
  record.generation = record.generation.next();
  record.grantors.clear();
  if (record.replicas == 0) {
    record.grantors.push_back(self_);
    return true;
  }
  for (const Member& member : record.members) {
    if (member.state == MemberState::InSync && member.host != to) {
      record.grantors.push_back(member.host);
    }
  }
  return true;
}

bool HostMachine::give_back(const Slot& known, GuestRecord& record) const {
  if (known.run != Run::Absent || !wanted(known) || !record.fences.empty()) return false;
  const std::uint32_t tries = record.pinned ? kTriesHere * (kTriesElsewhere + 1) : kTriesHere;
  if (known.crashes < tries) return false;
  if (record.pinned || record.tries_elsewhere >= kTriesElsewhere) {
    record.failed = true;
    return true;
  }
  record.tries_elsewhere = static_cast<std::uint8_t>(record.tries_elsewhere + 1);
  record.cause = Cause::Crashes;
  record.evidence = Evidence{.lost = self_};
  record.host = kNoHost;
  record.generation = record.generation.next();
  record.grantors.clear();
  return true;
}

}  // namespace aloft::controller
