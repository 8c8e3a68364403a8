// Keys and certificates on disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::pki {

enum class Secrecy { Private, Public };  // mode 0600 or 0644, never wider in between

// Replaces `path` by `text`: whole or not at all. Durability: flushed, with its directory.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view text,
                                      Secrecy secrecy);
// Errors: NotFound; InvalidArgument "pki.too_large" above 64 KiB; PermissionDenied
// "pki.open_secret" for a private file that others may read.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, Secrecy secrecy);

}  // namespace aloft::pki
