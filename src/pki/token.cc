#include "pki/token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>

#include "base/assert.h"

namespace aloft::pki {

std::string make_token() {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<unsigned char, 33> bytes{};  // 32 random, one of padding for the last group of three
  ALOFT_ASSERT(RAND_bytes(bytes.data(), 32) == 1);
  std::string token;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned group = static_cast<unsigned>(bytes[i]) << 16U |
                           static_cast<unsigned>(bytes[i + 1]) << 8U | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) token += kAlphabet[group >> shift & 63U];
  }
  token.resize(43);
  return token;
}

std::string hash_token(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  const void* const raw = token.data();
  SHA256(static_cast<const unsigned char*>(raw), token.size(), digest.data());
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

bool equal_secrets(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace aloft::pki
