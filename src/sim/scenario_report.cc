#include "sim/scenario_report.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace aloft::sim {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Instant at) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch());
  return static_cast<double>(us.count()) / 1e6;
}

Json optional_seconds(const std::optional<Instant>& at) {
  return at ? Json(seconds(*at)) : Json(nullptr);
}

}  // namespace

std::string time_words(Instant at) {
  return fmt::format("{:.3f} s", seconds(at));
}

std::string runs_words(const GuestAnswer& guest) {
  if (guest.runs.empty()) return "never";
  std::string words;
  for (std::size_t i = 0; i < guest.runs.size(); ++i) {
    const Run& run = guest.runs[i];
    if (i == 8 && guest.runs.size() > 10) {
      return words + fmt::format(", and {} times more", guest.runs.size() - i);
    }
    words += fmt::format("{}{} {}..{}", i == 0 ? "" : ", ", run.host, time_words(run.from),
                         run.to ? time_words(*run.to) : "");
  }
  return words;
}

std::string loss_words(const Loss& loss) {
  const std::string cause =
      fmt::format("{} at {}: guest {} stopped on {} at {}", loss.cause, time_words(loss.cause_at),
                  loss.guest, loss.host, time_words(loss.stopped_at));
  if (!loss.restarted_at) return cause + " and did not run again";
  return fmt::format("{} and ran again on {} at {}, {} after the cause", cause, loss.restarted_on,
                     time_words(*loss.restarted_at),
                     time_words(Instant(*loss.restarted_at - loss.cause_at)));
}

std::string report_text(const Scenario& scenario, const ScenarioAnswer& answer,
                        const std::vector<std::string>& differences) {
  std::string text;
  for (const std::string& line : scenario.about) text += line + "\n";
  text += "\n";
  for (const GuestAnswer& guest : answer.guests) {
    text += fmt::format("guest {:12} {:8} {:8} ran {}\n", guest.name, guest.state,
                        guest.host.empty() ? "-" : guest.host, runs_words(guest));
  }
  for (const HostAnswer& host : answer.hosts) {
    text += fmt::format("host  {:12} {}\n", host.name, host.state);
  }
  for (const Loss& loss : answer.losses) text += fmt::format("loss  {}\n", loss_words(loss));
  for (const std::string& difference : differences) {
    text += fmt::format("not as expected: {}\n", difference);
  }
  if (differences.empty()) text += "as expected\n";
  return text;
}

std::string report_json(const Scenario& scenario, const ScenarioAnswer& answer,
                        const std::vector<std::string>& differences) {
  Json guests = Json::array();
  for (const GuestAnswer& guest : answer.guests) {
    Json runs = Json::array();
    for (const Run& run : guest.runs) {
      runs.push_back(
          {{"host", run.host}, {"from_s", seconds(run.from)}, {"to_s", optional_seconds(run.to)}});
    }
    guests.push_back({{"name", guest.name},
                      {"state", guest.state},
                      {"host", guest.host.empty() ? Json(nullptr) : Json(guest.host)},
                      {"in_sync", guest.in_sync},
                      {"runs", std::move(runs)}});
  }
  Json hosts = Json::array();
  for (const HostAnswer& host : answer.hosts) {
    hosts.push_back({{"name", host.name}, {"state", host.state}});
  }
  Json losses = Json::array();
  for (const Loss& loss : answer.losses) {
    Json took = nullptr;
    if (loss.restarted_at) took = seconds(Instant(*loss.restarted_at - loss.cause_at));
    losses.push_back({{"guest", loss.guest},
                      {"host", loss.host},
                      {"cause", loss.cause},
                      {"cause_at_s", seconds(loss.cause_at)},
                      {"stopped_at_s", seconds(loss.stopped_at)},
                      {"restarted_at_s", optional_seconds(loss.restarted_at)},
                      {"restarted_on", loss.restarted_at ? Json(loss.restarted_on) : Json(nullptr)},
                      {"took_s", took}});
  }
  Json violations = Json::array();
  if (answer.violation) {
    violations.push_back({{"rule", answer.violation->rule},
                          {"words", answer.violation->words},
                          {"at_s", seconds(answer.violation->at)}});
  }
  const Json document = {{"scenario", scenario.name},
                         {"seed", scenario.seed},
                         {"trace", fmt::format("{:016x}", answer.hash)},
                         {"end_s", seconds(Instant(answer.end))},
                         {"guests", std::move(guests)},
                         {"hosts", std::move(hosts)},
                         {"losses", std::move(losses)},
                         {"violations", std::move(violations)},
                         {"differences", differences}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace aloft::sim
