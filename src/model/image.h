// What guests are cloned from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "model/object.h"

namespace aloft::model {

struct ImageSpec {
  static constexpr std::string_view kKind = "image";
  static constexpr std::string_view kPlural = "images";

  std::string source{};  // a path, a directory, "oci:PATH[:TAG]", "debian:SUITE", "upload"
  Technique technique = Technique::Unspecified;  // unspecified: by content
  Architecture architecture = Architecture::Unspecified;
  std::string kernel{};  // for direct boot: a path to import with the image
  std::string initrd{};
  std::string kernel_arguments{};

  bool operator==(const ImageSpec&) const = default;
};

struct ImageStatus {
  bool ready = false;
  std::string format{};  // "qcow2", "raw", "directory"
  Bytes size{};          // virtual size of a disk, bytes of a tree
  Bytes stored{};
  std::string sha256{};  // of what was imported
  Technique technique = Technique::Unspecified;
  Architecture architecture = Architecture::Unspecified;
  std::string message{};
  WallTime imported_at{};
  std::string path{};
  std::vector<std::string> entrypoint{};  // of an OCI image

  bool operator==(const ImageStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const ImageSpec& spec);

using Image = Object<ImageSpec, ImageStatus>;

}  // namespace aloft::model
