// The request target: path and query, decoded and checked.
//
// "/v1/guests/web1:start?dryRun=true" becomes segments {"v1", "guests", "web1"}, verb "start" and
// query {"dryRun": "true"}. RFC 3986 percent-encoding; '+' is a space in the query only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aloft::api {

struct Target {
  std::vector<std::string> segments{};
  std::string verb{};  // after the last ':' of the last segment
  std::map<std::string, std::string, std::less<>> query{};

  bool operator==(const Target&) const = default;
};

// Errors: InvalidArgument "api.bad_target": malformed encoding, not UTF-8, control characters,
// empty or dot segments, a parameter given twice, over the limits (limits.h).
[[nodiscard]] Result<Target> parse_target(std::string_view text);

}  // namespace aloft::api
