// Copies a directory tree, as source of an image or as root of a container.
//
// Links are never followed, other file systems are not entered, device nodes and sockets are left
// out. Hard links stay hard links.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "image/archive.h"
#include "image/files.h"
#include "image/tree_writer.h"

namespace aloft::image {

struct TreeCopyOptions {
  std::uint32_t source_base = 0;  // owner on the host minus this = owner in the tree
  bool reflink = true;            // share blocks where the file system can
  Sha256* hash = nullptr;         // of names, modes, owners and contents
};

// Copies what is in `source` into `tree`. Counts into `summary`.
[[nodiscard]] Result<void> copy_tree(const std::string& source, const TreeCopyOptions& options,
                                     TreeWriter& tree, Meter& meter, TreeSummary& summary);

}  // namespace aloft::image
