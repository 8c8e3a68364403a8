#include "sim/scenario_player.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sim/farm.h"

namespace aloft::sim {
namespace {

using controller::Desired;
using controller::GuestId;
using controller::HostId;
using controller::kNoHost;

constexpr Duration kLook = std::chrono::milliseconds(200);
constexpr Duration kEmptyWithin = std::chrono::seconds(60);  // before a host goes down anyway
constexpr Duration kOffWhileRebooting = std::chrono::seconds(20);
constexpr Duration kHangNoticed = std::chrono::seconds(10);    // by the virtual watchdog
constexpr Duration kProbesNoticed = std::chrono::seconds(15);  // three probes, five seconds apart

HostId host_id(std::size_t index) {
  return HostId(static_cast<std::uint32_t>(index));
}
GuestId guest_id(std::size_t index) {
  return GuestId(static_cast<std::uint32_t>(index));
}

FarmOptions options_of(const Scenario& scenario) {
  FarmOptions options;
  options.seed = scenario.seed;
  options.hosts = static_cast<std::uint32_t>(scenario.hosts.size());
  options.guests = static_cast<std::uint32_t>(scenario.guests.size());
  options.voters = options.hosts;
  options.faults = 0;
  options.record = true;
  return options;
}

class Player {
 public:
  explicit Player(const Scenario& scenario) : scenario_(scenario), farm_(options_of(scenario)) {}

  ScenarioAnswer play() {
    build();
    for (std::size_t i = 0; i < scenario_.commands.size(); ++i) {
      agenda_.emplace(scenario_.commands[i].at, Step{i, 0});
    }
    while (!agenda_.empty() && agenda_.begin()->first <= scenario_.end) {
      const auto [at, step] = *agenda_.begin();
      agenda_.erase(agenda_.begin());
      farm_.run_until(Instant(at));
      act(step);
    }
    farm_.run_until(Instant(scenario_.end));
    return answer();
  }

 private:
  // A command, or what is still to be done of it.
  struct Step {
    std::size_t command = 0;
    int phase = 0;
  };

  void build() {
    for (std::size_t h = 0; h < scenario_.hosts.size(); ++h) {
      farm_.set_host(host_id(h), scenario_.hosts[h].record);
      farm_.set_clock(host_id(h), scenario_.hosts[h].clock_ppm);
      set_bmc(host_id(h), scenario_.hosts[h].bmc);
    }
    for (std::size_t g = 0; g < scenario_.guests.size(); ++g) {
      if (scenario_.guests[g].present) {
        farm_.set_guest(guest_id(g), scenario_.guests[g].record);
      } else {
        farm_.withhold_guest(guest_id(g));
        absent_.insert(guest_id(g));
      }
    }
    farm_.ready();
    for (std::size_t h = 0; h < scenario_.hosts.size(); ++h) {
      if (!scenario_.hosts[h].powered) farm_.power_off(host_id(h));
    }
  }

  void set_bmc(HostId host, Bmc bmc) { farm_.set_bmc(host, bmc == Bmc::Works, bmc == Bmc::Lies); }

  void later(const Step& step, Duration after, int phase) {
    agenda_.emplace(farm_.now().time_since_epoch() + after, Step{step.command, phase});
  }

  [[nodiscard]] bool empty(HostId host) const {
    for (std::size_t g = 0; g < scenario_.guests.size(); ++g) {
      const bool stays = farm_.guest_record(guest_id(g)).pinned;
      if (!stays && farm_.executes(guest_id(g), host)) return false;
    }
    return true;
  }

  [[nodiscard]] bool runs_somewhere(GuestId guest) const {
    for (std::size_t h = 0; h < scenario_.hosts.size(); ++h) {
      if (farm_.executes(guest, host_id(h))) return true;
    }
    return false;
  }

  // An operator takes a host down: it is emptied first, within a limit.
  void go_down(const Step& step, const Command& command) {
    if (step.phase == 0) {
      farm_.set_maintenance(command.host, true);
      emptied_by_[command.host] = farm_.now().time_since_epoch() + kEmptyWithin;
    }
    const bool patient = farm_.now().time_since_epoch() < emptied_by_[command.host];
    if (patient && !empty(command.host)) return later(step, kLook, 1);
    farm_.power_off(command.host);
    shut_down_.insert(command.host);
    if (command.act == Act::Reboot) later(step, kOffWhileRebooting, 2);
  }

  void come_up(HostId host) {
    farm_.power_on(host);
    if (shut_down_.erase(host) > 0) farm_.set_maintenance(host, false);
  }

  void remove(const Step& step, const Command& command) {
    if (absent_.contains(command.guest)) return;
    if (step.phase == 0) farm_.set_desired(command.guest, Desired::Stopped);
    if (runs_somewhere(command.guest)) return later(step, kLook, 1);
    farm_.forget_guest(command.guest);
    absent_.insert(command.guest);
  }

  void add(GuestId guest) {
    if (absent_.erase(guest) == 0) return;
    farm_.add_guest(guest, scenario_.guests[guest.value()].record);
  }

  void part(const std::vector<std::uint32_t>& groups) {
    for (std::size_t a = 0; a < groups.size(); ++a) {
      for (std::size_t b = 0; b < groups.size(); ++b) {
        if (groups[a] == groups[b]) continue;
        farm_.cut(host_id(a), host_id(b));
        parted_.emplace_back(host_id(a), host_id(b));
      }
    }
  }

  void link(HostId a, HostId b, bool works) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      if (works) {
        farm_.mend(from, to);
      } else {
        farm_.cut(from, to);
      }
    }
  }

  void unite() {
    for (const auto& [a, b] : std::exchange(parted_, {})) farm_.mend(a, b);
  }

  void isolate(HostId host, bool off) {
    if (off && isolated_.insert(host).second) farm_.isolate(host);
    if (!off && isolated_.erase(host) > 0) farm_.rejoin(host);
  }

  void lose_packets(HostId host, bool loses) {
    if (loses == lossy_.contains(host)) return;
    if (loses) lossy_.insert(host);
    if (!loses) lossy_.erase(host);
    farm_.set_lossy(host, loses);
  }

  void act(const Step& step) {
    const Command& command = scenario_.commands[step.command];
    if (farm_.result().violation) return;
    if (absent_.contains(command.guest) && command.act >= Act::GuestRemove) return;
    deeds().at(command.act)(*this, step, command);
  }

  // What each command does.
  using Deed = void (*)(Player&, const Step&, const Command&);
  using Deeds = std::map<Act, Deed>;
  static const Deeds& deeds() {
    static const Deeds all = [] {
      Deeds made = host_deeds();
      made.merge(other_deeds());
      made.merge(guest_deeds());
      return made;
    }();
    return all;
  }

  static Deeds host_deeds() {
    using P = Player&;
    using S = const Step&;
    using C = const Command&;
    return {
        {Act::PowerOn, [](P p, S, C c) { p.come_up(c.host); }},
        {Act::PowerOff, [](P p, S, C c) { p.farm_.power_off(c.host); }},
        {Act::Reboot, [](P p, S s, C c) { s.phase == 2 ? p.come_up(c.host) : p.go_down(s, c); }},
        {Act::Shutdown, [](P p, S s, C c) { p.go_down(s, c); }},
        {Act::HangHost, [](P p, S, C c) { p.farm_.pause(c.host); }},
        {Act::UnhangHost, [](P p, S, C c) { p.farm_.resume(c.host); }},
        {Act::HangAgent, [](P p, S, C c) { p.farm_.hang_agent(c.host); }},
        {Act::ResumeAgent, [](P p, S, C c) { p.farm_.resume_agent(c.host); }},
        {Act::RestartAgent, [](P p, S, C c) { p.farm_.restart_agent(c.host, c.time); }},
        {Act::NetworkOff, [](P p, S, C c) { p.isolate(c.host, true); }},
        {Act::NetworkOn, [](P p, S, C c) { p.isolate(c.host, false); }},
        {Act::LinkOff, [](P p, S, C c) { p.link(c.host, c.other, false); }},
        {Act::LinkOn, [](P p, S, C c) { p.link(c.host, c.other, true); }},
        {Act::OneWayOff, [](P p, S, C c) { p.farm_.cut(c.host, c.other); }},
        {Act::OneWayOn, [](P p, S, C c) { p.farm_.mend(c.host, c.other); }},
        {Act::Lossy, [](P p, S, C c) { p.lose_packets(c.host, true); }},
        {Act::Lossless, [](P p, S, C c) { p.lose_packets(c.host, false); }},
        {Act::Partition, [](P p, S, C c) { p.part(c.groups); }},
        {Act::PartitionOver, [](P p, S, C) { p.unite(); }},
        {Act::MaintenanceOn, [](P p, S, C c) { p.farm_.set_maintenance(c.host, true); }},
        {Act::MaintenanceOff, [](P p, S, C c) { p.farm_.set_maintenance(c.host, false); }},
        {Act::Leave, [](P p, S, C c) { p.farm_.set_member(c.host, false); }},
        {Act::Join, [](P p, S, C c) { p.farm_.set_member(c.host, true); }},
        {Act::HostCapacity, [](P p, S, C c) { p.farm_.resize_host(c.host, c.memory_mib); }},
    };
  }

  static Deeds other_deeds() {
    using P = Player&;
    using S = const Step&;
    using C = const Command&;
    return {
        {Act::StoreOff, [](P p, S, C) { p.farm_.set_store(false); }},
        {Act::StoreOn, [](P p, S, C) { p.farm_.set_store(true); }},
        {Act::StoreTrouble, [](P p, S, C) { p.farm_.set_store_trouble(true); }},
        {Act::StoreCalm, [](P p, S, C) { p.farm_.set_store_trouble(false); }},
        {Act::StoreLinkOff, [](P p, S, C c) { p.farm_.set_store_link(c.host, false); }},
        {Act::StoreLinkOn, [](P p, S, C c) { p.farm_.set_store_link(c.host, true); }},
        {Act::DiskFails, [](P p, S, C c) { p.farm_.break_disk(c.host); }},
        {Act::DiskWorks, [](P p, S, C c) { p.farm_.replace_disk(c.host); }},
        {Act::BmcWorks, [](P p, S, C c) { p.set_bmc(c.host, Bmc::Works); }},
        {Act::BmcDead, [](P p, S, C c) { p.set_bmc(c.host, Bmc::Dead); }},
        {Act::BmcLies, [](P p, S, C c) { p.set_bmc(c.host, Bmc::Lies); }},
        {Act::ClockJump, [](P p, S, C c) { p.farm_.jump_clock(c.host); }},
        {Act::StubbornNot, [](P p, S, C c) { p.farm_.set_stubborn(c.host, 0); }},
        {Act::StubbornFreeze, [](P p, S, C c) { p.farm_.set_stubborn(c.host, 1); }},
        {Act::StubbornKill, [](P p, S, C c) { p.farm_.set_stubborn(c.host, 2); }},
        {Act::SlowStarts, [](P p, S, C) { p.farm_.set_slow_guests(true); }},
        {Act::FastStarts, [](P p, S, C) { p.farm_.set_slow_guests(false); }},
    };
  }

  static Deeds guest_deeds() {
    using P = Player&;
    using S = const Step&;
    using C = const Command&;
    return {
        {Act::GuestAdd, [](P p, S, C c) { p.add(c.guest); }},
        {Act::GuestRemove, [](P p, S s, C c) { p.remove(s, c); }},
        {Act::GuestStart, [](P p, S, C c) { p.farm_.set_desired(c.guest, Desired::Running); }},
        {Act::GuestStop, [](P p, S, C c) { p.farm_.set_desired(c.guest, Desired::Stopped); }},
        {Act::GuestCrash, [](P p, S, C c) { p.farm_.crash_guest(c.guest); }},
        {Act::GuestHang,
         [](P p, S, C c) { p.farm_.crash_guest_later(c.guest, kHangNoticed, "hangs"); }},
        {Act::GuestUnhealthy,
         [](P p, S, C c) {
           p.farm_.crash_guest_later(c.guest, kProbesNoticed, "does not answer its probes");
         }},
        {Act::GuestMove, [](P p, S, C c) { p.farm_.move_guest(c.guest, c.host); }},
        {Act::GuestResize, [](P p, S, C c) { p.farm_.resize_guest(c.guest, c.memory_mib); }},
    };
  }

  // ---- what became of it

  [[nodiscard]] std::string name(HostId host) const {
    return host == kNoHost ? std::string() : scenario_.hosts[host.value()].name;
  }

  // Whether a command may be why the guest ceased to run on `host`, and whether that was asked for.
  [[nodiscard]] static bool concerns(const Command& command, GuestId guest) {
    return command.act < Act::GuestAdd || command.guest == guest;
  }
  [[nodiscard]] bool asked(const Command& cause, HostId host, Instant at) const {
    if (cause.act == Act::GuestStop || cause.act == Act::GuestRemove ||
        cause.act == Act::GuestMove) {
      return true;
    }
    if (!planned(cause.act)) return false;
    const Command* last = nullptr;  // that put the host into maintenance or took it out
    for (const Command& command : scenario_.commands) {
      const bool about = command.host == host && planned(command.act) &&
                         command.act != Act::HostCapacity && Instant(command.at) <= at;
      if (about && (last == nullptr || command.at >= last->at)) last = &command;
    }
    return last != nullptr && last->act != Act::MaintenanceOff;
  }
  [[nodiscard]] static bool planned(Act act) {
    return act == Act::Reboot || act == Act::Shutdown || act == Act::MaintenanceOn ||
           act == Act::MaintenanceOff || act == Act::HostCapacity;
  }

  void find_losses(GuestId guest, const std::vector<Interval>& intervals,
                   ScenarioAnswer& answer) const {
    for (std::size_t i = 0; i < intervals.size(); ++i) {
      if (!intervals[i].to) continue;
      const Command* cause = nullptr;
      for (const Command& command : scenario_.commands) {
        if (Instant(command.at) > *intervals[i].to || !concerns(command, guest)) continue;
        if (cause == nullptr || command.at >= cause->at) cause = &command;
      }
      if (cause != nullptr && asked(*cause, intervals[i].host, *intervals[i].to)) continue;
      Loss loss;
      loss.guest = scenario_.guests[guest.value()].name;
      loss.host = name(intervals[i].host);
      loss.cause = cause == nullptr ? "nothing that was commanded" : cause->text;
      loss.cause_at = cause == nullptr ? *intervals[i].to : Instant(cause->at);
      loss.stopped_at = *intervals[i].to;
      if (i + 1 < intervals.size()) {
        loss.restarted_at = intervals[i + 1].from;
        loss.restarted_on = name(intervals[i + 1].host);
      }
      answer.losses.push_back(std::move(loss));
    }
  }

  [[nodiscard]] std::string state_of(GuestId guest) const {
    if (absent_.contains(guest)) return "absent";
    if (runs_somewhere(guest)) return "running";
    for (std::size_t h = 0; h < scenario_.hosts.size(); ++h) {
      if (farm_.frozen(guest, host_id(h))) return "frozen";
    }
    const controller::GuestRecord& record = farm_.guest_record(guest);
    if (record.desired == Desired::Stopped) return "stopped";
    return record.failed ? "failed" : "waiting";
  }

  // "host 3" and "guest 7" of the farm's lines get their names.
  [[nodiscard]] std::string named(std::string_view line) const {
    std::string result;
    std::size_t at = 0;
    const auto name_at = [&](std::string_view word, const auto& list) {
      if (line.substr(at, word.size()) != word) return false;
      std::size_t end = at + word.size();
      std::size_t number = 0;
      while (end < line.size() && line[end] >= '0' && line[end] <= '9' && number < 100'000) {
        number = number * 10 + static_cast<std::size_t>(line[end++] - '0');
      }
      if (end == at + word.size() || number >= list.size()) return false;
      result += fmt::format("{}{}", word, list[number].name);
      at = end;
      return true;
    };
    while (at < line.size()) {
      if (name_at("host ", scenario_.hosts) || name_at("guest ", scenario_.guests)) continue;
      result += line[at++];
    }
    return result;
  }

  ScenarioAnswer answer() const {
    ScenarioAnswer answer;
    answer.end = scenario_.end;
    for (std::size_t g = 0; g < scenario_.guests.size(); ++g) {
      const controller::GuestRecord& record = farm_.guest_record(guest_id(g));
      GuestAnswer guest;
      guest.name = scenario_.guests[g].name;
      guest.state = state_of(guest_id(g));
      guest.host = name(record.host);
      for (const Interval& interval : farm_.intervals(guest_id(g))) {
        guest.runs.push_back({name(interval.host), interval.from, interval.to});
      }
      for (const controller::Member& member : record.members) {
        if (member.state == controller::MemberState::InSync) {
          guest.in_sync.push_back(name(member.host));
        }
      }
      find_losses(guest_id(g), farm_.intervals(guest_id(g)), answer);
      answer.guests.push_back(std::move(guest));
    }
    std::ranges::sort(answer.losses, {}, [](const Loss& loss) {
      return std::pair(loss.stopped_at, std::string_view(loss.guest));
    });
    for (std::size_t h = 0; h < scenario_.hosts.size(); ++h) {
      answer.hosts.push_back({scenario_.hosts[h].name, std::string(farm_.state_words(host_id(h)))});
    }
    const FarmResult result = farm_.result();
    answer.violation = result.violation;
    if (answer.violation) answer.violation->words = named(answer.violation->words);
    answer.hash = result.hash;
    for (const std::string& line : farm_.trace()) answer.timeline.push_back(named(line));
    return answer;
  }

  const Scenario& scenario_;
  Farm farm_;
  std::multimap<Duration, Step> agenda_;
  std::set<GuestId> absent_;
  std::set<HostId> isolated_;
  std::set<HostId> lossy_;
  std::set<HostId> shut_down_;
  std::map<HostId, Duration> emptied_by_;
  std::vector<std::pair<HostId, HostId>> parted_;
};

}  // namespace

ScenarioAnswer play(const Scenario& scenario) {
  return Player(scenario).play();
}

}  // namespace aloft::sim
