// The images of one host and what was cloned from them.
//
// An image is what guests are cloned from: a disk (qcow2, raw) for virtual machines or a root tree
// for containers, imported once and never changed. A volume is a clone of an image, or a blank
// disk; it belongs to the guest that writes it. Everything lives in one directory:
//   images/NAME/   image.json, disk.qcow2 | disk.raw | tree/, kernel, initrd
//   volumes/NAME/  volume.json, disk.qcow2 | disk.raw | root/ (with upper/ and work/: an overlay)
//   seeds/NAME.iso cloud-init seeds
//   staging/       what is not finished; emptied when the store is opened
//
// Owned by the agent, used by its worker threads: every function may be called from any thread,
// and works on different names at the same time. What a function makes appears whole or not at
// all, also after a crash: it is made in staging/, flushed, and renamed.
//
// Containers have a user namespace of their own: the owner and group N of a tree is
// id_base + N on the host, and that is how trees are stored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"

namespace aloft::image {

enum class Technique { Vm, Container };
enum class Format { Qcow2, Raw, Directory, None };  // None: a kernel and initrd without a disk
enum class CloneMethod { Reflink, Overlay, Copy, Blank };

[[nodiscard]] std::string_view format_name(Format format);       // "qcow2"
[[nodiscard]] std::string_view method_name(CloneMethod method);  // "overlay"

struct Progress {
  std::string step;  // "reading", "checking", "writing to disk"
  Bytes done;
  Bytes total;  // 0: not known
};

// How a long call reports and hears that it is no longer wanted. The handler is called from the
// calling thread, at most ten times a second. A stopped job gives Cancelled and leaves nothing.
struct Job {
  std::function<void(const Progress&)> progress;
  std::stop_token stop;
};

struct ImportRequest {
  std::string name;
  // An absolute path of a file or directory, "oci:/PATH[:TAG]" (a layout or an archive of one),
  // "oci:HOST/NAME:TAG" (a registry), "debian:SUITE"; empty with a kernel only.
  std::string source;
  std::optional<Technique> technique;  // none: by content
  std::string architecture;            // "x86_64"; empty: by content
  std::string kernel;                  // path to import with the image, for direct boot
  std::string initrd;
  std::string kernel_arguments;
};

struct Info {
  std::string name;
  std::string source;
  Technique technique = Technique::Vm;
  Format format = Format::Raw;
  std::string path;  // absolute: the disk or the tree; empty for Format::None
  Bytes size;        // virtual size of a disk, bytes of a tree's files
  Bytes stored;      // what it takes on disk
  std::string sha256;
  std::string architecture;
  std::string kernel;  // absolute path in the store
  std::string initrd;
  std::string kernel_arguments;
  std::vector<std::string> entrypoint;   // of an OCI image: what runs as the first process
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;
  std::vector<std::string> notes;  // what was left out and why, a sentence each
  WallTime imported_at{};
};

struct CloneRequest {
  std::string image;
  std::string volume;        // name of the new volume
  Bytes size{};              // of the disk; 0: the image's. Trees have no size of their own.
  bool privileged = false;   // the tree is for a container without a user namespace
  bool independent = false;  // no overlay: the image may be deleted while the volume lives
};

struct Volume {
  std::string name;
  std::string image;  // empty for blank volumes
  std::string path;   // absolute: the disk, or the directory a container has as its root
  Format format = Format::Raw;
  CloneMethod method = CloneMethod::Blank;
  Bytes size;
  bool privileged = false;  // owners in the tree are owners on the host
};

struct SeedRequest {
  std::string guest;        // names the seed
  std::string instance_id;  // cloud-init runs again when it changes: the guest's uid
  std::string hostname;
  std::string user_data;       // YAML
  std::string network_config;  // YAML, version 2; may be empty
};

struct Options {
  std::string directory;  // made when it is missing
  std::uint32_t id_base = 100'000;
  Bytes free_reserve;  // 0: kFreeReserve
  std::string qemu_img = "qemu-img";
  bool allow_overlay = true;
  bool allow_reflink = true;
};

class ImageStore {
 public:
  // Takes the directory for this process and removes what earlier ones left unfinished.
  // Errors: FailedPrecondition "image.store_locked" while another process has it.
  static Result<std::unique_ptr<ImageStore>> open(Options options);
  virtual ~ImageStore() = default;

  // Copies the source in, checks it and publishes it under its name.
  // Errors: AlreadyExists "image.exists"; InvalidArgument "image.source_missing",
  // "image.format_unknown", "image.corrupt", "image.backing_file_outside", "image.entry_outside",
  // ...; ResourceExhausted "image.disk_full"; Cancelled. Durability: flushed.
  virtual Result<Info> import(const ImportRequest& request, const Job& job) = 0;
  // Errors: NotFound "image.not_found".
  virtual Result<Info> image(std::string_view name) = 0;
  virtual Result<std::vector<Info>> images() = 0;
  // Errors: NotFound; FailedPrecondition "image.in_use", naming the volumes made on top of it.
  virtual Result<void> remove_image(std::string_view name) = 0;
  // Writes a self-contained qcow2 file, or a tar archive of a tree, to `path`, which must not
  // exist. Durability: flushed, whole or absent.
  virtual Result<void> export_image(std::string_view name, const std::string& path,
                                    const Job& job) = 0;

  // Makes a volume that is a clone of an image, ready to be used. Errors: NotFound,
  // AlreadyExists "volume.exists", InvalidArgument "volume.too_small".
  virtual Result<Volume> clone(const CloneRequest& request, const Job& job) = 0;
  virtual Result<Volume> create_blank(std::string_view volume, Bytes size) = 0;
  // Makes a volume usable after a reboot (mounts a tree's overlay again). Call before every start
  // of its guest: costs microseconds when there is nothing to do.
  virtual Result<Volume> ensure_ready(std::string_view volume) = 0;
  virtual Result<Volume> volume(std::string_view name) = 0;
  virtual Result<std::vector<Volume>> volumes() = 0;
  // Grows a disk that no running guest has open. Errors: InvalidArgument when it would shrink.
  virtual Result<Volume> grow_volume(std::string_view name, Bytes size) = 0;
  // Like export_image, of a volume whose guest does not run (or is frozen): a self-contained qcow2
  // file without the image below, or a tar archive.
  virtual Result<void> export_volume(std::string_view name, const std::string& path,
                                     const Job& job) = 0;
  // Bytes that the volume itself takes on disk.
  virtual Result<Bytes> used(std::string_view volume) = 0;
  // Success when there is none.
  virtual Result<void> remove_volume(std::string_view name) = 0;

  // Makes the NoCloud seed of a virtual machine; returns its path. Replaces an older one.
  virtual Result<std::string> write_seed(const SeedRequest& request) = 0;
  // Puts the same seed into a container's root tree, where cloud-init looks first.
  virtual Result<void> seed_tree(std::string_view volume, const SeedRequest& request) = 0;
  virtual Result<void> remove_seed(std::string_view guest) = 0;

  // "reflink" and "overlay" with why not, for `aloft host show`.
  struct Ability {
    std::string name;
    bool available = false;
    std::string reason;
  };
  virtual std::vector<Ability> abilities() = 0;
};

// Is `text` user-data that cloud-init will take: YAML, a mapping, at most 64 KiB?
// Errors: InvalidArgument "cloud_init.not_yaml" with line and column, "cloud_init.too_large".
[[nodiscard]] Result<void> check_user_data(std::string_view text);

}  // namespace aloft::image
