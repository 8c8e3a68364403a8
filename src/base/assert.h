// Assertions that stay on in release builds and abort.
//
// An abort of aloftd or aloft-volumed costs the guests nothing: they live in other processes.
// Never assert on input from outside; give it an Error.
#pragma once

#include <string_view>

namespace aloft {

[[noreturn]] void assertion_failed(std::string_view expression, std::string_view file, int line);

}  // namespace aloft

#define ALOFT_ASSERT(condition)                                  \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::aloft::assertion_failed(#condition, __FILE__, __LINE__); \
  } while (false)
