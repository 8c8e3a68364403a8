#include "pki/authority.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

namespace aloft::pki {
namespace {

constexpr std::size_t kMaxPemBytes = 64U << 10U;
constexpr std::size_t kMaxCommonName = 64;  // ub-common-name, RFC 5280
constexpr std::size_t kMaxNames = 64;
constexpr std::size_t kMaxOrganizations = 8;
constexpr std::chrono::hours kAuthorityLifetime{24 * 3650};
constexpr std::chrono::hours kBackdated{24};

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;

// What OpenSSL put into its queue; the queue is empty afterwards.
std::string openssl_words() {
  std::string words;
  while (const unsigned long number = ERR_get_error()) {
    std::array<char, 256> text{};
    ERR_error_string_n(number, text.data(), text.size());
    if (words.empty()) words = text.data();
  }
  return words.empty() ? "no reason given" : words;
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(Code::Internal, "pki.openssl", fmt::format("{}: {}", what, openssl_words()));
}

Bio reader(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<Key> make_key() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) return broken("cannot make a key");
  return key;
}

Result<std::string> key_text(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return broken("cannot write a key");
  }
  return text_of(bio.get());
}

Result<std::string> certificate_text(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return broken("cannot write a certificate");
  }
  return text_of(bio.get());
}

Result<Certificate> read_certificate(std::string_view pem) {
  Certificate certificate;
  if (pem.size() <= kMaxPemBytes) {
    certificate.reset(PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr));
  }
  if (!certificate) {
    ERR_clear_error();
    return fail(Code::InvalidArgument, "pki.bad_certificate",
                "this is no PEM certificate: it should begin with -----BEGIN CERTIFICATE-----");
  }
  return certificate;
}

Result<Key> read_key(std::string_view pem) {
  Key key;
  // An encrypted key is refused instead of asking the terminal for a password.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  if (pem.size() <= kMaxPemBytes) {
    key.reset(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_password, nullptr));
  }
  if (!key) {
    ERR_clear_error();
    return fail(Code::InvalidArgument, "pki.bad_key",
                "this is no unencrypted PEM private key: it should begin with -----BEGIN PRIVATE "
                "KEY-----");
  }
  return key;
}

Result<void> check_name(std::string_view name, std::string_view what) {
  bool clean = !name.empty() && name.size() <= kMaxCommonName;
  for (const char character : name) {
    clean = clean && static_cast<unsigned char>(character) >= 0x20 && character != 0x7f;
  }
  if (clean) return {};
  return fail(Code::InvalidArgument, "pki.bad_name",
              fmt::format("the {} of a certificate must have 1 to {} printable bytes", what,
                          kMaxCommonName));
}

bool add_entry(X509_NAME* name, const char* field, std::string_view value) {
  const void* const raw = value.data();
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    static_cast<const unsigned char*>(raw),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] &= 0x7fU;  // positive
  const Number number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_times(X509* certificate, std::chrono::hours lifetime) {
  const auto seconds = [](std::chrono::hours hours) {
    return static_cast<long>(std::chrono::seconds(hours).count());
  };
  return X509_gmtime_adj(X509_getm_notBefore(certificate), -seconds(kBackdated)) != nullptr &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), static_cast<int>(lifetime.count() / 24),
                          seconds(lifetime % std::chrono::hours(24)), nullptr) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Names go in as values, never through OpenSSL's configuration syntax, so they cannot inject any.
bool add_alternative_names(X509* certificate, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return true;
  const GeneralNames names(sk_GENERAL_NAME_new_null());
  const auto push = [&](int type, ASN1_STRING* value) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    if (name == nullptr || value == nullptr) {
      ASN1_STRING_free(value);
      GENERAL_NAME_free(name);
      return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    return sk_GENERAL_NAME_push(names.get(), name) > 0;
  };
  for (const std::string& dns : request.dns_names) {
    ASN1_STRING* const value = ASN1_IA5STRING_new();
    if (ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size())) != 1) return false;
    if (!push(GEN_DNS, value)) return false;
  }
  for (const std::string& address : request.ip_addresses) {
    if (!push(GEN_IPADD, a2i_IPADDRESS(address.c_str()))) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const char character : name) {
    const bool letter =
        (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
    if (!letter && !(character >= '0' && character <= '9') && character != '-' &&
        character != '.') {
      return false;
    }
  }
  return true;
}

Result<void> check_request(const CertificateRequest& request) {
  ALOFT_TRY(check_name(request.common_name, "common name"));
  for (const std::string& organization : request.organizations) {
    ALOFT_TRY(check_name(organization, "organization"));
  }
  for (const std::string& name : request.dns_names) {
    if (!is_dns_name(name)) {
      return fail(Code::InvalidArgument, "pki.bad_name",
                  fmt::format("'{}' is no DNS name", name.substr(0, 64)));
    }
  }
  for (const std::string& address : request.ip_addresses) {
    std::array<unsigned char, 16> bytes{};
    if (::inet_pton(AF_INET, address.c_str(), bytes.data()) != 1 &&
        ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) {
      return fail(Code::InvalidArgument, "pki.bad_address",
                  fmt::format("'{}' is no IP address", address.substr(0, 64)));
    }
  }
  if (request.organizations.size() > kMaxOrganizations || request.dns_names.size() > kMaxNames ||
      request.ip_addresses.size() > kMaxNames) {
    return fail(Code::InvalidArgument, "pki.bad_name",
                "a certificate cannot carry that many names");
  }
  if (request.lifetime <= std::chrono::hours(0) || request.lifetime > kAuthorityLifetime) {
    return fail(Code::InvalidArgument, "pki.bad_lifetime",
                fmt::format("a certificate lives between 1 hour and 10 years, not {} hours",
                            request.lifetime.count()));
  }
  return {};
}

struct Signer {
  Certificate certificate;
  Key key;
};

Result<Signer> signer_of(const Credentials& authority) {
  auto certificate = read_certificate(authority.certificate_pem);
  auto key = read_key(authority.key_pem);
  if (!certificate || !key || X509_check_private_key(certificate->get(), key->get()) != 1 ||
      X509_check_ca(certificate->get()) == 0) {
    ERR_clear_error();
    return fail(Code::InvalidArgument, "pki.bad_authority",
                "this is no authority: its certificate cannot sign, or its key is another one's");
  }
  return Signer{std::move(*certificate), std::move(*key)};
}

Result<std::string> sign_key(const Credentials& authority, EVP_PKEY* key,
                             const CertificateRequest& request) {
  ALOFT_TRY(check_request(request));
  ALOFT_ASSIGN(const Signer signer, signer_of(authority));
  const Certificate certificate(X509_new());
  X509_NAME* const subject = certificate ? X509_get_subject_name(certificate.get()) : nullptr;
  bool good = subject != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
              set_serial(certificate.get()) && set_times(certificate.get(), request.lifetime);
  for (const std::string& organization : request.organizations) {
    good = good && add_entry(subject, "O", organization);
  }
  X509* const self = certificate.get();
  X509* const issuer = signer.certificate.get();
  good = good && add_entry(subject, "CN", request.common_name) && X509_set_pubkey(self, key) == 1 &&
         X509_set_issuer_name(self, X509_get_subject_name(issuer)) == 1 &&
         add_extension(self, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(self, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(self, issuer, NID_ext_key_usage,
                       request.usage == Usage::Host ? "serverAuth,clientAuth" : "clientAuth") &&
         add_extension(self, issuer, NID_authority_key_identifier, "keyid") &&
         add_alternative_names(self, request) &&
         X509_sign(self, signer.key.get(), EVP_sha256()) > 0;
  if (!good) return broken(fmt::format("cannot sign a certificate for {}", request.common_name));
  return certificate_text(self);
}

std::vector<std::string> entries(X509_NAME* name, int nid) {
  std::vector<std::string> result;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) continue;
    const void* const raw = utf8;
    result.emplace_back(static_cast<const char*>(raw), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
  }
  return result;
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&fields)));
}

void read_alternative_names(X509* certificate, CertificateInfo& info) {
  void* const raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr);
  const GeneralNames names(static_cast<GENERAL_NAMES*>(raw));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    const auto* const value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(name, &type));
    const void* const data = ASN1_STRING_get0_data(value);
    const int size = ASN1_STRING_length(value);
    if (type == GEN_DNS) {
      info.dns_names.emplace_back(static_cast<const char*>(data), static_cast<std::size_t>(size));
    } else if (type == GEN_IPADD && (size == 4 || size == 16)) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      ::inet_ntop(size == 4 ? AF_INET : AF_INET6, data, text.data(), text.size());
      info.ip_addresses.emplace_back(text.data());
    }
  }
}

}  // namespace

Result<Credentials> make_authority(std::string_view common_name) {
  ALOFT_TRY(check_name(common_name, "common name"));
  ALOFT_ASSIGN(const Key key, make_key());
  const Certificate certificate(X509_new());
  X509* const self = certificate.get();
  X509_NAME* const subject = self != nullptr ? X509_get_subject_name(self) : nullptr;
  const bool good =
      subject != nullptr && X509_set_version(self, X509_VERSION_3) == 1 && set_serial(self) &&
      set_times(self, kAuthorityLifetime) && add_entry(subject, "CN", common_name) &&
      X509_set_issuer_name(self, subject) == 1 && X509_set_pubkey(self, key.get()) == 1 &&
      add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(self, self, NID_subject_key_identifier, "hash") &&
      X509_sign(self, key.get(), EVP_sha256()) > 0;
  if (!good) return broken("cannot make an authority");
  Credentials made;
  ALOFT_ASSIGN(made.certificate_pem, certificate_text(self));
  ALOFT_ASSIGN(made.key_pem, key_text(key.get()));
  return made;
}

Result<Credentials> issue(const Credentials& authority, const CertificateRequest& request) {
  ALOFT_ASSIGN(const Key key, make_key());
  Credentials made;
  ALOFT_ASSIGN(made.certificate_pem, sign_key(authority, key.get(), request));
  ALOFT_ASSIGN(made.key_pem, key_text(key.get()));
  return made;
}

Result<Credentials> make_signing_request(std::string_view common_name) {
  ALOFT_TRY(check_name(common_name, "common name"));
  ALOFT_ASSIGN(const Key key, make_key());
  const Request request(X509_REQ_new());
  const Bio bio(BIO_new(BIO_s_mem()));
  const bool good = request && bio &&
                    add_entry(X509_REQ_get_subject_name(request.get()), "CN", common_name) &&
                    X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
                    X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0 &&
                    PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1;
  if (!good) return broken("cannot make a signing request");
  Credentials made;
  made.certificate_pem = text_of(bio.get());
  ALOFT_ASSIGN(made.key_pem, key_text(key.get()));
  return made;
}

Result<std::string> sign(const Credentials& authority, std::string_view signing_request_pem,
                         const CertificateRequest& request) {
  Request asked;
  if (signing_request_pem.size() <= kMaxPemBytes) {
    asked.reset(
        PEM_read_bio_X509_REQ(reader(signing_request_pem).get(), nullptr, nullptr, nullptr));
  }
  EVP_PKEY* const key = asked ? X509_REQ_get0_pubkey(asked.get()) : nullptr;
  if (key == nullptr || X509_REQ_verify(asked.get(), key) != 1) {
    ERR_clear_error();
    return fail(Code::InvalidArgument, "pki.bad_request",
                "this is no certificate request that its own key has signed");
  }
  return sign_key(authority, key, request);
}

Result<CertificateInfo> inspect(std::string_view certificate_pem) {
  ALOFT_ASSIGN(const Certificate certificate, read_certificate(certificate_pem));
  X509* const self = certificate.get();
  CertificateInfo info;
  const auto names = entries(X509_get_subject_name(self), NID_commonName);
  if (!names.empty()) info.common_name = names.back();
  info.organizations = entries(X509_get_subject_name(self), NID_organizationName);
  read_alternative_names(self, info);
  info.not_before = time_of(X509_get0_notBefore(self));
  info.not_after = time_of(X509_get0_notAfter(self));
  info.authority = X509_check_ca(self) != 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(self, EVP_sha256(), digest.data(), &size) != 1) {
    return broken("cannot take a certificate's fingerprint");
  }
  for (unsigned i = 0; i < size; ++i) info.fingerprint += fmt::format("{:02x}", digest[i]);
  return info;
}

Result<void> verify(std::string_view certificate_pem, std::string_view authority_pem,
                    WallTime now) {
  ALOFT_ASSIGN(const Certificate certificate, read_certificate(certificate_pem));
  ALOFT_ASSIGN(const Certificate authority, read_certificate(authority_pem));
  if (X509_check_ca(authority.get()) == 0 ||
      X509_check_issued(authority.get(), certificate.get()) != X509_V_OK ||
      X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) != 1) {
    ERR_clear_error();
    return fail(
        Code::Unauthenticated, "pki.untrusted",
        "the certificate is not signed by this farm's authority: it belongs to another farm");
  }
  ALOFT_ASSIGN(const CertificateInfo info, inspect(certificate_pem));
  if (now > info.not_after) {
    return fail(
        Code::Unauthenticated, "pki.expired",
        fmt::format("the certificate of {} has expired: have a new one signed", info.common_name));
  }
  if (now < info.not_before) {
    return fail(Code::Unauthenticated, "pki.not_yet_valid",
                fmt::format("the certificate of {} is not valid yet: compare the clocks of the two "
                            "hosts",
                            info.common_name));
  }
  return {};
}

Result<void> check_pair(const Credentials& credentials) {
  ALOFT_ASSIGN(const Certificate certificate, read_certificate(credentials.certificate_pem));
  ALOFT_ASSIGN(const Key key, read_key(credentials.key_pem));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return fail(Code::InvalidArgument, "pki.mismatch", "the private key is another certificate's");
  }
  return {};
}

}  // namespace aloft::pki
