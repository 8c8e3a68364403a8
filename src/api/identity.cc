#include "api/identity.h"

#include <fmt/format.h>

namespace aloft::api {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::None:
      return "none";
    case Role::Viewer:
      return "viewer";
    case Role::Operator:
      return "operator";
    case Role::Admin:
      return "admin";
  }
  return "none";
}

Role role_of(std::string_view name) {
  for (const Role role : {Role::Viewer, Role::Operator, Role::Admin}) {
    if (name_of(role) == name) return role;
  }
  return Role::None;
}

Result<void> authorize(const Identity& identity, Role needed) {
  if (identity.role >= needed) return {};
  if (!identity.why_nobody.reason.empty()) return std::unexpected(identity.why_nobody);
  if (identity.name.empty()) {
    return fail(Code::Unauthenticated, "api.unauthenticated",
                "the request carries no credentials; send a client certificate or "
                "\"Authorization: Bearer TOKEN\" (aloft token create makes one)");
  }
  return fail(Code::PermissionDenied, "api.forbidden",
              fmt::format("{} has the role {}, but this needs {}; ask an admin for a token with "
                          "that role",
                          identity.name, name_of(identity.role), name_of(needed)));
}

}  // namespace aloft::api
