#include "controller/controller_machine.h"

#include <algorithm>
#include <utility>

namespace aloft::controller {

ControllerMachine::ControllerMachine(HostId self, std::size_t hosts, std::size_t guests,
                                     const Timing& timing, Defect defect,
                                     const SilenceMachine& silence)
    : self_(self),
      timing_(timing),
      defect_(defect),
      silence_(silence),
      hosts_(hosts),
      guests_(guests),
      used_mib_(hosts),
      opinions_(hosts),
      silent_since_(hosts),
      lost_since_(hosts) {}

void ControllerMachine::on_start(Instant now) {
  std::ranges::fill(guests_, Guest{});
  std::ranges::fill(used_mib_, 0);
  std::ranges::fill(opinions_, HostSet());
  controller_ = ControllerRecord{};
  controller_pending_ = false;
  controller_due_ = now;
  lease_gone_.reset();
  silent_.reset();
  lost_.reset();
  bmc_asked_.reset();
  done_.clear();
  changed_ = true;
  awake_ = false;
  vacant_ = false;
  started_ = now;
}

void ControllerMachine::on_hosts(const std::vector<HostRecord>& hosts, Instant /*now*/) {
  hosts_ = hosts;
  changed_ = true;
}

void ControllerMachine::account(const GuestRecord& record, std::int64_t sign) {
  if (record.host == kNoHost) return;
  used_mib_[record.host.value()] += sign * static_cast<std::int64_t>(record.memory_mib);
}

void ControllerMachine::on_guest(GuestId guest, const GuestRecord& record, Instant now) {
  Guest& known = guests_[guest.value()];
  if (record.revision <= known.record.revision) return;
  account(known.record, -1);
  known.record = record;
  account(known.record, 1);
  known.due = now;
  known.told = false;
  changed_ = true;
}

void ControllerMachine::on_controller(const ControllerRecord& record, Instant now) {
  if (record.revision <= controller_.revision) return;
  controller_ = record;
  controller_due_ = now;
  changed_ = true;
}

void ControllerMachine::on_lease(HostId host, bool held, Instant /*now*/) {
  if (lease_gone_.test(host.value()) == !held) return;
  lease_gone_.set(host.value(), !held);
  changed_ = true;
}

void ControllerMachine::on_opinion(HostId of, const HostSet& deaf_to, Instant /*now*/) {
  HostSet& known = opinions_[of.value()];
  if (known == deaf_to) return;
  known = deaf_to;
  changed_ = true;
}

void ControllerMachine::on_guest_answer(GuestId guest, StoreAnswer answer,
                                        const GuestRecord& record, Instant now) {
  Guest& known = guests_[guest.value()];
  known.pending = false;
  changed_ = true;
  if (answer == StoreAnswer::Done) {
    // Only now it has happened: a controller that is cut off may want much, and fences nobody.
    report(known.news, record.host, guest, done_);
    const HostId shut_out = std::exchange(known.shut_out, kNoHost);
    if (shut_out != kNoHost && !bmc_asked_.test(shut_out.value())) {
      bmc_asked_.set(shut_out.value());
      done_.push_back({.action = ControllerAction::AskBmc, .host = shut_out, .guest = guest});
    }
  }
  if (answer == StoreAnswer::Done || answer == StoreAnswer::Conflict) {
    on_guest(guest, record, now);
  } else {
    // Whether it happened or not, the same change is a conflict at worst.
    known.due = now + timing_.retry;
  }
}

void ControllerMachine::on_controller_answer(StoreAnswer answer, const ControllerRecord& record,
                                             Instant now) {
  controller_pending_ = false;
  changed_ = true;
  if (answer == StoreAnswer::Done || answer == StoreAnswer::Conflict) on_controller(record, now);
  controller_due_ = now + timing_.retry;
}

void ControllerMachine::report(News news, HostId host, GuestId guest,
                               ControllerEffects& out) const {
  out.push_back({.action = ControllerAction::Report, .news = news, .host = host, .guest = guest});
}

void ControllerMachine::submit(GuestId guest, const GuestRecord& record, News news,
                               ControllerEffects& out) {
  Guest& known = guests_[guest.value()];
  known.pending = true;
  known.news = news;
  known.shut_out = news == News::TakeOver ? known.record.host : kNoHost;
  out.push_back({.action = ControllerAction::CasGuest,
                 .host = record.host,
                 .guest = guest,
                 .record = record});
}

void ControllerMachine::on_bmc(HostId host, bool off, Instant /*now*/, ControllerEffects& out) {
  report(off ? News::BmcOff : News::BmcFailed, host, GuestId(), out);
  // A BMC is asked to be rid of a zombie. It is no proof: it may answer for another machine.
  if (defect_ != Defect::BmcSuccessClearsFences || !off) return;
  for (std::size_t i = 0; i < guests_.size(); ++i) {
    GuestRecord next = guests_[i].record;
    const std::size_t before = next.fences.size();
    next.fences.remove_if([&](const Fence& fence) { return fence.owner == host; });
    if (next.fences.size() == before) continue;
    submit(GuestId(static_cast<std::uint32_t>(i)), next, News::BmcOff, out);
  }
}

// ---- succession

void ControllerMachine::succeed(Instant now, ControllerEffects& out) {
  vacant_ = false;
  if (acting() || controller_pending_ || !hosts_[self_.value()].voter) return;
  const HostId holder = controller_.holder;
  vacant_ = holder == kNoHost || !hosts_[holder.value()].voter || !hosts_[holder.value()].member ||
            silence_.silent(holder, now);
  if (!vacant_ || now < controller_due_) return;
  controller_due_ = now + timing_.retry;
  // The next voter in order that is heard; every voter sees the order, few see it differently, and
  // compare-and-swap lets one win.
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const HostId host(static_cast<std::uint32_t>(i));
    if (!hosts_[i].voter || !hosts_[i].member || silence_.silent(host, now)) continue;
    if (host != self_) return;
    break;
  }
  ControllerRecord next = controller_;
  next.holder = self_;
  ++next.term;
  controller_pending_ = true;
  out.push_back({.action = ControllerAction::CasController, .host = self_, .controller = next});
}

// ---- hosts

HostId ControllerMachine::second_witness(HostId host, Instant now) const {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const HostId other(static_cast<std::uint32_t>(i));
    if (other == self_ || other == host || !hosts_[i].voter) continue;
    if (silence_.silent(other, now)) continue;
    if (contains(opinions_[i], host)) return other;
  }
  return kNoHost;
}

void ControllerMachine::judge_hosts(Instant now, ControllerEffects& out) {
  judge_due_ = kNever;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const HostId host(static_cast<std::uint32_t>(i));
    if (host == self_ || !hosts_[i].member) continue;
    const bool silent = silence_.silent(host, now);
    const bool seconded =
        defect_ == Defect::SilenceAloneIsLoss || second_witness(host, now) != kNoHost;
    const bool lost = (silent && seconded) || lease_gone_.test(i);
    if (silent != silent_.test(i)) {
      silent_.set(i, silent);
      silent_since_[i] = now;
      changed_ = true;
      if (acting() && silent) report(News::HostSilent, host, GuestId(), out);
      if (acting() && !silent) report(News::HostBack, host, GuestId(), out);
    }
    // The others find out within a few beats; after that it is a matter of one link.
    if (silent && !lost) {
      const bool soon = now - silent_since_[i] < timing_.host_lease;
      judge_due_ = std::min(judge_due_, now + (soon ? timing_.beat : timing_.repair));
    }
    if (lost == lost_.test(i)) continue;
    lost_.set(i, lost);
    changed_ = true;
    if (!lost) {
      bmc_asked_.reset(i);
      continue;
    }
    lost_since_[i] = now;
    if (acting()) report(News::HostLost, host, GuestId(), out);
  }
}

bool ControllerMachine::deaf(HostId grantor, HostId owner, Instant now) const {
  if (grantor == self_) return silence_.silent(owner, now);
  return !silence_.silent(grantor, now) && contains(opinions_[grantor.value()], owner);
}

bool ControllerMachine::grantor_deaf(const GuestRecord& record, Instant now) const {
  return std::ranges::any_of(record.grantors,
                             [&](HostId grantor) { return deaf(grantor, record.host, now); });
}

HostSet ControllerMachine::usable(Instant now) const {
  HostSet set;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const HostId host(static_cast<std::uint32_t>(i));
    const HostRecord& record = hosts_[i];
    if (!record.member || !record.runs_guests || record.maintenance) continue;
    if (silence_.silent(host, now) || lost_.test(i)) continue;
    insert(set, host);
  }
  return set;
}

// ---- guests

bool ControllerMachine::needs_owner(const GuestRecord& record) const {
  return record.revision != Revision(0) && record.desired == Desired::Running && !record.failed &&
         (record.host == kNoHost || lost_.test(record.host.value()) ||
          !hosts_[record.host.value()].member);
}

void ControllerMachine::look_at_guests(Instant now, ControllerEffects& out) {
  capacity_ = Capacity(hosts_, usable(now), used_mib_);
  draining_ = static_cast<std::size_t>(std::ranges::count_if(
      guests_, [](const Guest& guest) { return guest.record.move_to != kNoHost; }));
  std::vector<GuestId> waiting;
  for (std::size_t i = 0; i < guests_.size(); ++i) {
    const Guest& guest = guests_[i];
    const GuestId id(static_cast<std::uint32_t>(i));
    if (guest.pending || guest.given_up || now < guest.due) continue;
    if (needs_owner(guest.record)) {
      waiting.push_back(id);
    } else {
      drain(id, now, out);
      if (!guest.pending) replace_replicas(id, now, out);
    }
  }
  std::ranges::sort(waiting, [&](GuestId left, GuestId right) {
    const std::uint16_t a = guests_[left.value()].record.priority;
    const std::uint16_t b = guests_[right.value()].record.priority;
    return a != b ? a > b : left < right;
  });
  for (const GuestId guest : waiting) choose_owner(guest, now, out);
}

void ControllerMachine::choose_owner(GuestId id, Instant now, ControllerEffects& out) {
  Guest& guest = guests_[id.value()];
  GuestRecord next = guest.record;
  guest.due = now + timing_.retry;
  const auto tell = [&](News news) {
    if (!guest.told) report(news, next.host, id, out);
    guest.told = true;
  };
  if (next.host != kNoHost) {
    if (next.pinned) return;
    const bool heard_by_all = !grantor_deaf(next, now);
    if (heard_by_all && defect_ != Defect::TakeOverHeardOwner) {
      const bool somebody = std::ranges::any_of(next.grantors, [&](HostId grantor) {
        return grantor == self_ || !silence_.silent(grantor, now);
      });
      tell(somebody ? News::OwnerCutOff : News::NoGrantorLeft);
      return;
    }
    // Two fences of one owner would need two proofs; it has to return and end the first.
    const bool twice = std::ranges::any_of(
        next.fences, [&](const Fence& fence) { return fence.owner == next.host; });
    if (next.fences.full() || twice) return tell(News::NoGrantorLeft);
  }
  const HostId crashed_on = next.cause == Cause::Crashes ? next.evidence.lost : kNoHost;
  auto target = capacity_.take(next, next.host == kNoHost ? crashed_on : next.host, defect_);
  // Better again where it crashed than nowhere.
  if (!target && next.host == kNoHost) target = capacity_.take(next, kNoHost, defect_);
  if (!target) {
    tell(News::NoRoom);
    guest.given_up = defect_ == Defect::ForgetWaitingGuests;
    return;
  }
  const HostId old = next.host;
  if (old != kNoHost) {
    Fence fence;
    fence.owner = old;
    fence.grantors = next.grantors;
    next.fences.push_back(fence);
    next.evidence = Evidence{.lost = old,
                             .second = second_witness(old, now),
                             .lease_gone = lease_gone_.test(old.value()),
                             .grantor_deaf = grantor_deaf(next, now)};
    next.cause = Cause::HostLost;
    for (Member& member : next.members) {
      if (member.host == old) member.state = MemberState::Stale;
    }
  } else if (next.cause != Cause::Crashes) {
    next.cause = Cause::Placed;
  }
  next.host = *target;
  next.generation = next.generation.next();
  next.move_to = kNoHost;
  next.grantors.clear();
  if (next.replicas > 0) {
    for (const Member& member : next.members) {
      if (member.state == MemberState::InSync && member.host != *target) {
        next.grantors.push_back(member.host);
      }
    }
  } else if (*target != self_) {
    next.grantors.push_back(self_);
  }
  submit(id, next, old == kNoHost ? News::Placed : News::TakeOver, out);
}

void ControllerMachine::drain(GuestId id, Instant now, ControllerEffects& out) {
  Guest& guest = guests_[id.value()];
  const GuestRecord& record = guest.record;
  if (record.host == kNoHost || record.desired != Desired::Running || record.pinned) return;
  if (!hosts_[record.host.value()].maintenance || record.move_to != kNoHost || record.failed)
    return;
  if (!record.fences.empty() || lost_.test(record.host.value())) return;
  if (draining_ >= kDrainAtOnce) return;
  guest.due = now + timing_.retry;
  const auto target = capacity_.take(record, record.host, defect_);
  if (!target) {
    if (!guest.told) report(News::NoRoom, record.host, id, out);
    guest.told = true;
    return;
  }
  GuestRecord next = record;
  next.move_to = *target;
  next.cause = Cause::Drain;
  next.evidence = Evidence{.lost = record.host};
  ++draining_;
  submit(id, next, News::Drained, out);
}

void ControllerMachine::replace_replicas(GuestId id, Instant now, ControllerEffects& out) {
  Guest& guest = guests_[id.value()];
  if (guest.record.replicas == 0 || guest.record.host == kNoHost || !guest.record.fences.empty()) {
    return;
  }
  GuestRecord next = guest.record;
  for (Member& member : next.members) {
    const std::size_t host = member.host.value();
    const bool away = lost_.test(host) && now - lost_since_[host] >= timing_.replace_after;
    if (member.state == MemberState::InSync || (!away && hosts_[host].member)) continue;
    const auto other = capacity_.replica_host(next);
    if (!other) continue;
    guest.due = now + timing_.retry;
    next.grantors.remove_if([&](HostId grantor) { return grantor == member.host; });
    member = Member{.host = *other, .state = MemberState::Stale};
    submit(id, next, News::ReplicaReplaced, out);
    return;
  }
}

// ---- time

void ControllerMachine::on_time(Instant now, ControllerEffects& out) {
  const bool acted = acting();
  // A process that has just started has heard nobody yet; it does not judge before they could
  // speak.
  if (now - started_ < timing_.silence) return;
  awake_ = true;
  succeed(now, out);
  judge_hosts(now, out);
  for (const ControllerEffect& effect : done_) {
    if (effect.action == ControllerAction::AskBmc && !lost(effect.host)) continue;
    out.push_back(effect);
  }
  done_.clear();
  if (!acting()) return;
  if (!acted) report(News::ControllerTaken, self_, GuestId(), out);
  if (!changed_ && now < look_due_) return;
  changed_ = false;
  look_at_guests(now, out);
  look_due_ = kNever;
  for (const Guest& guest : guests_) {
    if (guest.record.revision == Revision(0) || guest.pending || guest.given_up) continue;
    const GuestRecord& record = guest.record;
    const bool moves =
        needs_owner(record) || (record.host != kNoHost && hosts_[record.host.value()].maintenance &&
                                record.desired == Desired::Running && record.move_to == kNoHost);
    if (moves) look_due_ = std::min(look_due_, std::max(guest.due, now + timing_.beat));
    for (const Member& member : record.members) {
      if (member.state == MemberState::InSync || !lost_.test(member.host.value())) continue;
      const Instant due = lost_since_[member.host.value()] + timing_.replace_after;
      look_due_ = std::min(look_due_, std::max({due, guest.due, now + timing_.retry}));
    }
  }
}

Instant ControllerMachine::next_deadline(const HostSet& regular) const {
  if (!awake_) return started_ + timing_.silence;
  Instant next = kNever;
  if (acting()) {
    next = changed_ ? Instant{} : std::min(look_due_, judge_due_);
  } else if (!controller_pending_ && vacant_) {
    next = controller_due_;
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const HostId host(static_cast<std::uint32_t>(i));
    if (host == self_ || contains(regular, host) || silent_.test(i)) continue;
    next = std::min(next, silence_.silent_at(host));
  }
  return next;
}

}  // namespace aloft::controller
