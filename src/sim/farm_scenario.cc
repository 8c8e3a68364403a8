// What scenarios need of a simulated farm beyond faults: guests that come and go, links to the
// store alone, and what people would call the state of a host.
#include <algorithm>

#include "sim/farm_parts.h"
#include "sim/farm_trace.h"

namespace aloft::sim {

using controller::GuestId;
using controller::GuestRecord;
using controller::HostId;
using controller::MemberState;

// ---- building

void Farm::withhold_guest(GuestId guest) {
  guests_[guest.value()] = GuestRecord{};
}

void Farm::ready() {
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    const auto current = [](const controller::Member& member) {
      return member.state == MemberState::InSync;
    };
    if (std::ranges::all_of(guests_[g].members, current)) continue;
    // Something was written while the others were away.
    const std::uint32_t version = checker_.next_version(GuestId(g));
    for (const controller::Member& member : guests_[g].members) {
      if (current(member)) hosts_[member.host.value()]->versions[g] = version;
    }
  }
  leader_ = SIZE_MAX;
  topology_changed();
}

void Farm::set_clock(HostId host, std::int64_t slower_ppm) {
  hosts_[host.value()]->slower_ppm = slower_ppm;
}

// ---- guests

void Farm::add_guest(GuestId guest, const GuestRecord& record) {
  tell("guest {} joins the farm", guest.value());
  checker_.disturbed(now_);
  GuestRecord next = record;
  next.revision = guests_[guest.value()].revision;
  next.generation = controller::Generation(
      std::max(record.generation.value(), guests_[guest.value()].generation.value() + 1));
  commit(next, guest.value());
}

void Farm::forget_guest(GuestId guest) {
  tell("guest {} leaves the farm", guest.value());
  checker_.disturbed(now_);
  GuestRecord next;
  next.revision = guests_[guest.value()].revision;
  next.generation = guests_[guest.value()].generation.next();
  next.desired = controller::Desired::Stopped;
  commit(next, guest.value());
}

void Farm::crash_guest_later(GuestId guest, Duration after, std::string_view why) {
  for (std::uint32_t h = 0; h < hosts_.size(); ++h) {
    const Instance& instance = hosts_[h]->instances[guest.value()];
    if (hosts_[h]->power != Power::On || !instance.exists || instance.frozen) continue;
    tell("guest {} {} on host {}", guest.value(), why, h);
    checker_.disturbed(now_);
    queue_.push(now_ + after, {Kind::GuestCrashed, h, guest.value(), instance.token});
  }
}

bool Farm::frozen(GuestId guest, HostId host) const {
  const Host& self = *hosts_[host.value()];
  const Instance& instance = self.instances[guest.value()];
  return self.power != Power::Off && instance.exists &&
         (instance.frozen || self.power == Power::Paused);
}

void Farm::set_stubborn(HostId host, std::uint8_t how) {
  tell("guests of host {} {}", host.value(),
       how == 0 ? "obey" : (how == 1 ? "cannot be frozen" : "cannot be frozen nor killed"));
  checker_.disturbed(now_);
  hosts_[host.value()]->stubborn = how;
}

void Farm::set_slow_guests(bool slow) {
  tell("guests start {}", slow ? "slowly" : "fast");
  slow_guests_ = slow;
}

// ---- hosts and the store

void Farm::resume_agent(HostId id) {
  Host& host = *hosts_[id.value()];
  if (host.power == Power::Off || !host.hung) return;
  tell("the agent of host {} goes on", id.value());
  checker_.disturbed(now_);
  host.hung = false;
  host.well_since = now_;
  topology_changed();
  if (host.power == Power::On) look_again(id.value());
}

void Farm::jump_clock(HostId host) {
  // The machines see boot time alone.
  tell("the wall clock of host {} jumps", host.value());
  checker_.disturbed(now_);
}

void Farm::set_store_trouble(bool trouble) {
  tell("answers of the store are {}", trouble ? "late or lost" : "in time again");
  checker_.disturbed(now_);
  store_trouble_ = trouble;
}

void Farm::set_store_link(HostId host, bool works) {
  tell("host {} {} the store", host.value(), works ? "reaches" : "does not reach");
  checker_.disturbed(now_);
  hosts_[host.value()]->store_link = works;
  topology_changed();
}

std::string_view Farm::state_words(HostId id) const {
  const Host& host = *hosts_[id.value()];
  const controller::HostRecord& record = host_records_[id.value()];
  if (!record.member) return "left";
  if (host.power == Power::Off) return "off";
  if (host.power == Power::Paused) return "hung";
  if (!beats(id.value())) return "agent-down";
  const std::size_t holder = controller_.holder.value();
  const bool acts = holder < hosts_.size() && beats(holder);
  if (acts && hosts_[holder]->controller.lost(id)) return "lost";
  return record.maintenance ? "maintenance" : "up";
}

}  // namespace aloft::sim
