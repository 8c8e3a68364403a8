#include "api/tokens.h"

#include <fmt/format.h>

#include "aloft/v1/service.pb.h"
#include "api/limits.h"
#include "model/message.h"
#include "model/name.h"
#include "pki/token.h"

namespace aloft::api {
namespace {

constexpr std::string_view kPrefix = "tokens/";

std::string key_of(std::string_view name) {
  return fmt::format("{}{}", kPrefix, name);
}

Result<v1::Token> read(const store::Entry& entry) {
  v1::Token message;
  if (message.ParseFromString(entry.value) && v1::Role_IsValid(message.role())) return message;
  return fail(
      Code::DataLoss, "model.damaged",
      fmt::format("key {} cannot be read; delete this token and make a new one", entry.key));
}

Token value_of(const v1::Token& message) {
  return {message.name(), static_cast<Role>(message.role()), model::time_from(message.created_at()),
          model::time_from(message.expires_at()), message.created_by()};
}

}  // namespace

Result<NewToken> Tokens::create(std::string_view name, Role role, std::chrono::seconds lifetime,
                                std::string_view created_by, WallTime now) {
  ALOFT_ASSIGN(const auto checked, model::Name::make("token name", name));
  if (role == Role::None) {
    return fail(
        Code::InvalidArgument, "token.no_role",
        fmt::format("token {} has no role; give ROLE_VIEWER, ROLE_OPERATOR or ROLE_ADMIN", name));
  }
  if (lifetime.count() <= 0 || lifetime > kMaxTokenLifetime) {
    return fail(Code::InvalidArgument, "token.lifetime",
                fmt::format("token {}: a lifetime of {} s; give 1 to {}", name, lifetime.count(),
                            std::chrono::seconds(kMaxTokenLifetime).count()));
  }
  ALOFT_ASSIGN(const auto present, store_.list(kPrefix));
  if (present.entries.size() >= kMaxTokens) {
    return fail(Code::ResourceExhausted, "token.too_many",
                fmt::format("there are {} tokens, the maximum; delete one", kMaxTokens));
  }
  NewToken made{{checked.text(), role, now, now + lifetime, std::string(created_by)},
                pki::make_token()};
  v1::Token message;
  message.set_name(made.token.name);
  message.set_role(static_cast<v1::Role>(role));
  *message.mutable_created_at() = model::time_to(made.token.created_at);
  *message.mutable_expires_at() = model::time_to(made.token.expires_at);
  message.set_created_by(made.token.created_by);
  message.set_sha256(pki::hash_token(made.secret));
  store::Transaction transaction;
  transaction.compares.push_back({key_of(name), store::Revision(0)});
  transaction.writes.push_back({key_of(name), message.SerializeAsString(), {}});
  const auto done = store_.commit(transaction);
  if (!done && done.error().code == Code::Aborted) {
    return fail(Code::AlreadyExists, "token.already_exists",
                fmt::format("token {} exists already; delete it or choose another name", name));
  }
  ALOFT_TRY(done);
  return made;
}

Result<std::vector<Token>> Tokens::list() {
  ALOFT_ASSIGN(const auto listing, store_.list(kPrefix));
  std::vector<Token> tokens;
  for (const auto& entry : listing.entries) {
    ALOFT_ASSIGN(const auto message, read(entry));
    tokens.push_back(value_of(message));
  }
  return tokens;
}

Result<void> Tokens::remove(std::string_view name) {
  ALOFT_ASSIGN(const auto present, store_.get(key_of(name)));
  if (!present) {
    return fail(Code::NotFound, "token.not_found",
                fmt::format("there is no token called \"{}\"", name));
  }
  store::Transaction transaction;
  transaction.writes.push_back({key_of(name), std::nullopt, {}});
  ALOFT_TRY(store_.commit(transaction));
  return {};
}

Result<Identity> Tokens::authenticate(std::string_view secret, WallTime now) {
  const std::string hash = pki::hash_token(secret);
  ALOFT_ASSIGN(const auto listing, store_.list(kPrefix));
  for (const auto& entry : listing.entries) {
    const auto message = read(entry);
    if (!message || !pki::equal_secrets(message->sha256(), hash)) continue;
    const Token token = value_of(*message);
    if (token.expires_at <= now) {
      return fail(Code::Unauthenticated, "token.expired",
                  fmt::format("token {} has expired; ask an admin for a new one", token.name));
    }
    return Identity{"token:" + token.name, token.role, {}};
  }
  return fail(Code::Unauthenticated, "token.unknown",
              "the bearer token is not known here; it was deleted or belongs to another farm");
}

}  // namespace aloft::api
