#include "base/assert.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace aloft {

void assertion_failed(std::string_view expression, std::string_view file, int line) {
  fmt::print(stderr, "{}:{}: assertion failed: {}\n", file, line, expression);
  std::fflush(stderr);
  std::abort();
}

}  // namespace aloft
