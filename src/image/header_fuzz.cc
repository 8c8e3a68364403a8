#include <cstddef>
#include <cstdint>
#include <span>

#include "image/header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Whatever the bytes are: an answer, never a crash, and never a header whose size is absurd.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const aloft::image::Prefix prefix = std::as_bytes(std::span(data, size));
  static_cast<void>(aloft::image::recognise(prefix));
  static_cast<void>(aloft::image::elf_architecture(prefix));
  static_cast<void>(aloft::image::check_raw(prefix, aloft::Bytes(size)).has_value());
  const auto header = aloft::image::check_qcow2(prefix, aloft::Bytes(size));
  if (header && header->virtual_size.count() == 0) __builtin_trap();
  return 0;
}
