// One-time and bearer secrets: made here, shown once, kept as hashes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::pki {

// 256 random bits as 43 characters of base64url (RFC 4648, section 5, without padding).
[[nodiscard]] std::string make_token();

// SHA-256 of the token in lower-case hex: what may be stored. Tokens have 256 bits, so no salt and
// no slow hash is needed.
[[nodiscard]] std::string hash_token(std::string_view token);

// Compares in a time that does not depend on where the texts differ.
[[nodiscard]] bool equal_secrets(std::string_view left, std::string_view right);

}  // namespace aloft::pki
