#include "sim/scenario_fields.h"

#include <charconv>

#include "sim/scenario_reader.h"

namespace aloft::sim {

std::string list_words(const std::vector<std::string>& names) {
  std::string words;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == 12) return words + fmt::format(" and {} more", names.size() - i);
    words += fmt::format("{}{}", i == 0 ? "" : ", ", names[i]);
  }
  return words;
}

std::optional<Duration> parse_duration(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value) || value < 0) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  double seconds = 0;
  if (unit == "ms") {
    seconds = value / 1000;
  } else if (unit == "s") {
    seconds = value;
  } else if (unit == "min") {
    seconds = value * 60;
  } else if (unit == "h") {
    seconds = value * 3600;
  } else {
    return std::nullopt;
  }
  if (seconds > std::chrono::duration<double>(kMaxScenarioTime).count()) return std::nullopt;
  return std::chrono::microseconds(std::llround(seconds * 1e6));
}

Result<void> Fields::only(std::initializer_list<std::string_view> names) const {
  if (value_.kind != JsonValue::Kind::Object) {
    return fail("scenario.syntax",
                fmt::format("is to be an object, not {}", kind_words(value_.kind)));
  }
  for (const JsonMember& member : value_.members) {
    if (std::ranges::find(names, std::string_view(member.name)) != names.end()) continue;
    const std::vector<std::string> known(names.begin(), names.end());
    return fail_at(
        file_, member.place, "scenario.syntax",
        fmt::format("{} has no {}; it has {}", what_, quoted(member.name), list_words(known)));
  }
  return {};
}

Result<void> Fields::text(std::string_view name, std::string& out) const {
  const JsonValue* const found = find(name);
  if (found == nullptr) return {};
  if (found->kind != JsonValue::Kind::Text) return wrong_kind(name, *found, JsonValue::Kind::Text);
  out = found->text;
  return {};
}

Result<void> Fields::flag(std::string_view name, bool& out) const {
  const JsonValue* const found = find(name);
  if (found == nullptr) return {};
  if (found->kind != JsonValue::Kind::Boolean) {
    return wrong_kind(name, *found, JsonValue::Kind::Boolean);
  }
  out = found->boolean;
  return {};
}

Result<void> Fields::duration(std::string_view name, Duration& out) const {
  const JsonValue* const found = find(name);
  if (found == nullptr) return {};
  std::optional<Duration> time;
  if (found->kind == JsonValue::Kind::Text) time = parse_duration(found->text);
  if (!time) {
    return fail(*found, "scenario.bad_time",
                fmt::format("{} is to be a time like \"1.5 s\", \"200 ms\", \"2 min\" or \"1 h\", "
                            "from 0 to one week",
                            name));
  }
  out = *time;
  return {};
}

Result<void> Fields::texts(std::string_view name, std::vector<std::string>& out) const {
  const JsonValue* const found = find(name);
  if (found == nullptr) return {};
  if (found->kind == JsonValue::Kind::Text) {
    out = {found->text};
    return {};
  }
  if (found->kind != JsonValue::Kind::List) return wrong_kind(name, *found, JsonValue::Kind::List);
  out.clear();
  for (const JsonValue& item : found->items) {
    if (item.kind != JsonValue::Kind::Text) {
      return wrong_kind(fmt::format("each of {}", name), item, JsonValue::Kind::Text);
    }
    out.push_back(item.text);
  }
  return {};
}

Result<void> Fields::whole_number(std::string_view name, const JsonValue& found, std::int64_t& out,
                                  std::int64_t low, std::int64_t high) const {
  const bool whole = found.kind == JsonValue::Kind::Number && std::isfinite(found.number) &&
                     std::floor(found.number) == found.number;
  if (!whole || found.number < static_cast<double>(low) ||
      found.number > static_cast<double>(high)) {
    return fail(found, "scenario.bad_value",
                fmt::format("{} is to be a whole number from {} to {}", name, low, high));
  }
  out = static_cast<std::int64_t>(found.number);
  return {};
}

}  // namespace aloft::sim
