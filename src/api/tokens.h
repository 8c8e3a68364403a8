// Bearer tokens: made once, shown once, kept as hashes with role and end of life.
//
// Key "tokens/NAME" holds a v1.Token. A token whose time is over is refused and stays listed until
// it is deleted.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "api/identity.h"
#include "base/instant.h"
#include "base/result.h"
#include "store/store.h"

namespace aloft::api {

struct Token {
  std::string name{};
  Role role = Role::Viewer;
  WallTime created_at{};
  WallTime expires_at{};
  std::string created_by{};
};

struct NewToken {
  Token token;
  std::string secret;
};

class Tokens {
 public:
  // Requires: `store` outlives this object. Thread-safe.
  explicit Tokens(store::Store& store) : store_(store) {}

  // Errors: InvalidArgument, AlreadyExists "token.already_exists", ResourceExhausted.
  Result<NewToken> create(std::string_view name, Role role, std::chrono::seconds lifetime,
                          std::string_view created_by, WallTime now);
  Result<std::vector<Token>> list();
  // Errors: NotFound "token.not_found".
  Result<void> remove(std::string_view name);
  // Errors: Unauthenticated "token.unknown", "token.expired".
  Result<Identity> authenticate(std::string_view secret, WallTime now);

 private:
  store::Store& store_;
};

}  // namespace aloft::api
