// What image.json and volume.json hold (docs/reference/images.md). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "image/image_store.h"

namespace aloft::image {

// Paths are not kept: they follow from the directory the record is in.
[[nodiscard]] std::string encode(const Info& info);
[[nodiscard]] std::string encode(const Volume& volume);
// Errors: DataLoss "image.record_damaged".
[[nodiscard]] Result<Info> decode_info(std::string_view json, const std::string& directory);
[[nodiscard]] Result<Volume> decode_volume(std::string_view json, const std::string& directory);

// File of the disk in an image's or volume's directory: "disk.qcow2".
[[nodiscard]] std::string_view disk_file(Format format);

}  // namespace aloft::image
