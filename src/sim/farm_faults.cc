// Faults and commands of a simulated farm: those that a scenario or a test asks for, and those that
// a seed draws.
#include <algorithm>

#include "sim/farm_parts.h"
#include "sim/farm_trace.h"

namespace aloft::sim {

using controller::GuestId;
using controller::GuestRecord;
using controller::HostId;

// ---- one at a time

void Farm::power_off(HostId id) {
  if (hosts_[id.value()]->power == Power::Off) return;
  tell("host {} loses its power", id.value());
  checker_.disturbed(now_);
  lose_everything(id.value());
  topology_changed();
}

void Farm::power_on(HostId id) {
  if (hosts_[id.value()]->power != Power::Off) return;
  tell("host {} boots", id.value());
  checker_.disturbed(now_);
  boot(id.value());
  topology_changed();
}

// Nobody feeds it from now on; and it was fed only as long as it would bite in time.
void Farm::starve_watchdog(std::size_t index) {
  const Host& host = *hosts_[index];
  Instant bites = now_ + options_.timing.watchdog;
  const Instant end = host.agent.grants_end();
  if (end != kNever) bites = std::max(now_, std::min(bites, global(index, end)));
  queue_.push(bites, {Kind::WatchdogBites, static_cast<std::uint32_t>(index), 0, host.run});
}

void Farm::pause(HostId id) {
  Host& host = *hosts_[id.value()];
  if (host.power != Power::On) return;
  tell("host {} stands still", id.value());
  checker_.disturbed(now_);
  for (std::size_t g = 0; g < guests_.size(); ++g) {
    if (host.instances[g].exists && !host.instances[g].frozen) set_executing(id.value(), g, false);
  }
  host.power = Power::Paused;
  host.well_since = kNever;
  starve_watchdog(id.value());
  topology_changed();
}

void Farm::resume(HostId id) {
  Host& host = *hosts_[id.value()];
  if (host.power != Power::Paused) return;
  tell("host {} goes on", id.value());
  checker_.disturbed(now_);
  host.power = Power::On;
  host.well_since = now_;
  host.reaches = false;
  for (std::size_t g = 0; g < guests_.size(); ++g) {
    if (host.instances[g].exists && !host.instances[g].frozen) set_executing(id.value(), g, true);
  }
  topology_changed();
  look_again(id.value());
}

void Farm::hang_agent(HostId id) {
  Host& host = *hosts_[id.value()];
  if (!beats(id.value())) return;
  tell("the agent of host {} hangs", id.value());
  checker_.disturbed(now_);
  host.hung = true;
  host.well_since = kNever;
  starve_watchdog(id.value());
  topology_changed();
}

void Farm::restart_agent(HostId id, Duration away) {
  Host& host = *hosts_[id.value()];
  if (!beats(id.value())) return;
  tell("the agent of host {} is killed", id.value());
  checker_.disturbed(now_);
  host.agent_up = false;
  host.well_since = kNever;
  ++host.run;
  queue_.push(now_ + away, {Kind::AgentStarts, id.value(), 0, host.run});
  starve_watchdog(id.value());
  topology_changed();
}

void Farm::cut(HostId from, HostId to) {
  tell("host {} is not heard by host {} any more", from.value(), to.value());
  checker_.disturbed(now_);
  network_.cut(from.value(), to.value());
  topology_changed();
}

void Farm::mend(HostId from, HostId to) {
  tell("host {} is heard by host {} again", from.value(), to.value());
  checker_.disturbed(now_);
  network_.mend(from.value(), to.value(), now_);
  topology_changed();
}

void Farm::isolate(HostId id) {
  tell("host {} is isolated", id.value());
  checker_.disturbed(now_);
  for (std::size_t other = 0; other < hosts_.size(); ++other) {
    if (other == id.value()) continue;
    network_.cut(id.value(), other);
    network_.cut(other, id.value());
  }
  topology_changed();
}

void Farm::rejoin(HostId id) {
  tell("host {} has its links again", id.value());
  checker_.disturbed(now_);
  for (std::size_t other = 0; other < hosts_.size(); ++other) {
    if (other == id.value()) continue;
    network_.mend(id.value(), other, now_);
    network_.mend(other, id.value(), now_);
  }
  topology_changed();
}

void Farm::set_lossy(HostId id, bool lossy) {
  tell("host {} {}", id.value(), lossy ? "loses packets" : "loses no packets any more");
  checker_.disturbed(now_);
  for (std::size_t other = 0; other < hosts_.size(); ++other) {
    if (other == id.value()) continue;
    for (const auto& [from, to] :
         {std::pair(other, std::size_t{id.value()}), std::pair(std::size_t{id.value()}, other)}) {
      if (lossy) {
        network_.make_lossy(from, to);
      } else {
        network_.make_clean(from, to, now_);
      }
    }
  }
  topology_changed();
}

void Farm::set_store(bool answers) {
  tell("the store {}", answers ? "answers again" : "answers nobody");
  checker_.disturbed(now_);
  store_answers_ = answers;
  store_well_since_ = now_;
  topology_changed();
}

void Farm::crash_guest(GuestId guest) {
  for (std::uint32_t h = 0; h < hosts_.size(); ++h) {
    const Instance& instance = hosts_[h]->instances[guest.value()];
    if (hosts_[h]->power != Power::On || !instance.exists || instance.frozen) continue;
    tell("guest {} crashes on host {}", guest.value(), h);
    checker_.disturbed(now_);
    queue_.push(now_, {Kind::GuestCrashed, h, guest.value(), instance.token});
  }
}

void Farm::break_disk(HostId id) {
  tell("the disk of host {} fails", id.value());
  checker_.disturbed(now_);
  hosts_[id.value()]->disk_ok = false;
  queue_.push(now_ + std::chrono::milliseconds(50), {Kind::Writes});
}

void Farm::replace_disk(HostId id) {
  tell("host {} has a disk again, with what was on it", id.value());
  checker_.disturbed(now_);
  hosts_[id.value()]->disk_ok = true;
}

void Farm::set_bmc(HostId host, bool works, bool lies) {
  hosts_[host.value()]->bmc_works = works;
  hosts_[host.value()]->bmc_lies = lies;
}

void Farm::set_maintenance(HostId host, bool on) {
  tell("host {} {} maintenance", host.value(), on ? "goes into" : "leaves");
  checker_.disturbed(now_);
  host_records_[host.value()].maintenance = on;
  host_records_[host.value()].revision = controller::Revision(++revision_);
  for (std::uint32_t to = 0; to < hosts_.size(); ++to) {
    Letter news;
    news.kind = LetterKind::HostsChanged;
    news.to = to;
    news.run = hosts_[to]->run;
    queue_.push(now_ + kHop, {Kind::Deliver, keep(news)});
  }
}

void Farm::set_member(HostId host, bool member) {
  host_records_[host.value()].member = member;
  set_maintenance(host, host_records_[host.value()].maintenance);
}

void Farm::resize_host(HostId host, std::uint32_t memory_mib) {
  host_records_[host.value()].memory_mib = memory_mib;
  set_maintenance(host, host_records_[host.value()].maintenance);
}

template <class Change>
void Farm::change_guest(GuestId guest, Change change) {
  checker_.disturbed(now_);
  GuestRecord next = guests_[guest.value()];
  change(next);
  commit(next, guest.value());
}

void Farm::set_desired(GuestId guest, controller::Desired desired) {
  tell("guest {} is to {}", guest.value(),
       desired == controller::Desired::Running ? "run" : "stop");
  change_guest(guest, [&](GuestRecord& record) {
    record.desired = desired;
    record.failed = false;
    record.tries_elsewhere = 0;
  });
}

void Farm::move_guest(GuestId guest, HostId to) {
  tell("guest {} is to move to host {}", guest.value(), to.value());
  change_guest(guest, [&](GuestRecord& record) {
    record.move_to = to;
    record.cause = controller::Cause::Operator;
  });
}

void Farm::resize_guest(GuestId guest, std::uint32_t memory_mib) {
  change_guest(guest, [&](GuestRecord& record) { record.memory_mib = memory_mib; });
}

void Farm::heal_everything() {
  tell("everything is mended");
  checker_.disturbed(now_);
  network_.heal_all(now_);
  store_answers_ = true;
  store_trouble_ = false;
  slow_guests_ = false;
  store_well_since_ = now_;
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    Host& host = *hosts_[i];
    host.bmc_works = true;
    host.bmc_lies = false;
    host.stubborn = 0;
    host.disk_ok = true;
    if (host_records_[i].maintenance) set_maintenance(HostId(i), false);
    if (host.power == Power::Paused) resume(HostId(i));
    if (host.power == Power::Off) power_on(HostId(i));
    if (host.hung) {
      host.hung = false;
      host.well_since = now_;
      look_again(i);
    }
  }
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    if (guests_[g].desired == controller::Desired::Stopped) {
      set_desired(GuestId(g), controller::Desired::Running);
    }
  }
  topology_changed();
}

// ---- drawn by the seed

void Farm::end_after(Duration time, std::uint32_t fault, std::uint32_t a, std::uint32_t b) {
  endings_.push_back({static_cast<Fault>(fault), a, b, 0});
  queue_.push(now_ + time, {Kind::FaultEnds, static_cast<std::uint32_t>(endings_.size() - 1)});
}

void Farm::strike(const Event& event) {
  if (healed_) return;
  if (event.kind == Kind::FaultStrikes) {
    const std::int64_t mean = options_.fault_interval.count();
    queue_.push(now_ + Duration(random_.between(mean / 10, mean * 19 / 10)), {Kind::FaultStrikes});
    if (options_.faults == 0) return;
    std::uint64_t drawn = random_.below(kFaults.size());
    while ((options_.faults & (1U << drawn)) == 0) drawn = (drawn + 1) % kFaults.size();
    ++statistics_.faults;
    strike_one(static_cast<Fault>(drawn));
    return;
  }
  Ending& ending = endings_[event.a];
  const HostId a(ending.a);
  const HostId b(ending.b);
  switch (ending.fault) {
    case Fault::LinkCut:
      return mend(a, b);
    case Fault::Isolate:
      return rejoin(a);
    case Fault::Partition:
      for (std::uint32_t x = 0; x < hosts_.size(); ++x) {
        for (std::uint32_t y = 0; y < hosts_.size(); ++y) {
          const bool apart = ((ending.a >> x) & 1U) != ((ending.a >> y) & 1U);
          if (x != y && apart) network_.mend(x, y, now_);
        }
      }
      tell("the partition is over");
      checker_.disturbed(now_);
      return topology_changed();
    case Fault::Flap:
      if (ending.left % 2 == 0) {
        cut(a, b);
      } else {
        mend(a, b);
      }
      if (ending.left-- == 0) return mend(a, b);
      queue_.push(now_ + std::chrono::milliseconds(random_.between(50, 1500)), event);
      return;
    case Fault::Loss:
      return set_lossy(a, false);
    case Fault::StoreOutage:
      return set_store(true);
    case Fault::StoreTrouble:
      store_trouble_ = false;
      return;
    case Fault::StubbornGuest:
      hosts_[ending.a]->stubborn = 0;
      return;
    case Fault::DiskError:
      return replace_disk(a);
    case Fault::SlowGuests:
      slow_guests_ = false;
      return;
    case Fault::BmcTrouble:
      return set_bmc(a, true, false);
    case Fault::Operator:
      return set_maintenance(a, false);
    case Fault::PowerCut:
    case Fault::FullPowerCut:
    case Fault::Pause:
    case Fault::AgentHang:
    case Fault::AgentRestart:
    case Fault::GuestCrash:
      return;
  }
}

void Farm::strike_one(Fault fault) {
  const auto count = static_cast<std::uint32_t>(hosts_.size());
  const auto a = static_cast<std::uint32_t>(random_.below(count));
  const auto b = static_cast<std::uint32_t>((a + 1 + random_.below(count - 1)) % count);
  const auto seconds = [&](std::int64_t low, std::int64_t high) {
    return std::chrono::milliseconds(random_.between(low * 1000, high * 1000));
  };
  const auto ends = [&](Duration time) {
    end_after(time, static_cast<std::uint32_t>(fault), a, b);
  };
  Host& host = *hosts_[a];
  switch (fault) {
    case Fault::PowerCut:
      if (host.power == Power::Off) return;
      power_off(HostId(a));
      queue_.push(now_ + seconds(1, 90), {Kind::PowerOn, a, 0, host.boot});
      return;
    case Fault::FullPowerCut:
      if (!random_.chance(1, 4)) return;
      for (std::uint32_t i = 0; i < count; ++i) {
        if (hosts_[i]->power == Power::Off) continue;
        power_off(HostId(i));
        queue_.push(now_ + seconds(5, 60), {Kind::PowerOn, i, 0, hosts_[i]->boot});
      }
      return;
    case Fault::Pause:
      pause(HostId(a));
      queue_.push(now_ + std::chrono::milliseconds(random_.between(10, 1500)),
                  {Kind::Resumes, a, 0, host.boot});
      return;
    case Fault::AgentHang:
      hang_agent(HostId(a));
      queue_.push(now_ + std::chrono::milliseconds(random_.between(10, 1500)),
                  {Kind::AgentResumes, a, 0, host.run});
      return;
    case Fault::AgentRestart:
      return restart_agent(HostId(a), std::chrono::milliseconds(random_.between(20, 900)));
    case Fault::LinkCut:
      cut(HostId(a), HostId(b));
      return ends(seconds(1, 60));
    case Fault::Isolate:
      isolate(HostId(a));
      return ends(seconds(1, 60));
    case Fault::Partition: {
      const auto groups = static_cast<std::uint32_t>(random_.below(1ULL << count));
      for (std::uint32_t x = 0; x < count; ++x) {
        for (std::uint32_t y = 0; y < count; ++y) {
          if (x != y && ((groups >> x) & 1U) != ((groups >> y) & 1U)) network_.cut(x, y);
        }
      }
      tell("the farm is parted, groups {:b}", groups);
      checker_.disturbed(now_);
      topology_changed();
      return end_after(seconds(1, 60), static_cast<std::uint32_t>(fault), groups, 0);
    }
    case Fault::Flap:
      ends(std::chrono::milliseconds(1));
      endings_.back().left = static_cast<std::uint32_t>(2 * random_.between(2, 20));
      return;
    case Fault::Loss:
      set_lossy(HostId(a), true);
      return ends(seconds(2, 30));
    case Fault::StoreOutage:
      set_store(false);
      return ends(seconds(1, 30));
    case Fault::StoreTrouble:
      store_trouble_ = true;
      return ends(seconds(5, 60));
    case Fault::GuestCrash: {
      const std::uint64_t times = random_.below(4) == 0 ? 5 : 1;
      const auto guest = static_cast<std::uint32_t>(random_.below(guests_.size()));
      for (std::uint64_t i = 0; i < times; ++i) crash_guest(GuestId(guest));
      return;
    }
    case Fault::StubbornGuest:
      host.stubborn = static_cast<std::uint8_t>(random_.between(1, 2));
      return ends(seconds(10, 60));
    case Fault::DiskError:
      break_disk(HostId(a));
      return ends(seconds(5, 60));
    case Fault::SlowGuests:
      slow_guests_ = true;
      return ends(seconds(5, 30));
    case Fault::BmcTrouble:
      set_bmc(HostId(a), random_.chance(1, 2), random_.chance(1, 2));
      return ends(seconds(30, 200));
    case Fault::Operator:
      return operate();
  }
}

void Farm::operate() {
  const GuestId guest(static_cast<std::uint32_t>(random_.below(guests_.size())));
  const auto host = static_cast<std::uint32_t>(random_.below(hosts_.size()));
  switch (random_.below(6)) {
    case 0:
      return set_desired(guest, controller::Desired::Stopped);
    case 1:
      return set_desired(guest, controller::Desired::Running);
    case 2:
    case 3:
      return move_guest(guest, HostId(host));
    case 4:
      return resize_guest(guest, static_cast<std::uint32_t>(random_.between(256, 2048)));
    default:
      if (host_records_[host].maintenance) return;
      set_maintenance(HostId(host), true);
      return end_after(std::chrono::seconds(random_.between(5, 90)),
                       static_cast<std::uint32_t>(Fault::Operator), host, 0);
  }
}

FarmOptions swarm_options(std::uint64_t seed, const FarmOptions& base) {
  Random random(seed ^ 0x5bd1e995U);
  FarmOptions options = base;
  options.seed = seed;
  // Each sweep leaves out about half of the faults: what always comes together hides things.
  FaultSet kept = 0;
  for (const FaultName& name : kFaults) {
    if (random.chance(1, 2)) kept |= bit(name.fault);
  }
  options.faults = base.faults & kept;
  if (options.faults == 0) options.faults = base.faults;
  const std::int64_t mean = base.fault_interval.count();
  options.fault_interval = Duration(random.between(mean / 5, mean * 2));
  // A farm that is quick to suspect needs its grants all the more: safety must not rest on
  // patience.
  options.timing.silence = std::chrono::milliseconds(random.between(250, 800));
  if (base.hosts >= 3) {
    options.voters = base.hosts >= 5 && random.chance(1, 2) ? 5 : 3;
    options.witness = random.chance(1, 4);
  }
  return options;
}

}  // namespace aloft::sim
