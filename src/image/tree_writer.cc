#include "image/tree_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ranges>

#include "image/limits.h"

namespace aloft::image {
namespace {

Error at(std::string_view path, int errno_value) {
  return write_error(errno_value, "image.write", fmt::format("entry '{}'", path));
}

Result<UniqueFd> open_in_root(int root, const std::string& path, std::uint64_t flags,
                              std::uint64_t mode = 0) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  constexpr int kRaces = 100;
  for (int i = 0; i < kRaces; ++i) {
    const long fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: something on the host was renamed meanwhile and the kernel could not be sure.
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return std::unexpected(at(path, errno));
}

}  // namespace

Result<std::string> clean_entry_path(std::string_view path) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::InvalidArgument, "image.entry_name",
                fmt::format("the entry '{:.200}' {}", path, why));
  };
  if (path.size() > kMaxPathSize) return wrong("has a path that is too long");
  if (path.find('\0') != std::string_view::npos) return wrong("has a zero byte in its path");
  std::string clean;
  std::uint64_t depth = 0;
  for (const auto part : path | std::views::split('/')) {
    const std::string_view component(part.begin(), part.end());
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      return fail(Code::InvalidArgument, "image.entry_outside",
                  fmt::format("the entry '{:.200}' leads out of the tree by '..'; an archive made "
                              "by tar never has such entries, do not trust it",
                              path));
    }
    if (component.size() > kMaxComponentSize) return wrong("has a name that is too long");
    if (++depth > kMaxTreeDepth) return wrong("lies too deep");
    if (!clean.empty()) clean += '/';
    clean += component;
  }
  return clean;
}

std::string shift_capability(std::string_view value, std::uint32_t base) {
  vfs_ns_cap_data data{};
  if (value.size() != XATTR_CAPS_SZ_2 && value.size() != XATTR_CAPS_SZ_3) return {};
  std::memcpy(&data, value.data(), value.size());
  const std::uint32_t revision = data.magic_etc & VFS_CAP_REVISION_MASK;
  if (revision != VFS_CAP_REVISION_2 && revision != VFS_CAP_REVISION_3) return {};
  const std::uint32_t wanted = base == 0 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3;
  data.magic_etc = (data.magic_etc & ~std::uint32_t{VFS_CAP_REVISION_MASK}) | wanted;
  data.rootid = base;
  std::string shifted(base == 0 ? XATTR_CAPS_SZ_2 : XATTR_CAPS_SZ_3, '\0');
  std::memcpy(shifted.data(), &data, shifted.size());
  return shifted;
}

Result<UniqueFd> TreeWriter::open_directory(const std::string& path) {
  return open_in_root(root_.get(), path, O_RDONLY | O_DIRECTORY);
}

// Opens a directory of the tree; makes it and those above it when a stream left them out.
Result<UniqueFd> TreeWriter::ensure_directory(const std::string& path) {
  auto fd = open_directory(path);
  if (fd || fd.error().code != Code::NotFound || path.empty()) return fd;
  const std::size_t slash = path.rfind('/');
  ALOFT_ASSIGN(const UniqueFd parent,
               ensure_directory(slash == std::string::npos ? "" : path.substr(0, slash)));
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) return std::unexpected(at(path, errno));
  Attributes attributes;
  attributes.mode = 0755;
  ALOFT_ASSIGN(UniqueFd made, open_directory(path));
  ALOFT_TRY(apply(made.get(), path, attributes));
  return made;
}

Result<TreeWriter::Place> TreeWriter::place(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent(slash == std::string_view::npos ? "" : path.substr(0, slash));
  if (!cached_.valid() || cached_path_ != parent) {
    ALOFT_ASSIGN(cached_, ensure_directory(parent));
    cached_path_ = parent;
  }
  return Place{cached_.get(),
               std::string(slash == std::string_view::npos ? path : path.substr(slash + 1))};
}

// Removes what stands where an entry is to be made.
Result<void> TreeWriter::make_way(const Place& place, std::string_view path) {
  if (::unlinkat(place.parent, place.name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return std::unexpected(at(path, errno));
  return whiteout(path);
}

Result<void> TreeWriter::own(int parent, const std::string& name, std::string_view path,
                             const Attributes& attributes) {
  if (attributes.uid >= kIdCount || attributes.gid >= kIdCount) {
    return fail(Code::InvalidArgument, "image.owner_out_of_range",
                fmt::format("the entry '{}' belongs to user {} and group {}, a container has ids "
                            "0 to {}; give it to another owner",
                            path, attributes.uid, attributes.gid, kIdCount - 1));
  }
  if (!shift_.own) return {};
  if (::fchownat(parent, name.c_str(), shift_.base + attributes.uid, shift_.base + attributes.gid,
                 AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
    return std::unexpected(at(path, errno));
  }
  return {};
}

// Owner first: changing it takes set-id bits and capabilities away.
Result<void> TreeWriter::apply(int fd, std::string_view path, const Attributes& attributes) {
  ALOFT_TRY(own(fd, "", path, attributes));
  if (::fchmod(fd, static_cast<mode_t>(attributes.mode & 07777U)) != 0) {
    return std::unexpected(at(path, errno));
  }
  for (const auto& [name, value] : attributes.xattrs) {
    const bool capability = name == "security.capability";
    if (!capability && !name.starts_with("user.")) continue;
    if (capability && !shift_.own) continue;
    if (value.size() > kMaxXattrSize) continue;
    const std::string stored = capability ? shift_capability(value, shift_.base) : value;
    if (capability && stored.empty()) continue;
    if (::fsetxattr(fd, name.c_str(), stored.data(), stored.size(), 0) != 0 && errno != ENOTSUP) {
      return std::unexpected(at(path, errno));
    }
  }
  return {};
}

Result<void> TreeWriter::directory(std::string_view path, const Attributes& attributes) {
  if (!path.empty()) {
    ALOFT_ASSIGN(const Place where, place(path));
    if (::mkdirat(where.parent, where.name.c_str(), 0700) != 0) {
      if (errno != EEXIST) return std::unexpected(at(path, errno));
      struct stat status{};
      if (::fstatat(where.parent, where.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return std::unexpected(at(path, errno));
      }
      if (!S_ISDIR(status.st_mode)) {
        ALOFT_TRY(make_way(where, path));
        ALOFT_ASSIGN(const Place again, place(path));
        if (::mkdirat(again.parent, again.name.c_str(), 0700) != 0) {
          return std::unexpected(at(path, errno));
        }
        cached_.reset();
      }
    }
  }
  ALOFT_ASSIGN(const UniqueFd fd, open_directory(std::string(path)));
  ALOFT_TRY(apply(fd.get(), path, attributes));
  directory_times_[std::string(path)] = {attributes.mtime_s, attributes.mtime_ns};
  return {};
}

Result<UniqueFd> TreeWriter::file(std::string_view path) {
  ALOFT_ASSIGN(Place where, place(path));
  ALOFT_TRY(make_way(where, path));
  ALOFT_ASSIGN(where, place(path));
  const int fd = ::openat(where.parent, where.name.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(at(path, errno));
  return UniqueFd(fd);
}

Result<void> TreeWriter::finish_file(const UniqueFd& fd, std::string_view path,
                                     const Attributes& attributes) {
  ALOFT_TRY(apply(fd.get(), path, attributes));
  const timespec times[2] = {{attributes.mtime_s, static_cast<long>(attributes.mtime_ns)},
                             {attributes.mtime_s, static_cast<long>(attributes.mtime_ns)}};
  if (::futimens(fd.get(), times) != 0) return std::unexpected(at(path, errno));
  return {};
}

Result<void> TreeWriter::symlink(std::string_view path, const std::string& target,
                                 const Attributes& attributes) {
  ALOFT_ASSIGN(Place where, place(path));
  ALOFT_TRY(make_way(where, path));
  ALOFT_ASSIGN(where, place(path));
  if (::symlinkat(target.c_str(), where.parent, where.name.c_str()) != 0) {
    return std::unexpected(at(path, errno));
  }
  const timespec times[2] = {{attributes.mtime_s, static_cast<long>(attributes.mtime_ns)},
                             {attributes.mtime_s, static_cast<long>(attributes.mtime_ns)}};
  ::utimensat(where.parent, where.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  ALOFT_TRY(own(where.parent, where.name, path, attributes));
  cached_.reset();  // a remembered parent may be reached another way now
  return {};
}

Result<void> TreeWriter::hard_link(std::string_view path, std::string_view target) {
  ALOFT_ASSIGN(const std::string clean, clean_entry_path(target));
  const std::size_t slash = clean.rfind('/');
  auto directory = open_directory(slash == std::string::npos ? "" : clean.substr(0, slash));
  const std::string name = slash == std::string::npos ? clean : clean.substr(slash + 1);
  struct stat status{};
  if (!directory || ::fstatat(directory->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      S_ISDIR(status.st_mode)) {
    return fail(Code::InvalidArgument, "image.corrupt",
                fmt::format("the entry '{}' is a hard link to '{}', which is no file of the tree",
                            path, target));
  }
  if (clean == path) return {};
  ALOFT_ASSIGN(Place where, place(path));
  ALOFT_TRY(make_way(where, path));
  ALOFT_ASSIGN(where, place(path));
  if (::linkat(directory->get(), name.c_str(), where.parent, where.name.c_str(), 0) != 0) {
    return std::unexpected(at(path, errno));
  }
  return {};
}

Result<void> TreeWriter::fifo(std::string_view path, const Attributes& attributes) {
  ALOFT_ASSIGN(Place where, place(path));
  ALOFT_TRY(make_way(where, path));
  ALOFT_ASSIGN(where, place(path));
  if (::mkfifoat(where.parent, where.name.c_str(), 0600) != 0) {
    return std::unexpected(at(path, errno));
  }
  ALOFT_TRY(own(where.parent, where.name, path, attributes));
  // A fifo just made under an exclusive name is no link: fchmodat cannot be led away.
  if (::fchmodat(where.parent, where.name.c_str(), static_cast<mode_t>(attributes.mode & 0777U),
                 0) != 0) {
    return std::unexpected(at(path, errno));
  }
  return {};
}

Result<void> TreeWriter::whiteout(std::string_view path) {
  ALOFT_ASSIGN(const Place where, place(path));
  struct stat status{};
  if (::fstatat(where.parent, where.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return std::unexpected(at(path, errno));
  }
  // remove_tree follows no links below the descriptor it starts from.
  const std::string below = fmt::format("/proc/self/fd/{}/{}", where.parent, where.name);
  ALOFT_TRY(remove_tree(below));
  cached_.reset();
  std::erase_if(directory_times_, [&](const auto& entry) {
    return entry.first == path || entry.first.starts_with(std::string(path) + "/");
  });
  return {};
}

Result<void> TreeWriter::clear_directory(std::string_view path) {
  auto fd = open_directory(std::string(path));
  if (!fd) return {};
  ALOFT_ASSIGN(const auto names, names_in(fmt::format("/proc/self/fd/{}", fd->get())));
  for (const std::string& name : names) {
    ALOFT_TRY(whiteout(path.empty() ? name : fmt::format("{}/{}", path, name)));
  }
  return {};
}

Result<void> TreeWriter::finish() {
  for (const auto& [path, time] : directory_times_) {
    auto fd = open_directory(path);
    if (!fd) continue;  // a later entry replaced it
    const timespec stamp{time.first, static_cast<long>(time.second)};
    const timespec times[2] = {stamp, stamp};
    if (::futimens(fd->get(), times) != 0) return std::unexpected(at(path, errno));
  }
  return {};
}

Result<UniqueFd> TreeWriter::open_inside(std::string_view path) {
  return open_in_root(root_.get(), std::string(path), O_RDONLY | O_NONBLOCK);
}

}  // namespace aloft::image
