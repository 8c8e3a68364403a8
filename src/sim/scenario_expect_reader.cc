#include "sim/scenario_expect_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/scenario_fields.h"
#include "sim/scenario_player.h"

namespace aloft::sim {
namespace {

class ExpectReader {
 public:
  ExpectReader(std::string_view file, const JsonValue& value, const NameMap& hosts,
               const NameMap& guests)
      : file_(file), fields_(file, value, "expect"), hosts_(hosts), guests_(guests) {}

  Result<void> read(Expectations& out) {
    ALOFT_TRY(fields_.only({"guests", "hosts", "losses", "restarts_within", "together", "apart",
                            "says", "never_says"}));
    ALOFT_TRY(read_guests(out));
    ALOFT_TRY(read_hosts(out));
    if (fields_.has("losses")) {
      out.losses = 0;
      ALOFT_TRY(fields_.number("losses", *out.losses, 0, 1'000'000));
    }
    ALOFT_TRY(optional_time(fields_, "restarts_within", out.restarts_within));
    ALOFT_TRY(groups("together", out.together));
    ALOFT_TRY(groups("apart", out.apart));
    ALOFT_TRY(fields_.texts("says", out.says));
    return fields_.texts("never_says", out.never_says);
  }

 private:
  static Result<void> optional_time(const Fields& fields, std::string_view name,
                                    std::optional<Duration>& out) {
    if (!fields.has(name)) return {};
    out = Duration{};
    return fields.duration(name, *out);
  }

  template <class Known>
  Result<void> known(const Fields& fields, const JsonValue& at,
                     const std::vector<std::string>& names, const Known& all,
                     std::string_view what) const {
    for (const std::string& name : names) {
      if (all.contains(name)) continue;
      return fields.fail(at, "scenario.unknown_name",
                         fmt::format("there is no {} {}", what, quoted(name)));
    }
    return {};
  }

  // null means no host at all.
  Result<void> hosts_of(const Fields& fields, std::string_view name,
                        std::optional<std::vector<std::string>>& out) const {
    const JsonValue* const found = fields.find(name);
    if (found == nullptr) return {};
    out.emplace();
    if (found->kind == JsonValue::Kind::Null) return {};
    ALOFT_TRY(fields.texts(name, *out));
    return known(fields, *found, *out, hosts_, "host");
  }

  template <class States>
  Result<void> states(const Fields& fields, const JsonValue& at,
                      const std::vector<std::string>& given, const States& all) const {
    for (const std::string& state : given) {
      if (std::ranges::find(all, std::string_view(state)) != all.end()) continue;
      std::vector<std::string> names(all.begin(), all.end());
      return fields.fail(
          at, "scenario.unknown_name",
          fmt::format("there is no state {}; there are {}", quoted(state), list_words(names)));
    }
    return {};
  }

  Result<void> read_guests(Expectations& out) {
    const JsonValue* const value = fields_.find("guests");
    if (value == nullptr) return {};
    if (value->kind != JsonValue::Kind::Object) {
      return fields_.wrong_kind("guests", *value, JsonValue::Kind::Object);
    }
    for (const JsonMember& member : value->members) {
      if (member.name != "*" && !guests_.contains(member.name)) {
        return fail_at(file_, member.place, "scenario.unknown_name",
                       fmt::format("there is no guest {}", quoted(member.name)));
      }
      const Fields fields(file_, member.value, fmt::format("what guest {} expects", member.name));
      ALOFT_TRY(fields.only({"state", "host", "ran_on", "runs", "down_at_most", "down_at_least",
                             "in_sync", "starts_before"}));
      GuestExpectation& guest = out.guests[member.name];
      ALOFT_TRY(fields.texts("state", guest.states));
      if (fields.has("state")) {
        ALOFT_TRY(states(fields, *fields.find("state"), guest.states, kGuestStates));
      }
      ALOFT_TRY(hosts_of(fields, "host", guest.on));
      ALOFT_TRY(hosts_of(fields, "ran_on", guest.ran));
      ALOFT_TRY(hosts_of(fields, "in_sync", guest.in_sync));
      if (fields.has("runs")) {
        guest.runs = 0;
        ALOFT_TRY(fields.number("runs", *guest.runs, 0, 1'000'000));
      }
      ALOFT_TRY(optional_time(fields, "down_at_most", guest.down_at_most));
      ALOFT_TRY(optional_time(fields, "down_at_least", guest.down_at_least));
      ALOFT_TRY(fields.texts("starts_before", guest.starts_before));
      if (fields.has("starts_before")) {
        ALOFT_TRY(
            known(fields, *fields.find("starts_before"), guest.starts_before, guests_, "guest"));
      }
    }
    return {};
  }

  Result<void> read_hosts(Expectations& out) {
    const JsonValue* const value = fields_.find("hosts");
    if (value == nullptr) return {};
    if (value->kind != JsonValue::Kind::Object) {
      return fields_.wrong_kind("hosts", *value, JsonValue::Kind::Object);
    }
    const Fields fields(file_, *value, "the expected hosts");
    for (const JsonMember& member : value->members) {
      if (!hosts_.contains(member.name)) {
        return fail_at(file_, member.place, "scenario.unknown_name",
                       fmt::format("there is no host {}", quoted(member.name)));
      }
      std::vector<std::string>& wanted = out.hosts[member.name];
      ALOFT_TRY(fields.texts(member.name, wanted));
      ALOFT_TRY(states(fields, member.value, wanted, kHostStates));
    }
    return {};
  }

  Result<void> groups(std::string_view name, std::vector<std::vector<std::string>>& out) {
    const JsonValue* const list = fields_.find(name);
    if (list == nullptr) return {};
    if (list->kind != JsonValue::Kind::List) {
      return fields_.wrong_kind(name, *list, JsonValue::Kind::List);
    }
    for (const JsonValue& item : list->items) {
      if (item.kind != JsonValue::Kind::List) {
        return fields_.wrong_kind("a group", item, JsonValue::Kind::List);
      }
      std::vector<std::string>& group = out.emplace_back();
      for (const JsonValue& guest : item.items) {
        if (guest.kind != JsonValue::Kind::Text || !guests_.contains(guest.text)) {
          return fields_.fail(guest, "scenario.unknown_name",
                              fmt::format("there is no guest {}", quoted(guest.text)));
        }
        group.push_back(guest.text);
      }
    }
    return {};
  }

  std::string_view file_;
  Fields fields_;
  const NameMap& hosts_;
  const NameMap& guests_;
};

}  // namespace

Result<void> read_expectations(std::string_view file, const JsonValue* value, const NameMap& hosts,
                               const NameMap& guests, Expectations& out) {
  if (value == nullptr) return {};
  return ExpectReader(file, *value, hosts, guests).read(out);
}

}  // namespace aloft::sim
