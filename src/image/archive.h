// Archives: libarchive's readers and its tar writer, behind Results.
//
// The only file of the room that includes libarchive. Reading is streaming: a source is read once,
// hashed as it comes, and may be a pipe. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "image/files.h"
#include "image/header.h"
#include "image/tree_writer.h"

namespace aloft::image {

// What came out of a stream, for the image's record and notes.
struct TreeSummary {
  std::uint64_t entries = 0;
  Bytes size;  // of all files
  std::uint64_t devices_left_out = 0;
  std::uint64_t sockets_left_out = 0;
  std::uint64_t absolute_paths = 0;  // whose leading "/" was dropped
};
// A sentence for each thing that was left out.
[[nodiscard]] std::vector<std::string> notes_of(const TreeSummary& summary);

enum class TarMode {
  Plain,
  Layer  // an OCI layer: ".wh." entries remove what lower layers have
};

// Reads a tar stream, compressed or not, from `fd` (file at its current offset, or pipe) into the
// tree. Adds to `summary`. hash: of every byte of the stream as it is read, to its very end.
// Errors: InvalidArgument "image.corrupt", "image.entry_outside", ...; what Meter gives.
[[nodiscard]] Result<void> read_tar(int fd, TarMode mode, TreeWriter& tree, Sha256& hash,
                                    Meter& meter, TreeSummary& summary);

// What a compressed file holds. Leaves the offset of `fd` anywhere.
[[nodiscard]] Result<Recognised> recognise_inside(int fd);

// Unpacks a compressed file that is not an archive to `to`, keeping holes; returns its size.
[[nodiscard]] Result<Bytes> unpack_file(int from, int to, Sha256& hash, Meter& meter);

// Writes the tree below `root` as a tar archive (pax) to `to`, owners shifted back.
[[nodiscard]] Result<void> write_tar(const std::string& root, const Shift& shift, int to,
                                     Meter& meter);

}  // namespace aloft::image
