#include "sim/farm.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "sim/farm_parts.h"
#include "sim/farm_trace.h"

namespace aloft::sim {

using controller::GuestId;
using controller::GuestRecord;
using controller::HostId;
using controller::HostSet;
using controller::kNoHost;
using controller::MemberState;
using controller::Revision;

Farm::Farm(const FarmOptions& options)
    : options_(options),
      random_(options.seed),
      network_(options.hosts),
      checker_(options.hosts, options.guests),
      caught_up_(std::size_t{options.hosts} * options.hosts),
      guests_(options.guests),
      host_records_(options.hosts),
      intervals_(options.guests) {
  for (std::uint32_t i = 0; i < options.hosts; ++i) {
    hosts_.push_back(std::make_unique<Host>(HostId(i), options.hosts, options.guests, options_));
    Host& host = *hosts_.back();
    host.slower_ppm = random_.between(-100, 100);
    host.beat_phase = Duration(random_.between(0, options_.timing.beat.count() - 1));
  }
  build();
}

Farm::~Farm() = default;

// ---- building

void Farm::build() {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    controller::HostRecord& record = host_records_[i];
    record.revision = Revision(++revision_);
    record.voter = i < options_.voters;
    record.runs_guests = !(options_.witness && i + 1 == options_.voters);
    record.zone = static_cast<std::uint16_t>(i);
    record.memory_mib = 128 << 10;
  }
  std::vector<std::uint32_t> runners;
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    if (host_records_[i].runs_guests) runners.push_back(i);
  }
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    GuestRecord record;
    const auto nth = [&](std::size_t n) { return HostId(runners[(g + n) % runners.size()]); };
    record.host = nth(0);
    record.generation = controller::Generation(1);
    record.priority = static_cast<std::uint16_t>(random_.below(100));
    record.memory_mib = static_cast<std::uint32_t>(random_.between(512, 2048));
    const std::uint64_t kind = random_.below(10);
    if (kind < 5 && runners.size() > 1) {
      record.replicas = static_cast<std::uint8_t>(kind < 4 || runners.size() < 3 ? 2 : 3);
      for (std::size_t n = 0; n < record.replicas; ++n) {
        record.members.push_back({.host = nth(n), .state = MemberState::InSync});
        if (n > 0) record.grantors.push_back(nth(n));
      }
    } else if (kind < 9) {
      if (hosts_.size() > 1) {
        record.grantors.push_back(
            HostId((record.host.value() + 1) % static_cast<std::uint32_t>(hosts_.size())));
      }
    } else {
      record.pinned = true;
    }
    set_guest(GuestId(g), record);
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i) boot(i);
  topology_changed();
}

void Farm::set_host(HostId host, const controller::HostRecord& record) {
  controller::HostRecord& known = host_records_[host.value()];
  known = record;
  known.revision = Revision(++revision_);
}

void Farm::set_guest(GuestId guest, const GuestRecord& record) {
  guests_[guest.value()] = record;
  guests_[guest.value()].revision = Revision(++revision_);
}

// ---- time

Instant Farm::local(std::size_t host, Instant at) const {
  const std::int64_t time = at.time_since_epoch().count();
  return Instant(Duration(time - time / 1'000'000 * hosts_[host]->slower_ppm));
}

Instant Farm::global(std::size_t host, Instant at) const {
  Instant guess = at;
  while (local(host, guess) < at) guess += at - local(host, guess);
  // A clock that gains: the first guess may be late by its gain.
  const Duration gain = Duration(at.time_since_epoch().count() / 1'000'000 * 100);
  if (hosts_[host]->slower_ppm < 0) {
    guess -= gain;
    while (local(host, guess) < at) guess += std::max(Duration(1), at - local(host, guess));
  }
  return guess;
}

bool Farm::beats(std::size_t host) const {
  const Host& self = *hosts_[host];
  return self.power == Power::On && self.agent_up && !self.hung;
}

void Farm::note(std::uint64_t kind, std::uint64_t a, std::uint64_t b) {
  for (const std::uint64_t value :
       {kind, a, b, static_cast<std::uint64_t>(now_.time_since_epoch().count())}) {
    hash_ = (hash_ ^ value) * 0x100000001b3U;
    hash_ ^= hash_ >> 29U;
  }
}

void Farm::run_until(Instant until) {
  while (!queue_.empty() && queue_.next() <= until && !checker_.violation()) {
    now_ = std::max(now_, queue_.next());
    process(queue_.pop());
  }
  now_ = std::max(now_, until);
  // Whatever is commanded now finds the machines with the beats of until now.
  catch_up();
}

void Farm::catch_up() {
  if (now_ < next_beat_) return;
  next_beat_ = kNever;
  const Duration beat = options_.timing.beat;
  for (std::size_t from = 0; from < hosts_.size(); ++from) {
    for (std::size_t to = 0; to < hosts_.size(); ++to) {
      if (from != to) catch_up_pair(from, to);
    }
    const Duration since = now_.time_since_epoch() - hosts_[from]->beat_phase;
    const Duration next = hosts_[from]->beat_phase + (since / beat + 1) * beat;
    next_beat_ = std::min(next_beat_, Instant(next));
  }
}

// Gives `to` the beats that `from` has sent it since the last time, and `from` the answers.
void Farm::catch_up_pair(std::size_t from, std::size_t to) {
  const Duration beat = options_.timing.beat;
  Host& sender = *hosts_[from];
  Host& receiver = *hosts_[to];
  Instant& caught = caught_up_[from * hosts_.size() + to];
  const Duration since = now_.time_since_epoch() - sender.beat_phase;
  if (since < Duration::zero()) return;
  const Instant last = Instant(sender.beat_phase + since / beat * beat);
  if (last <= caught) return;
  const Instant first =
      caught < Instant(sender.beat_phase)
          ? Instant(sender.beat_phase)
          : Instant(sender.beat_phase +
                    ((caught.time_since_epoch() - sender.beat_phase) / beat + 1) * beat);
  caught = last;
  if (!beats(from) || !beats(to) || !network_.up(from, to)) return;

  const HostId peer(static_cast<std::uint32_t>(from));
  const HostId self(static_cast<std::uint32_t>(to));
  const bool answered = network_.up(to, from);
  const auto exchange = [&](Instant sent, Duration there, Duration back) {
    receiver.agent.on_beat(peer, local(to, sent + there));
    if (!answered) return;
    const auto& grants = receiver.agent.grants();
    sender.agent.on_answer(self, local(from, sent), local(from, sent + there + back),
                           grants.refusals(peer), grants.refusals_version(peer));
  };
  if (network_.lossy(from, to) || network_.lossy(to, from)) {
    for (Instant sent = first; sent <= last; sent += beat) {
      if (random_.chance(2, 5)) continue;
      exchange(sent, kHop, Duration(random_.between(0, 400'000'000)));
    }
  } else {
    if (last - beat >= first) {
      receiver.agent.silence().heard_regularly(peer, local(to, first + kHop),
                                               local(to, last - beat + kHop));
    }
    exchange(last, kHop, kHop);
  }
  const bool has_controller = host_records_[to].voter;
  if (has_controller) {
    receiver.controller.on_opinion(
        peer,
        sender.all_regular ? HostSet() : sender.agent.silence().silent_peers(local(from, last)),
        local(to, last + kHop));
  }
}

void Farm::topology_changed() {
  elect();
  bool irregular = false;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Host& host = *hosts_[i];
    const bool reached = host.reaches;
    host.reaches = reaches_store(i);
    if (reached) host.reached_last = now_;
    if (host.reaches && !reached && host.agent_up) {
      Letter letter;
      letter.kind = LetterKind::ReadAll;
      letter.to = static_cast<std::uint32_t>(i);
      letter.run = host.run;
      queue_.push(now_ + std::chrono::milliseconds(2), {Kind::Deliver, keep(letter)});
    }
    host.regular.reset();
    for (std::size_t j = 0; j < hosts_.size(); ++j) {
      if (i == j || !beats(i) || !beats(j) || !network_.both_ways(i, j)) continue;
      if (network_.lossy(i, j) || network_.lossy(j, i)) continue;
      host.regular.set(j);
    }
    host.all_regular = host.regular.count() + 1 == hosts_.size();
    irregular |= !host.all_regular;
  }
  update_leases();
  for (std::size_t i = 0; i < hosts_.size(); ++i) schedule_wake(i);
  if (irregular) queue_.push(now_ + std::chrono::milliseconds(300), {Kind::Writes});
}

void Farm::schedule_wake(std::size_t index) {
  Host& host = *hosts_[index];
  if (!beats(index)) return;
  Instant next = host.agent.next_deadline(host.regular);
  if (host_records_[index].voter) {
    next = std::min(next, host.controller.next_deadline(host.regular));
  }
  if (next == kNever) return;
  const Instant at = std::max(global(index, next), now_ + std::chrono::milliseconds(1));
  if (host.wake_at > now_ && host.wake_at <= at) return;
  host.wake_at = at;
  queue_.push(at, {Kind::Wake, static_cast<std::uint32_t>(index)});
}

void Farm::wake(std::size_t index) {
  Host& host = *hosts_[index];
  if (!beats(index)) return;
  const Instant now = local(index, now_);
  host.agent.on_time(now, host_effects_);
  if (host_records_[index].voter) host.controller.on_time(now, controller_effects_);
  apply(index, true);
}

// An agent that goes on finds the guests that have ended while it stood still.
void Farm::look_again(std::size_t index) {
  Host& host = *hosts_[index];
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    if (host.instances[g].exists || host.agent.run(GuestId(g)) == controller::Run::Absent) continue;
    host.agent.on_exited(GuestId(g), true, local(index, now_), host_effects_);
  }
  apply(index, false);
  wake(index);
}

void Farm::boot(std::size_t index) {
  Host& host = *hosts_[index];
  host.power = Power::On;
  host.agent_up = true;
  host.hung = false;
  host.stubborn = 0;
  ++host.boot;
  ++host.run;
  host.wake_at = kNever;
  host.well_since = now_;
  host.reaches = false;  // so that it reads everything once it does
  for (std::size_t j = 0; j < hosts_.size(); ++j) {
    caught_up_[index * hosts_.size() + j] = now_;
    caught_up_[j * hosts_.size() + index] = now_;
  }
  host.agent.on_boot(local(index, now_), host.durable);
  host.controller.on_start(local(index, now_));
}

void Farm::lose_everything(std::size_t index) {
  Host& host = *hosts_[index];
  for (std::size_t g = 0; g < guests_.size(); ++g) {
    if (!host.instances[g].exists) continue;
    if (!host.instances[g].frozen && host.power == Power::On) set_executing(index, g, false);
    host.instances[g].exists = false;
    ++host.instances[g].token;
  }
  host.power = Power::Off;
  host.agent_up = false;
  host.well_since = kNever;
}

void Farm::process(const Event& event) {
  catch_up();
  ++statistics_.events;
  const std::size_t a = event.a;
  const auto guest_event = [&](auto happen) {
    Host& host = *hosts_[a];
    Instance& instance = host.instances[event.b];
    if (!instance.exists || instance.token != event.c) return;
    const bool ends = event.kind == Kind::GuestExited || event.kind == Kind::GuestCrashed;
    if (!ends && !beats(a)) {
      // News for an agent that stands still waits for it; one that starts anew looks for itself.
      if (host.agent_up) queue_.push(now_ + std::chrono::milliseconds(20), event);
      return;
    }
    happen(host, instance, GuestId(event.b));
    if (beats(a)) apply(a, true);
  };
  const auto exit = [&](bool crashed) {
    guest_event([&](Host& host, Instance& instance, GuestId guest) {
      if (!instance.frozen && host.power == Power::On) set_executing(a, event.b, false);
      instance.exists = false;
      // A dead or hanging agent learns of it when it lives again.
      if (beats(a)) host.agent.on_exited(guest, crashed, local(a, now_), host_effects_);
    });
  };
  note(static_cast<std::uint64_t>(event.kind), event.a, event.b);
  switch (event.kind) {
    case Kind::Wake:
      if (hosts_[a]->wake_at == now_) wake(a);
      return;
    case Kind::Deliver:
      deliver(event.a);
      return;
    case Kind::StoreExecutes:
      store_executes(event.a);
      return;
    case Kind::GuestStarted:
      guest_event([&](Host& host, Instance&, GuestId guest) {
        host.agent.on_started(guest, local(a, now_), host_effects_);
      });
      return;
    case Kind::GuestExited:
      exit(false);
      return;
    case Kind::GuestCrashed:
      exit(true);
      return;
    case Kind::FreezeFailed:
      guest_event([&](Host& host, Instance&, GuestId guest) {
        host.agent.on_freeze_failed(guest, local(a, now_), host_effects_);
      });
      return;
    case Kind::KillFailed:
      guest_event([&](Host& host, Instance&, GuestId guest) {
        host.agent.on_kill_failed(guest, local(a, now_), host_effects_);
      });
      return;
    case Kind::CaughtUp:
      deliver(event.a);
      return;
    case Kind::WatchdogBites: {
      const Host& host = *hosts_[a];
      if (host.power == Power::Off || host.run != event.c || beats(a)) return;
      tell("host {} is reset by its watchdog", a);
      power_off(HostId(event.a));
      queue_.push(now_ + std::chrono::seconds(random_.between(5, 30)),
                  {Kind::PowerOn, event.a, 0, hosts_[a]->boot});
      return;
    }
    case Kind::PowerOn:
      if (hosts_[a]->power == Power::Off && hosts_[a]->boot == event.c) power_on(HostId(event.a));
      return;
    case Kind::AgentStarts:
      if (hosts_[a]->power != Power::Off && hosts_[a]->run == event.c) {
        Host& host = *hosts_[a];
        host.agent_up = true;
        host.well_since = now_;
        host.reaches = false;
        std::vector<controller::Instance> found;
        for (std::uint32_t g = 0; g < guests_.size(); ++g) {
          const Instance& instance = host.instances[g];
          if (instance.exists) found.push_back({GuestId(g), instance.generation, instance.frozen});
        }
        tell("the agent of host {} starts and finds {} guests", a, found.size());
        host.agent.on_agent_start(local(a, now_), found, host_effects_);
        host.controller.on_start(local(a, now_));
        apply(a, false);
        topology_changed();
      }
      return;
    case Kind::AgentResumes:
      if (hosts_[a]->power != Power::Off && hosts_[a]->run == event.c && hosts_[a]->hung) {
        hosts_[a]->hung = false;
        hosts_[a]->well_since = now_;
        tell("the agent of host {} goes on", a);
        topology_changed();
        look_again(a);
      }
      return;
    case Kind::Resumes:
      if (hosts_[a]->power == Power::Paused && hosts_[a]->boot == event.c) resume(HostId(event.a));
      return;
    case Kind::LeaseEnds: {
      Host& host = *hosts_[a];
      if (!host.lease_ending || host.lease_token != event.c) return;
      if (leader_ == SIZE_MAX || now_ < leader_ready_ || !store_answers_) {
        queue_.push(now_ + options_.timing.host_lease, event);
        return;
      }
      host.lease_ending = false;
      host.lease_held = false;
      tell("the lease of host {} has ended", a);
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        Letter letter;
        letter.kind = LetterKind::LeaseChanged;
        letter.owner = HostId(event.a);
        letter.to = static_cast<std::uint32_t>(i);
        letter.run = hosts_[i]->run;
        queue_.push(now_ + kHop, {Kind::Deliver, keep(letter)});
      }
      return;
    }
    case Kind::LeaderReady:
      if (event.c == leader_term_) topology_changed();
      return;
    case Kind::BmcAnswers:
      if (!beats(a)) return;
      tell("the BMC of host {} says {}", event.b, event.c != 0 ? "off" : "nothing");
      hosts_[a]->controller.on_bmc(HostId(event.b), event.c != 0, local(a, now_),
                                   controller_effects_);
      apply(a, true);
      return;
    case Kind::FaultStrikes:
    case Kind::FaultEnds:
      write_everywhere();
      strike(event);
      return;
    case Kind::Writes:
      write_everywhere();
      for (const auto& host : hosts_) {
        if (host->all_regular) continue;
        queue_.push(now_ + std::chrono::milliseconds(400), {Kind::Writes});
        return;
      }
      return;
  }
}

// ---- what is

Power Farm::power(HostId host) const {
  return hosts_[host.value()]->power;
}

bool Farm::executes(GuestId guest, HostId host) const {
  const Host& self = *hosts_[host.value()];
  const Instance& instance = self.instances[guest.value()];
  return self.power == Power::On && instance.exists && !instance.frozen;
}

std::optional<std::string> Farm::unsettled() const {
  const auto usable = static_cast<std::size_t>(std::ranges::count_if(
      host_records_, [](const auto& record) { return record.member && record.runs_guests; }));
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    const GuestRecord& record = guests_[g];
    const std::uint32_t runners = checker_.runners(GuestId(g));
    if (record.desired == controller::Desired::Stopped || record.failed) {
      if (runners > 0) return fmt::format("guest {} runs but should not", g);
      continue;
    }
    if (record.host == kNoHost) return fmt::format("guest {} has no owner", g);
    if (runners != 1 || !executes(GuestId(g), record.host)) {
      return fmt::format("guest {} does not run on host {}, its owner", g, record.host.value());
    }
    if (!record.fences.empty()) return fmt::format("guest {} has fences left", g);
    if (record.move_to != kNoHost) return fmt::format("guest {} is still to move", g);
    const auto current = static_cast<std::size_t>(std::ranges::count_if(
        record.members, [](const auto& member) { return member.state == MemberState::InSync; }));
    if (current < std::min<std::size_t>(record.replicas, usable)) {
      return fmt::format("guest {} has {} of {} replicas in sync", g, current, record.replicas);
    }
    if (record.replicas == 0 && !record.pinned && record.grantors.empty() && hosts_.size() > 1) {
      return fmt::format("guest {} has no grantor: nobody could take it over", g);
    }
  }
  return std::nullopt;
}

FarmResult Farm::result() const {
  return {checker_.violation(), hash_, statistics_, now_.time_since_epoch()};
}

FarmResult Farm::run() {
  // Safety: whatever happens, no rule is broken.
  queue_.push(now_ + std::chrono::seconds(5), {Kind::FaultStrikes});
  run_until(Instant(options_.faulty_time));
  // Liveness: everything is mended, and everything must come back within the bound.
  healed_ = true;
  heal_everything();
  const Instant bound = now_ + options_.quiet_time;
  std::optional<std::string> missing = "not looked at";
  while (now_ < bound && missing && !checker_.violation()) {
    run_until(std::min(bound, now_ + std::chrono::seconds(5)));
    missing = unsettled();
  }
  if (missing) checker_.violate("L1", *missing, now_);
  // What has settled stays settled.
  write_everywhere();
  run_until(now_ + std::chrono::seconds(30));
  if (const auto again = unsettled())
    checker_.violate("L1", "settled once, but later " + *again, now_);
  return result();
}

}  // namespace aloft::sim
