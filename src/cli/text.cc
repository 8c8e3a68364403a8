#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/text.h"

namespace aloft::cli {
namespace {

struct Decoded {
  std::uint32_t point = 0xFFFD;
  std::size_t bytes = 1;
};

// Requires: well-formed UTF-8 from `at` on.
Decoded decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size()
               ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]))
               : 0U;
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1FU) << 6U | (byte(1) & 0x3FU), 2};
  if (first < 0xF0) {
    return {(first & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU), 3};
  }
  return {(first & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U | (byte(2) & 0x3FU) << 6U |
              (byte(3) & 0x3FU),
          4};
}

using Range = std::pair<std::uint32_t, std::uint32_t>;
// Unicode's combining marks and East Asian Width W and F, in whole blocks.
constexpr std::array<Range, 8> kCombining{{{0x0300, 0x036F},
                                           {0x0483, 0x0489},
                                           {0x0591, 0x05BD},
                                           {0x064B, 0x065F},
                                           {0x200B, 0x200F},
                                           {0x20D0, 0x20FF},
                                           {0xFE00, 0xFE0F},
                                           {0xFE20, 0xFE2F}}};
constexpr std::array<Range, 14> kWide{{{0x1100, 0x115F},
                                       {0x2E80, 0x303E},
                                       {0x3041, 0x33FF},
                                       {0x3400, 0x4DBF},
                                       {0x4E00, 0x9FFF},
                                       {0xA000, 0xA4CF},
                                       {0xAC00, 0xD7A3},
                                       {0xF900, 0xFAFF},
                                       {0xFE30, 0xFE6F},
                                       {0xFF00, 0xFF60},
                                       {0xFFE0, 0xFFE6},
                                       {0x1F300, 0x1F64F},
                                       {0x1F680, 0x1F9FF},
                                       {0x20000, 0x3FFFD}}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, std::uint32_t point) {
  return std::ranges::any_of(ranges, [point](const Range& range) {
    return point >= range.first && point <= range.second;
  });
}

std::size_t width_of(std::uint32_t point) {
  if (within(kCombining, point)) return 0;
  return within(kWide, point) ? 2 : 1;
}

bool is_control(std::uint32_t point) {
  // C0, DEL, C1, line separators, and what reorders text (bidirectional overrides).
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 ||
         (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + other});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

constexpr std::size_t kMaxMistypedBytes = 64;

std::unexpected<Error> bad_duration(std::string_view text) {
  return fail(
      Code::InvalidArgument, "cli.bad_duration",
      fmt::format("\"{}\" is no duration; give one like 250ms, 90s, 5m or 1h30m", printable(text)));
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded character = decode(text, at);
    width += width_of(character.point);
    at += character.bytes;
  }
  return width;
}

std::string printable(std::string_view text) {
  const std::string clean =
      model::is_utf8(text) ? std::string(text) : model::clean_text(text, text.size() * 3);
  std::string result;
  result.reserve(clean.size());
  for (std::size_t at = 0; at < clean.size();) {
    const Decoded character = decode(clean, at);
    if (is_control(character.point)) {
      result += "\uFFFD";
    } else {
      result.append(clean, at, character.bytes);
    }
    at += character.bytes;
  }
  return result;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t width = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const Decoded character = decode(text, at);
    if (width + width_of(character.point) > columns - 1) break;
    width += width_of(character.point);
    at += character.bytes;
  }
  return std::string(text.substr(0, at)) + "…";
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::int64_t kMaxSeconds = 10LL * 366 * 86'400;
  struct Unit {
    std::string_view name;
    std::int64_t milliseconds;
  };
  constexpr std::array<Unit, 5> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  if (text.empty()) return bad_duration(text);
  std::int64_t total = 0;
  std::int64_t last_unit = INT64_MAX;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc{}) return bad_duration(text);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const bool bare = letters == 0 && rest.empty() && last_unit == INT64_MAX;
    const std::string_view name = bare ? std::string_view("s") : rest.substr(0, letters);
    const auto unit =
        std::ranges::find_if(kUnits, [&](const Unit& known) { return known.name == name; });
    // From large to small, each once: "30m1h" is a slip of the hand.
    if (unit == kUnits.end() || unit->milliseconds >= last_unit) return bad_duration(text);
    last_unit = unit->milliseconds;
    total += value * unit->milliseconds;
    if (total > kMaxSeconds * 1000) return bad_duration(text);
    rest.remove_prefix(letters);
  }
  return Duration(std::chrono::milliseconds(total));
}

std::string duration_text(Duration duration) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (milliseconds < 0) return "0 s";
  if (milliseconds < 10'000) {
    return fmt::format("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100);
  }
  const auto seconds = milliseconds / 1000;
  const auto two = [](std::int64_t large, std::string_view name, std::int64_t small,
                      std::string_view small_name) {
    return small == 0 ? fmt::format("{} {}", large, name)
                      : fmt::format("{} {} {} {}", large, name, small, small_name);
  };
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return two(seconds / 60, "min", seconds % 60, "s");
  if (seconds < 2 * 86'400) return two(seconds / 3600, "h", seconds % 3600 / 60, "min");
  return fmt::format("{} days", seconds / 86'400);
}

std::string age_text(WallTime then, WallTime now) {
  if (then.time_since_epoch().count() == 0) return "-";
  const auto seconds = std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::seconds>(now - then).count());
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  if (seconds < 2 * 86'400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86'400);
}

std::string time_text(WallTime time) {
  if (time.time_since_epoch().count() == 0) return "-";
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - days));
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string nearest(std::string_view given, std::span<const std::string> known) {
  if (given.empty() || given.size() > kMaxMistypedBytes) return {};
  std::string best;
  // A third of the letters may be wrong; shorter words forgive one.
  std::size_t least = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& word : known) {
    const std::size_t cost = distance(given, word);
    if (cost < least) {
      least = cost;
      best = word;
    }
  }
  if (!best.empty()) return best;
  const auto begins = [&](const std::string& word) { return word.starts_with(given); };
  if (given.size() >= 2 && std::ranges::count_if(known, begins) == 1) {
    return *std::ranges::find_if(known, begins);
  }
  return {};
}

std::string listed(std::span<const std::string> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace aloft::cli
