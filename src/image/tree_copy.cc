#include "image/tree_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <utility>

#include "image/limits.h"

namespace aloft::image {
namespace {

class Copying {
 public:
  Copying(const TreeCopyOptions& options, TreeWriter& tree, Meter& meter, TreeSummary& summary)
      : options_(options), tree_(tree), meter_(meter), summary_(summary) {}

  Result<void> directory(UniqueFd fd, const std::string& path, std::uint64_t depth) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) {
      return std::unexpected(system_error(errno, "image.read", path));
    }
    if (depth == 0) device_ = status.st_dev;
    ALOFT_TRY(tree_.directory(path, attributes(fd.get(), status)));
    note(path, status, "");
    if (status.st_dev != device_) return {};  // another file system: its place, not its contents
    if (depth > kMaxTreeDepth) {
      return fail(Code::InvalidArgument, "image.too_large", path + ": lies too deep");
    }
    const int listed = ::openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(listed < 0 ? nullptr : ::fdopendir(listed),
                                                     ::closedir);
    if (stream == nullptr) return std::unexpected(system_error(errno, "image.read", path));
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    std::ranges::sort(names);
    for (const std::string& name : names) {
      ALOFT_TRY(entry(fd.get(), name, path.empty() ? name : path + "/" + name, depth));
    }
    return {};
  }

 private:
  Result<void> entry(int parent, const std::string& name, const std::string& path,
                     std::uint64_t depth) {
    if (++summary_.entries > kMaxTreeEntries) {
      return fail(Code::InvalidArgument, "image.too_large",
                  fmt::format("the tree has more than {} entries", kMaxTreeEntries));
    }
    ALOFT_TRY(meter_.advance(0));
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return std::unexpected(system_error(errno, "image.read", path));
    }
    if (S_ISDIR(status.st_mode)) {
      const int fd =
          ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0) return std::unexpected(system_error(errno, "image.read", path));
      return directory(UniqueFd(fd), path, depth + 1);
    }
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode) && !S_ISFIFO(status.st_mode)) {
      if (S_ISSOCK(status.st_mode)) {
        ++summary_.sockets_left_out;
      } else {
        ++summary_.devices_left_out;
      }
      return {};
    }
    if (status.st_nlink > 1) {
      const auto [first, is_new] = links_.try_emplace({status.st_dev, status.st_ino}, path);
      if (!is_new) {
        note(path, status, first->second);
        return tree_.hard_link(path, first->second);
      }
    }
    if (S_ISREG(status.st_mode)) return file(parent, name, path);
    if (S_ISFIFO(status.st_mode)) return tree_.fifo(path, attributes(-1, status));
    std::string target(kMaxPathSize, '\0');
    const ssize_t size = ::readlinkat(parent, name.c_str(), target.data(), target.size());
    if (size < 0) return std::unexpected(system_error(errno, "image.read", path));
    target.resize(static_cast<std::size_t>(size));
    note(path, status, target);
    return tree_.symlink(path, target, attributes(-1, status));
  }

  Result<void> file(int parent, const std::string& name, const std::string& path) {
    const UniqueFd from(
        ::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status{};
    if (!from.valid() || ::fstat(from.get(), &status) != 0) {
      return std::unexpected(system_error(errno, "image.read", path));
    }
    if (!S_ISREG(status.st_mode)) {
      return fail(Code::Aborted, "image.source_changed",
                  path + ": was replaced while it was read; try again when nobody writes there");
    }
    note(path, status, "");
    ALOFT_ASSIGN(const UniqueFd to, tree_.file(path));
    if (options_.hash != nullptr || !options_.reflink || !reflink(from.get(), to.get())) {
      ALOFT_TRY(copy_file(from.get(), to.get(), options_.hash, meter_));
    }
    summary_.size += Bytes(static_cast<std::uint64_t>(status.st_size));
    return tree_.finish_file(to, path, attributes(from.get(), status));
  }

  Attributes attributes(int fd, const struct stat& status) const {
    Attributes attributes;
    attributes.mode = status.st_mode & 07777U;
    const auto id = [this](std::uint32_t value) {
      return value < options_.source_base ? kIdCount : value - options_.source_base;
    };
    attributes.uid = id(status.st_uid);
    attributes.gid = id(status.st_gid);
    attributes.mtime_s = status.st_mtim.tv_sec;
    attributes.mtime_ns = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    if (fd >= 0) read_xattrs(fd, attributes);
    return attributes;
  }

  static void read_xattrs(int fd, Attributes& attributes) {
    std::array<char, 4096> names{};
    const ssize_t size = ::flistxattr(fd, names.data(), names.size());
    for (ssize_t i = 0; i < size;) {
      const std::string name = &names[static_cast<std::size_t>(i)];
      i += static_cast<ssize_t>(name.size()) + 1;
      if (name != "security.capability" && !name.starts_with("user.")) continue;
      std::string value(kMaxXattrSize, '\0');
      const ssize_t got = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
      if (got < 0) continue;
      value.resize(static_cast<std::size_t>(got));
      attributes.xattrs.emplace_back(name, value);
    }
  }

  void note(const std::string& path, const struct stat& status, const std::string& target) const {
    if (options_.hash == nullptr) return;
    options_.hash->update(fmt::format("{}\n{:o} {} {}\n{}\n", path, status.st_mode, status.st_uid,
                                      status.st_gid, target));
  }

  const TreeCopyOptions& options_;
  TreeWriter& tree_;
  Meter& meter_;
  TreeSummary& summary_;
  dev_t device_{};
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

Result<void> copy_tree(const std::string& source, const TreeCopyOptions& options, TreeWriter& tree,
                       Meter& meter, TreeSummary& summary) {
  ALOFT_ASSIGN(UniqueFd root, open_fd(source, O_RDONLY | O_DIRECTORY));
  ALOFT_TRY(Copying(options, tree, meter, summary).directory(std::move(root), "", 0));
  return tree.finish();
}

}  // namespace aloft::image
