#include "sim/scenario_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/scenario_command.h"
#include "sim/scenario_expect_reader.h"
#include "sim/scenario_fields.h"

namespace aloft::sim {
namespace {

using controller::HostId;
using controller::kNoHost;
using controller::MemberState;

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && letter(name.front()) && letter(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || c == '-'; });
}

class ScenarioReader {
 public:
  ScenarioReader(std::string_view file, const JsonValue& root)
      : file_(file), root_(file, root, "the scenario") {}

  Result<Scenario> read() {
    ALOFT_TRY(
        root_.only({"about", "covers", "seed", "hosts", "guests", "commands", "end", "expect"}));
    scenario_.name = std::string(file_);
    ALOFT_TRY(root_.texts("about", scenario_.about));
    if (scenario_.about.empty()) {
      return root_.fail("scenario.syntax", "says nothing of itself: about is missing");
    }
    ALOFT_TRY(root_.texts("covers", scenario_.covers));
    ALOFT_TRY(root_.number("seed", scenario_.seed, 0, std::int64_t{1} << 53));
    ALOFT_TRY(
        each("hosts", kMaxScenarioHosts, [&](const JsonValue& value) { return host(value); }));
    if (scenario_.hosts.empty()) return root_.fail("scenario.syntax", "has no hosts");
    ALOFT_TRY(voters());
    ALOFT_TRY(
        each("guests", kMaxScenarioGuests, [&](const JsonValue& value) { return guest(value); }));
    ALOFT_TRY(root_.duration("end", scenario_.end));
    if (!root_.has("end")) return root_.fail("scenario.syntax", "has no end");
    ALOFT_TRY(each("commands", kMaxScenarioCommands,
                   [&](const JsonValue& value) { return command(value); }));
    ALOFT_TRY(read_expectations(file_, root_.find("expect"), hosts_, guests_, scenario_.expect));
    return std::move(scenario_);
  }

 private:
  template <class Read>
  Result<void> each(std::string_view name, std::size_t most, Read read) {
    const JsonValue* const list = root_.find(name);
    if (list == nullptr) return {};
    if (list->kind != JsonValue::Kind::List) {
      return root_.wrong_kind(name, *list, JsonValue::Kind::List);
    }
    if (list->items.size() > most) {
      return root_.fail(
          list->items[most], "scenario.too_large",
          fmt::format("has {} {}, at most {} are simulated", list->items.size(), name, most));
    }
    for (const JsonValue& item : list->items) ALOFT_TRY(read(item));
    return {};
  }

  // The name of a host or guest, new and well-formed.
  Result<void> name_of(Fields& fields, std::string_view what, NameMap& known, std::string& out) {
    ALOFT_TRY(fields.text("name", out));
    if (!is_name(out)) {
      const JsonValue* const at = fields.find("name");
      return fields.fail(at != nullptr ? *at : fields.value(), "scenario.bad_value",
                         "needs a name of 1 to 63 lower-case letters, digits and '-'");
    }
    fields.call(fmt::format("{} {}", what, out));
    const auto number = static_cast<std::uint32_t>(known.size());
    if (!known.emplace(out, number).second) {
      return fields.fail(*fields.find("name"), "scenario.bad_value",
                         fmt::format("there is another {} of that name", what));
    }
    return {};
  }

  Result<HostId> host_named(const Fields& fields, const JsonValue& value) const {
    if (value.kind != JsonValue::Kind::Text) {
      return fields.wrong_kind("a host's name", value, JsonValue::Kind::Text);
    }
    const auto found = hosts_.find(value.text);
    if (found == hosts_.end()) {
      std::vector<std::string> names;
      for (const ScenarioHost& host : scenario_.hosts) names.push_back(host.name);
      return fields.fail(
          value, "scenario.unknown_name",
          fmt::format("there is no host {}; there are {}", quoted(value.text), list_words(names)));
    }
    return HostId(found->second);
  }

  Result<void> host(const JsonValue& value) {
    Fields fields(file_, value, "a host");
    ALOFT_TRY(fields.only({"name", "memory_mib", "zone", "voter", "witness", "powered",
                           "maintenance", "bmc", "clock_ppm"}));
    ScenarioHost host;
    ALOFT_TRY(name_of(fields, "host", hosts_, host.name));
    host.record.memory_mib = 64 << 10;
    ALOFT_TRY(fields.number("memory_mib", host.record.memory_mib, 0, kMaxScenarioMemoryMib));
    std::string zone = "host " + host.name;
    ALOFT_TRY(fields.text("zone", zone));
    host.record.zone =
        static_cast<std::uint16_t>(zones_.emplace(zone, zones_.size()).first->second);
    bool witness = false;
    ALOFT_TRY(fields.flag("witness", witness));
    host.record.runs_guests = !witness;
    host.record.voter = scenario_.hosts.size() < 3;
    ALOFT_TRY(fields.flag("voter", host.record.voter));
    if (witness && !host.record.voter) {
      return fields.fail("scenario.bad_value", "a witness that is no voter would do nothing");
    }
    ALOFT_TRY(fields.flag("powered", host.powered));
    ALOFT_TRY(fields.flag("maintenance", host.record.maintenance));
    ALOFT_TRY(fields.number("clock_ppm", host.clock_ppm, -100, 100));
    std::string bmc = "works";
    ALOFT_TRY(fields.text("bmc", bmc));
    if (bmc != "works" && bmc != "dead" && bmc != "lies") {
      return fields.fail(*fields.find("bmc"), "scenario.bad_value",
                         "bmc is to be works, dead or lies");
    }
    if (bmc == "dead") host.bmc = Bmc::Dead;
    if (bmc == "lies") host.bmc = Bmc::Lies;
    scenario_.hosts.push_back(std::move(host));
    return {};
  }

  Result<void> voters() const {
    const auto count = std::ranges::count_if(
        scenario_.hosts, [](const ScenarioHost& host) { return host.record.voter; });
    if (count == 0) return root_.fail("scenario.bad_value", "no host is a voter of the store");
    return {};
  }

  Result<void> guest(const JsonValue& value) {
    Fields fields(file_, value, "a guest");
    ALOFT_TRY(fields.only({"name", "host", "desired", "priority", "memory_mib", "disk", "replicas",
                           "grantor", "present"}));
    ScenarioGuest guest;
    ALOFT_TRY(name_of(fields, "guest", guests_, guest.name));
    controller::GuestRecord& record = guest.record;
    const JsonValue* const host = fields.find("host");
    if (host != nullptr && host->kind != JsonValue::Kind::Null) {
      ALOFT_ASSIGN(record.host, host_named(fields, *host));
      if (!scenario_.hosts[record.host.value()].record.runs_guests) {
        return fields.fail(*host, "scenario.bad_value", "its host is a witness");
      }
    }
    record.generation = controller::Generation(record.host == kNoHost ? 0 : 1);
    record.memory_mib = 1024;
    ALOFT_TRY(fields.number("memory_mib", record.memory_mib, 0, kMaxScenarioMemoryMib));
    ALOFT_TRY(fields.number("priority", record.priority, 0, 1000));
    ALOFT_TRY(fields.flag("present", guest.present));
    std::string desired = "running";
    ALOFT_TRY(fields.text("desired", desired));
    if (desired == "stopped") {
      record.desired = controller::Desired::Stopped;
    } else if (desired != "running") {
      return fields.fail(*fields.find("desired"), "scenario.bad_value",
                         "desired is to be running or stopped");
    }
    ALOFT_TRY(disk(fields, record));
    scenario_.guests.push_back(std::move(guest));
    return {};
  }

  Result<void> disk(const Fields& fields, controller::GuestRecord& record) const {
    std::string disk = fields.has("replicas") ? "mirrored" : "none";
    ALOFT_TRY(fields.text("disk", disk));
    const JsonValue* const replicas = fields.find("replicas");
    if ((disk == "mirrored") != (replicas != nullptr)) {
      return fields.fail("scenario.bad_value",
                         "a mirrored disk has replicas, and only such a disk has them");
    }
    if (disk == "local") {
      record.pinned = true;
      if (record.host == kNoHost) {
        return fields.fail("scenario.bad_value", "a guest with a local disk needs a host");
      }
      return {};
    }
    if (disk == "mirrored") return mirror(fields, *replicas, record);
    if (disk != "none") {
      return fields.fail(*fields.find("disk"), "scenario.bad_value",
                         "disk is to be none, local or mirrored");
    }
    if (const JsonValue* const grantor = fields.find("grantor")) {
      ALOFT_ASSIGN(const HostId host, host_named(fields, *grantor));
      if (host == record.host || record.host == kNoHost) {
        return fields.fail(*grantor, "scenario.bad_value",
                           "a grantor is another host than the guest's own");
      }
      record.grantors.push_back(host);
    } else if (record.host != kNoHost && scenario_.hosts.size() > 1) {
      record.grantors.push_back(
          HostId((record.host.value() + 1) % static_cast<std::uint32_t>(scenario_.hosts.size())));
    }
    return {};
  }

  Result<void> mirror(const Fields& fields, const JsonValue& list,
                      controller::GuestRecord& record) const {
    if (list.kind != JsonValue::Kind::List) {
      return fields.wrong_kind("replicas", list, JsonValue::Kind::List);
    }
    if (list.items.empty() || list.items.size() > controller::kMaxMembers) {
      return fields.fail(list, "scenario.bad_value",
                         fmt::format("a disk has 1 to {} replicas", controller::kMaxMembers));
    }
    bool current = false;
    for (const JsonValue& item : list.items) {
      controller::Member member;
      member.state = MemberState::InSync;
      if (item.kind == JsonValue::Kind::Object) {
        Fields replica(file_, item, "a replica");
        ALOFT_TRY(replica.only({"host", "state"}));
        if (!replica.has("host")) return replica.fail("scenario.syntax", "has no host");
        ALOFT_ASSIGN(member.host, host_named(replica, *replica.find("host")));
        std::string state = "in-sync";
        ALOFT_TRY(replica.text("state", state));
        if (state == "stale") {
          member.state = MemberState::Stale;
        } else if (state != "in-sync") {
          return replica.fail(*replica.find("state"), "scenario.bad_value",
                              "state is to be in-sync or stale");
        }
      } else {
        ALOFT_ASSIGN(member.host, host_named(fields, item));
      }
      if (controller::member_of(record, member.host) != nullptr) {
        return fields.fail(item, "scenario.bad_value", "has two replicas on one host");
      }
      record.members.push_back(member);
      const bool in_sync = member.state == MemberState::InSync;
      current |= in_sync;
      if (in_sync && record.host != kNoHost && member.host != record.host) {
        if (record.grantors.full()) {
          return fields.fail(item, "scenario.bad_value", "too many replicas grant it");
        }
        record.grantors.push_back(member.host);
      }
    }
    record.replicas = static_cast<std::uint8_t>(list.items.size());
    if (!current) return fields.fail(list, "scenario.bad_value", "no replica is in sync");
    return {};
  }

  Result<void> command(const JsonValue& value) {
    Fields fields(file_, value, "a command");
    ALOFT_TRY(fields.only({"at", "do", "every", "times"}));
    const JsonValue* const text = fields.find("do");
    if (text == nullptr || text->kind != JsonValue::Kind::Text || !fields.has("at")) {
      return fields.fail("scenario.syntax", "needs a time `at` and a text `do`");
    }
    auto made = parse_command(text->text, hosts_, guests_);
    if (!made) {
      JsonPlace place = text->place;
      place.column += static_cast<std::uint32_t>(made.error().offset) + 1;
      return fail_at(file_, place, made.error().reason, made.error().words);
    }
    ALOFT_TRY(fields.duration("at", made->at));
    Duration every{};
    std::uint32_t times = 1;
    ALOFT_TRY(fields.duration("every", every));
    ALOFT_TRY(fields.number("times", times, 1, kMaxScenarioCommands));
    if (fields.has("every") != fields.has("times") ||
        (fields.has("every") && every == Duration::zero())) {
      return fields.fail("scenario.bad_time", "every and times belong together, and take time");
    }
    if (made->at < last_) {
      return fields.fail(*fields.find("at"), "scenario.bad_time",
                         "it comes before the command above; commands are in order of time");
    }
    last_ = made->at;
    if (made->at + every * (times - 1) > scenario_.end) {
      return fields.fail(*fields.find("at"), "scenario.bad_time",
                         "it is after the end of the scenario");
    }
    if (scenario_.commands.size() + times > kMaxScenarioCommands) {
      return fields.fail("scenario.too_large",
                         fmt::format("there are more than {} commands", kMaxScenarioCommands));
    }
    const bool pinned =
        made->act == Act::GuestMove && scenario_.guests[made->guest.value()].record.pinned;
    if (pinned) {
      return fields.fail(*text, "scenario.bad_value",
                         "a guest with a local disk cannot run on another host");
    }
    for (std::uint32_t i = 0; i < times; ++i) {
      scenario_.commands.push_back(*made);
      made->at += every;
    }
    return {};
  }

  std::string_view file_;
  Fields root_;
  Scenario scenario_;
  NameMap hosts_;
  NameMap guests_;
  std::map<std::string, std::size_t> zones_;
  Duration last_{};
};

}  // namespace

Result<Scenario> read_scenario(std::string_view text, std::string_view file) {
  ALOFT_ASSIGN(const JsonValue root, read_json(text, file));
  return ScenarioReader(file, root).read();
}

}  // namespace aloft::sim
