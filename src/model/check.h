// Small checks that the validations of this room share; each error names the field and what is
// allowed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace aloft::model {

[[nodiscard]] Result<void> check_number(std::string_view field, std::uint64_t value,
                                        std::uint64_t low, std::uint64_t high);
[[nodiscard]] Result<void> check_size(std::string_view field, Bytes value, Bytes low, Bytes high);
// A label, or empty.
[[nodiscard]] Result<void> check_optional_name(std::string_view field, std::string_view text);
[[nodiscard]] Result<void> check_options(std::string_view field,
                                         const std::map<std::string, std::string>& options,
                                         std::size_t max_count, std::size_t max_key_bytes,
                                         std::size_t max_value_bytes);

}  // namespace aloft::model
