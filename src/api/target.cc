#include "api/target.h"

#include <fmt/format.h>

#include <optional>

#include "api/limits.h"
#include "model/text.h"

namespace aloft::api {
namespace {

std::unexpected<Error> bad(std::string_view why) {
  return fail(Code::InvalidArgument, "api.bad_target",
              fmt::format("the request target {}; see /openapi.json for the paths", why));
}

std::optional<unsigned> hex(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return bad("ends within a percent-encoding");
      const auto high = hex(text[i + 1]);
      const auto low = hex(text[i + 2]);
      if (!high || !low) return bad("has a malformed percent-encoding");
      decoded += static_cast<char>(*high << 4U | *low);
      i += 2;
    } else {
      decoded += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  if (!model::check_line("target", decoded, kMaxTargetBytes)) {
    return bad("is not UTF-8 or has control characters");
  }
  return decoded;
}

Result<void> parse_query(std::string_view text, Target& target) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    if (target.query.size() >= kMaxQueryParameters) return bad("has too many parameters");
    const std::size_t equal = pair.find('=');
    ALOFT_ASSIGN(auto name, decode(pair.substr(0, equal), true));
    std::string value;
    if (equal != std::string_view::npos) {
      ALOFT_ASSIGN(value, decode(pair.substr(equal + 1), true));
    }
    const auto shown = name;
    if (!target.query.emplace(std::move(name), std::move(value)).second) {
      return bad(fmt::format("gives parameter \"{}\" twice", shown));
    }
  }
  return {};
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  if (text.size() > kMaxTargetBytes) return bad("is too long");
  if (!text.starts_with('/')) return bad("does not begin with '/'");
  Target target;
  const std::size_t question = text.find('?');
  if (question != std::string_view::npos) {
    ALOFT_TRY(parse_query(text.substr(question + 1), target));
  }
  std::string_view path =
      text.substr(1, question == std::string_view::npos ? question : question - 1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    std::string_view segment = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (path.empty()) {
      if (const std::size_t colon = segment.rfind(':'); colon != std::string_view::npos) {
        ALOFT_ASSIGN(target.verb, decode(segment.substr(colon + 1), false));
        segment = segment.substr(0, colon);
      }
    }
    ALOFT_ASSIGN(auto decoded, decode(segment, false));
    if (decoded.empty() || decoded == "." || decoded == "..") {
      return bad("has an empty or dot segment");
    }
    target.segments.push_back(std::move(decoded));
  }
  return target;
}

}  // namespace aloft::api
