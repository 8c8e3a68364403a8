#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "pki/authority.h"
#include "pki/files.h"
#include "pki/token.h"

namespace aloft::pki {
namespace {

CertificateRequest host_request() {
  CertificateRequest request;
  request.common_name = "h1";
  request.organizations = {"aloft:host"};
  request.dns_names = {"h1", "h1.example.org"};
  request.ip_addresses = {"10.0.0.1", "fd00::1"};
  request.usage = Usage::Host;
  return request;
}

TEST(Authority, signs_certificates_that_carry_what_was_asked) {
  const auto authority = make_authority("farm one").value();
  const auto host = issue(authority, host_request()).value();
  const auto info = inspect(host.certificate_pem).value();
  EXPECT_EQ(info.common_name, "h1");
  EXPECT_EQ(info.organizations, std::vector<std::string>{"aloft:host"});
  EXPECT_EQ(info.dns_names, (std::vector<std::string>{"h1", "h1.example.org"}));
  EXPECT_EQ(info.ip_addresses, (std::vector<std::string>{"10.0.0.1", "fd00::1"}));
  EXPECT_FALSE(info.authority);
  EXPECT_EQ(info.fingerprint.size(), 64U);
  EXPECT_TRUE(inspect(authority.certificate_pem).value().authority);
  EXPECT_TRUE(verify(host.certificate_pem, authority.certificate_pem, wall_now()));
  EXPECT_TRUE(check_pair(host));
}

TEST(Authority, knows_the_certificates_of_another_farm_and_of_another_time) {
  const auto authority = make_authority("farm one").value();
  const auto other = make_authority("farm one").value();
  const auto host = issue(authority, host_request()).value();
  EXPECT_EQ(verify(host.certificate_pem, other.certificate_pem, wall_now()).error().reason,
            "pki.untrusted");
  const auto later = wall_now() + std::chrono::hours(24 * 366);
  EXPECT_EQ(verify(host.certificate_pem, authority.certificate_pem, later).error().reason,
            "pki.expired");
  // Clocks of hosts may differ by hours.
  EXPECT_TRUE(
      verify(host.certificate_pem, authority.certificate_pem, wall_now() - std::chrono::hours(12)));
  const auto earlier = wall_now() - std::chrono::hours(48);
  EXPECT_EQ(verify(host.certificate_pem, authority.certificate_pem, earlier).error().reason,
            "pki.not_yet_valid");
  EXPECT_EQ(verify(host.certificate_pem, host.certificate_pem, wall_now()).error().reason,
            "pki.untrusted");
}

TEST(Authority, signs_a_request_without_seeing_its_key) {
  const auto authority = make_authority("farm").value();
  const auto asked = make_signing_request("whatever it calls itself").value();
  const auto certificate = sign(authority, asked.certificate_pem, host_request()).value();
  EXPECT_EQ(inspect(certificate).value().common_name, "h1");
  EXPECT_TRUE(check_pair({certificate, asked.key_pem}));
  EXPECT_FALSE(check_pair({certificate, authority.key_pem}));
}

TEST(Authority, refuses_bad_input_with_words) {
  const auto authority = make_authority("farm").value();
  EXPECT_EQ(make_authority("").error().reason, "pki.bad_name");
  EXPECT_EQ(make_authority(std::string(65, 'x')).error().reason, "pki.bad_name");
  const auto reason = [&](auto change) {
    CertificateRequest request = host_request();
    change(request);
    const auto made = issue(authority, request);
    return made ? std::string("accepted") : made.error().reason;
  };
  EXPECT_EQ(reason([](auto& r) { r.common_name = "a\nb"; }), "pki.bad_name");
  EXPECT_EQ(reason([](auto& r) { r.dns_names = {"a,IP:1.2.3.4"}; }), "pki.bad_name");
  EXPECT_EQ(reason([](auto& r) { r.ip_addresses = {"1.2.3"}; }), "pki.bad_address");
  EXPECT_EQ(reason([](auto& r) { r.lifetime = std::chrono::hours(0); }), "pki.bad_lifetime");
  EXPECT_EQ(reason([](auto& r) { r.lifetime = std::chrono::hours(1'000'000'000); }),
            "pki.bad_lifetime");
  EXPECT_EQ(reason([](auto& r) { r.dns_names = std::vector<std::string>(65, "x"); }),
            "pki.bad_name");

  const auto host = issue(authority, host_request()).value();
  EXPECT_EQ(issue(host, host_request()).error().reason, "pki.bad_authority");
  EXPECT_EQ(issue({authority.certificate_pem, host.key_pem}, host_request()).error().reason,
            "pki.bad_authority");
  EXPECT_EQ(sign(authority, "nonsense", host_request()).error().reason, "pki.bad_request");
  EXPECT_EQ(sign(authority, host.certificate_pem, host_request()).error().reason,
            "pki.bad_request");
  EXPECT_EQ(inspect("").error().reason, "pki.bad_certificate");
  EXPECT_EQ(inspect(std::string(1 << 20, 'x')).error().reason, "pki.bad_certificate");
}

TEST(Token, is_long_random_and_safe_in_urls) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string token = make_token();
    EXPECT_EQ(token.size(), 43U);
    EXPECT_EQ(
        token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        std::string::npos);
    seen.insert(token);
  }
  EXPECT_EQ(seen.size(), 1000U);
  // SHA-256 of "abc", FIPS 180-4.
  EXPECT_EQ(hash_token("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_FALSE(equal_secrets("abc", "abd"));
  EXPECT_FALSE(equal_secrets("abc", "abcd"));
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "aloft-pki-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  static unsigned mode(const std::filesystem::path& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777U : 0;
  }
  std::filesystem::path directory_;
};

TEST_F(Files, secrets_are_for_their_owner_only) {
  ASSERT_TRUE(write_file(directory_ / "key", "secret", Secrecy::Private));
  ASSERT_TRUE(write_file(directory_ / "certificate", "public", Secrecy::Public));
  EXPECT_EQ(mode(directory_ / "key"), 0600U);
  EXPECT_EQ(mode(directory_ / "certificate"), 0644U);
  EXPECT_EQ(read_file(directory_ / "key", Secrecy::Private).value(), "secret");
  ::chmod((directory_ / "key").c_str(), 0640);
  EXPECT_EQ(read_file(directory_ / "key", Secrecy::Private).error().reason, "pki.open_secret");
}

TEST_F(Files, a_write_leaves_nothing_else_behind) {
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(write_file(directory_ / "x", std::to_string(i), Secrecy::Public));
  EXPECT_EQ(read_file(directory_ / "x", Secrecy::Public).value(), "2");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
  EXPECT_EQ(write_file(directory_ / "none" / "x", "", Secrecy::Public).error().code,
            Code::NotFound);
  EXPECT_EQ(read_file(directory_ / "none", Secrecy::Public).error().code, Code::NotFound);
  ASSERT_TRUE(write_file(directory_ / "large", std::string(70'000, 'x'), Secrecy::Public));
  EXPECT_EQ(read_file(directory_ / "large", Secrecy::Public).error().reason, "pki.too_large");
}

}  // namespace
}  // namespace aloft::pki
