#include "image/oci.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "image/limits.h"

namespace aloft::image {
namespace {

using Json = nlohmann::json;

Error corrupt(std::string message) {
  return Error{Code::InvalidArgument, "image.corrupt", std::move(message)};
}

Result<Json> parse(std::string_view text, std::string_view what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return std::unexpected(corrupt(fmt::format("the OCI {} is not a JSON object", what)));
  }
  return json;
}

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const Json& object, const char* key) {
  std::vector<std::string> texts;
  if (!object.is_object()) return texts;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return texts;
  for (const Json& item : *found) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

Json member(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

Result<OciBlob> blob_of(const Json& descriptor) {
  constexpr std::string_view kPrefix = "sha256:";
  constexpr std::size_t kHexSize = 64;
  OciBlob blob;
  blob.digest = text_of(descriptor, "digest");
  const bool hex =
      blob.digest.starts_with(kPrefix) && blob.digest.size() == kPrefix.size() + kHexSize &&
      blob.digest.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string::npos;
  if (!hex) {
    return std::unexpected(corrupt(fmt::format("'{:.100}' is not a sha256 digest", blob.digest)));
  }
  const Json size = member(descriptor, "size");
  if (!size.is_number_unsigned()) {
    return std::unexpected(corrupt(fmt::format("the OCI blob {} has no size", blob.digest)));
  }
  blob.size = size.get<std::uint64_t>();
  return blob;
}

struct ArchitectureName {
  std::string_view oci;
  std::string_view ours;
};
constexpr std::array<ArchitectureName, 6> kArchitectures{{{"amd64", "x86_64"},
                                                          {"arm64", "aarch64"},
                                                          {"ppc64le", "ppc64le"},
                                                          {"ppc64", "ppc64"},
                                                          {"s390x", "s390x"},
                                                          {"riscv64", "riscv64"}}};
std::string our_architecture(std::string_view oci) {
  for (const ArchitectureName& name : kArchitectures) {
    if (name.oci == oci) return std::string(name.ours);
  }
  return std::string(oci);
}

bool is_index_type(const std::string& media_type) {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

// Opens a regular file of the layout. The layout may come out of an archive: links that lead out
// of it are not followed, and nothing is waited for.
Result<UniqueFd> open_in_layout(const std::string& directory, const std::string& name) {
  ALOFT_ASSIGN(const UniqueFd root, open_fd(directory, O_RDONLY | O_DIRECTORY));
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root.get(), name.c_str(), &how, sizeof how)));
  struct stat status{};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::unexpected(
        corrupt(fmt::format("the OCI layout has no file '{}'; fetch the image again", name)));
  }
  return fd;
}

Result<UniqueFd> open_blob(const std::string& directory, const OciBlob& blob) {
  auto fd =
      open_in_layout(directory, "blobs/sha256/" + blob.digest.substr(blob.digest.find(':') + 1));
  struct stat status{};
  if (!fd || ::fstat(fd->get(), &status) != 0) {
    return std::unexpected(corrupt(
        fmt::format("the OCI layout lacks the blob {}; fetch the image again", blob.digest)));
  }
  if (static_cast<std::uint64_t>(status.st_size) != blob.size) {
    return fail(Code::InvalidArgument, "image.digest_mismatch",
                fmt::format("the OCI blob {} has {} bytes instead of {}; fetch the image again",
                            blob.digest, status.st_size, blob.size));
  }
  return fd;
}

Result<void> compare(const OciBlob& blob, Sha256& hash) {
  const std::string found = hash.hex();
  if ("sha256:" + found == blob.digest) return {};
  return fail(Code::InvalidArgument, "image.digest_mismatch",
              fmt::format("the OCI blob {} is not what its digest says (it is {}); fetch the image "
                          "again",
                          blob.digest, found));
}

std::string to_text(const std::vector<std::byte>& data) {
  std::string text(data.size(), '\0');
  std::ranges::transform(data, text.begin(),
                         [](std::byte byte) { return std::to_integer<char>(byte); });
  return text;
}

Result<std::string> read_index(const std::string& directory) {
  ALOFT_ASSIGN(const UniqueFd fd, open_in_layout(directory, "index.json"));
  ALOFT_ASSIGN(const auto data, read_prefix(fd.get(), kMaxOciJson.count() + 1));
  if (data.size() > kMaxOciJson.count()) {
    return std::unexpected(corrupt("the OCI index is too large"));
  }
  return to_text(data);
}

Result<std::string> read_blob(const std::string& directory, const OciBlob& blob) {
  if (blob.size > kMaxOciJson.count()) {
    return std::unexpected(corrupt(fmt::format("the OCI document {} is too large", blob.digest)));
  }
  ALOFT_ASSIGN(const UniqueFd fd, open_blob(directory, blob));
  ALOFT_ASSIGN(const auto data, read_prefix(fd.get(), kMaxOciJson.count()));
  Sha256 hash;
  hash.update(data);
  ALOFT_TRY(compare(blob, hash));
  return to_text(data);
}

}  // namespace

std::string oci_architecture(std::string_view ours) {
  for (const ArchitectureName& name : kArchitectures) {
    if (name.ours == ours) return std::string(name.oci);
  }
  return std::string(ours);
}

bool is_oci_layout(const std::string& directory) {
  return exists(directory + "/oci-layout") && exists(directory + "/index.json");
}

Result<OciChoice> choose_oci_manifest(std::string_view index_json, const std::string& tag,
                                      std::string_view architecture) {
  ALOFT_ASSIGN(const Json index, parse(index_json, "index"));
  const Json manifests = member(index, "manifests");
  if (!manifests.is_array()) return std::unexpected(corrupt("the OCI index has no manifests"));
  std::string tags, architectures;
  std::vector<const Json*> fitting;
  const Json* latest = nullptr;
  for (const Json& entry : manifests) {
    const std::string name =
        text_of(member(entry, "annotations"), "org.opencontainers.image.ref.name");
    const Json platform = member(entry, "platform");
    const std::string machine = our_architecture(text_of(platform, "architecture"));
    const std::string system = text_of(platform, "os");
    if (!name.empty()) tags += (tags.empty() ? "" : ", ") + name;
    if (!tag.empty() && name != tag) continue;
    if (!system.empty() && system != "linux") continue;
    if (!machine.empty() && !architecture.empty() && machine != architecture) {
      architectures += (architectures.empty() ? "" : ", ") + machine;
      continue;
    }
    fitting.push_back(&entry);
    if (name == "latest") latest = &entry;
  }
  if (fitting.size() > 1 && latest != nullptr) fitting = {latest};
  if (fitting.empty() && !architectures.empty()) {
    return fail(Code::InvalidArgument, "image.architecture",
                fmt::format("the OCI image is for {}, not for {}", architectures, architecture));
  }
  if (fitting.empty()) {
    return fail(Code::NotFound, "image.tag_not_found",
                fmt::format("the OCI layout has no image '{:.100}'; it has: {:.400}", tag,
                            tags.empty() ? "none" : tags));
  }
  if (fitting.size() > 1) {
    return fail(Code::InvalidArgument, "image.tag_not_found",
                fmt::format("the OCI layout has several images, say which: oci:PATH:TAG with TAG "
                            "one of {:.400}",
                            tags));
  }
  ALOFT_ASSIGN(OciBlob blob, blob_of(*fitting.front()));
  return OciChoice{std::move(blob), is_index_type(text_of(*fitting.front(), "mediaType"))};
}

Result<OciManifest> parse_oci_manifest(std::string_view text) {
  ALOFT_ASSIGN(const Json json, parse(text, "manifest"));
  OciManifest manifest;
  ALOFT_ASSIGN(manifest.config, blob_of(member(json, "config")));
  const Json layers = member(json, "layers");
  if (!layers.is_array()) return std::unexpected(corrupt("the OCI manifest has no layers"));
  if (layers.size() > kMaxLayers) {
    return std::unexpected(corrupt(
        fmt::format("the OCI manifest has {} layers, more than {}", layers.size(), kMaxLayers)));
  }
  for (const Json& layer : layers) {
    ALOFT_ASSIGN(OciBlob blob, blob_of(layer));
    manifest.layers.push_back(std::move(blob));
  }
  return manifest;
}

Result<OciConfig> parse_oci_config(std::string_view text) {
  ALOFT_ASSIGN(const Json json, parse(text, "configuration"));
  OciConfig config;
  config.architecture = our_architecture(text_of(json, "architecture"));
  const Json run = member(json, "config");
  config.entrypoint = texts_of(run, "Entrypoint");
  for (std::string& argument : texts_of(run, "Cmd")) {
    config.entrypoint.push_back(std::move(argument));
  }
  config.environment = texts_of(run, "Env");
  config.working_directory = text_of(run, "WorkingDir");
  return config;
}

Result<OciConfig> read_oci(const std::string& directory, const std::string& tag,
                           std::string_view architecture, TreeWriter& tree, Meter& meter,
                           TreeSummary& summary) {
  constexpr int kMaxNesting = 4;
  ALOFT_ASSIGN(const std::string index, read_index(directory));
  ALOFT_ASSIGN(OciChoice choice, choose_oci_manifest(index, tag, architecture));
  for (int i = 0; choice.is_index; ++i) {
    if (i == kMaxNesting) return std::unexpected(corrupt("the OCI index nests too deep"));
    ALOFT_ASSIGN(const std::string nested, read_blob(directory, choice.blob));
    ALOFT_ASSIGN(choice, choose_oci_manifest(nested, "", architecture));
  }
  ALOFT_ASSIGN(const std::string manifest_text, read_blob(directory, choice.blob));
  ALOFT_ASSIGN(const OciManifest manifest, parse_oci_manifest(manifest_text));
  ALOFT_ASSIGN(const std::string config_text, read_blob(directory, manifest.config));
  ALOFT_ASSIGN(OciConfig config, parse_oci_config(config_text));
  config.manifest_digest = choice.blob.digest;
  if (!architecture.empty() && !config.architecture.empty() &&
      config.architecture != architecture) {
    return fail(
        Code::InvalidArgument, "image.architecture",
        fmt::format("the OCI image is for {}, not for {}", config.architecture, architecture));
  }
  std::uint64_t total = 0;
  for (const OciBlob& layer : manifest.layers) total += layer.size;
  meter.begin("unpacking layers", Bytes(total));
  for (const OciBlob& layer : manifest.layers) {
    ALOFT_ASSIGN(const UniqueFd fd, open_blob(directory, layer));
    Sha256 hash;
    ALOFT_TRY(read_tar(fd.get(), TarMode::Layer, tree, hash, meter, summary));
    ALOFT_TRY(compare(layer, hash));
  }
  ALOFT_TRY(tree.finish());
  return config;
}

}  // namespace aloft::image
