#include <cstddef>
#include <cstdint>
#include <string_view>

#include "image/image_store.h"
#include "image/oci.h"
#include "image/tree_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Documents and names from outside: an answer, never a crash; a clean path never leads out.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(aloft::image::choose_oci_manifest(text, "", "x86_64").has_value());
  static_cast<void>(aloft::image::parse_oci_manifest(text).has_value());
  static_cast<void>(aloft::image::parse_oci_config(text).has_value());
  static_cast<void>(aloft::image::check_user_data(text).has_value());
  static_cast<void>(aloft::image::shift_capability(text, 1));
  const auto path = aloft::image::clean_entry_path(text);
  if (path && (path->starts_with('/') || path->find("..") == 0)) {
    if (path->starts_with('/') || *path == ".." || path->starts_with("../")) __builtin_trap();
  }
  return 0;
}
