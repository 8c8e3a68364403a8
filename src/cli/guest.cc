// aloft guest list, show, edit, label, delete; aloft ps.
#include "model/guest.h"
#include "aloft/v1/guest.pb.h"
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

using Kind = ObjectKind<v1::Guest, v1::GuestList>;

model::GuestState state_of(const v1::Guest& guest) {
  return static_cast<model::GuestState>(guest.status().state());
}

bool is_unhealthy(const v1::Guest& guest) {
  for (const auto& health : guest.status().health()) {
    if (!health.healthy()) return true;
  }
  return false;
}

Style style_of(model::GuestState state) {
  switch (state) {
    case model::GuestState::Running:
      return Style::Good;
    case model::GuestState::Failed:
    case model::GuestState::Unknown:
      return Style::Bad;
    case model::GuestState::BackingOff:
    case model::GuestState::Waiting:
    case model::GuestState::Frozen:
    case model::GuestState::Starting:
    case model::GuestState::Stopping:
    case model::GuestState::Defining:
      return Style::Warning;
    case model::GuestState::Stopped:
    case model::GuestState::Unspecified:
      return Style::Dim;
  }
  return Style::Plain;
}

Cell state_cell(const v1::Guest& guest) {
  if (guest.metadata().has_deleting_since()) return {"deleting", Style::Warning};
  const auto state = state_of(guest);
  std::string text(model::name_of(state));
  if (state == model::GuestState::Running && is_unhealthy(guest)) {
    return {text + " (unhealthy)", Style::Warning};
  }
  return {text, style_of(state)};
}

// What the guest has now, "->" what it will have.
std::string now_and_wanted(const std::string& now, const std::string& wanted) {
  return now.empty() || now == wanted ? wanted : fmt::format("{} -> {}", now, wanted);
}

std::string count_text(std::uint32_t count) {
  return count == 0 ? std::string() : std::to_string(count);
}

std::vector<Cell> row(const v1::Guest& guest, WallTime now) {
  const auto& spec = guest.spec();
  const auto& status = guest.status();
  return {{guest.metadata().name()},
          state_cell(guest),
          {status.host()},
          {now_and_wanted(count_text(status.cpus()), std::to_string(spec.cpus()))},
          {now_and_wanted(size_text(status.memory_bytes()), size_text(spec.memory_bytes()))},
          {status.addresses_size() > 0 ? status.addresses(0) : ""},
          {spec.image()},
          {age_text(model::time_from(guest.metadata().created_at()), now)}};
}

std::vector<Cell> wide_row(const v1::Guest& guest) {
  return {{technique_text(guest.spec().technique())},
          {guest.status().accelerator()},
          {std::to_string(guest.spec().priority())},
          {std::to_string(guest.status().restarts())},
          {labels_text(guest.metadata())},
          {guest.status().message()}};
}

std::string joined(const auto& items, std::string_view separator) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += separator;
    text += item;
  }
  return text;
}

std::string disks_text(const v1::GuestSpec& spec) {
  std::string text;
  for (const auto& disk : spec.disks()) {
    if (!text.empty()) text += "\n";
    text += disk.name();
    if (disk.size_bytes() > 0) text += ", " + size_text(disk.size_bytes());
    if (!disk.volume().empty()) text += ", volume " + disk.volume();
    if (disk.cdrom()) text += ", cdrom";
    if (disk.read_only()) text += ", read-only";
    if (disk.mode() == v1::Disk::MODE_VOLATILE) text += ", volatile";
  }
  return text;
}

std::string nics_text(const v1::GuestSpec& spec) {
  std::string text;
  for (const auto& nic : spec.nics()) {
    if (!text.empty()) text += "\n";
    text += nic.network().empty() ? "default" : nic.network();
    if (!nic.address().empty()) text += ", " + nic.address();
    if (!nic.mac().empty()) text += ", " + nic.mac();
  }
  return text;
}

std::string restart_text(const v1::Restart& restart) {
  if (restart.policy() == v1::Restart::POLICY_NEVER) return "never";
  return restart.policy() == v1::Restart::POLICY_ON_FAILURE ? "on-failure" : "always";
}

std::string health_text(const v1::GuestStatus& status) {
  std::string text;
  for (const auto& health : status.health()) {
    if (!text.empty()) text += "\n";
    text += fmt::format("{}: {}", health.name(), health.healthy() ? "healthy" : "unhealthy");
    if (!health.healthy()) {
      text += fmt::format(", {} in a row: {}", health.consecutive_failures(), health.message());
    }
  }
  return text;
}

void describe(const v1::Guest& guest, Fields& fields) {
  const auto& spec = guest.spec();
  const auto& status = guest.status();
  const Cell state = state_cell(guest);
  fields.add("State", state.text, state.style);
  fields.add("Why", status.message());
  fields.add("Desired", spec.desired() == v1::GuestSpec::DESIRED_STOPPED ? "stopped" : "running");
  fields.add("Host", status.host());
  fields.add("Technique", technique_text(spec.technique()));
  fields.add("Accelerator", status.accelerator());
  fields.add("Image", spec.image());
  fields.add("CPUs", now_and_wanted(count_text(status.cpus()), std::to_string(spec.cpus())));
  fields.add("Memory",
             now_and_wanted(size_text(status.memory_bytes()), size_text(spec.memory_bytes())));
  fields.add("Addresses", joined(status.addresses(), ", "));
  fields.add("Disks", disks_text(spec));
  fields.add("Networks", nics_text(spec));
  fields.add("Restart", restart_text(spec.restart()));
  fields.add("Restarts", std::to_string(status.restarts()));
  fields.add("Last exit", status.last_exit());
  fields.add("Priority", std::to_string(spec.priority()));
  fields.add("Depends on", joined(spec.depends_on(), ", "));
  fields.add("Health", health_text(status), is_unhealthy(guest) ? Style::Warning : Style::Plain);
  if (status.has_started_at()) {
    fields.add("Started", time_text(model::time_from(status.started_at())) + " UTC");
  }
  if (status.process_id() > 0) fields.add("Process", std::to_string(status.process_id()));
  fields.add("VNC", status.vnc_address());
}

const Kind& kind() {
  static const Kind guest = {
      .kind = "guest",
      .titles = {"NAME", "STATE", "HOST", ">CPUS", ">MEMORY", "ADDRESS", "IMAGE", ">AGE"},
      .wide = {"TECHNIQUE", "ACCELERATOR", ">PRIORITY", ">RESTARTS", "LABELS", "WHY"},
      .row = row,
      .wide_row = wide_row,
      .describe = describe,
      .filters = {{.name = "--state",
                   .value = "STATE",
                   .meaning = "Only guests in this state",
                   .choices = {"new", "defining", "starting", "running", "stopping", "stopped",
                               "frozen", "backing-off", "failed", "waiting", "unknown"}},
                  {.name = "--on",
                   .value = "HOST",
                   .meaning = "Only guests of this host",
                   .completes = "host"},
                  {.name = "--image",
                   .value = "IMAGE",
                   .meaning = "Only guests of this image",
                   .completes = "image"},
                  {.name = "--technique",
                   .value = "TECHNIQUE",
                   .meaning = "Only these",
                   .choices = {"vm", "container"}}}};
  return guest;
}

}  // namespace

void add_guest_commands(std::vector<Command>& table) {
  add_object_commands(table, kind());
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].noun != "guest" || table[i].verb != "list") continue;
    table[i].examples = {"aloft guest list --state failed", "aloft guest list --on h1 -o wide",
                         "aloft guest list --label site=berlin -o name"};
    Command ps = table[i];
    ps.noun.clear();
    ps.verb = "ps";
    ps.summary = "List guests (short for aloft guest list)";
    ps.examples = {"aloft ps", "aloft ps --state failed", "aloft ps -o json"};
    table.push_back(std::move(ps));
    break;
  }
  add_delete_command(table, "guest", true);
}

}  // namespace aloft::cli
