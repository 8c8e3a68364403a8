#include "api/tls_files.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/context.hpp>

#include "pki/files.h"

namespace aloft::api {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::chrono::hours kRenewBefore{24 * 60};

Result<void> write_pair(const std::filesystem::path& directory, std::string_view name,
                        const pki::Credentials& pair) {
  ALOFT_TRY(pki::write_file(directory / fmt::format("{}.key", name), pair.key_pem,
                            pki::Secrecy::Private));
  return pki::write_file(directory / fmt::format("{}.crt", name), pair.certificate_pem,
                         pki::Secrecy::Public);
}

Result<pki::Credentials> read_pair(const std::filesystem::path& directory, std::string_view name) {
  pki::Credentials pair;
  ALOFT_ASSIGN(pair.certificate_pem,
               pki::read_file(directory / fmt::format("{}.crt", name), pki::Secrecy::Public));
  ALOFT_ASSIGN(pair.key_pem,
               pki::read_file(directory / fmt::format("{}.key", name), pki::Secrecy::Private));
  ALOFT_TRY(pki::check_pair(pair));
  return pair;
}

Result<pki::Credentials> ensure_authority(const std::filesystem::path& directory,
                                          const std::string& host_name) {
  auto present = read_pair(directory, "ca");
  if (present || present.error().code != Code::NotFound) return present;
  ALOFT_ASSIGN(auto made, pki::make_authority(fmt::format("aloft {}", host_name)));
  ALOFT_TRY(write_pair(directory, "ca", made));
  return made;
}

// The stored certificate while it is good for long enough and for these names; else a new one.
Result<pki::Credentials> ensure_issued(const std::filesystem::path& directory,
                                       std::string_view file, const pki::Credentials& authority,
                                       const pki::CertificateRequest& request) {
  if (auto present = read_pair(directory, file)) {
    const auto info = pki::inspect(present->certificate_pem);
    const auto valid = pki::verify(present->certificate_pem, authority.certificate_pem, wall_now());
    if (info && valid && info->not_after - wall_now() > kRenewBefore &&
        info->dns_names == request.dns_names && info->ip_addresses == request.ip_addresses) {
      return present;
    }
  }
  ALOFT_ASSIGN(auto made, pki::issue(authority, request));
  ALOFT_TRY(write_pair(directory, file, made));
  return made;
}

}  // namespace

Result<TlsFiles> ensure_tls_files(const std::filesystem::path& directory,
                                  const std::string& host_name,
                                  const std::vector<std::string>& names) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return std::unexpected(system_error(error.value(), "api.pki_directory",
                                        fmt::format("making {}", directory.string())));
  }
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  ALOFT_ASSIGN(const auto authority, ensure_authority(directory, host_name));

  pki::CertificateRequest server;
  server.common_name = host_name;
  server.usage = pki::Usage::Host;
  server.dns_names = {"localhost"};
  if (host_name != "localhost") server.dns_names.push_back(host_name);
  server.ip_addresses = {"127.0.0.1", "::1"};
  for (const std::string& name : names) {
    boost::system::error_code not_an_address;
    boost::asio::ip::make_address(name, not_an_address);
    auto& list = not_an_address ? server.dns_names : server.ip_addresses;
    if (std::ranges::count(list, name) == 0) list.push_back(name);
  }
  TlsFiles files;
  files.authority_pem = authority.certificate_pem;
  ALOFT_ASSIGN(files.server, ensure_issued(directory, "api", authority, server));

  pki::CertificateRequest admin;
  admin.common_name = "admin";
  admin.organizations = {"admin"};
  ALOFT_TRY(ensure_issued(directory, "admin", authority, admin));
  return files;
}

Result<void> configure_tls(const TlsFiles& files, ssl::context& context) {
  boost::system::error_code error;
  const auto check = [&](std::string_view what) -> Result<void> {
    if (!error) return {};
    return fail(Code::FailedPrecondition, "api.tls",
                fmt::format("the TLS {} cannot be used: {}", what, error.message()));
  };
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                          ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                          ssl::context::no_tlsv1_1,
                      error);
  ALOFT_TRY(check("options"));
  context.use_certificate_chain(boost::asio::buffer(files.server.certificate_pem), error);
  ALOFT_TRY(check("certificate"));
  context.use_private_key(boost::asio::buffer(files.server.key_pem), ssl::context::pem, error);
  ALOFT_TRY(check("key"));
  context.add_certificate_authority(boost::asio::buffer(files.authority_pem), error);
  ALOFT_TRY(check("authority"));
  context.set_verify_mode(ssl::verify_peer, error);
  return check("verification");
}

}  // namespace aloft::api
