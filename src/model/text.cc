#include "model/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/limits.h"

namespace aloft::model {
namespace {

// Bytes of the well-formed character at the beginning of `text`, or 0. Unicode 15, table 3-7.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t count = character_bytes(text);
    if (count == 0) return false;
    text.remove_prefix(count);
  }
  return true;
}

std::string clean_text(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string clean;
  clean.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const std::size_t count = character_bytes(text);
    const std::string_view character = count == 0 ? kReplacement : text.substr(0, count);
    if (clean.size() + character.size() > max_bytes) break;
    clean += character;
    text.remove_prefix(std::max<std::size_t>(count, 1));
  }
  return clean;
}

Result<void> check_line(std::string_view field, std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return fail(Code::InvalidArgument, "text.too_long",
                fmt::format("{} has {} bytes; give at most {}", field, text.size(), max_bytes));
  }
  if (!is_utf8(text)) {
    return fail(Code::InvalidArgument, "text.not_utf8",
                fmt::format("{} is not UTF-8; write it in UTF-8", field));
  }
  if (std::ranges::any_of(text, is_control)) {
    return fail(Code::InvalidArgument, "text.control_character",
                fmt::format("{} contains a control character; give one line of text", field));
  }
  return {};
}

Result<void> check_path(std::string_view field, std::string_view text) {
  ALOFT_TRY(check_line(field, text, kMaxPathBytes));
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    if (text.substr(begin, end - begin) == "..") {
      return fail(Code::InvalidArgument, "path.outside",
                  fmt::format("{} \"{}\" contains \"..\"; give a path without it", field, text));
    }
    begin = end + 1;
  }
  return {};
}

}  // namespace aloft::model
