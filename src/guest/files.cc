#include "guest/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace aloft::guest {
namespace {

Error file_error(int error, std::string_view verb, const std::string& path) {
  return system_error(error, "guest.file", std::string(verb) + " " + path);
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(file_error(errno, "writing", path));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return std::unexpected(file_error(errno, "opening", path));
  std::string text;
  std::array<char, 8192> buffer{};
  while (text.size() < limit) {
    const auto want = std::min(buffer.size(), limit - text.size());
    const ssize_t count = ::read(fd.get(), buffer.data(), want);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(file_error(errno, "reading", path));
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

std::string read_tail(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return {};
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  const off_t start = std::max<off_t>(0, size - static_cast<off_t>(limit));
  std::string text(limit, '\0');
  const ssize_t count = ::pread(fd.get(), text.data(), limit, start);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

Result<void> write_into(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) return std::unexpected(file_error(errno, "opening", path));
  if (::write(fd.get(), text.data(), text.size()) < 0) {
    return std::unexpected(file_error(errno, "writing", path));
  }
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view text, Durability durability) {
  const std::string temporary = path + ".new";
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd.get() < 0) return std::unexpected(file_error(errno, "making", temporary));
  ALOFT_TRY(write_all(fd.get(), text, temporary));
  if (durability == Durability::Flushed && ::fsync(fd.get()) < 0) {
    return std::unexpected(file_error(errno, "flushing", temporary));
  }
  fd.reset();
  if (::rename(temporary.c_str(), path.c_str()) < 0) {
    return std::unexpected(file_error(errno, "renaming", temporary));
  }
  if (durability == Durability::Flushed) {
    const std::string directory = path.substr(0, path.rfind('/'));
    const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent.get() < 0 || ::fsync(parent.get()) < 0) {
      return std::unexpected(file_error(errno, "flushing", directory));
    }
  }
  return {};
}

Result<void> ensure_directory(const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    const unsigned part_mode = slash == std::string::npos ? mode : 0755U;
    if (::mkdir(part.c_str(), part_mode) < 0 && errno != EEXIST) {
      return std::unexpected(file_error(errno, "making directory", part));
    }
    if (slash == std::string::npos) return {};
  }
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool wait_readable(int fd, Duration timeout) {
  const Instant deadline = boot_now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - boot_now());
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready =
        ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
    if (ready > 0) return true;
    if (ready == 0 && boot_now() >= deadline) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Result<UniqueFd> lock_file(const std::string& path, Duration timeout) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return std::unexpected(file_error(errno, "opening", path));
  const Instant deadline = boot_now() + timeout;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return std::unexpected(file_error(errno, "locking", path));
    }
    if (boot_now() >= deadline) {
      return fail(Code::DeadlineExceeded, "guest.locked",
                  path + " stayed locked by another process; try again");
    }
    ::usleep(2000);
  }
  return fd;
}

std::string_view trimmed(std::string_view text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end + 1);
}

}  // namespace aloft::guest
