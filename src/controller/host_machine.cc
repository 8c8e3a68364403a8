#include "controller/host_machine.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace aloft::controller {

HostMachine::HostMachine(HostId self, std::size_t hosts, std::size_t guests, const Timing& timing,
                         Defect defect)
    : self_(self),
      timing_(timing),
      defect_(defect),
      hosts_(hosts),
      grants_(hosts, timing, defect),
      silence_(hosts, self, timing),
      slots_(guests) {}

// ---- life

void HostMachine::on_boot(Instant now, std::vector<Agreement> durable) {
  grants_.restart(now, std::move(durable));
  silence_.restart(now);
  std::ranges::fill(slots_, Slot{});
  involved_.clear();
}

void HostMachine::on_agent_start(Instant now, const std::vector<Instance>& instances,
                                 HostEffects& out) {
  grants_.restart_agent(now);
  silence_.restart(now);
  std::ranges::fill(slots_, Slot{});
  involved_.clear();
  for (const Instance& instance : instances) {
    Slot& found = slot(instance.guest);
    found.run = instance.frozen ? Run::Frozen : Run::Running;
    found.generation = instance.generation;
    involve(instance.guest);
    // Until the record is read, nobody knows who grants it: it stands still or is in its right by
    // the grants of before, which the record will name.
    if (defect_ != Defect::AssumePermissionAtRestart && found.run == Run::Running) {
      found.run = Run::Frozen;
      out.push_back({.action = HostAction::Freeze, .guest = instance.guest});
    }
    out.push_back({.action = HostAction::Read, .guest = instance.guest});
  }
}

// ---- heartbeats

void HostMachine::on_beat(HostId peer, Instant now) {
  silence_.heard(peer, now);
  grants_.grant(peer, now);
}

void HostMachine::on_answer(HostId peer, Instant sent_at, Instant now,
                            const std::vector<Refusal>& refusals, std::uint32_t version) {
  grants_.held(peer, sent_at, now, refusals, version);
}

// ---- store

void HostMachine::on_record(GuestId guest, const GuestRecord& record, Instant now,
                            HostEffects& out) {
  Slot& known = slot(guest);
  if (record.revision <= known.record.revision && defect_ != Defect::SkipGenerationCompare) return;
  adopt(guest, known, record, now, out);
  advance(guest, now, out);
}

void HostMachine::adopt(GuestId guest, Slot& known, const GuestRecord& record, Instant now,
                        HostEffects& out) {
  const bool new_owner = record.generation != known.record.generation;
  if (known.first_seen == Revision(0)) known.first_seen = record.revision;
  known.record = record;
  known.unsettled = false;
  if (new_owner) {
    known.cleared.clear();
    known.asked.clear();
    known.caught_up.clear();
    known.resyncing.clear();
    known.broken.clear();
    known.crashes = 0;
    known.start_due = Instant{};
    known.waiting_since = now;
    known.ask_due = now;
  }
  known.asked.remove_if([&](HostId host) { return has(record.grantors, host); });
  const auto not_catching_up = [&](HostId host) {
    const Member* const member = member_of(record, host);
    return member == nullptr || member->state != MemberState::CatchingUp;
  };
  known.caught_up.remove_if(not_catching_up);
  known.resyncing.remove_if(not_catching_up);
  known.store_due = now;
  if (owner(known) || known.run != Run::Absent) involve(guest);
  if (record.host != kNoHost) grants_.forget(guest, record.host, record.generation);
  agree_to_fences(guest, record, owner(known) ? self_ : kNoHost, now, out);
}

void HostMachine::on_store_answer(GuestId guest, StoreAnswer answer, const GuestRecord& record,
                                  Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  const bool was_change = std::exchange(known.store_pending, false);
  switch (answer) {
    case StoreAnswer::Done:
    case StoreAnswer::Conflict:
      known.store_due = now;
      if (answer == StoreAnswer::Conflict && defect_ == Defect::NoRetryAfterConflict) {
        known.store_due = kNever;
      }
      on_record(guest, record, now, out);
      return;
    case StoreAnswer::Unknown:
      // Once the record has moved on, the change can no longer come true.
      if (was_change) known.unsettled = known.attempt.revision == known.record.revision;
      [[fallthrough]];
    case StoreAnswer::Unavailable:
      known.store_due = now + timing_.retry;
      if (defect_ == Defect::ExcludeWithoutStore && was_change && known.run == Run::Frozen) {
        known.record.grantors = known.attempt.grantors;
        known.record.members = known.attempt.members;
        advance(guest, now, out);
      }
      if (!was_change && known.record.revision == Revision(0) && known.run != Run::Absent) {
        out.push_back({.action = HostAction::Read, .guest = guest});
      }
      return;
  }
}

// ---- other hosts

void HostMachine::agree_to_fences(GuestId guest, const GuestRecord& record, HostId asker,
                                  Instant now, HostEffects& out) {
  bool changed = false;
  for (const Fence& fence : record.fences) {
    if (!has(fence.grantors, self_)) continue;
    changed |= grants_.agree(guest, fence.owner, record.generation, asker, now);
  }
  if (changed && defect_ != Defect::ForgetAgreementAtRestart) {
    out.push_back({.action = HostAction::Persist});
  }
}

void HostMachine::on_ask_to_clear(HostId from, GuestId guest, const GuestRecord& record,
                                  Instant now, HostEffects& out) {
  on_record(guest, record, now, out);
  const Slot& known = slot(guest);
  // Somebody who asks for an old generation has been overtaken; it will see the record itself.
  if (known.record.generation != record.generation) return;
  agree_to_fences(guest, known.record, from, now, out);
  for (const Fence& fence : known.record.fences) {
    if (fence.owner == self_ && known.run == Run::Absent) {
      out.push_back({.action = HostAction::Clear,
                     .host = from,
                     .owner = self_,
                     .guest = guest,
                     .generation = record.generation});
    }
  }
  tell_cleared(now, out);
}

void HostMachine::tell_cleared(Instant now, HostEffects& out) {
  for (std::size_t i = 0; i < grants_.agreements().size(); ++i) {
    Agreement& entry = grants_.agreements()[i];
    if (entry.asker == kNoHost || entry.clear_at > now) continue;
    const HostId asker = std::exchange(entry.asker, kNoHost);
    const Agreement told = entry;
    if (asker == self_) {
      on_clear(told.guest, told.generation, told.owner, now, out);
    } else {
      out.push_back({.action = HostAction::Clear,
                     .host = asker,
                     .owner = told.owner,
                     .guest = told.guest,
                     .generation = told.generation});
    }
  }
}

void HostMachine::on_clear(GuestId guest, Generation generation, HostId fenced, Instant now,
                           HostEffects& out) {
  Slot& known = slot(guest);
  if (!owner(known) || known.record.generation != generation) return;
  if (!has(known.cleared, fenced) && !known.cleared.full()) known.cleared.push_back(fenced);
  advance(guest, now, out);
}

// ---- guests of this host

void HostMachine::on_started(GuestId guest, Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  if (known.run == Run::Starting) known.run = Run::Running;
  advance(guest, now, out);
}

void HostMachine::on_exited(GuestId guest, bool crashed, Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  known.run = Run::Absent;
  known.waiting_since = now;
  if (crashed) {
    if (known.crashes == 0 || now - known.first_crash > timing_.crash_window) {
      known.first_crash = now;
      known.crashes = 0;
    }
    ++known.crashes;
    const Duration backoff =
        timing_.backoff * (std::int64_t{1} << std::min(known.crashes - 1, 10U));
    known.start_due = now + std::min(backoff, timing_.backoff_maximum);
    known.store_due = std::min(known.store_due, now);
  }
  advance(guest, now, out);
}

void HostMachine::on_freeze_failed(GuestId guest, Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  if (known.run != Run::Frozen) return;
  kill(guest, known, out);
  advance(guest, now, out);
}

void HostMachine::on_kill_failed(GuestId guest, Instant /*now*/, HostEffects& out) {
  if (slot(guest).run == Run::Absent) return;
  out.push_back({.action = HostAction::ResetHost, .guest = guest});
}

void HostMachine::on_caught_up(GuestId guest, HostId member, Generation generation, Instant now,
                               HostEffects& out) {
  Slot& known = slot(guest);
  if (known.record.generation != generation || !has(known.resyncing, member)) return;
  known.resyncing.remove_if([&](HostId host) { return host == member; });
  if (!has(known.caught_up, member)) known.caught_up.push_back(member);
  known.repair_due = now;
  advance(guest, now, out);
}

void HostMachine::on_member_missed(GuestId guest, HostId member, HostEffects& out) {
  Slot& known = slot(guest);
  if (!has(known.caught_up, member)) return;
  known.caught_up.remove_if([&](HostId host) { return host == member; });
  if (!known.store_pending && !known.unsettled) {
    known.asked.remove_if([&](HostId host) { return host == member; });
  }
  if (!has(known.resyncing, member)) known.resyncing.push_back(member);
  out.push_back({.action = HostAction::Resync,
                 .host = member,
                 .guest = guest,
                 .generation = known.record.generation});
}

void HostMachine::on_disk_error(GuestId guest, HostId member, Instant now, HostEffects& out) {
  Slot& known = slot(guest);
  if (now >= known.broken_until) known.broken.clear();
  known.broken_until = now + timing_.disk_patience;
  if (!owner(known) || has(known.broken, member) || known.broken.full()) return;
  if (member_of(known.record, member) == nullptr) return;
  known.broken.push_back(member);
  known.store_due = std::min(known.store_due, now);
  advance(guest, now, out);
}

void HostMachine::kill(GuestId guest, Slot& known, HostEffects& out) {
  if (known.run == Run::Absent || known.run == Run::Killing) return;
  known.run = Run::Killing;
  out.push_back({.action = HostAction::Kill, .guest = guest});
}

// ---- rights

bool HostMachine::wanted(const Slot& known) const {
  return known.record.desired == Desired::Running && !known.record.failed &&
         known.record.move_to == kNoHost;
}

bool HostMachine::fences_clear(const Slot& known) const {
  if (defect_ == Defect::StartWithoutClearing) return true;
  return std::ranges::all_of(known.record.fences,
                             [&](const Fence& fence) { return has(known.cleared, fence.owner); });
}

Instant HostMachine::right(GuestId guest, const Slot& known, Generation generation) const {
  // An instance that was found running before its record was read has no right yet.
  if (known.record.revision == Revision(0) || !settled(known)) return Instant::min();
  const bool any = defect_ == Defect::IgnoreOneGrantor && known.record.grantors.size() > 1;
  Instant until = any ? Instant::min() : kNever;
  const auto take = [&](HostId grantor) {
    const Instant one = grants_.right_until(grantor, guest, generation);
    until = any ? std::max(until, one) : std::min(until, one);
  };
  for (const HostId grantor : known.record.grantors) take(grantor);
  for (const HostId grantor : known.asked) take(grantor);
  return until;
}

Instant HostMachine::right_until(GuestId guest) const {
  const Slot& known = slot(guest);
  if (!owner(known) && defect_ != Defect::KeepRunningWhenMoved) return Instant::min();
  return right(guest, known, known.generation);
}

Instant HostMachine::grants_end() const {
  Instant end = kNever;
  for (const GuestId guest : involved_) {
    const Slot& known = slot(guest);
    if (known.run == Run::Absent || known.run == Run::Frozen) continue;
    const Instant until = right_until(guest);
    if (until != kNever) end = std::min(end, until);
  }
  if (end == kNever || defect_ == Defect::FeedWatchdogAlways) return kNever;
  return end == Instant::min() ? Instant{} : end + timing_.margin;
}

bool HostMachine::grants_now(GuestId guest, const Slot& known, HostId grantor, Instant now) const {
  return grants_.right_until(grantor, guest, known.record.generation) > now;
}

Few<HostId, kMaxMembers> HostMachine::must_reach(GuestId guest) const {
  Few<HostId, kMaxMembers> result;
  const Slot& known = slot(guest);
  for (const Member& member : known.record.members) {
    const bool counts = member.state == MemberState::InSync || has(known.asked, member.host);
    if (counts && member.host != self_) result.push_back(member.host);
  }
  return result;
}

// ---- time

void HostMachine::involve(GuestId guest) {
  Slot& known = slot(guest);
  if (std::exchange(known.involved, true)) return;
  involved_.push_back(guest);
}

void HostMachine::on_time(Instant now, HostEffects& out) {
  tell_cleared(now, out);
  for (std::size_t i = 0; i < involved_.size();) {
    const GuestId guest = involved_[i];
    Slot& known = slot(guest);
    if (!owner(known) && known.run == Run::Absent) {
      known.involved = false;
      involved_[i] = involved_.back();
      involved_.pop_back();
      continue;
    }
    advance(guest, now, out);
    ++i;
  }
}

Instant HostMachine::next_deadline(const HostSet& regular) const {
  Instant next = kNever;
  for (const Agreement& entry : grants_.agreements()) {
    if (entry.asker != kNoHost) next = std::min(next, entry.clear_at);
  }
  for (const GuestId guest : involved_) {
    const Slot& known = slot(guest);
    const bool executes =
        known.run == Run::Running || known.run == Run::Starting || known.run == Run::Stopping;
    if (executes) {
      for (const auto* const list : {&known.record.grantors}) {
        for (const HostId grantor : *list) {
          if (contains(regular, grantor)) continue;
          next = std::min(next, grants_.right_until(grantor, guest, known.generation));
        }
      }
      for (const HostId grantor : known.asked) {
        if (contains(regular, grantor)) continue;
        next = std::min(next, grants_.right_until(grantor, guest, known.generation));
      }
    }
    if (!owner(known)) continue;
    if (!known.record.fences.empty() && !fences_clear(known)) next = std::min(next, known.ask_due);
    const bool waits = known.run == Run::Absent && wanted(known) && fences_clear(known);
    if (waits && known.start_due > known.tried_at) next = std::min(next, known.start_due);
    GuestRecord ignored = known.record;
    if (known.unsettled && !known.store_pending) next = std::min(next, known.store_due);
    if (!known.store_pending && change_of(guest, known, Instant::max(), ignored)) {
      next = std::min(next, known.store_due);
    }
    const bool whole = known.record.replicas == 0
                           ? !known.record.grantors.empty() || known.record.pinned
                           : std::ranges::all_of(known.record.members, [](const Member& member) {
                               return member.state == MemberState::InSync;
                             });
    if (!whole || known.run == Run::Frozen || waits) next = std::min(next, known.repair_due);
  }
  return next;
}

void HostMachine::check_invariants() const {
  for (const Slot& known : slots_) {
    const bool executes = known.run == Run::Running || known.run == Run::Starting;
    if (executes && defect_ == Defect::None) {
      ALOFT_ASSERT(known.record.host == self_);
      ALOFT_ASSERT(known.generation == known.record.generation);
    }
    for (const HostId host : known.asked) ALOFT_ASSERT(!has(known.record.grantors, host));
    ALOFT_ASSERT(known.run == Run::Absent || known.involved);
  }
}

}  // namespace aloft::controller
