// A small seeded generator for simulations and tests: xoshiro256** of Blackman and Vigna, seeded
// by splitmix64. The same seed gives the same numbers on every machine. Not for secrets.
#pragma once

#include <array>
#include <cstdint>

namespace aloft {

class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound). Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high]. Requires: low <= high.
  std::int64_t between(std::int64_t low, std::int64_t high);
  // True with probability numerator / denominator.
  bool chance(std::uint32_t numerator, std::uint32_t denominator);
  // Uniform in [0, 1).
  double unit();
  // An independent generator; drawing from one never changes the other.
  Random fork();

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace aloft
