#include <fmt/format.h>

#include <charconv>

#include "cli/launch.h"
#include "cli/profile.h"
#include "cli/text.h"
#include "model/limits.h"
#include "model/name.h"
#include "model/object.h"

namespace aloft::cli {
namespace {

constexpr Bytes kDefaultMemory = mib(512);

std::unexpected<Error> bad(std::string_view option, std::string_view given, std::string_view form) {
  return fail(Code::InvalidArgument, "cli.bad_option",
              fmt::format("{} is \"{}\"; give {}", option, shortened(printable(given), 80), form));
}

// "root" of "20GiB", name and size of "data:20GiB", volume of "data=VOLUME".
Result<void> add_disk(const std::string& text, v1::GuestSpec& spec) {
  constexpr std::string_view kForm = "SIZE, NAME:SIZE or NAME=VOLUME";
  v1::Disk* disk = spec.add_disks();
  const std::size_t equal = text.find('=');
  const std::size_t colon = text.find(':');
  if (equal != std::string::npos) {
    disk->set_name(text.substr(0, equal));
    disk->set_volume(text.substr(equal + 1));
    if (!model::Name::make("volume name", disk->volume())) return bad("--disk", text, kForm);
  } else {
    disk->set_name(colon == std::string::npos ? "root" : text.substr(0, colon));
    const auto size =
        parse_bytes(colon == std::string::npos ? text : std::string_view(text).substr(colon + 1));
    if (!size || size->count() == 0) return bad("--disk", text, kForm);
    disk->set_size_bytes(size->count());
  }
  if (!model::Name::make("disk name", disk->name())) return bad("--disk", text, kForm);
  for (int i = 0; i + 1 < spec.disks_size(); ++i) {
    if (spec.disks(i).name() == disk->name()) {
      return bad("--disk", text, fmt::format("disk {} once", disk->name()));
    }
  }
  return {};
}

// "NETWORK[,address=A/LEN][,mac=M]"
Result<void> add_nic(std::string_view text, v1::GuestSpec& spec) {
  constexpr std::string_view kForm = "NETWORK[,address=ADDRESS/LENGTH][,mac=MAC]";
  v1::Nic* nic = spec.add_nics();
  const std::string_view given = text;
  for (bool first = true; first || !text.empty(); first = false) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (first) {
      if (!model::Name::make("network name", part)) return bad("--net", given, kForm);
      nic->set_network(std::string(part));
    } else if (part.starts_with("address=")) {
      nic->set_address(std::string(part.substr(8)));
    } else if (part.starts_with("mac=")) {
      nic->set_mac(std::string(part.substr(4)));
    } else {
      return bad("--net", given, kForm);
    }
  }
  return {};
}

// "tcp:PORT", "http:PORT[/PATH]", "exec:COMMAND"
Result<void> add_health_check(std::string_view text, v1::GuestSpec& spec) {
  constexpr std::string_view kForm = "tcp:PORT, http:PORT/PATH or exec:COMMAND";
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return bad("--health", text, kForm);
  const std::string_view kind = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  v1::HealthCheck* check = spec.add_health_checks();
  check->set_name(fmt::format("{}-{}", kind, spec.health_checks_size()));
  if (kind == "exec") {
    if (rest.empty()) return bad("--health", text, kForm);
    auto* command = check->mutable_exec();
    for (const std::string_view word :
         {std::string_view("/bin/sh"), std::string_view("-c"), rest}) {
      command->add_command(std::string(word));
    }
    return {};
  }
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (error != std::errc{} || port == 0 || port > 65'535) return bad("--health", text, kForm);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (kind == "tcp" && rest.empty()) {
    check->mutable_tcp()->set_port(port);
  } else if (kind == "http" && (rest.empty() || rest.starts_with('/'))) {
    check->mutable_http()->set_port(port);
    check->mutable_http()->set_path(std::string(rest));
  } else {
    return bad("--health", text, kForm);
  }
  return {};
}

Result<void> add_pair(std::string_view option, const std::string& text,
                      google::protobuf::Map<std::string, std::string>& into) {
  const std::size_t equal = text.find('=');
  if (equal == std::string::npos || equal == 0) return bad(option, text, "KEY=VALUE");
  if (!into.insert({text.substr(0, equal), text.substr(equal + 1)}).second) {
    return bad(option, text, fmt::format("{} once", printable(text.substr(0, equal))));
  }
  return {};
}

Result<void> set_sizes(const Words& words, v1::GuestSpec& spec) {
  ALOFT_ASSIGN(const auto cpus, words.number("--cpus", 1, model::kMaxCpus));
  ALOFT_ASSIGN(const auto cpus_max, words.number("--cpus-max", 1, model::kMaxCpus));
  ALOFT_ASSIGN(const auto shares, words.number("--cpu-shares", 1, model::kMaxCpuShares));
  ALOFT_ASSIGN(const auto memory, words.size("--memory"));
  ALOFT_ASSIGN(const auto memory_max, words.size("--memory-max"));
  ALOFT_ASSIGN(const auto priority, words.number("--priority", 0, model::kMaxPriority));
  ALOFT_ASSIGN(const auto stop, words.duration("--stop-timeout"));
  spec.set_cpus(cpus.value_or(1));
  spec.set_cpus_max(cpus_max.value_or(0));
  spec.set_cpu_shares(shares.value_or(0));
  spec.set_memory_bytes(memory.value_or(kDefaultMemory).count());
  spec.set_memory_max_bytes(memory_max.value_or(Bytes()).count());
  spec.set_priority(priority.value_or(0));
  if (stop) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(*stop).count();
    if (milliseconds < 1 || milliseconds > model::kMaxIntervalMs) {
      return bad("--stop-timeout", words.text("--stop-timeout"), "1ms to 24h");
    }
    spec.set_stop_timeout_ms(static_cast<std::uint32_t>(milliseconds));
  }
  return {};
}

Result<void> set_cloud_init(const Words& words, v1::GuestSpec& spec) {
  if (!words.has("--cloud-init")) return {};
  ALOFT_ASSIGN(const std::string text, read_file("cloud-init", words.text("--cloud-init")));
  if (text.size() > model::kMaxCloudInitBytes) {
    return fail(Code::InvalidArgument, "cli.file_too_large",
                fmt::format("cloud-init {} has {} bytes; {} is the maximum",
                            words.text("--cloud-init"), text.size(), model::kMaxCloudInitBytes));
  }
  spec.set_cloud_init(text);
  return {};
}

void set_choices(const Words& words, v1::GuestSpec& spec) {
  const std::string restart = words.text("--restart");
  if (restart == "always") spec.mutable_restart()->set_policy(v1::Restart::POLICY_ALWAYS);
  if (restart == "on-failure") spec.mutable_restart()->set_policy(v1::Restart::POLICY_ON_FAILURE);
  if (restart == "never") spec.mutable_restart()->set_policy(v1::Restart::POLICY_NEVER);
  const std::string technique = words.text("--technique");
  if (technique == "vm") spec.set_technique(v1::TECHNIQUE_VM);
  if (technique == "container") spec.set_technique(v1::TECHNIQUE_CONTAINER);
  const std::string watchdog = words.text("--watchdog");
  if (watchdog == "reset") spec.mutable_watchdog()->set_action(v1::Watchdog::ACTION_RESET);
  if (watchdog == "poweroff") spec.mutable_watchdog()->set_action(v1::Watchdog::ACTION_POWEROFF);
  if (watchdog == "pause") spec.mutable_watchdog()->set_action(v1::Watchdog::ACTION_PAUSE);
  spec.set_architecture(
      static_cast<v1::Architecture>(model::architecture_of(words.text("--architecture"))));
  spec.set_guest_agent(words.has("--guest-agent"));
  spec.set_vnc(words.has("--vnc"));
  if (words.has("--stopped")) spec.set_desired(v1::GuestSpec::DESIRED_STOPPED);
}

}  // namespace

std::vector<Option> guest_options() {
  return {
      {.name = "--cpus", .value = "N", .meaning = "Number of CPUs; 1 when not given"},
      {.name = "--cpus-max", .value = "N", .meaning = "As many it may grow to while it runs"},
      {.name = "--cpu-shares",
       .value = "N",
       .meaning = "Weight against other guests of the host, 1 to 10000; usual is 100"},
      {.name = "--memory",
       .value = "SIZE",
       .meaning = "Memory, like 512MiB or 2GiB; 512MiB when not given"},
      {.name = "--memory-max", .value = "SIZE", .meaning = "As much it may grow to while it runs"},
      {.name = "--disk",
       .value = "DISK",
       .meaning = "SIZE of the root disk, NAME:SIZE for one more, NAME=VOLUME for one there is",
       .repeated = true},
      {.name = "--net",
       .value = "NETWORK",
       .meaning = "NETWORK[,address=ADDRESS/LENGTH][,mac=MAC]",
       .repeated = true,
       .completes = "network"},
      {.name = "--cloud-init",
       .value = "FILE",
       .meaning = "User data for cloud-init, YAML",
       .completes = "file"},
      {.name = "--restart",
       .value = "POLICY",
       .meaning = "What follows its end; always when not given",
       .choices = {"always", "on-failure", "never"}},
      {.name = "--priority",
       .value = "N",
       .meaning = "0 to 1000; guests of higher priority start first"},
      {.name = "--depends-on",
       .value = "GUEST",
       .meaning = "Guest that must run before it starts",
       .repeated = true,
       .completes = "guest"},
      {.name = "--health",
       .value = "CHECK",
       .meaning = "tcp:PORT, http:PORT/PATH or exec:COMMAND; restarted when it fails",
       .repeated = true},
      {.name = "--watchdog",
       .value = "ACTION",
       .meaning = "Watchdog device, and what it does",
       .choices = {"reset", "poweroff", "pause"}},
      {.name = "--technique",
       .value = "TECHNIQUE",
       .meaning = "Virtual machine or container; the image's when not given",
       .choices = {"vm", "container"}},
      {.name = "--architecture",
       .value = "ARCH",
       .meaning = "The host's own when not given",
       .choices = {"x86_64", "aarch64", "ppc64le", "s390x", "ppc64", "riscv64"}},
      {.name = "--label", .value = "KEY=VALUE", .meaning = "A label", .repeated = true},
      {.name = "--option",
       .value = "KEY=VALUE",
       .meaning = "Option of the driver (role admin)",
       .repeated = true},
      {.name = "--guest-agent", .value = "", .meaning = "A channel for qemu-guest-agent"},
      {.name = "--vnc", .value = "", .meaning = "A screen over VNC"},
      {.name = "--stop-timeout",
       .value = "DURATION",
       .meaning = "Graceful stop before force; 30s when not given"},
      {.name = "--stopped", .value = "", .meaning = "Make it, do not start it"},
  };
}

Result<v1::Guest> guest_from_words(const Words& words) {
  ALOFT_TRY(model::Name::make("image name", words.at("IMAGE")));
  ALOFT_TRY(model::Name::make("guest name", words.at("NAME")));
  v1::Guest guest;
  guest.mutable_metadata()->set_name(words.at("NAME"));
  v1::GuestSpec& spec = *guest.mutable_spec();
  spec.set_image(words.at("IMAGE"));
  set_choices(words, spec);
  ALOFT_TRY(set_sizes(words, spec));
  ALOFT_TRY(set_cloud_init(words, spec));
  for (const auto& text : words.all("--disk")) ALOFT_TRY(add_disk(text, spec));
  for (const auto& text : words.all("--net")) ALOFT_TRY(add_nic(text, spec));
  for (const auto& text : words.all("--health")) ALOFT_TRY(add_health_check(text, spec));
  for (const auto& name : words.all("--depends-on")) {
    ALOFT_TRY(model::Name::make("--depends-on", name));
    spec.add_depends_on(name);
  }
  for (const auto& text : words.all("--label")) {
    ALOFT_TRY(add_pair("--label", text, *guest.mutable_metadata()->mutable_labels()));
  }
  for (const auto& text : words.all("--option")) {
    ALOFT_TRY(add_pair("--option", text, *spec.mutable_driver_options()));
  }
  return guest;
}

}  // namespace aloft::cli
