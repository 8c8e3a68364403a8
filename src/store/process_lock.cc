#include "store/process_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

namespace aloft::store {

Result<ProcessLock> ProcessLock::acquire(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    const int error = errno;
    if (error == EROFS || error == EACCES) {
      return fail(Code::FailedPrecondition, "store.read_only",
                  fmt::format("state directory {} cannot be written: {}; give a directory that "
                              "aloftd may write",
                              path.parent_path().string(),
                              error == EROFS ? "its file system is mounted read-only"
                                             : "permission denied"));
    }
    return std::unexpected(
        system_error(error, "store.lock", fmt::format("opening {}", path.string())));
  }
  ProcessLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) {
      return std::unexpected(
          system_error(error, "store.lock", fmt::format("locking {}", path.string())));
    }
    std::array<char, 32> text{};
    const ssize_t count = ::pread(fd, text.data(), text.size() - 1, 0);
    const long pid = count > 0 ? std::strtol(text.data(), nullptr, 10) : 0;
    return fail(Code::FailedPrecondition, "store.in_use",
                fmt::format("state directory {} is used by process {}; stop that aloftd or give "
                            "another directory",
                            path.parent_path().string(),
                            pid > 0 ? std::to_string(pid) : "of an unknown number"));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  // Only the message of a second daemon reads it: a failure here harms nothing else.
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return std::unexpected(
        system_error(errno, "store.lock", fmt::format("writing {}", path.string())));
  }
  return lock;
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ProcessLock& ProcessLock::operator=(ProcessLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

ProcessLock::~ProcessLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace aloft::store
