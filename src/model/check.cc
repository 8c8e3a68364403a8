#include "model/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/name.h"
#include "model/text.h"

namespace aloft::model {

Result<void> check_number(std::string_view field, std::uint64_t value, std::uint64_t low,
                          std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return fail(Code::InvalidArgument, "number.out_of_range",
              fmt::format("{} is {}; give {} to {}", field, value, low, high));
}

Result<void> check_size(std::string_view field, Bytes value, Bytes low, Bytes high) {
  if (value >= low && value <= high) return {};
  return fail(Code::InvalidArgument, "size.out_of_range",
              fmt::format("{} is {}; give {} to {}", field, to_string(value), to_string(low),
                          to_string(high)));
}

Result<void> check_optional_name(std::string_view field, std::string_view text) {
  if (text.empty()) return {};
  ALOFT_TRY(Name::make(field, text));
  return {};
}

Result<void> check_options(std::string_view field,
                           const std::map<std::string, std::string>& options, std::size_t max_count,
                           std::size_t max_key_bytes, std::size_t max_value_bytes) {
  if (options.size() > max_count) {
    return fail(
        Code::InvalidArgument, "options.too_many",
        fmt::format("{} has {} entries; give at most {}", field, options.size(), max_count));
  }
  for (const auto& [key, value] : options) {
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '_' || c == '-' || c == '/';
    };
    if (key.empty() || key.size() > max_key_bytes || !std::ranges::all_of(key, allowed)) {
      return fail(Code::InvalidArgument, "options.invalid_key",
                  fmt::format("{} has the key \"{}\"; give 1 to {} of letters, digits and . _ - /",
                              field, clean_text(key, max_key_bytes), max_key_bytes));
    }
    ALOFT_TRY(check_line(fmt::format("{} {}", field, key), value, max_value_bytes));
  }
  return {};
}

}  // namespace aloft::model
