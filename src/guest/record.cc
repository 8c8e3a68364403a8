#include "guest/record.h"

#include <algorithm>
#include <charconv>

#include "guest/limits.h"

namespace aloft::guest {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) {
      ++i;
      out += value[i] == 'n' ? '\n' : value[i];
    } else {
      out += value[i];
    }
  }
  return out;
}

std::string numbered(std::string_view list, std::size_t index, std::string_view field = {}) {
  std::string name = std::string(list) + "." + std::to_string(index);
  if (!field.empty()) name += "." + std::string(field);
  return name;
}

template <class Enum>
void set_enum(Record& record, std::string_view name, Enum value) {
  record.set(name, static_cast<std::uint64_t>(value));
}

template <class Enum>
bool get_enum(const Record& record, std::string_view name, Enum last, Enum& out) {
  const auto value = record.number(name);
  if (value > static_cast<std::uint64_t>(last)) return false;
  out = static_cast<Enum>(value);
  return true;
}

bool is_label(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, fits) &&
         name.front() != '-' && name.back() != '-';
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20U || byte == 0x7FU;
  });
}

std::unexpected<Error> invalid(const Config& config, std::string_view why) {
  const std::string name = is_label(config.name) ? " " + config.name : std::string();
  return fail(Code::InvalidArgument, "guest.config_invalid",
              "guest" + name + ": " + std::string(why));
}

bool is_path(std::string_view path) {
  return path.starts_with('/') || path.starts_with("nbd+unix:///");
}

bool is_mac(std::string_view mac) {
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const bool hex = (mac[i] >= '0' && mac[i] <= '9') || (mac[i] >= 'a' && mac[i] <= 'f');
    if (i % 3 == 2 ? mac[i] != ':' : !hex) return false;
  }
  return true;
}

Result<void> check_devices(const Config& config) {
  if (config.disks.size() > kMaxDisks || config.nics.size() > kMaxNics) {
    return invalid(config, "it has more disks or network cards than a guest may have (32 each)");
  }
  for (std::size_t i = 0; i < config.disks.size(); ++i) {
    const auto& disk = config.disks[i];
    if (!is_label(disk.name)) return invalid(config, "the name of a disk is no RFC 1123 label");
    if (!is_path(disk.path) || has_control(disk.path)) {
      return invalid(config, "disk " + disk.name + " needs an absolute path");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (config.disks[j].name == disk.name) {
        return invalid(config, "two of its disks are named " + disk.name);
      }
    }
  }
  for (const auto& nic : config.nics) {
    if (nic.bridge.empty() || nic.bridge.size() > 15 || has_control(nic.bridge) ||
        nic.bridge.find_first_of("/ ") != std::string::npos) {
      return invalid(config, "a network card needs the name of a bridge, at most 15 characters");
    }
    if (!nic.mac.empty() && !is_mac(nic.mac)) {
      return invalid(config, "a network card's MAC address reads 52:54:00:ab:cd:ef, in lower case");
    }
    if (has_control(nic.address) || has_control(nic.gateway)) {
      return invalid(config, "an address of a network card has control characters");
    }
  }
  return {};
}

}  // namespace

void Record::set(std::string_view name, std::string_view value) {
  values_.insert_or_assign(std::string(name), std::string(value));
}

std::string Record::text(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

std::uint64_t Record::number(std::string_view name) const {
  const std::string value = text(name);
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  return parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size() ? number : 0;
}

bool Record::has(std::string_view name) const {
  return values_.contains(name);
}

std::string Record::encode() const {
  std::string out;
  for (const auto& [name, value] : values_) {
    out += name;
    out += ' ';
    out += escaped(value);
    out += '\n';
  }
  return out + "end\n";  // a record cut short is seen
}

Result<Record> Record::decode(std::string_view text) {
  Record record;
  while (!text.empty()) {
    const auto line_end = text.find('\n');
    if (line_end == std::string_view::npos) break;
    const auto line = text.substr(0, line_end);
    text.remove_prefix(line_end + 1);
    if (line == "end" && text.empty()) return record;
    const auto space = line.find(' ');
    if (space == 0 || space == std::string_view::npos) break;
    record.values_.insert_or_assign(std::string(line.substr(0, space)),
                                    unescaped(line.substr(space + 1)));
  }
  return fail(Code::DataLoss, "guest.record_damaged",
              "a guest's record is damaged; define the guest again");
}

Record to_record(const Config& config) {
  Record record;
  record.set("name", config.name);
  record.set("uid", config.uid);
  record.set("instance", config.instance);
  record.set("architecture", config.architecture);
  record.set("cpus", config.cpus);
  record.set("cpus_max", config.cpus_max);
  record.set("cpu_shares", config.cpu_shares);
  record.set("memory", config.memory.count());
  record.set("memory_max", config.memory_max.count());
  record.set("cloud_init_seed", config.cloud_init_seed);
  record.set("kernel", config.kernel);
  record.set("initrd", config.initrd);
  record.set("kernel_arguments", config.kernel_arguments);
  set_enum(record, "watchdog", config.watchdog);
  record.set("guest_agent", config.guest_agent ? 1U : 0U);
  record.set("vnc", config.vnc ? 1U : 0U);
  record.set("disks", config.disks.size());
  for (std::size_t i = 0; i < config.disks.size(); ++i) {
    const auto& disk = config.disks[i];
    record.set(numbered("disk", i, "name"), disk.name);
    record.set(numbered("disk", i, "path"), disk.path);
    set_enum(record, numbered("disk", i, "format"), disk.format);
    set_enum(record, numbered("disk", i, "bus"), disk.bus);
    record.set(numbered("disk", i, "read_only"), disk.read_only ? 1U : 0U);
    record.set(numbered("disk", i, "cdrom"), disk.cdrom ? 1U : 0U);
    record.set(numbered("disk", i, "discard_changes"), disk.discard_changes ? 1U : 0U);
  }
  record.set("nics", config.nics.size());
  for (std::size_t i = 0; i < config.nics.size(); ++i) {
    const auto& nic = config.nics[i];
    record.set(numbered("nic", i, "bridge"), nic.bridge);
    record.set(numbered("nic", i, "mac"), nic.mac);
    record.set(numbered("nic", i, "address"), nic.address);
    record.set(numbered("nic", i, "gateway"), nic.gateway);
  }
  record.set("entrypoints", config.entrypoint.size());
  for (std::size_t i = 0; i < config.entrypoint.size(); ++i) {
    record.set(numbered("entrypoint", i), config.entrypoint[i]);
  }
  for (const auto& [name, value] : config.options) record.set("option." + name, value);
  return record;
}

Result<Config> to_config(const Record& record) {
  const auto damaged = [] {
    return fail(Code::DataLoss, "guest.record_damaged",
                "a guest's record is damaged; define the guest again");
  };
  Config config;
  config.name = record.text("name");
  config.uid = record.text("uid");
  config.instance = record.text("instance");
  config.architecture = record.text("architecture");
  config.cpus = static_cast<std::uint32_t>(record.number("cpus"));
  config.cpus_max = static_cast<std::uint32_t>(record.number("cpus_max"));
  config.cpu_shares = static_cast<std::uint32_t>(record.number("cpu_shares"));
  config.memory = Bytes(record.number("memory"));
  config.memory_max = Bytes(record.number("memory_max"));
  config.cloud_init_seed = record.text("cloud_init_seed");
  config.kernel = record.text("kernel");
  config.initrd = record.text("initrd");
  config.kernel_arguments = record.text("kernel_arguments");
  config.guest_agent = record.number("guest_agent") == 1;
  config.vnc = record.number("vnc") == 1;
  const auto disks = record.number("disks");
  const auto nics = record.number("nics");
  const auto words = record.number("entrypoints");
  if (!get_enum(record, "watchdog", WatchdogAction::Ignore, config.watchdog) || disks > kMaxDisks ||
      nics > kMaxNics || words > kMaxCommandWords || !is_label(config.name)) {
    return damaged();
  }
  for (std::size_t i = 0; i < disks; ++i) {
    DiskConfig disk;
    disk.name = record.text(numbered("disk", i, "name"));
    disk.path = record.text(numbered("disk", i, "path"));
    if (!get_enum(record, numbered("disk", i, "format"), DiskFormat::Directory, disk.format) ||
        !get_enum(record, numbered("disk", i, "bus"), DiskBus::Usb, disk.bus)) {
      return damaged();
    }
    disk.read_only = record.number(numbered("disk", i, "read_only")) == 1;
    disk.cdrom = record.number(numbered("disk", i, "cdrom")) == 1;
    disk.discard_changes = record.number(numbered("disk", i, "discard_changes")) == 1;
    config.disks.push_back(std::move(disk));
  }
  for (std::size_t i = 0; i < nics; ++i) {
    config.nics.push_back({.bridge = record.text(numbered("nic", i, "bridge")),
                           .mac = record.text(numbered("nic", i, "mac")),
                           .address = record.text(numbered("nic", i, "address")),
                           .gateway = record.text(numbered("nic", i, "gateway"))});
  }
  for (std::size_t i = 0; i < words; ++i) {
    config.entrypoint.push_back(record.text(numbered("entrypoint", i)));
  }
  constexpr std::string_view kOption = "option.";
  for (const auto& [name, value] : record.values()) {
    if (name.starts_with(kOption)) config.options.emplace(name.substr(kOption.size()), value);
  }
  return config;
}

Result<void> check_config(const Config& config) {
  if (!is_label(config.name)) {
    return invalid(config,
                   "its name must be a label: a-z, 0-9 and '-', at most 63 characters, no '-' at "
                   "either end");
  }
  if (config.cpus == 0 || config.cpus_max < config.cpus) {
    return invalid(config, "it needs at least one CPU, and no fewer at most than at first");
  }
  if (config.cpu_shares == 0 || config.cpu_shares > 10'000) {
    return invalid(config, "its CPU shares must be 1 to 10000");
  }
  if (config.memory < mib(1) || config.memory_max < config.memory) {
    return invalid(config, "it needs memory, and no less at most than at first");
  }
  if (config.entrypoint.size() > kMaxCommandWords || config.options.size() > kMaxOptions) {
    return invalid(config, "its entry point or its driver options are too long");
  }
  ALOFT_TRY(check_devices(config));
  std::vector<std::string_view> texts{
      config.uid,    config.instance, config.architecture,    config.cloud_init_seed,
      config.kernel, config.initrd,   config.kernel_arguments};
  for (const auto& [name, value] : config.options) {
    if (name.empty() || name.find(' ') != std::string::npos) {
      return invalid(config, "a driver option has no name, or one with spaces");
    }
    texts.push_back(name);
    texts.push_back(value);
  }
  if (std::ranges::any_of(texts, has_control)) {
    return invalid(config, "one of its values has control characters");
  }
  // posix_spawn takes C strings: a NUL would cut a word of the entry point.
  const auto has_nul = [](const std::string& word) { return word.find('\0') != std::string::npos; };
  if (std::ranges::any_of(config.entrypoint, has_nul)) {
    return invalid(config, "its entry point has a NUL character");
  }
  for (const auto& path : {config.cloud_init_seed, config.kernel, config.initrd}) {
    if (!path.empty() && !is_path(path)) {
      return invalid(config, "paths of kernel, initrd and seed must be absolute");
    }
  }
  return {};
}

}  // namespace aloft::guest
