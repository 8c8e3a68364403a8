// OCI image layouts: finds the manifest, checks every digest, lays the layers on each other.
//
// Source: OCI image specification 1.0, image-layout.md, manifest.md, layer.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/archive.h"
#include "image/files.h"
#include "image/tree_writer.h"

namespace aloft::image {

struct OciConfig {
  std::string manifest_digest;          // "sha256:..."
  std::string architecture;             // "x86_64"
  std::vector<std::string> entrypoint;  // with its arguments
  std::vector<std::string> environment;
  std::string working_directory;
};

// One blob a manifest names.
struct OciBlob {
  std::string digest;
  std::uint64_t size = 0;
};
struct OciManifest {
  OciBlob config;
  std::vector<OciBlob> layers;
};

// Is there an OCI layout in this directory?
[[nodiscard]] bool is_oci_layout(const std::string& directory);

// Lays the layers of the image `tag` (empty: the only one, or "latest") for `architecture` (ours)
// into the tree. Errors: NotFound "image.tag_not_found"; InvalidArgument "image.digest_mismatch",
// "image.corrupt", "image.architecture".
[[nodiscard]] Result<OciConfig> read_oci(const std::string& directory, const std::string& tag,
                                         std::string_view architecture, TreeWriter& tree,
                                         Meter& meter, TreeSummary& summary);

// The specification's name of an architecture: "amd64" for "x86_64".
[[nodiscard]] std::string oci_architecture(std::string_view ours);

// Pure readers of the two documents, for tests and the fuzzer.
[[nodiscard]] Result<OciManifest> parse_oci_manifest(std::string_view json);
[[nodiscard]] Result<OciConfig> parse_oci_config(std::string_view json);
// The digest of the entry of an index that fits; `is_index` says that it is an index again.
struct OciChoice {
  OciBlob blob;
  bool is_index = false;
};
[[nodiscard]] Result<OciChoice> choose_oci_manifest(std::string_view index_json,
                                                    const std::string& tag,
                                                    std::string_view architecture);

}  // namespace aloft::image
