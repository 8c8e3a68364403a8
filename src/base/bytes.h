// Amounts of memory and disk, with their unit.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft {

// A number of bytes, 0 .. 2^63-1.
class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr explicit Bytes(std::uint64_t count) : count_(count) {}

  [[nodiscard]] constexpr std::uint64_t count() const { return count_; }
  constexpr auto operator<=>(const Bytes&) const = default;
  constexpr Bytes operator+(Bytes other) const { return Bytes(count_ + other.count_); }
  // Requires: other <= *this.
  constexpr Bytes operator-(Bytes other) const { return Bytes(count_ - other.count_); }
  constexpr Bytes& operator+=(Bytes other) {
    count_ += other.count_;
    return *this;
  }
  constexpr Bytes& operator-=(Bytes other) {
    count_ -= other.count_;
    return *this;
  }

 private:
  std::uint64_t count_ = 0;
};

constexpr Bytes kib(std::uint64_t n) {
  return Bytes(n << 10U);
}
constexpr Bytes mib(std::uint64_t n) {
  return Bytes(n << 20U);
}
constexpr Bytes gib(std::uint64_t n) {
  return Bytes(n << 30U);
}

// Reads "512MiB", "10GiB", "1.5TiB", "4096" (bytes), "64K", "2G" (powers of 1024, as QEMU and LXC
// read them) and "10GB" (powers of 1000). Spaces between number and unit are allowed.
// Errors: InvalidArgument, reason "size.invalid" or "size.out_of_range" (over 2^63-1).
[[nodiscard]] Result<Bytes> parse_bytes(std::string_view text);

// Shortest exact form up to one decimal: "512 MiB", "1.5 GiB", "0 B".
[[nodiscard]] std::string to_string(Bytes bytes);

}  // namespace aloft
