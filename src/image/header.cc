#include "image/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "image/limits.h"

namespace aloft::image {
namespace {

constexpr std::size_t kSector = 512;

// Reads that answer 0 past the end, so that a short file is only "not this format".
std::uint64_t big_endian(Prefix data, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t at = offset + i;
    value = value << 8U | (at < data.size() ? std::to_integer<std::uint64_t>(data[at]) : 0U);
  }
  return value;
}
std::uint64_t little_endian(Prefix data, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) {
    const std::size_t at = offset + i - 1;
    value = value << 8U | (at < data.size() ? std::to_integer<std::uint64_t>(data[at]) : 0U);
  }
  return value;
}

bool has(Prefix data, std::size_t offset, std::string_view magic) {
  if (offset > data.size() || data.size() - offset < magic.size()) return false;
  for (std::size_t i = 0; i < magic.size(); ++i) {
    if (std::to_integer<unsigned char>(data[offset + i]) != static_cast<unsigned char>(magic[i])) {
      return false;
    }
  }
  return true;
}

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  Kind kind;
  std::string_view description;
};

using namespace std::string_view_literals;

constexpr std::array<Magic, 24> kMagics{{
    {0, "QFI\xfb"sv, Kind::Qcow2, "qcow2 disk"},
    {0, "\x1f\x8b"sv, Kind::Gzip, "gzip"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     Kind::Xz, "xz"},
    {0, "\x28\xb5\x2f\xfd"sv, Kind::Zstd, "zstd"},
    {0, "BZh"sv, Kind::Bzip2, "bzip2"},
    {0, "KDMV"sv, Kind::Unsupported, "VMDK disk"},
    {0, "COWD"sv, Kind::Unsupported, "VMDK disk"},
    {0, "# Disk Desc"sv, Kind::Unsupported, "VMDK descriptor"},
    {0, "vhdxfile"sv, Kind::Unsupported, "VHDX disk"},
    {0, "conectix"sv, Kind::Unsupported, "VHD disk"},
    {0x40, "\x7f\x10\xda\xbe"sv, Kind::Unsupported, "VDI disk"},
    {0, "QED\0"sv, Kind::Unsupported, "QED disk"},
    {0, "WithoutFreeSpace"sv, Kind::Unsupported, "Parallels disk"},
    {0, "LUKS\xba\xbe"sv, Kind::Unsupported, "LUKS encrypted disk"},
    {0, "PK\x03\x04"sv, Kind::Unsupported, "zip archive"},
    {0, "!<arch>\n"sv, Kind::Unsupported, "ar archive or Debian package"},
    {257, "ustar"sv, Kind::Tar, "tar archive"},
    {kSector, "EFI PART"sv, Kind::Raw, "disk with a GPT"},
    {4096, "EFI PART"sv, Kind::Raw, "disk with a GPT of 4096-byte sectors"},
    {32'769, "CD001"sv, Kind::Raw, "ISO 9660 medium"},
    {0, "XFSB"sv, Kind::Raw, "XFS file system"},
    {65'600, "_BHRfS_M"sv, Kind::Raw, "btrfs file system"},
    {0, "hsqs"sv, Kind::Raw, "squashfs file system"},
    {1080, "\x53\xef"sv, Kind::Raw, "ext file system"},
}};

// The checksum of a tar header without a magic number (version 7) is its only mark.
bool is_old_tar(Prefix data) {
  constexpr std::size_t kChecksum = 148;
  if (data.size() < kSector || data[0] == std::byte{0}) return false;
  std::uint64_t written = 0;
  bool digits = false;
  for (std::size_t i = kChecksum; i < kChecksum + 8; ++i) {
    const auto c = std::to_integer<unsigned char>(data[i]);
    if (c >= '0' && c <= '7') {
      written = written * 8 + (c - '0');
      digits = true;
    } else if (digits) {
      break;
    } else if (c != ' ') {
      return false;
    }
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kSector; ++i) {
    const bool blank = i >= kChecksum && i < kChecksum + 8;
    sum += blank ? std::uint64_t{' '} : std::to_integer<std::uint64_t>(data[i]);
  }
  return digits && sum == written;
}

Error corrupt(std::string message) {
  return Error{Code::InvalidArgument, "image.corrupt", std::move(message)};
}

bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

}  // namespace

Recognised recognise(Prefix prefix) {
  if (prefix.empty()) return {Kind::Empty, "empty file"};
  for (const Magic& magic : kMagics) {
    if (has(prefix, magic.offset, magic.bytes)) return {magic.kind, std::string(magic.description)};
  }
  if (is_old_tar(prefix)) return {Kind::Tar, "tar archive"};
  if (has(prefix, 510, "\x55\xaa"sv)) return {Kind::Raw, "disk with a boot record"};
  return {Kind::Unknown, "unknown format"};
}

Result<Qcow2Header> check_qcow2(Prefix prefix, Bytes file_size) {
  constexpr std::uint64_t kDirty = 1U, kCorrupt = 2U, kDataFile = 4U, kCompression = 8U,
                          kExtendedL2 = 16U;
  constexpr std::uint64_t kKnown = kDirty | kCorrupt | kDataFile | kCompression | kExtendedL2;
  const std::uint64_t end = file_size.count();
  const auto version = static_cast<std::uint32_t>(big_endian(prefix, 4, 4));
  const std::size_t header_size = version == 2 ? 72 : 104;
  if (prefix.size() < header_size) {
    return std::unexpected(corrupt("the qcow2 header is cut off; fetch the image again"));
  }
  if (version != 2 && version != 3) {
    return std::unexpected(
        corrupt(fmt::format("qcow2 version {} is not known (2 and 3 are)", version)));
  }
  if (big_endian(prefix, 8, 8) != 0 || big_endian(prefix, 16, 4) != 0) {
    return fail(Code::InvalidArgument, "image.backing_file_outside",
                "the qcow2 header points at a backing file, which may be any file of this host; "
                "make it self-contained: qemu-img convert -O qcow2 OLD NEW");
  }
  const std::uint64_t cluster_bits = big_endian(prefix, 20, 4);
  if (cluster_bits < 9 || cluster_bits > 21) {
    return std::unexpected(
        corrupt(fmt::format("the qcow2 header says clusters of 2^{} bytes", cluster_bits)));
  }
  if (big_endian(prefix, 32, 4) != 0) {
    return fail(Code::InvalidArgument, "image.encrypted",
                "the qcow2 image is encrypted and Aloft has no key; decrypt it first: "
                "qemu-img convert -O qcow2");
  }
  if (version == 3) {
    const std::uint64_t features = big_endian(prefix, 72, 8);
    if ((features & kDataFile) != 0) {
      return fail(Code::InvalidArgument, "image.data_file_outside",
                  "the qcow2 header points at an external data file, which may be any file of "
                  "this host; make it self-contained: qemu-img convert -O qcow2 OLD NEW");
    }
    if ((features & kCorrupt) != 0) {
      return std::unexpected(
          corrupt("the qcow2 image is marked corrupt; repair it: qemu-img check -r all FILE"));
    }
    if ((features & ~kKnown) != 0) {
      return std::unexpected(
          corrupt(fmt::format("the qcow2 image needs unknown features ({:#x})", features)));
    }
    const std::uint64_t length = big_endian(prefix, 100, 4);
    if (length < 104 || length > (std::uint64_t{1} << cluster_bits)) {
      return std::unexpected(corrupt(fmt::format("the qcow2 header says it is {} bytes", length)));
    }
  }
  const std::uint64_t virtual_size = big_endian(prefix, 24, 8);
  if (virtual_size == 0) {
    return std::unexpected(corrupt("the disk in the qcow2 image has a size of 0"));
  }
  if (virtual_size > kMaxVirtualSize.count()) {
    return fail(Code::InvalidArgument, "image.too_large",
                fmt::format("the disk in the qcow2 image is {} bytes, more than {}", virtual_size,
                            to_string(kMaxVirtualSize)));
  }
  const std::uint64_t l1_size = big_endian(prefix, 36, 4) * 8;
  const std::uint64_t table_size = big_endian(prefix, 56, 4) << cluster_bits;
  if (!inside(big_endian(prefix, 40, 8), l1_size, end) ||
      !inside(big_endian(prefix, 48, 8), table_size, end)) {
    return std::unexpected(
        corrupt("the qcow2 image is cut off: its tables lie behind its end; fetch it again"));
  }
  return Qcow2Header{version, Bytes(virtual_size)};
}

Result<void> check_raw(Prefix prefix, Bytes file_size) {
  if (file_size.count() % kSector != 0) {
    return std::unexpected(corrupt(
        fmt::format("the disk is {} bytes, no multiple of 512: it was cut off; fetch it again",
                    file_size.count())));
  }
  const std::uint64_t sectors = file_size.count() / kSector;
  std::uint64_t needed = 0;
  if (has(prefix, kSector, "EFI PART"sv)) {
    needed = little_endian(prefix, kSector + 32, 8);  // where the second table lies
    if (needed >= sectors) {
      return std::unexpected(corrupt(fmt::format(
          "the disk has {} sectors but its GPT ends at sector {}: it was cut off; fetch it again",
          sectors, needed)));
    }
    return {};
  }
  if (!has(prefix, 510, "\x55\xaa"sv) || has(prefix, 32'769, "CD001"sv)) return {};
  // A boot sector of a file system (FAT, NTFS) carries the same mark: its "partitions" are code.
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t entry = 446 + i * 16;
    const std::uint64_t status = little_endian(prefix, entry, 1);
    if (status != 0 && status != 0x80) return {};
    if (little_endian(prefix, entry + 4, 1) == 0) continue;
    needed = std::max(needed,
                      little_endian(prefix, entry + 8, 4) + little_endian(prefix, entry + 12, 4));
  }
  if (needed > sectors) {
    return std::unexpected(corrupt(fmt::format(
        "the disk has {} sectors but its partitions end at sector {}: it was cut off; fetch it "
        "again",
        sectors, needed)));
  }
  return {};
}

std::string_view elf_architecture(Prefix prefix) {
  if (!has(prefix, 0,
           "\x7f"
           "ELF"sv) ||
      prefix.size() < 20) {
    return {};
  }
  const bool little = std::to_integer<int>(prefix[5]) == 1;
  const bool wide = std::to_integer<int>(prefix[4]) == 2;
  const std::uint64_t machine = little ? little_endian(prefix, 18, 2) : big_endian(prefix, 18, 2);
  switch (machine) {
    case 62:
      return wide ? "x86_64" : "";
    case 183:
      return "aarch64";
    case 21:
      return little ? "ppc64le" : "ppc64";
    case 22:
      return wide ? "s390x" : "";
    case 243:
      return wide ? "riscv64" : "";
    default:
      return {};
  }
}

}  // namespace aloft::image
