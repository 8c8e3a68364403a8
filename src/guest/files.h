// Small files of this host: /proc, cgroups, records.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.h"
#include "base/result.h"
#include "guest/limits.h"

namespace aloft::guest {

// A file descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// The first `limit` bytes. Errors: NotFound, PermissionDenied, ... "guest.file".
[[nodiscard]] Result<std::string> read_file(const std::string& path,
                                            std::size_t limit = kMaxFileBytes);
// The last `limit` bytes; empty when there is no such file.
[[nodiscard]] std::string read_tail(const std::string& path, std::size_t limit);
// Writes into an existing file (a cgroup's or /proc's) with one write().
Result<void> write_into(const std::string& path, std::string_view text);

enum class Durability { Written, Flushed };
// Replaces the file in one step, mode 0600. Durability: as asked for.
Result<void> replace_file(const std::string& path, std::string_view text, Durability durability);

Result<void> ensure_directory(const std::string& path, unsigned mode);
[[nodiscard]] bool exists(const std::string& path);

// True when `fd` is readable (or at its end) within `timeout`.
[[nodiscard]] bool wait_readable(int fd, Duration timeout);

// Holds an exclusive flock on `path` (made when missing). Errors: DeadlineExceeded "guest.locked".
[[nodiscard]] Result<UniqueFd> lock_file(const std::string& path, Duration timeout);

// The text without trailing white space.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace aloft::guest
