#include "records/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cstdint>

#include "base/assert.h"

namespace aloft::records {
namespace {

template <std::size_t Count>
std::array<std::uint8_t, Count> random_bytes() {
  static_assert(Count <= 256);  // getrandom gives that much at once or nothing
  std::array<std::uint8_t, Count> bytes{};
  ALOFT_ASSERT(::getrandom(bytes.data(), Count, 0) == static_cast<ssize_t>(Count));
  return bytes;
}

}  // namespace

std::string new_uuid() {
  auto b = random_bytes<16>();
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0FU) | 0x40U);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3FU) | 0x80U);
  std::string text;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", b.at(i));
  }
  return text;
}

std::string new_operation_id(WallTime now) {
  const auto b = random_bytes<5>();
  return fmt::format("op-{:014x}{:02x}{:02x}{:02x}{:02x}{:02x}", now.time_since_epoch().count(),
                     b[0], b[1], b[2], b[3], b[4]);
}

}  // namespace aloft::records
