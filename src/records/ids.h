// Identities given by the records: never guessed twice.
#pragma once

#include <string>

#include "base/instant.h"

namespace aloft::records {

// A random UUID, RFC 9562 version 4, from the kernel's generator.
[[nodiscard]] std::string new_uuid();
// A label that sorts by time: "op-" and 24 hexadecimal digits.
[[nodiscard]] std::string new_operation_id(WallTime now);

}  // namespace aloft::records
