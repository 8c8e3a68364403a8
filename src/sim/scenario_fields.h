// Reading one object of a scenario file field by field: types, ranges and names that nobody knows.
// Internal to the readers of this room.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "sim/limits.h"
#include "sim/scenario_json.h"

namespace aloft::sim {

// A text of an input, cut to what an error may quote.
[[nodiscard]] inline std::string quoted(std::string_view text) {
  return fmt::format("'{}{}'", text.substr(0, kMaxQuotedText / 4),
                     text.size() > kMaxQuotedText / 4 ? "..." : "");
}

[[nodiscard]] std::string list_words(const std::vector<std::string>& names);

class Fields {
 public:
  // `what`: "a guest"; with the place of the value it begins errors.
  Fields(std::string_view file, const JsonValue& value, std::string what)
      : file_(file), value_(value), what_(std::move(what)) {}

  // It is an object and has no member but these.
  [[nodiscard]] Result<void> only(std::initializer_list<std::string_view> names) const;
  [[nodiscard]] const JsonValue* find(std::string_view name) const { return value_.find(name); }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  // Each leaves `out` as it is when there is no such member.
  [[nodiscard]] Result<void> text(std::string_view name, std::string& out) const;
  [[nodiscard]] Result<void> flag(std::string_view name, bool& out) const;
  [[nodiscard]] Result<void> duration(std::string_view name, Duration& out) const;
  // One text, or a list of them.
  [[nodiscard]] Result<void> texts(std::string_view name, std::vector<std::string>& out) const;
  template <class Number>
  [[nodiscard]] Result<void> number(std::string_view name, Number& out, std::int64_t low,
                                    std::int64_t high) const {
    std::int64_t value = 0;
    const JsonValue* const found = find(name);
    if (found == nullptr) return {};
    ALOFT_TRY(whole_number(name, *found, value, low, high));
    out = static_cast<Number>(value);
    return {};
  }

  [[nodiscard]] std::unexpected<Error> fail(const JsonValue& at, std::string_view reason,
                                            std::string_view words) const {
    return fail_at(file_, at.place, reason, fmt::format("{}: {}", what_, words));
  }
  [[nodiscard]] std::unexpected<Error> fail(std::string_view reason, std::string_view words) const {
    return fail(value_, reason, words);
  }
  [[nodiscard]] std::unexpected<Error> wrong_kind(std::string_view name, const JsonValue& found,
                                                  JsonValue::Kind wanted) const {
    return fail(
        found, "scenario.syntax",
        fmt::format("{} is to be {}, not {}", name, kind_words(wanted), kind_words(found.kind)));
  }
  [[nodiscard]] std::string_view file() const { return file_; }
  [[nodiscard]] const JsonValue& value() const { return value_; }
  // Says more of what it is, once its name is known.
  void call(std::string what) { what_ = std::move(what); }

 private:
  [[nodiscard]] Result<void> whole_number(std::string_view name, const JsonValue& found,
                                          std::int64_t& out, std::int64_t low,
                                          std::int64_t high) const;

  std::string_view file_;
  const JsonValue& value_;
  std::string what_;
};

}  // namespace aloft::sim
