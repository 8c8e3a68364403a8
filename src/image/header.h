// What a file is, told by its first bytes: never by its name.
//
// Pure functions on a prefix; every offset and length of a header is checked before it is used,
// since images come from outside. header_fuzz.cc runs over them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace aloft::image {

enum class Kind {
  Empty,
  Qcow2,
  Raw,  // a disk with partitions, a file system or a boot record
  Tar,
  Gzip,
  Xz,
  Zstd,
  Bzip2,
  Unsupported,  // known and not taken; `description` says what it is
  Unknown,
};

struct Recognised {
  Kind kind = Kind::Unknown;
  std::string description;  // "qcow2 version 3", "disk with a GPT", "VMDK disk"
};

using Prefix = std::span<const std::byte>;

// Requires: prefix holds the first min(size, kPrefixSize) bytes of the file.
[[nodiscard]] Recognised recognise(Prefix prefix);

// A qcow2 header that may be used: no backing file, no external data file, no encryption, tables
// inside the file. Source: QEMU docs/interop/qcow2.txt.
struct Qcow2Header {
  std::uint32_t version = 0;
  Bytes virtual_size;
};
// file_size: of the whole file. Errors: InvalidArgument "image.corrupt",
// "image.backing_file_outside", "image.data_file_outside", "image.encrypted", "image.too_large".
[[nodiscard]] Result<Qcow2Header> check_qcow2(Prefix prefix, Bytes file_size);

// A raw disk whose partition table fits into the file; a shorter file was cut off.
// Errors: InvalidArgument "image.corrupt".
[[nodiscard]] Result<void> check_raw(Prefix prefix, Bytes file_size);

// Machine of an ELF file: "x86_64"; empty when it is none we know.
[[nodiscard]] std::string_view elf_architecture(Prefix prefix);

}  // namespace aloft::image
