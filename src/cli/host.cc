// aloft host
#include <nlohmann/json.hpp>

#include "aloft/v1/host.pb.h"
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

using Kind = ObjectKind<v1::Host, v1::HostList>;

constexpr Duration kSilent = std::chrono::seconds(60);

Cell state_cell(const v1::Host& host, WallTime now) {
  if (host.spec().maintenance()) return {"maintenance", Style::Warning};
  if (!host.status().has_seen_at()) return {"new", Style::Dim};
  if (now - model::time_from(host.status().seen_at()) > kSilent) return {"silent", Style::Bad};
  return {"up", Style::Good};
}

std::vector<Cell> row(const v1::Host& host, WallTime now) {
  const auto& status = host.status();
  return {{host.metadata().name()},
          state_cell(host, now),
          {host.spec().zone()},
          {std::to_string(status.cpus())},
          {size_text(status.memory_bytes())},
          {size_text(status.memory_available_bytes())},
          {size_text(status.disk_free_bytes())},
          {status.version()},
          {age_text(model::time_from(status.seen_at()), now)}};
}

std::string capabilities_text(const v1::HostStatus& status, bool available) {
  std::string text;
  for (const auto& capability : status.capabilities()) {
    if (capability.available() != available) continue;
    if (!text.empty()) text += available ? ", " : "\n";
    text += capability.name();
    if (!capability.reason().empty()) {
      text += available ? fmt::format(" ({})", capability.reason())
                        : fmt::format(": {}", capability.reason());
    }
  }
  return text;
}

std::vector<Cell> wide_row(const v1::Host& host) {
  return {{architecture_text(host.status().architecture())},
          {host.status().kernel()},
          {capabilities_text(host.status(), true)},
          {labels_text(host.metadata())}};
}

void describe(const v1::Host& host, Fields& fields) {
  const auto& status = host.status();
  const Cell state = state_cell(host, wall_now());
  fields.add("State", state.text, state.style);
  fields.add("Zone", host.spec().zone());
  fields.add("Architecture", architecture_text(status.architecture()));
  fields.add("CPUs", std::to_string(status.cpus()));
  fields.add("Memory", fmt::format("{} ({} available)", to_string(Bytes(status.memory_bytes())),
                                   to_string(Bytes(status.memory_available_bytes()))));
  fields.add("Disk", fmt::format("{} ({} free)", to_string(Bytes(status.disk_bytes())),
                                 to_string(Bytes(status.disk_free_bytes()))));
  fields.add("Can", capabilities_text(status, true));
  fields.add("Cannot", capabilities_text(status, false), Style::Dim);
  fields.add("Version", status.version());
  fields.add("Kernel", status.kernel());
  if (status.has_booted_at()) {
    fields.add("Booted", time_text(model::time_from(status.booted_at())) + " UTC");
  }
  if (status.has_seen_at()) {
    fields.add("Seen", time_text(model::time_from(status.seen_at())) + " UTC");
  }
  fields.add("Machine id", status.machine_id());
}

const Kind& kind() {
  static const Kind host = {.kind = "host",
                            .titles = {"NAME", "STATE", "ZONE", ">CPUS", ">MEMORY", ">AVAILABLE",
                                       ">DISK FREE", "VERSION", ">SEEN"},
                            .wide = {"ARCHITECTURE", "KERNEL", "CAN", "LABELS"},
                            .row = row,
                            .wide_row = wide_row,
                            .describe = describe};
  return host;
}

Result<int> maintenance(Context& context, const Words& words) {
  const std::string& wanted = words.at("ON-OR-OFF");
  if (wanted != "on" && wanted != "off") {
    return fail(Code::InvalidArgument, "cli.usage",
                fmt::format("maintenance is \"{}\"; give on or off", printable(wanted)));
  }
  const bool on = wanted == "on";
  const nlohmann::json patch = {{"spec", {{"maintenance", on}}}};
  return patch_object<v1::Host>(context, words, "host", words.at("NAME"), patch.dump(),
                                on ? "is in maintenance" : "is in service");
}

Result<int> zone(Context& context, const Words& words) {
  const nlohmann::json patch = {{"spec", {{"zone", words.at("ZONE")}}}};
  return patch_object<v1::Host>(context, words, "host", words.at("NAME"), patch.dump(),
                                fmt::format("is in zone {}", printable(words.at("ZONE"))));
}

Result<int> forget(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("host", name));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  const bool dry_run = words.has("--dry-run");
  ALOFT_TRY(
      api->remove(target(path_of("host", name), {{"dryRun", dry_run ? "true" : ""}}), nullptr));
  context.out().print(
      context.out().for_people()
          ? fmt::format("host {} {}\n", name,
                        dry_run ? "would be forgotten; nothing was changed" : "forgotten")
      : context.out().format() == Format::Name ? name + "\n"
                                               : "");
  return 0;
}

}  // namespace

void add_host_commands(std::vector<Command>& table) {
  add_object_commands(table, kind());
  const Argument name{"NAME", "Name of the host", Count::One, "host"};
  table.push_back({.noun = "host",
                   .verb = "maintenance",
                   .summary = "Take a host out of service for new guests, or back into it",
                   .arguments = {name, {"ON-OR-OFF", "on or off"}},
                   .options = {dry_run_option()},
                   .examples = {"aloft host maintenance h1 on", "aloft host maintenance h1 off"},
                   .run = maintenance});
  table.push_back({.noun = "host",
                   .verb = "zone",
                   .summary = "Say in which failure zone a host is: rack, room",
                   .arguments = {name, {"ZONE", "Name of the zone"}},
                   .options = {dry_run_option()},
                   .examples = {"aloft host zone h1 rack-a"},
                   .run = zone});
  table.push_back({.noun = "host",
                   .verb = "forget",
                   .summary = "Remove the record of a host that is gone",
                   .arguments = {name},
                   .options = {dry_run_option()},
                   .examples = {"aloft host forget h9"},
                   .run = forget});
}

}  // namespace aloft::cli
