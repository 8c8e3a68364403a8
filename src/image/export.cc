#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "image/archive.h"
#include "image/local_store.h"

namespace aloft::image {
namespace {

Error target_exists(const std::string& path) {
  return Error{Code::AlreadyExists, "image.export_exists",
               fmt::format("'{}' is there already; remove it or choose another name", path)};
}

// A file without a name until it is whole: nothing is left behind, however the process ends.
class NamelessFile {
 public:
  static Result<NamelessFile> make(const std::string& target) {
    if (exists(target)) return std::unexpected(target_exists(target));
    const std::string directory = std::filesystem::path(target).parent_path().string();
    ALOFT_ASSIGN(UniqueFd fd, open_fd(directory, O_TMPFILE | O_RDWR, 0600));
    return NamelessFile(std::move(fd), target);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  Result<void> publish() {
    if (::fsync(fd_.get()) != 0) {
      return std::unexpected(write_error(errno, "image.export", target_));
    }
    const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      if (errno == EEXIST) return std::unexpected(target_exists(target_));
      return std::unexpected(write_error(errno, "image.export", target_));
    }
    return sync_directory(std::filesystem::path(target_).parent_path().string());
  }

 private:
  NamelessFile(UniqueFd fd, std::string target) : fd_(std::move(fd)), target_(std::move(target)) {}
  UniqueFd fd_;
  std::string target_;
};

Result<void> check_target(const std::string& target) {
  if (target.starts_with('/') && !target.ends_with('/')) return {};
  return fail(Code::InvalidArgument, "image.export_path",
              fmt::format("'{}' must be the absolute path of a file", target));
}

}  // namespace

Result<void> LocalStore::export_image(std::string_view name, const std::string& target,
                                      const Job& job) {
  ALOFT_TRY(check_target(target));
  ALOFT_TRY(check_label("image name", name));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("image/{}", name), Use::Shared));
  ALOFT_ASSIGN(const Info info, image(name));
  switch (info.format) {
    case Format::Directory:
      return export_tree(info.path, shift(), info.size, target, job);
    case Format::Qcow2:
    case Format::Raw:
      return export_disk(info.path, info.format, info.format == Format::Raw, target, job);
    case Format::None:
      break;
  }
  return fail(
      Code::FailedPrecondition, "image.no_disk",
      fmt::format("image '{}' is a kernel without a disk: there is nothing to export", name));
}

Result<void> LocalStore::export_volume(std::string_view name, const std::string& target,
                                       const Job& job) {
  ALOFT_TRY(check_target(target));
  ALOFT_TRY(check_label("volume name", name));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("volume/{}", name), Use::Exclusive));
  ALOFT_ASSIGN(const Volume found, ensure_ready(name));
  if (found.format == Format::Directory) {
    Shift owners = shift();
    if (found.privileged) owners.base = 0;
    return export_tree(found.path, owners, found.size, target, job);
  }
  const bool convert = found.format == Format::Raw || found.method == CloneMethod::Overlay;
  return export_disk(found.path, found.format, convert, target, job);
}

Result<void> LocalStore::export_tree(const std::string& root, const Shift& owners, Bytes size,
                                     const std::string& target, const Job& job) {
  ALOFT_ASSIGN(NamelessFile file, NamelessFile::make(target));
  Meter meter(job, std::filesystem::path(target).parent_path().string(), Bytes());
  meter.begin("writing", size);
  ALOFT_TRY(write_tar(root, owners, file.fd(), meter));
  return file.publish();
}

// convert: the disk is no self-contained qcow2 file yet.
Result<void> LocalStore::export_disk(const std::string& path, Format format, bool convert,
                                     const std::string& target, const Job& job) {
  ALOFT_ASSIGN(NamelessFile file, NamelessFile::make(target));
  Meter meter(job, std::filesystem::path(target).parent_path().string(), Bytes());
  ALOFT_ASSIGN(const Staging staging, stage("export"));
  std::string disk = path;
  if (convert) {
    meter.begin("converting", Bytes());
    disk = staging.path() + "/disk.qcow2";
    ALOFT_ASSIGN(const Finished converted,
                 run({options_.qemu_img, "convert", "-f", std::string(format_name(format)), "-O",
                      "qcow2", path, disk},
                     tool_options(job)));
    if (converted.status != 0) {
      return fail(Code::Internal, "image.export",
                  fmt::format("qemu-img could not convert {}: {}; a running guest must be stopped "
                              "first",
                              path, last_words(converted.errors)));
    }
  }
  ALOFT_ASSIGN(const UniqueFd from, open_fd(disk, O_RDONLY));
  meter.begin("writing", stored_bytes(disk));
  ALOFT_TRY(copy_file(from.get(), file.fd(), nullptr, meter));
  return file.publish();
}

}  // namespace aloft::image
