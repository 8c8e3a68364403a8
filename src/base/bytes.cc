#include "base/bytes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace aloft {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKi = 1024.0;
constexpr std::array<Unit, 17> kUnits{{
    {"", 1},
    {"B", 1},
    {"K", kKi},
    {"M", kKi* kKi},
    {"G", kKi* kKi* kKi},
    {"T", kKi* kKi* kKi* kKi},
    {"P", kKi* kKi* kKi* kKi* kKi},
    {"KiB", kKi},
    {"MiB", kKi* kKi},
    {"GiB", kKi* kKi* kKi},
    {"TiB", kKi* kKi* kKi* kKi},
    {"PiB", kKi* kKi* kKi* kKi* kKi},
    {"kB", 1e3},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
}};

constexpr double kMaximum = 9223372036854775807.0;

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::unexpected<Error> invalid(std::string_view text) {
  return fail(Code::InvalidArgument, "size.invalid",
              fmt::format("'{}' is not a size: write a number and a unit, like 512MiB or 10GiB",
                          text.substr(0, 64)));
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  const std::string_view trimmed = trim(text);
  std::size_t digits = 0;
  while (digits < trimmed.size() &&
         ((trimmed[digits] >= '0' && trimmed[digits] <= '9') || trimmed[digits] == '.')) {
    ++digits;
  }
  const std::string_view number = trimmed.substr(0, digits);
  const std::string_view name = trim(trimmed.substr(digits));
  if (number.empty()) return invalid(text);

  const Unit* unit = nullptr;
  for (const Unit& entry : kUnits) {
    if (entry.name == name) unit = &entry;
  }
  if (unit == nullptr) return invalid(text);

  const auto too_large = [&] {
    return fail(Code::InvalidArgument, "size.out_of_range",
                fmt::format("'{}' is more than 8 EiB, the largest size", text.substr(0, 64)));
  };
  if (number.find('.') == std::string_view::npos) {
    std::uint64_t whole = 0;
    const auto [end, error] = std::from_chars(number.begin(), number.end(), whole);
    if (error == std::errc::result_out_of_range) return too_large();
    if (error != std::errc{} || end != number.end()) return invalid(text);
    const auto factor = static_cast<std::uint64_t>(unit->factor);
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(whole, factor, &product) || (product >> 63U) != 0) {
      return too_large();
    }
    return Bytes(product);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(number.begin(), number.end(), value);
  if (error != std::errc{} || end != number.end()) return invalid(text);
  const double product = value * unit->factor;
  if (!(product < kMaximum)) return too_large();
  return Bytes(static_cast<std::uint64_t>(std::llround(product)));
}

std::string to_string(Bytes bytes) {
  static constexpr std::array<std::string_view, 7> kNames{"B",   "KiB", "MiB", "GiB",
                                                          "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes.count());
  std::size_t index = 0;
  while (value >= kKi && index + 1 < kNames.size()) {
    value /= kKi;
    ++index;
  }
  const double tenths = std::round(value * 10) / 10;
  if (tenths == std::floor(tenths)) return fmt::format("{:.0f} {}", tenths, kNames[index]);
  return fmt::format("{:.1f} {}", tenths, kNames[index]);
}

}  // namespace aloft
