// An OCI layout made by hand in a scratch directory, for the tests of this room.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "image/sample_files.h"

namespace aloft::image {

class SampleOci {
 public:
  [[nodiscard]] std::string path() const { return scratch_ / "layout"; }
  [[nodiscard]] std::string blob_path(const std::string& digest) const {
    return path() + "/blobs/sha256/" + digest;
  }
  [[nodiscard]] const std::vector<std::string>& layers() const { return layers_; }
  [[nodiscard]] const std::string& manifest_digest() const { return manifest_; }
  void set_tag(std::string tag) { tag_ = std::move(tag); }
  void overwrite(const std::string& blob, std::string_view text) const {
    scratch_.write(blob.substr(scratch_.path().size() + 1), text);
  }

  void add_layer(const std::string& tar) {
    const auto [digest, descriptor] = add(tar, "application/vnd.oci.image.layer.v1.tar");
    layers_.push_back(digest);
    layer_texts_ += (layer_texts_.empty() ? "" : ",") + descriptor;
  }
  // Writes configuration, manifest and index.
  void finish() {
    const auto [config, config_text] =
        add(R"({"architecture":"amd64","os":"linux","config":{"Entrypoint":["/bin/server"],)"
            R"("Cmd":["--port","80"],"Env":["PATH=/bin"],"WorkingDir":"/srv"}})",
            "application/vnd.oci.image.config.v1+json");
    const auto [manifest, manifest_text] =
        add(fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})", config_text,
                        layer_texts_),
            "application/vnd.oci.image.manifest.v1+json");
    manifest_ = manifest;
    std::string entry = manifest_text;
    entry.pop_back();
    entry += fmt::format(R"(,"annotations":{{"org.opencontainers.image.ref.name":"{}"}}}})", tag_);
    scratch_.write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    scratch_.write("layout/index.json",
                   fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", entry));
  }

 private:
  struct Added {
    std::string digest;
    std::string descriptor;
  };
  Added add(std::string_view text, std::string_view type) {
    std::string digest = sha256_of(text);
    scratch_.write("layout/blobs/sha256/" + digest, text);
    std::string descriptor = fmt::format(R"({{"mediaType":"{}","digest":"sha256:{}","size":{}}})",
                                         type, digest, text.size());
    return {std::move(digest), std::move(descriptor)};
  }

  Scratch scratch_;
  std::vector<std::string> layers_;
  std::string layer_texts_;
  std::string manifest_;
  std::string tag_ = "latest";
};

}  // namespace aloft::image
