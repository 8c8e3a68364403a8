// Addresses as users write them: "10.77.0.5/24", "fd00::5/64", "52:54:00:12:34:56".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::model {

struct IpPrefix {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 in the first four
  std::uint8_t length = 0;               // of the prefix: 0 .. 32 or 128

  bool operator==(const IpPrefix&) const = default;
};

// An address with a prefix length; RFC 4291 forms of IPv6 without an embedded IPv4 tail.
// Errors: InvalidArgument "address.invalid".
[[nodiscard]] Result<IpPrefix> parse_ip_prefix(std::string_view text);
// Canonical text, IPv6 as RFC 5952 says.
[[nodiscard]] std::string to_string(const IpPrefix& prefix);

// Six hexadecimal bytes, unicast, in lower case. Errors: InvalidArgument "address.invalid_mac".
[[nodiscard]] Result<std::string> parse_mac(std::string_view text);

}  // namespace aloft::model
