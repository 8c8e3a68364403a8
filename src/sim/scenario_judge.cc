#include "sim/scenario_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/scenario_fields.h"
#include "sim/scenario_report.h"

namespace aloft::sim {
namespace {

std::string names_or_none(const std::vector<std::string>& names) {
  return names.empty() ? "none" : list_words(names);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::vector<std::string> hosts_in_turn(const GuestAnswer& guest) {
  std::vector<std::string> hosts;
  for (const Run& run : guest.runs) {
    if (hosts.empty() || hosts.back() != run.host) hosts.push_back(run.host);
  }
  return hosts;
}

Duration longest_gap(const GuestAnswer& guest, Duration end) {
  Duration longest{};
  for (std::size_t i = 0; i < guest.runs.size(); ++i) {
    if (!guest.runs[i].to) continue;
    const Instant back = i + 1 < guest.runs.size() ? guest.runs[i + 1].from : Instant(end);
    longest = std::max(longest, back - *guest.runs[i].to);
  }
  return longest;
}

class Judge {
 public:
  Judge(const Scenario& scenario, const ScenarioAnswer& answer)
      : expect_(scenario.expect), answer_(answer) {}

  std::vector<std::string> judge() {
    if (answer_.violation) {
      differ(fmt::format("rule {} is broken after {}: {}", answer_.violation->rule,
                         time_words(answer_.violation->at), answer_.violation->words));
    }
    for (const GuestAnswer& guest : answer_.guests) {
      auto wanted = expect_.guests.find(guest.name);
      if (wanted == expect_.guests.end()) wanted = expect_.guests.find("*");
      if (wanted != expect_.guests.end()) judge_guest(guest, wanted->second);
    }
    for (const HostAnswer& host : answer_.hosts) {
      const auto wanted = expect_.hosts.find(host.name);
      if (wanted == expect_.hosts.end() || contains(wanted->second, host.state)) continue;
      differ(fmt::format("host {}: is to be {} in the end, but is {}", host.name,
                         list_words(wanted->second), host.state));
    }
    judge_losses();
    judge_groups();
    judge_timeline();
    return std::move(differences_);
  }

 private:
  void differ(std::string words) { differences_.push_back(std::move(words)); }

  void judge_guest(const GuestAnswer& guest, const GuestExpectation& wanted) {
    const auto differs = [&](std::string_view words) {
      differ(fmt::format("guest {}: {} (it ran {})", guest.name, words, runs_words(guest)));
    };
    if (!wanted.states.empty() && !contains(wanted.states, guest.state)) {
      differs(
          fmt::format("is to be {} in the end, but is {}", list_words(wanted.states), guest.state));
    }
    if (wanted.on &&
        (wanted.on->empty() ? !guest.host.empty() : !contains(*wanted.on, guest.host))) {
      differs(fmt::format("is to be on {} in the end, but is on {}", names_or_none(*wanted.on),
                          guest.host.empty() ? "none" : guest.host));
    }
    const std::vector<std::string> ran = hosts_in_turn(guest);
    if (wanted.ran && *wanted.ran != ran) {
      differs(fmt::format("is to run on {} in turn, but ran on {}", names_or_none(*wanted.ran),
                          names_or_none(ran)));
    }
    if (wanted.runs && *wanted.runs != guest.runs.size()) {
      differs(fmt::format("is to run {} times, but ran {} times", *wanted.runs, guest.runs.size()));
    }
    const Duration gap = longest_gap(guest, answer_.end);
    if (wanted.down_at_most && gap > *wanted.down_at_most) {
      differs(fmt::format("is to be down for {} at most, but was for {}",
                          time_words(Instant(*wanted.down_at_most)), time_words(Instant(gap))));
    }
    if (wanted.down_at_least && gap < *wanted.down_at_least) {
      differs(fmt::format("is to be down for {} at least, but was for {}",
                          time_words(Instant(*wanted.down_at_least)), time_words(Instant(gap))));
    }
    if (wanted.in_sync) {
      const std::set<std::string> want(wanted.in_sync->begin(), wanted.in_sync->end());
      const std::set<std::string> have(guest.in_sync.begin(), guest.in_sync.end());
      if (want != have) {
        differs(fmt::format("is to have replicas in sync on {}, but has them on {}",
                            names_or_none(*wanted.in_sync), names_or_none(guest.in_sync)));
      }
    }
    for (const std::string& name : wanted.starts_before) {
      const auto other = std::ranges::find(answer_.guests, name, &GuestAnswer::name);
      if (guest.runs.empty() || other->runs.empty() ||
          guest.runs.back().from <= other->runs.back().from) {
        continue;
      }
      differs(fmt::format("is to start before {}, which ran {}", name, runs_words(*other)));
    }
  }

  void judge_losses() {
    if (expect_.losses && *expect_.losses != answer_.losses.size()) {
      std::string seen;
      for (const Loss& loss : answer_.losses) seen += "; " + loss_words(loss);
      differ(fmt::format("{} losses are expected, {} were seen{}", *expect_.losses,
                         answer_.losses.size(), seen.substr(0, 600)));
    }
    if (!expect_.restarts_within) return;
    for (const Loss& loss : answer_.losses) {
      if (loss.restarted_at && *loss.restarted_at - loss.cause_at <= *expect_.restarts_within) {
        continue;
      }
      differ(fmt::format("a restart within {} is expected: {}",
                         time_words(Instant(*expect_.restarts_within)), loss_words(loss)));
    }
  }

  void judge_groups() {
    const auto host_of = [&](const std::string& guest) {
      return std::ranges::find(answer_.guests, guest, &GuestAnswer::name)->host;
    };
    for (const bool together : {true, false}) {
      for (const auto& group : together ? expect_.together : expect_.apart) {
        std::set<std::string> hosts;
        std::string seen;
        for (const std::string& guest : group) {
          hosts.insert(host_of(guest));
          seen += fmt::format("{}{} on {}", seen.empty() ? "" : ", ", guest, host_of(guest));
        }
        const bool right = together ? hosts.size() <= 1 : hosts.size() == group.size();
        if (!right)
          differ(fmt::format("{} is expected: {}", together ? "together" : "apart", seen));
      }
    }
  }

  void judge_timeline() {
    const auto told = [&](const std::string& part) {
      return std::ranges::find_if(answer_.timeline, [&](const std::string& line) {
        return line.find(part) != std::string::npos;
      });
    };
    for (const std::string& part : expect_.says) {
      if (told(part) == answer_.timeline.end()) {
        differ(fmt::format("no line of the timeline says \"{}\"", part));
      }
    }
    for (const std::string& part : expect_.never_says) {
      const auto line = told(part);
      if (line != answer_.timeline.end()) {
        differ(fmt::format("no line of the timeline is to say \"{}\", but: {}", part, *line));
      }
    }
  }

  const Expectations& expect_;
  const ScenarioAnswer& answer_;
  std::vector<std::string> differences_;
};

}  // namespace

std::vector<std::string> judge(const Scenario& scenario, const ScenarioAnswer& answer) {
  return Judge(scenario, answer).judge();
}

}  // namespace aloft::sim
