// Files and archives made by hand, for the tests of this room.
//
// Tar entries are written byte by byte: no tool makes the ones that attack.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "image/files.h"

namespace aloft::image {

// A directory that goes away with this object.
class Scratch {
 public:
  Scratch() {
    const char* base = ::getenv("TMPDIR");
    std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/aloft-image-XXXXXX";
    path_ = ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  // Writes a file and gives its path.
  std::string write(std::string_view name, std::string_view text) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary).write(text.data(), std::ssize(text));
    return path;
  }

 private:
  std::string path_;
};

inline std::string read_back(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.hex();
}

// One entry of a tar archive (POSIX ustar); type as there: '0' file, '1' hard link, '2' symbolic
// link, '3' character device, '5' directory, '6' fifo.
struct TarEntry {
  std::string_view name;
  char type = '0';
  std::string_view content{};
  std::string_view link{};
  unsigned mode = 0644;
  unsigned owner = 0;
};

inline void put_octal(std::string& header, std::size_t at, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i + 1 < size; ++i) {
    header[at + size - 2 - i] = static_cast<char>('0' + (value >> (3 * i) & 7U));
  }
}

inline std::string tar_entry(const TarEntry& entry) {
  constexpr std::size_t kBlock = 512;
  std::string header(kBlock, '\0');
  header.replace(0, entry.name.size(), entry.name);
  put_octal(header, 100, 8, entry.mode);
  put_octal(header, 108, 8, entry.owner);
  put_octal(header, 116, 8, entry.owner);
  put_octal(header, 124, 12, entry.content.size());
  put_octal(header, 136, 12, 1'700'000'000);
  header[156] = entry.type;
  header.replace(157, entry.link.size(), entry.link);
  header.replace(257, 8, std::string_view("ustar\00000", 8));
  header.replace(148, 8, "        ");
  std::uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put_octal(header, 148, 7, sum);
  header[154] = '\0';
  std::string content(entry.content);
  content.resize((content.size() + kBlock - 1) / kBlock * kBlock);
  return header + content;
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

// A qcow2 version 3 header with its fields, and room for the tables it points at.
struct Qcow2Fields {
  std::uint64_t backing_offset = 0;
  std::uint64_t virtual_size = 1U << 20U;
  std::uint64_t features = 0;
  std::uint32_t version = 3;
  std::uint32_t cluster_bits = 16;
  std::uint32_t encryption = 0;
  std::uint32_t l1_entries = 1;
  std::uint64_t l1_offset = 0x30000;
  std::uint32_t refcount_clusters = 1;
};

inline std::string qcow2_file(const Qcow2Fields& fields) {
  std::string file(std::size_t{4} << 16U, '\0');
  const auto put = [&file](std::size_t at, std::size_t size, std::uint64_t value) {
    for (std::size_t i = 0; i < size; ++i) {
      file[at + size - 1 - i] = static_cast<char>(value >> (8 * i) & 0xFFU);
    }
  };
  file.replace(0, 4, "QFI\xfb");
  put(4, 4, fields.version);
  put(8, 8, fields.backing_offset);
  put(16, 4, fields.backing_offset == 0 ? 0 : 11);
  if (fields.backing_offset != 0) file.replace(fields.backing_offset, 11, "/etc/passwd");
  put(20, 4, fields.cluster_bits);
  put(24, 8, fields.virtual_size);
  put(32, 4, fields.encryption);
  put(36, 4, fields.l1_entries);
  put(40, 8, fields.l1_offset);
  put(48, 8, 0x10000);
  put(56, 4, fields.refcount_clusters);
  put(72, 8, fields.features);
  put(96, 4, 4);
  put(100, 4, 104);
  return file;
}

// A raw disk of `sectors` with one partition that ends with sector `partition_end`.
inline std::string raw_disk(std::uint32_t sectors, std::uint32_t partition_end) {
  std::string disk(std::size_t{sectors} * 512, '\0');
  const auto put = [&disk](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
      disk[at + i] = static_cast<char>(value >> (8 * i) & 0xFFU);
    }
  };
  disk[446 + 4] = '\x83';
  put(446 + 8, 1);
  put(446 + 12, partition_end);
  disk[510] = '\x55';
  disk[511] = '\xaa';
  if (disk.size() > 1024) disk.replace(1024, 5, "hello");
  return disk;
}

}  // namespace aloft::image
