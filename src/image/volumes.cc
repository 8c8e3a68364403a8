#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "image/limits.h"
#include "image/local_store.h"
#include "image/record.h"
#include "image/tree_copy.h"

namespace aloft::image {
namespace {

// A mount point has another device than the directory it is in.
bool is_mounted(const std::string& directory) {
  struct stat inside{}, outside{};
  return ::stat(directory.c_str(), &inside) == 0 &&
         ::stat(directory.substr(0, directory.rfind('/')).c_str(), &outside) == 0 &&
         inside.st_dev != outside.st_dev;
}

Result<void> own_root(const std::string& directory, const Shift& shift) {
  if (shift.own && ::chown(directory.c_str(), shift.base, shift.base) != 0) {
    return std::unexpected(system_error(errno, "volume.write", directory));
  }
  return {};
}

Result<void> check_size(std::string_view volume, Bytes size) {
  if (size <= kMaxVirtualSize) return {};
  return fail(Code::InvalidArgument, "volume.size",
              fmt::format("volume '{}' cannot have {}: at most {} are possible", volume,
                          to_string(size), to_string(kMaxVirtualSize)));
}

// A disk ends with a whole sector.
Bytes whole_sectors(Bytes size) {
  constexpr std::uint64_t kSector = 512;
  return Bytes((size.count() + kSector - 1) / kSector * kSector);
}

// The root of an overlay shows its upper directory's owner, mode and times.
Result<void> copy_root_attributes(const std::string& from, const std::string& to) {
  struct stat status{};
  if (::stat(from.c_str(), &status) != 0 ||
      ::chown(to.c_str(), status.st_uid, status.st_gid) != 0 ||
      ::chmod(to.c_str(), status.st_mode & 07777U) != 0) {
    return std::unexpected(system_error(errno, "volume.write", to));
  }
  return {};
}

}  // namespace

void LocalStore::probe_abilities() {
  auto staging = stage("probe");
  if (!staging) {
    reflink_.reason = overlay_.reason = staging.error().message;
    return;
  }
  const std::string& directory = staging->path();
  if (!options_.allow_reflink) {
    reflink_.reason = "switched off";
  } else {
    auto from = open_fd(directory + "/from", O_RDWR | O_CREAT, 0600);
    auto to = open_fd(directory + "/to", O_RDWR | O_CREAT, 0600);
    constexpr std::size_t kBlock = 4096;
    const std::vector<std::byte> block(kBlock, std::byte{1});
    if (from && to && write_all(from->get(), block, 0) && reflink(from->get(), to->get())) {
      reflink_ = {"reflink", true, "clones of disks share their blocks"};
    } else {
      reflink_.reason =
          "the file system of the state directory cannot share blocks (XFS and btrfs can)";
    }
  }
  if (!options_.allow_overlay) {
    overlay_.reason = "switched off";
    return;
  }
  // Characters that end a value in the mount options of overlayfs.
  if (options_.directory.find_first_of(",:\\") != std::string::npos) {
    overlay_.reason = "the path of the state directory has one of , : \\ in it";
    return;
  }
  if (!make_directory(directory + "/tree", 0755)) return;
  auto mounted = mount_overlay(directory + "/tree", directory);
  if (!mounted) {
    overlay_.reason = mounted.error().message;
    return;
  }
  ::umount2((directory + "/root").c_str(), MNT_DETACH);
  overlay_ = {"overlay", true, "clones of trees are written on top of their image"};
}

// Mounts `lower` with directory/upper on top at directory/root; makes what is missing.
Result<void> LocalStore::mount_overlay(const std::string& lower, const std::string& directory) {
  const std::string root = directory + "/root";
  for (const std::string_view part : {"upper", "work", "root"}) {
    const std::string place = fmt::format("{}/{}", directory, part);
    if (exists(place)) continue;
    ALOFT_TRY(make_directory(place, 0755));
    if (part == "upper") ALOFT_TRY(copy_root_attributes(lower, place));
  }
  const std::string data =
      fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", lower, directory, directory);
  constexpr std::size_t kMaxMountData = 4095;
  if (data.size() > kMaxMountData) {
    return fail(Code::InvalidArgument, "volume.mount", "the paths of the overlay are too long");
  }
  if (::mount("aloft", root.c_str(), "overlay", MS_NODEV, data.c_str()) != 0) {
    return std::unexpected(
        system_error(errno, "volume.mount", fmt::format("mounting an overlay on {}", root)));
  }
  return {};
}

Result<Volume> LocalStore::clone(const CloneRequest& request, const Job& job) {
  ALOFT_TRY(check_label("volume name", request.volume));
  ALOFT_TRY(check_size(request.volume, request.size));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("volume/{}", request.volume), Use::Exclusive));
  ALOFT_ASSIGN(const Hold source, hold(fmt::format("image/{}", request.image), Use::Shared));
  ALOFT_ASSIGN(const Info info, image(request.image));
  if (exists(path("volumes", request.volume))) {
    return fail(Code::AlreadyExists, "volume.exists",
                fmt::format("there is a volume '{}' already; delete it or choose another name",
                            request.volume));
  }
  ALOFT_ASSIGN(Staging staging, stage("clone"));
  Volume volume;
  volume.name = request.volume;
  volume.image = request.image;
  volume.format = info.format;
  switch (info.format) {
    case Format::Qcow2:
    case Format::Raw:
      ALOFT_TRY(clone_disk(info, request, staging, volume, job));
      break;
    case Format::Directory:
      ALOFT_TRY(clone_tree(info, request, staging, volume, job));
      break;
    case Format::None:
      return fail(
          Code::FailedPrecondition, "image.no_disk",
          fmt::format("image '{}' is a kernel without a disk; use a blank volume", request.image));
  }
  return publish_volume(std::move(staging), std::move(volume));
}

Result<Volume> LocalStore::publish_volume(Staging staging, Volume volume) {
  const std::string target = path("volumes", volume.name);
  ALOFT_TRY(write_file(staging.path() + "/volume.json", encode(volume), 0644));
  ALOFT_TRY(staging.publish(target));
  auto ready = ensure_ready(volume.name);
  if (!ready) {  // it could not be mounted: then it is not there
    if (auto dropped = drop_volume(volume.name); !dropped) {
      log::warning("volume/" + volume.name, "{}", dropped.error().message);
    }
  }
  return ready;
}

Result<void> LocalStore::clone_disk(const Info& info, const CloneRequest& request, Staging& staging,
                                    Volume& volume, const Job& job) {
  if (request.size.count() != 0 && request.size < info.size) {
    return fail(Code::InvalidArgument, "volume.too_small",
                fmt::format("a disk of {} is smaller than that of image '{}' ({}); a disk can only "
                            "grow",
                            to_string(request.size), request.image, to_string(info.size)));
  }
  volume.size = request.size.count() == 0 ? info.size : whole_sectors(request.size);
  const std::string target = fmt::format("{}/{}", staging.path(), disk_file(info.format));
  if (reflink_.available || request.independent) {
    ALOFT_ASSIGN(const UniqueFd from, open_fd(info.path, O_RDONLY));
    ALOFT_ASSIGN(const UniqueFd to, open_fd(target, O_RDWR | O_CREAT | O_EXCL, 0600));
    if (reflink_.available && reflink(from.get(), to.get())) {
      volume.method = CloneMethod::Reflink;
    } else {
      Meter meter(job, options_.directory, options_.free_reserve);
      meter.begin("copying", info.stored);
      ALOFT_TRY(copy_file(from.get(), to.get(), nullptr, meter));
      volume.method = CloneMethod::Copy;
    }
    if (volume.size > info.size) {
      ALOFT_TRY(resize_disk(target, info.format, volume.size, job));
    }
    if (::fsync(to.get()) != 0) {
      return std::unexpected(write_error(errno, "volume.write", target));
    }
    return {};
  }
  volume.method = CloneMethod::Overlay;
  volume.format = Format::Qcow2;
  // Relative, so that the state directory may be moved as a whole.
  const std::string base = fmt::format("../../images/{}/{}", request.image, disk_file(info.format));
  const std::string disk = staging.path() + "/disk.qcow2";
  ALOFT_ASSIGN(const Finished made, run({options_.qemu_img, "create", "-q", "-f", "qcow2", "-F",
                                         std::string(format_name(info.format)), "-b", base, disk,
                                         std::to_string(volume.size.count())},
                                        tool_options(job)));
  if (made.status != 0) {
    return fail(Code::Internal, "volume.overlay",
                fmt::format("qemu-img could not make the overlay of volume '{}': {}",
                            request.volume, last_words(made.errors)));
  }
  return {};
}

Result<void> LocalStore::clone_tree(const Info& info, const CloneRequest& request, Staging& staging,
                                    Volume& volume, const Job& job) {
  volume.privileged = request.privileged;
  volume.size = info.size;
  if (overlay_.available && !request.privileged && !request.independent) {
    volume.method = CloneMethod::Overlay;
    for (const std::string_view part : {"upper", "work", "root"}) {
      ALOFT_TRY(make_directory(fmt::format("{}/{}", staging.path(), part), 0755));
    }
    return copy_root_attributes(info.path, staging.path() + "/upper");
  }
  const std::string root = staging.path() + "/root";
  Shift target = shift();
  if (request.privileged) target.base = 0;
  ALOFT_TRY(make_directory(root, 0755));
  ALOFT_TRY(own_root(root, target));
  ALOFT_ASSIGN(UniqueFd fd, open_fd(root, O_RDONLY | O_DIRECTORY));
  TreeWriter tree(std::move(fd), target);
  Meter meter(job, options_.directory, options_.free_reserve);
  meter.begin("copying", info.size);
  TreeCopyOptions options;
  options.source_base = shift().own ? shift().base : 0;
  options.reflink = reflink_.available;
  TreeSummary summary;
  ALOFT_TRY(copy_tree(info.path, options, tree, meter, summary));
  volume.method = reflink_.available ? CloneMethod::Reflink : CloneMethod::Copy;
  return sync_file_system(root);
}

Result<Volume> LocalStore::create_blank(std::string_view name, Bytes size) {
  ALOFT_TRY(check_label("volume name", name));
  if (size.count() == 0) {
    return fail(Code::InvalidArgument, "volume.size",
                fmt::format("volume '{}' cannot have a size of 0", name));
  }
  ALOFT_TRY(check_size(name, size));
  size = whole_sectors(size);
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("volume/{}", name), Use::Exclusive));
  if (exists(path("volumes", name))) {
    return fail(Code::AlreadyExists, "volume.exists",
                fmt::format("there is a volume '{}' already", name));
  }
  ALOFT_ASSIGN(Staging staging, stage("blank"));
  Volume volume;
  volume.name = name;
  volume.format = Format::Raw;
  volume.size = size;
  const std::string disk = fmt::format("{}/{}", staging.path(), disk_file(volume.format));
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(disk, O_RDWR | O_CREAT | O_EXCL, 0600));
  if (::ftruncate(fd.get(), static_cast<off_t>(size.count())) != 0 || ::fsync(fd.get()) != 0) {
    return std::unexpected(write_error(errno, "volume.write", disk));
  }
  return publish_volume(std::move(staging), std::move(volume));
}

Result<Volume> LocalStore::volume(std::string_view name) {
  ALOFT_TRY(check_label("volume name", name));
  const std::string directory = path("volumes", name);
  if (!exists(directory)) {
    return fail(Code::NotFound, "volume.not_found", fmt::format("there is no volume '{}'", name));
  }
  ALOFT_ASSIGN(const std::string record, read_small_file(directory + "/volume.json", mib(1)));
  return decode_volume(record, directory);
}

Result<std::vector<Volume>> LocalStore::volumes() {
  ALOFT_ASSIGN(const auto names, names_in(options_.directory + "/volumes"));
  std::vector<Volume> all;
  for (const std::string& name : names) {
    auto found = volume(name);
    if (found) {
      all.push_back(std::move(*found));
    } else if (found.error().code != Code::NotFound) {
      log::warning("volume/" + name, "{}", found.error().message);
    }
  }
  return all;
}

Result<Volume> LocalStore::ensure_ready(std::string_view name) {
  ALOFT_ASSIGN(Volume found, volume(name));
  if (found.format != Format::Directory || found.method != CloneMethod::Overlay) return found;
  if (is_mounted(found.path)) return found;
  ALOFT_ASSIGN(const Info info, image(found.image));
  ALOFT_TRY(mount_overlay(info.path, path("volumes", name)));
  return found;
}

Result<void> LocalStore::resize_disk(const std::string& disk, Format format, Bytes size,
                                     const Job& job) {
  if (format == Format::Raw) {
    if (::truncate(disk.c_str(), static_cast<off_t>(size.count())) != 0) {
      return std::unexpected(write_error(errno, "volume.write", disk));
    }
    return {};
  }
  ALOFT_ASSIGN(const Finished resized, run({options_.qemu_img, "resize", "-q", "-f", "qcow2", disk,
                                            std::to_string(size.count())},
                                           tool_options(job)));
  if (resized.status == 0) return {};
  return fail(Code::Internal, "volume.resize",
              fmt::format("qemu-img could not resize {}: {}", disk, last_words(resized.errors)));
}

Result<Volume> LocalStore::grow_volume(std::string_view name, Bytes size) {
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("volume/{}", name), Use::Exclusive));
  ALOFT_ASSIGN(Volume found, volume(name));
  if (found.format == Format::Directory) {
    return fail(Code::InvalidArgument, "volume.no_size",
                fmt::format("volume '{}' is a directory and has no size of its own", name));
  }
  if (size < found.size || size > kMaxVirtualSize) {
    return fail(Code::InvalidArgument, "volume.too_small",
                fmt::format("volume '{}' has {}; it can grow up to {}, never shrink", name,
                            to_string(found.size), to_string(kMaxVirtualSize)));
  }
  size = whole_sectors(size);
  if (size == found.size) return found;
  ALOFT_TRY(resize_disk(found.path, found.format, size, Job()));
  found.size = size;
  ALOFT_TRY(write_file(path("volumes", name) + "/volume.json", encode(found), 0644));
  return found;
}

Result<Bytes> LocalStore::used(std::string_view name) {
  ALOFT_ASSIGN(const Volume found, volume(name));
  const bool overlay = found.format == Format::Directory && found.method == CloneMethod::Overlay;
  return stored_bytes(overlay ? path("volumes", name) + "/upper" : found.path);
}

Result<void> LocalStore::remove_volume(std::string_view name) {
  ALOFT_TRY(check_label("volume name", name));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("volume/{}", name), Use::Exclusive));
  return drop_volume(name);
}

// Requires: the volume is held exclusively.
Result<void> LocalStore::drop_volume(std::string_view name) {
  const std::string directory = path("volumes", name);
  if (!exists(directory)) return {};
  const std::string root = directory + "/root";
  if (is_mounted(root) && ::umount2(root.c_str(), UMOUNT_NOFOLLOW) != 0) {
    if (errno == EBUSY) {
      return fail(Code::FailedPrecondition, "volume.in_use",
                  fmt::format("volume '{}' is in use; stop its guest first", name));
    }
    return std::unexpected(system_error(errno, "volume.unmount", root));
  }
  ALOFT_ASSIGN(Staging staging, stage("removed"));
  const std::string gone = staging.path() + "/volume";
  if (::rename(directory.c_str(), gone.c_str()) != 0) {
    return std::unexpected(system_error(errno, "volume.remove", directory));
  }
  return sync_directory(options_.directory + "/volumes");
}

}  // namespace aloft::image
