// The keys of the API: an authority of its own, a certificate for this host, one for an admin.
//
// Made at the first start below STATE/pki: ca.crt and ca.key, api.crt and api.key, admin.crt and
// admin.key. Renewed before they end. Client certificates of the same authority are trusted; their
// organization (O=) is their role.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "pki/authority.h"

namespace boost::asio::ssl {
class context;
}

namespace aloft::api {

struct TlsFiles {
  std::string authority_pem;
  pki::Credentials server;
};

// Errors: those of pki; FailedPrecondition when a key does not fit its certificate.
[[nodiscard]] Result<TlsFiles> ensure_tls_files(const std::filesystem::path& directory,
                                                const std::string& host_name,
                                                const std::vector<std::string>& names);

// TLS 1.2 or newer; client certificates are asked for, not required.
[[nodiscard]] Result<void> configure_tls(const TlsFiles& files, boost::asio::ssl::context& context);

}  // namespace aloft::api
