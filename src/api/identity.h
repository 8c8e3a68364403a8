// Who asks, and what they may do.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::api {

// Each role may do what the ones before it may.
enum class Role {
  None = 0,      // health only
  Viewer = 1,    // reads
  Operator = 2,  // runs guests
  Admin = 3,     // hosts, tokens, and whatever reaches into a host
};
[[nodiscard]] std::string_view name_of(Role role);  // "viewer"
// Role::None for a name that is not known.
[[nodiscard]] Role role_of(std::string_view name);

struct Identity {
  std::string name;  // "user:ann", "token:ci", "unix:0"; empty: nobody
  Role role = Role::None;
  Error why_nobody{};  // the reason, when credentials were given and refused
};

// Errors: Unauthenticated "api.unauthenticated" (or the reason the credentials were refused),
// PermissionDenied "api.forbidden" naming the role that is needed.
[[nodiscard]] Result<void> authorize(const Identity& identity, Role needed);

}  // namespace aloft::api
