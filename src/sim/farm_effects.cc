// What the machines of a simulated farm do to their world.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "sim/farm_parts.h"
#include "sim/farm_trace.h"

namespace aloft::sim {

using controller::ControllerAction;
using controller::ControllerEffect;
using controller::GuestId;
using controller::HostAction;
using controller::HostEffect;
using controller::HostId;
using controller::MemberState;

void Farm::apply(std::size_t index, bool check) {
  const std::size_t count = host_effects_.size() + controller_effects_.size();
  statistics_.effects += count;
  if (check) checker_.worked(count, now_);
  for (const HostEffect& effect : host_effects_) {
    perform(index, effect);
    if (hosts_[index]->power == Power::Off) break;  // it has reset itself
  }
  host_effects_.clear();
  for (const ControllerEffect& effect : controller_effects_) perform(index, effect);
  controller_effects_.clear();
  if (check && options_.record) hosts_[index]->agent.check_invariants();
  schedule_wake(index);
}

void Farm::perform(std::size_t index, const HostEffect& effect) {
  Host& host = *hosts_[index];
  const std::uint32_t g = effect.guest.value();
  Instance& instance = host.instances[g];
  const auto self = static_cast<std::uint32_t>(index);
  note(100 + static_cast<std::uint64_t>(effect.action), self, g);
  const auto later = [&](Duration after, Kind kind) {
    queue_.push(now_ + after, {kind, self, g, instance.token});
  };
  Letter letter;
  letter.from = self;
  letter.guest = effect.guest;
  letter.generation = effect.generation;
  letter.owner = effect.owner;
  letter.record = effect.record;
  switch (effect.action) {
    case HostAction::Persist:
      host.durable = host.agent.agreements();
      return;
    case HostAction::AskToClear:
    case HostAction::Clear:
      letter.kind = effect.action == HostAction::Clear ? LetterKind::Clear : LetterKind::AskToClear;
      tell("host {} {} host {} about guest {} at generation {}", index,
           effect.action == HostAction::Clear ? "clears a fence for" : "asks for clearing from",
           effect.host.value(), g,
           effect.action == HostAction::Clear ? effect.generation.value()
                                              : effect.record.generation.value());
      send(index, effect.host.value(), letter);
      return;
    case HostAction::Start: {
      const controller::GuestRecord& record = host.agent.record(effect.guest);
      if (record.replicas > 0) {
        checker_.opened(effect.guest, HostId(self), controller::in_sync(record, HostId(self)),
                        host.versions[g], now_);
      }
      instance = {.exists = true,
                  .frozen = false,
                  .generation = effect.generation,
                  .token = instance.token + 1};
      tell("host {} starts guest {} at generation {}", index, g, effect.generation.value());
      set_executing(index, g, true);
      const auto ms = slow_guests_ ? random_.between(1000, 5000) : random_.between(20, 80);
      later(std::chrono::milliseconds(ms), Kind::GuestStarted);
      return;
    }
    case HostAction::Freeze: {
      if (!instance.exists || instance.frozen) return;
      const auto well = [&](std::size_t other) {
        return beats(other) && hosts_[other]->well_since <= now_ - kSettled &&
               network_.well_since(index, other) <= now_ - kSettled;
      };
      const controller::GuestRecord& known = host.agent.record(effect.guest);
      bool cause = host.well_since > now_ - kSettled || known.generation != guests_[g].generation ||
                   known.host != guests_[g].host;
      for (const HostId grantor : known.grantors) cause |= !well(grantor.value());
      for (const HostId other : host.agent.must_reach(effect.guest)) cause |= !well(other.value());
      // A stateless guest may have asked a grantor that has gone since.
      cause |= known.replicas == 0 && !host.all_regular;
      tell("host {} {} guest {}", index, host.stubborn > 0 ? "cannot freeze" : "freezes", g);
      checker_.frozen(effect.guest, HostId(self), cause, now_);
      if (host.stubborn > 0) return later(std::chrono::milliseconds(20), Kind::FreezeFailed);
      instance.frozen = true;
      set_executing(index, g, false);
      return;
    }
    case HostAction::Thaw:
      if (!instance.exists || !instance.frozen) return;
      tell("host {} thaws guest {}", index, g);
      instance.frozen = false;
      set_executing(index, g, true);
      return;
    case HostAction::Stop:
      tell("host {} stops guest {}", index, g);
      return later(std::chrono::milliseconds(random_.between(100, 500)), Kind::GuestExited);
    case HostAction::Kill:
      tell("host {} kills guest {}", index, g);
      if (!instance.exists) {
        // It had ended before; the driver says so.
        instance = {.exists = true, .frozen = true, .generation = {}, .token = instance.token + 1};
      }
      return later(std::chrono::milliseconds(host.stubborn > 1 ? 40 : 5),
                   host.stubborn > 1 ? Kind::KillFailed : Kind::GuestExited);
    case HostAction::Cas:
      letter.kind = LetterKind::CasGuest;
      return ask_store(index, letter);
    case HostAction::Read:
      letter.kind = LetterKind::ReadGuest;
      return ask_store(index, letter);
    case HostAction::Resync:
      letter.kind = LetterKind::Resynced;
      letter.to = self;
      letter.run = host.run;
      letter.owner = effect.host;
      queue_.push(now_ + std::chrono::milliseconds(random_.between(500, 8000)),
                  {Kind::CaughtUp, keep(letter)});
      return;
    case HostAction::ResetHost:
      tell("host {} resets itself", index);
      power_off(HostId(self));
      queue_.push(now_ + std::chrono::seconds(random_.between(5, 30)),
                  {Kind::PowerOn, self, 0, host.boot});
      return;
  }
}

void Farm::perform(std::size_t index, const ControllerEffect& effect) {
  const auto self = static_cast<std::uint32_t>(index);
  note(200 + static_cast<std::uint64_t>(effect.action), self, effect.guest.value());
  Letter letter;
  letter.from = self;
  letter.for_controller = true;
  letter.guest = effect.guest;
  letter.record = effect.record;
  letter.controller = effect.controller;
  switch (effect.action) {
    case ControllerAction::CasGuest:
      letter.kind = LetterKind::CasGuest;
      return ask_store(index, letter);
    case ControllerAction::CasController:
      letter.kind = LetterKind::CasController;
      return ask_store(index, letter);
    case ControllerAction::AskBmc: {
      Host& target = *hosts_[effect.host.value()];
      const Host& asking = *hosts_[index];
      const bool lately = asking.reaches || now_ - asking.reached_last < std::chrono::seconds(2);
      checker_.asked_bmc(HostId(self), effect.host, lately, now_);
      bool off = target.bmc_works;
      if (!target.bmc_works && !target.bmc_lies) return;  // it never answers
      if (target.bmc_works && !target.bmc_lies && target.power != Power::Off) {
        power_off(effect.host);
        queue_.push(now_ + std::chrono::seconds(random_.between(10, 60)),
                    {Kind::PowerOn, effect.host.value(), 0, target.boot});
      }
      off |= target.bmc_lies;
      queue_.push(now_ + std::chrono::milliseconds(random_.between(100, 3000)),
                  {Kind::BmcAnswers, self, effect.host.value(), off ? 1U : 0U});
      return;
    }
    case ControllerAction::Report:
      tell("controller on host {}: {} (host {}, guest {})", index, news_words(effect.news),
           static_cast<std::int32_t>(effect.host.value()), effect.guest.value());
      return;
  }
}

// ---- letters between hosts

std::uint32_t Farm::keep(Letter letter) {
  if (free_letters_.empty()) {
    letters_.push_back(std::move(letter));
    return static_cast<std::uint32_t>(letters_.size() - 1);
  }
  const std::uint32_t index = free_letters_.back();
  free_letters_.pop_back();
  letters_[index] = std::move(letter);
  return index;
}

void Farm::send(std::size_t from, std::size_t to, Letter letter) {
  if (!network_.up(from, to)) return;
  letter.to = static_cast<std::uint32_t>(to);
  letter.run = hosts_[to]->run;
  Duration after = kHop;
  if (network_.lossy(from, to)) {
    if (random_.chance(2, 5)) return;
    after += std::chrono::milliseconds(random_.between(0, 400));
    if (random_.chance(1, 5)) {
      queue_.push(now_ + after + std::chrono::milliseconds(random_.between(0, 2000)),
                  {Kind::Deliver, keep(letter)});
    }
  }
  queue_.push(now_ + after, {Kind::Deliver, keep(letter)});
}

void Farm::deliver(std::uint32_t index) {
  const std::size_t to = letters_[index].to;
  Host& host = *hosts_[to];
  if (host.agent_up && host.run == letters_[index].run && !beats(to)) {
    // It waits in the socket of an agent that stands still.
    queue_.push(now_ + std::chrono::milliseconds(20), {Kind::Deliver, index});
    return;
  }
  const Letter letter = letters_[index];
  free_letters_.push_back(index);
  if (!beats(to) || host.run != letter.run) return;
  const Instant now = local(to, now_);
  const bool voter = host_records_[to].voter;
  switch (letter.kind) {
    case LetterKind::AskToClear:
      if (!network_.up(letter.from, to)) return;
      host.agent.on_ask_to_clear(HostId(letter.from), letter.guest, letter.record, now,
                                 host_effects_);
      break;
    case LetterKind::Clear:
      if (!network_.up(letter.from, to)) return;
      host.agent.on_clear(letter.guest, letter.generation, letter.owner, now, host_effects_);
      break;
    case LetterKind::GuestAnswer:
      host.agent.on_store_answer(letter.guest, letter.answer, letter.record, now, host_effects_);
      break;
    case LetterKind::ControllerAnswer:
      if (letter.for_controller) {
        host.controller.on_guest_answer(letter.guest, letter.answer, letter.record, now);
      } else {
        host.controller.on_controller_answer(letter.answer, letter.controller, now);
      }
      break;
    case LetterKind::GuestChanged:
      if (!host.reaches) return;
      host.agent.on_record(letter.guest, letter.record, now, host_effects_);
      if (voter) host.controller.on_guest(letter.guest, letter.record, now);
      break;
    case LetterKind::HostsChanged:
      if (!host.reaches) return;
      host.agent.on_hosts(host_records_);
      host.controller.on_hosts(host_records_, now);
      break;
    case LetterKind::ControllerChanged:
      if (host.reaches) host.controller.on_controller(letter.controller, now);
      break;
    case LetterKind::LeaseChanged:
      if (!host.reaches) return;
      host.controller.on_lease(letter.owner, hosts_[letter.owner.value()]->lease_held, now);
      break;
    case LetterKind::ReadAll:
      if (host.reaches) read_all(to);
      break;
    case LetterKind::Resynced: {
      const std::size_t member = letter.owner.value();
      const std::uint32_t g = letter.guest.value();
      const controller::GuestRecord& record = host.agent.record(letter.guest);
      if (record.generation != letter.generation ||
          !host.agent.wants_copy(letter.guest, letter.owner)) {
        return;
      }
      // It is copied from the owner's replica, or from any that is in sync while the owner has
      // none.
      std::size_t source = to;
      for (const controller::Member& from : record.members) {
        if (controller::in_sync(record, HostId(letter.to))) break;
        if (from.state == MemberState::InSync) source = from.host.value();
      }
      const bool copied = hosts_[member]->power == Power::On && hosts_[member]->disk_ok &&
                          network_.both_ways(to, member) && network_.both_ways(to, source) &&
                          hosts_[source]->power == Power::On && hosts_[source]->disk_ok;
      if (!copied) {
        queue_.push(now_ + std::chrono::seconds(2), {Kind::CaughtUp, keep(letter)});
        return;
      }
      hosts_[member]->versions[g] = hosts_[source]->versions[g];
      host.agent.on_caught_up(letter.guest, letter.owner, letter.generation, now, host_effects_);
      break;
    }
    case LetterKind::CasGuest:
    case LetterKind::CasController:
    case LetterKind::ReadGuest:
      return;  // these go to the store
  }
  apply(to, true);
}

// ---- guests

void Farm::set_executing(std::size_t host, std::size_t guest, bool executing) {
  const GuestId id(static_cast<std::uint32_t>(guest));
  checker_.executes(id, HostId(static_cast<std::uint32_t>(host)), executing, now_);
  if (!options_.record) return;
  if (executing) {
    intervals_[guest].push_back(
        {.host = HostId(static_cast<std::uint32_t>(host)), .from = now_, .to = std::nullopt});
    return;
  }
  for (auto interval = intervals_[guest].rbegin(); interval != intervals_[guest].rend();
       ++interval) {
    if (interval->host.value() != host || interval->to) continue;
    interval->to = now_;
    return;
  }
}

void Farm::write_everywhere() {
  for (std::size_t h = 0; h < hosts_.size(); ++h) {
    // The gate of the disk is the data plane's: it works by its own clock while the agent hangs.
    if (hosts_[h]->power != Power::On) continue;
    missed_.clear();
    for (std::size_t g = 0; g < guests_.size(); ++g) {
      const Instance& instance = hosts_[h]->instances[g];
      if (instance.exists && !instance.frozen) write(h, g);
    }
    if (!beats(h) || (missed_.empty() && host_effects_.empty() && hosts_[h]->disk_ok)) continue;
    const auto missed = std::exchange(missed_, {});
    for (const auto& [guest, member] : missed) {
      hosts_[h]->agent.on_member_missed(GuestId(static_cast<std::uint32_t>(guest)),
                                        HostId(static_cast<std::uint32_t>(member)), host_effects_);
    }
    for (std::uint32_t g = 0; g < guests_.size() && !hosts_[h]->disk_ok; ++g) {
      hosts_[h]->agent.on_disk_error(GuestId(g), HostId(static_cast<std::uint32_t>(h)),
                                     local(h, now_), host_effects_);
    }
    apply(h, false);
  }
}

void Farm::write(std::size_t h, std::size_t g) {
  Host& host = *hosts_[h];
  const GuestId guest(static_cast<std::uint32_t>(g));
  const HostId self(static_cast<std::uint32_t>(h));
  if (host.agent.right_until(guest) <= local(h, now_)) return;  // the gate is closed
  const controller::Generation generation = host.instances[g].generation;
  const controller::GuestRecord& record = host.agent.record(guest);
  const auto takes = [&](std::size_t member) {
    const Host& other = *hosts_[member];
    // A member refuses whatever is older than the newest generation it knows of.
    return other.power == Power::On && other.disk_ok && network_.both_ways(h, member) &&
           (record.replicas == 0 || other.agent.record(guest).generation <= generation);
  };
  const auto must = host.agent.must_reach(guest);
  const bool own = controller::in_sync(record, self);
  const bool all = std::ranges::all_of(must, [&](HostId member) { return takes(member.value()); });
  if (record.replicas > 0 && (!all || (own && !host.disk_ok))) {
    // It waits, it never lies. A disk that fails is told of; a peer that is away is found out.
    for (const HostId member : must) {
      if (beats(h) && !hosts_[member.value()]->disk_ok) {
        host.agent.on_disk_error(guest, member, local(h, now_), host_effects_);
      }
    }
    for (const controller::Member& member : record.members) {
      if (member.state == MemberState::CatchingUp && !takes(member.host.value())) {
        missed_.emplace_back(g, member.host.value());
      }
    }
    return;
  }
  ++statistics_.writes;
  checker_.acknowledged(guest, self, generation, now_);
  if (record.replicas == 0) return;
  const std::uint32_t version = checker_.next_version(guest);
  if (own) host.versions[g] = version;
  for (const controller::Member& member : record.members) {
    if (member.host == self || member.state == MemberState::Stale) continue;
    if (takes(member.host.value())) {
      // One that has not caught up yet still lacks what came before.
      const bool whole = hosts_[member.host.value()]->versions[g] + 1 == version;
      if (whole || controller::has(must, member.host)) {
        hosts_[member.host.value()]->versions[g] = version;
      }
    } else {
      missed_.emplace_back(g, member.host.value());
    }
  }
}

}  // namespace aloft::sim
