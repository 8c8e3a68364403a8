// A certificate authority of our own, and the certificates it signs.
//
// Everything is PEM text; no OpenSSL type leaves the room. Functions are thread-safe and take a few
// milliseconds. Certificates are valid from one day before they are made, so that hosts whose
// clocks differ by hours can talk. Source: RFC 5280 (profile), RFC 2986 (certificate requests).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace aloft::pki {

struct Credentials {
  std::string certificate_pem;
  std::string key_pem;  // PKCS #8, unencrypted
};

enum class Usage { Host, Client };  // Host: server and client; Client: client only

struct CertificateRequest {
  std::string common_name;                 // at most 64 bytes
  std::vector<std::string> organizations;  // roles and groups; at most 8
  std::vector<std::string> dns_names;      // at most 64
  std::vector<std::string> ip_addresses;   // at most 64
  Usage usage = Usage::Client;
  std::chrono::hours lifetime{24 * 365};
};

struct CertificateInfo {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  WallTime not_before;
  WallTime not_after;
  std::string fingerprint;  // SHA-256 of the DER form, lower-case hex
  bool authority = false;
};

// A self-signed authority with a new key, valid for ten years.
// Errors: InvalidArgument "pki.bad_name".
[[nodiscard]] Result<Credentials> make_authority(std::string_view common_name);

// A new key and a certificate for it.
// Errors: InvalidArgument "pki.bad_name", "pki.bad_address", "pki.bad_lifetime",
// "pki.bad_authority".
[[nodiscard]] Result<Credentials> issue(const Credentials& authority,
                                        const CertificateRequest& request);

// A new key and a request to sign it, for a host whose key must not leave it.
[[nodiscard]] Result<Credentials> make_signing_request(std::string_view common_name);

// Signs the public key of `signing_request_pem` with the names of `request`; whatever names the
// signing request itself asks for are not looked at.
// Errors: as `issue`, and InvalidArgument "pki.bad_request" when the request is not signed by its
// key.
[[nodiscard]] Result<std::string> sign(const Credentials& authority,
                                       std::string_view signing_request_pem,
                                       const CertificateRequest& request);

// Errors: InvalidArgument "pki.bad_certificate".
[[nodiscard]] Result<CertificateInfo> inspect(std::string_view certificate_pem);

// Whether `certificate_pem` was signed by `authority_pem` and is valid at `now`.
// Errors: Unauthenticated "pki.untrusted", "pki.expired", "pki.not_yet_valid"; those of `inspect`.
[[nodiscard]] Result<void> verify(std::string_view certificate_pem, std::string_view authority_pem,
                                  WallTime now);

// Whether the private key belongs to the certificate.
[[nodiscard]] Result<void> check_pair(const Credentials& credentials);

}  // namespace aloft::pki
