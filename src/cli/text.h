// Text for people: widths, ages, durations; and the nearest word to a mistyped one. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.h"
#include "base/result.h"

namespace aloft::cli {

// Columns of a terminal that UTF-8 text takes: 2 for wide East Asian characters and emoji, 0 for
// combining ones.
[[nodiscard]] std::size_t display_width(std::string_view text);
// One line that is safe on a terminal: control characters (line breaks too) and bytes that are not
// UTF-8 become U+FFFD.
[[nodiscard]] std::string printable(std::string_view text);
// At most `columns` wide, ending in "…" where it was cut.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t columns);

// "250ms", "90s", "5m", "1h30m", "2d"; a number alone counts seconds. Up to 10 years.
// Errors: InvalidArgument "cli.bad_duration".
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// Two units at most, for people: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "5 days".
[[nodiscard]] std::string duration_text(Duration duration);
// The narrow form of tables: "12s", "5m", "3h", "8d"; "-" for a time that was never set.
[[nodiscard]] std::string age_text(WallTime then, WallTime now);
// "2026-01-02 03:04:05" in UTC; "-" for a time that was never set.
[[nodiscard]] std::string time_text(WallTime time);

// The word of `known` that `given` most likely means; empty when none is near.
// Distance: insertions, deletions, replacements and swaps of neighbours (Damerau-Levenshtein).
[[nodiscard]] std::string nearest(std::string_view given, std::span<const std::string> known);

// "a", "a and b", "a, b and c".
[[nodiscard]] std::string listed(std::span<const std::string> words);

}  // namespace aloft::cli
