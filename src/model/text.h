// What strings may be: UTF-8, of bounded length, free of control characters where people read them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::model {

// True for well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

// `text` with malformed bytes replaced by U+FFFD and cut to `max_bytes` at a character's border:
// what drivers and kernels say becomes storable.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t max_bytes);

// One line of printable UTF-8 of at most `max_bytes`.
// Errors: InvalidArgument "text.invalid"; the message begins with `field`.
[[nodiscard]] Result<void> check_line(std::string_view field, std::string_view text,
                                      std::size_t max_bytes);

// A path without control characters and without ".." components.
[[nodiscard]] Result<void> check_path(std::string_view field, std::string_view text);

}  // namespace aloft::model
