#include "agent/start_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace aloft::agent {
namespace {

using Guests = std::map<std::string, StartCandidate>;

// The circle through `name`, as "a -> b -> a"; empty when there is none.
std::string circle_through(const Guests& guests, const std::string& name) {
  std::map<std::string, std::string> came_from;
  std::vector<std::string> open{name};
  while (!open.empty()) {
    const std::string at = open.back();
    open.pop_back();
    const auto found = guests.find(at);
    if (found == guests.end()) continue;
    for (const std::string& next : found->second.depends_on) {
      if (next == name) {
        std::string text = name;
        for (std::string step = at; step != name; step = came_from[step]) {
          text = step + " -> " + text;
        }
        return name + " -> " + text;
      }
      if (came_from.emplace(next, at).second) open.push_back(next);
    }
  }
  return {};
}

std::optional<StartHold> hold_of(const Guests& guests, const std::string& name,
                                 const StartCandidate& guest) {
  for (const std::string& needed : guest.depends_on) {
    const auto found = guests.find(needed);
    if (found == guests.end()) {
      return StartHold{"guest.dependency_missing",
                       fmt::format("waits for guest {}, which does not exist", needed)};
    }
    if (found->second.running) continue;
    if (const std::string circle = circle_through(guests, name); !circle.empty()) {
      return StartHold{
          "guest.dependency_cycle",
          fmt::format("depends on itself ({}): take one of these dependencies away", circle)};
    }
    if (!found->second.why_not.empty()) {
      return StartHold{"guest.dependency_down", fmt::format("waits for guest {}, which is {}",
                                                            needed, found->second.why_not)};
    }
    return StartHold{"guest.waits_for_dependency",
                     fmt::format("waits until guest {} runs", needed)};
  }
  return std::nullopt;
}

// A guest that others wait for starts as early as the most urgent of them.
std::map<std::string, std::uint32_t> urgency(const Guests& guests) {
  std::map<std::string, std::uint32_t> urgent;
  for (const auto& [name, guest] : guests) {
    std::set<std::string> seen;
    std::vector<std::string> open{name};
    while (!open.empty()) {
      const std::string at = open.back();
      open.pop_back();
      const auto found = guests.find(at);
      if (found == guests.end() || !seen.insert(at).second) continue;
      std::uint32_t& value = urgent[at];
      value = std::max({value, found->second.priority, guest.priority});
      if (!found->second.running)
        open.insert(open.end(), found->second.depends_on.begin(), found->second.depends_on.end());
    }
  }
  return urgent;
}

}  // namespace

StartDecision decide_starts(const Guests& guests, std::size_t max_parallel) {
  StartDecision decision;
  std::size_t taken = 0;
  const auto urgent = urgency(guests);
  std::vector<std::pair<std::string, std::uint32_t>> ready;
  for (const auto& [name, guest] : guests) {
    if (guest.starting) ++taken;
    if (!guest.wants_start) continue;
    if (auto hold = hold_of(guests, name, guest)) {
      decision.held.emplace(name, *std::move(hold));
    } else {
      ready.emplace_back(name, urgent.at(name));
    }
  }
  std::ranges::sort(ready, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (const auto& [name, value] : ready) {
    if (taken < max_parallel) {
      ++taken;
      decision.start.push_back(name);
    } else {
      decision.held.emplace(name, StartHold{"guest.waits_for_turn",
                                            "waits until starts of higher priority are done"});
    }
  }
  return decision;
}

}  // namespace aloft::agent
