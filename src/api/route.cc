#include "api/route.h"

#include <fmt/format.h>

namespace aloft::api {
namespace {

struct Pattern {
  std::vector<std::string_view> segments;
  std::string_view verb;
};

Pattern pattern_of(std::string_view path) {
  Pattern pattern;
  path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    pattern.segments.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  if (!pattern.segments.empty()) {
    std::string_view& last = pattern.segments.back();
    if (const std::size_t colon = last.rfind(':'); colon != std::string_view::npos) {
      pattern.verb = last.substr(colon + 1);
      last = last.substr(0, colon);
    }
  }
  return pattern;
}

// The name in the path, when the path fits.
std::optional<std::string> fits(std::string_view path, const Target& target) {
  const Pattern pattern = pattern_of(path);
  if (pattern.segments.size() != target.segments.size() || pattern.verb != target.verb) {
    return std::nullopt;
  }
  std::string name;
  for (std::size_t i = 0; i < pattern.segments.size(); ++i) {
    if (pattern.segments[i].starts_with('{')) {
      name = target.segments[i];
    } else if (pattern.segments[i] != target.segments[i]) {
      return std::nullopt;
    }
  }
  return name;
}

}  // namespace

Result<Match> match(const std::vector<Route>& routes, Method method, const Target& target) {
  std::string others;
  for (const Route& route : routes) {
    auto name = fits(route.path, target);
    if (!name) continue;
    if (route.method == method) return Match{&route, *std::move(name)};
    others += fmt::format("{}{}", others.empty() ? "" : ", ", name_of(route.method));
  }
  if (!others.empty()) {
    return fail(Code::Unimplemented, "api.method",
                fmt::format("this path does not take {}; it takes {}", name_of(method), others));
  }
  return fail(Code::NotFound, "api.no_such_path",
              "there is no such path; see /openapi.json for all of them");
}

}  // namespace aloft::api
