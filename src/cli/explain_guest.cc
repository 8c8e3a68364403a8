#include "cli/explain_guest.h"

#include <fmt/format.h>

#include "aloft/v1/guest.pb.h"
#include "base/bytes.h"
#include "cli/text.h"
#include "model/guest.h"
#include "model/message.h"

namespace aloft::cli {
namespace {

std::string without_period(std::string text) {
  while (text.ends_with('.')) text.pop_back();
  return text;
}

std::string restart_policy(const v1::Restart& restart) {
  if (restart.policy() == v1::Restart::POLICY_NEVER) {
    return "It is never restarted by itself (restart policy never)";
  }
  if (restart.policy() == v1::Restart::POLICY_ON_FAILURE) {
    return "It is restarted when it fails (restart policy on-failure)";
  }
  return "It is restarted whenever it ends (restart policy always)";
}

std::string what_it_has(const v1::GuestStatus& status) {
  std::string text;
  if (status.cpus() > 0) {
    text += fmt::format(" with {} CPU{}", status.cpus(), status.cpus() == 1 ? "" : "s");
  }
  if (status.memory_bytes() > 0) {
    text += fmt::format("{} {} of memory", text.empty() ? " with" : " and",
                        to_string(Bytes(status.memory_bytes())));
  }
  if (!status.accelerator().empty()) text += fmt::format(" ({})", status.accelerator());
  return text;
}

// What to do next, for states that ask for something.
std::string advice(const v1::Guest& guest) {
  const std::string& name = guest.metadata().name();
  const bool wants_stop = guest.spec().desired() == v1::GuestSpec::DESIRED_STOPPED;
  switch (static_cast<model::GuestState>(guest.status().state())) {
    case model::GuestState::Failed:
      return fmt::format(
          "Next: aloft logs {0} shows its last output; when the cause is mended, "
          "aloft guest start {0} tries again.",
          name);
    case model::GuestState::BackingOff:
      return fmt::format("Next: it tries again by itself; aloft logs {0} shows why it ended.",
                         name);
    case model::GuestState::Unknown:
      return fmt::format("Next: its driver does not answer; aloft explain host/{} tells more.",
                         guest.status().host());
    case model::GuestState::Frozen:
      return fmt::format("Next: aloft guest thaw {} lets it go on.", name);
    case model::GuestState::Stopped:
      return wants_stop ? fmt::format("Next: aloft guest start {} starts it.", name)
                        : fmt::format("Next: aloft event list --subject guest/{} tells why.", name);
    case model::GuestState::Waiting:
      return "Next: see to the guests that it waits for.";
    case model::GuestState::Unspecified:
      return "Next: look whether aloftd runs on a host that can take it (aloft host list).";
    case model::GuestState::Defining:
    case model::GuestState::Starting:
    case model::GuestState::Running:
    case model::GuestState::Stopping:
      return {};
  }
  return {};
}

}  // namespace

std::vector<std::string> guest_sentences(const v1::Guest& guest, WallTime now) {
  const auto& spec = guest.spec();
  const auto& status = guest.status();
  const auto state = static_cast<model::GuestState>(status.state());
  const bool wants_stop = spec.desired() == v1::GuestSpec::DESIRED_STOPPED;
  std::vector<std::string> sentences;

  std::string first =
      fmt::format("guest {} is {}", guest.metadata().name(),
                  state == model::GuestState::Unspecified ? "new: no host has taken it yet"
                                                          : std::string(model::name_of(state)));
  if (!status.host().empty()) first += " on " + status.host();
  if (state == model::GuestState::Running) first += what_it_has(status);
  if (status.has_since()) {
    first += fmt::format(", for {}", duration_text(now - model::time_from(status.since())));
  }
  sentences.push_back(first + ".");
  if (!status.message().empty()) {
    sentences.push_back(
        fmt::format("The reason: {}{}.", without_period(status.message()),
                    status.reason().empty() ? "" : fmt::format(" ({})", status.reason())));
  }
  if (guest.metadata().has_deleting_since()) {
    sentences.emplace_back("It is being deleted.");
    return sentences;
  }
  sentences.push_back(wants_stop ? "It is meant to be stopped."
                                 : "It is meant to run. " + restart_policy(spec.restart()) + ".");
  if (status.restarts() > 0 || !status.last_exit().empty()) {
    sentences.push_back(fmt::format(
        "It has been restarted {} time{} since its spec changed{}.", status.restarts(),
        status.restarts() == 1 ? "" : "s",
        status.last_exit().empty() ? ""
                                   : "; it ended last: " + without_period(status.last_exit())));
  }
  for (const auto& health : status.health()) {
    if (health.healthy()) continue;
    sentences.push_back(fmt::format("Its health check {} failed {} times in a row: {}.",
                                    health.name(), health.consecutive_failures(),
                                    without_period(health.message())));
  }
  if (state == model::GuestState::Waiting && spec.depends_on_size() > 0) {
    const std::vector<std::string> names(spec.depends_on().begin(), spec.depends_on().end());
    sentences.push_back(fmt::format("It starts when {} run.", listed(names)));
  }
  if (status.observed_generation() < guest.metadata().generation() &&
      state != model::GuestState::Unspecified) {
    sentences.push_back(
        fmt::format("Its host has not taken in the last change of its spec yet "
                    "(generation {} of {}).",
                    status.observed_generation(), guest.metadata().generation()));
  }
  if (std::string next = advice(guest); !next.empty()) sentences.push_back(std::move(next));
  return sentences;
}

Result<std::vector<std::string>> explain_guest(ApiClient& api, const std::string& name,
                                               WallTime now) {
  v1::Guest guest;
  ALOFT_TRY(api.get(target("/v1/guests/" + name), guest));
  auto sentences = guest_sentences(guest, now);
  // Why those it waits for do not run is why it does not.
  for (const std::string& other : guest.spec().depends_on()) {
    if (guest.status().state() != v1::GuestStatus::STATE_WAITING) break;
    v1::Guest needed;
    if (!api.get(target("/v1/guests/" + other), needed)) {
      sentences.push_back(fmt::format("guest {} does not exist.", other));
    } else if (needed.status().state() != v1::GuestStatus::STATE_RUNNING) {
      sentences.push_back(guest_sentences(needed, now).front());
    }
  }
  return sentences;
}

}  // namespace aloft::cli
