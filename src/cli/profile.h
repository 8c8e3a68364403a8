// Where the API is and who we are there: options, then environment, then a profile, then the
// socket of this machine.
//
// A profile is ~/.config/aloft/NAME.profile, lines "key = value" and comments after '#':
//   host = https://farm.example:8443     socket = /run/aloft/api.sock
//   ca, certificate, key, token-file     paths; relative ones begin at the profile's folder
// "default" is used when it exists and nothing else says where the API is.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "cli/connection.h"

namespace aloft::cli {

struct Login {
  Endpoint endpoint{};
  std::string token{};  // empty: none
};

using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Errors: InvalidArgument "cli.bad_host", "cli.bad_profile"; NotFound "cli.no_profile",
// "cli.no_file"; PermissionDenied "cli.token_exposed" for a token that others may read.
[[nodiscard]] Result<Login> find_login(const Words& global, const Environment& environment);

// "https://farm.example:8443", "https://[::1]:8443"; the port is 8443 when it is left out.
[[nodiscard]] Result<Endpoint> parse_host(std::string_view url);

// A whole file of at most kMaxFileBytes. "-" is standard input. `what` begins the errors:
// NotFound "cli.no_file"; InvalidArgument "cli.file_too_large".
[[nodiscard]] Result<std::string> read_file(std::string_view what, const std::string& path);

}  // namespace aloft::cli
