#include "model/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "model/text.h"

namespace aloft::model {
namespace {

std::optional<unsigned> number(std::string_view text, int base, std::size_t max_digits,
                               unsigned max) {
  if (text.empty() || text.size() > max_digits) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool parse_v4(std::string_view text, IpPrefix& out) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto byte = number(parts[i], 10, 3, 255);
    if (!byte || (parts[i].size() > 1 && parts[i][0] == '0')) return false;
    out.bytes.at(i) = static_cast<std::uint8_t>(*byte);
  }
  return true;
}

// Groups of one side of "::"; false when one is malformed.
bool parse_groups(std::string_view text, std::vector<unsigned>& out) {
  if (text.empty()) return true;
  for (const auto part : split(text, ':')) {
    const auto group = number(part, 16, 4, 0xFFFF);
    if (!group || out.size() >= 8) return false;
    out.push_back(*group);
  }
  return true;
}

bool parse_v6(std::string_view text, IpPrefix& out) {
  std::vector<unsigned> groups;
  if (const std::size_t gap = text.find("::"); gap != std::string_view::npos) {
    std::vector<unsigned> tail;
    if (!parse_groups(text.substr(0, gap), groups) || !parse_groups(text.substr(gap + 2), tail) ||
        groups.size() + tail.size() > 7) {
      return false;
    }
    groups.resize(8 - tail.size(), 0);
    groups.insert(groups.end(), tail.begin(), tail.end());
  } else if (!parse_groups(text, groups)) {
    return false;
  }
  if (groups.size() != 8) return false;
  for (std::size_t i = 0; i < 8; ++i) {
    out.bytes.at(2 * i) = static_cast<std::uint8_t>(groups[i] >> 8U);
    out.bytes.at(2 * i + 1) = static_cast<std::uint8_t>(groups[i] & 0xFFU);
  }
  out.v6 = true;
  return true;
}

}  // namespace

Result<IpPrefix> parse_ip_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  IpPrefix prefix;
  if (slash != std::string_view::npos &&
      (parse_v4(text.substr(0, slash), prefix) || parse_v6(text.substr(0, slash), prefix))) {
    if (const auto length = number(text.substr(slash + 1), 10, 3, prefix.v6 ? 128 : 32)) {
      prefix.length = static_cast<std::uint8_t>(*length);
      return prefix;
    }
  }
  return fail(Code::InvalidArgument, "address.invalid",
              fmt::format("\"{}\" is not an address with a prefix length; give one like "
                          "10.77.0.5/24 or fd00::5/64",
                          clean_text(text, 64)));
}

std::string to_string(const IpPrefix& prefix) {
  const auto& b = prefix.bytes;
  if (!prefix.v6) return fmt::format("{}.{}.{}.{}/{}", b[0], b[1], b[2], b[3], prefix.length);
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) {
    groups.at(i) = (static_cast<unsigned>(b.at(2 * i)) << 8U) | b.at(2 * i + 1);
  }
  std::size_t gap = 8;
  std::size_t gap_length = 1;  // a single zero group is not shortened
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && groups.at(end) == 0) ++end;
    if (end - i > gap_length) {
      gap = i;
      gap_length = end - i;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      text += "::";
      i += gap_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += fmt::format("{:x}", groups.at(i));
  }
  return fmt::format("{}/{}", text, prefix.length);
}

Result<std::string> parse_mac(std::string_view text) {
  const auto parts = split(text, ':');
  std::string mac;
  bool good = parts.size() == 6;
  for (std::size_t i = 0; good && i < 6; ++i) {
    const auto byte = number(parts[i], 16, 2, 255);
    good = byte && parts[i].size() == 2 && (i != 0 || (*byte & 1U) == 0);
    if (good) mac += fmt::format("{}{:02x}", i == 0 ? "" : ":", *byte);
  }
  if (good) return mac;
  return fail(Code::InvalidArgument, "address.invalid_mac",
              fmt::format("\"{}\" is not a unicast MAC address; give one like 52:54:00:12:34:56",
                          clean_text(text, 64)));
}

}  // namespace aloft::model
