// A block device of a guest, or a container's root file system.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "model/object.h"

namespace aloft::model {

enum class VolumeKind { Block = 1, Directory = 2 };

struct VolumeSpec {
  static constexpr std::string_view kKind = "volume";
  static constexpr std::string_view kPlural = "volumes";

  Bytes size{};         // 0: the image's
  std::string image{};  // cloned from it; empty: blank
  VolumeKind kind = VolumeKind::Block;
  std::string guest{};  // deleted with this guest; empty: kept

  bool operator==(const VolumeSpec&) const = default;
};

struct VolumeStatus {
  std::string path{};
  std::string format{};        // "raw", "qcow2", "directory"
  std::string clone_method{};  // "reflink", "overlay", "copy", "blank"
  Bytes used{};
  bool ready = false;
  std::string message{};

  bool operator==(const VolumeStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const VolumeSpec& spec);

using Volume = Object<VolumeSpec, VolumeStatus>;

}  // namespace aloft::model
