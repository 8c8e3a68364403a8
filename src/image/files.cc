#include "image/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/assert.h"
#include "image/limits.h"

namespace aloft::image {
namespace fs = std::filesystem;

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}
void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  ALOFT_ASSERT(context_ != nullptr);
  ALOFT_ASSERT(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}
void Sha256::update(std::span<const std::byte> data) {
  ALOFT_ASSERT(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
}
std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ALOFT_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Error cancelled() {
  return Error{Code::Cancelled, "image.cancelled", "stopped on request; nothing was kept"};
}

Error write_error(int errno_value, std::string_view reason, std::string_view what) {
  if (errno_value == EFBIG) {
    return Error{Code::ResourceExhausted, "image.disk_full",
                 fmt::format("{}: larger than the file system or the limits of this process allow "
                             "a file to be. Nothing was kept",
                             what)};
  }
  if (errno_value == ENOSPC || errno_value == EDQUOT) {
    return Error{Code::ResourceExhausted, "image.disk_full",
                 fmt::format("{}: the file system is full; free space or move the state directory "
                             "to a larger one. Nothing was kept",
                             what)};
  }
  return system_error(errno_value, reason, what);
}

Meter::Meter(const Job& job, std::string directory, Bytes free_reserve)
    : job_(job), directory_(std::move(directory)), free_reserve_(free_reserve) {}

void Meter::begin(std::string step, Bytes total) {
  progress_ = Progress{std::move(step), Bytes(), total};
  reported_ = boot_now();
  if (job_.progress) job_.progress(progress_);
}

Result<void> Meter::check_space(std::uint64_t count) {
  constexpr std::uint64_t kSpaceCheckInterval = std::uint64_t{16} << 20U;
  since_space_check_ += count;
  if (since_space_check_ < kSpaceCheckInterval) return {};
  since_space_check_ = 0;
  struct statvfs space{};
  if (::statvfs(directory_.c_str(), &space) == 0 &&
      std::uint64_t{space.f_bavail} * space.f_frsize < free_reserve_.count()) {
    return fail(Code::ResourceExhausted, "image.disk_full",
                fmt::format("{}: less than {} would stay free for running guests; free space or "
                            "move the state directory to a larger file system. Nothing was kept",
                            directory_, to_string(free_reserve_)));
  }
  return {};
}

void Meter::report(Bytes done) {
  progress_.done = done;
  if (job_.progress) job_.progress(progress_);
}

Result<void> Meter::wrote(std::uint64_t count) {
  ALOFT_TRY(check_space(count));
  return advance(0);
}

Result<void> Meter::advance(std::uint64_t count) {
  if (job_.stop.stop_requested()) return std::unexpected(cancelled());
  progress_.done += Bytes(count);
  ALOFT_TRY(check_space(count));
  if (job_.progress) {
    const Instant now = boot_now();
    if (now - reported_ >= kProgressInterval) {
      reported_ = now;
      job_.progress(progress_);
    }
  }
  return {};
}

Result<UniqueFd> open_fd(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
  if (fd < 0) return std::unexpected(write_error(errno, "image.open", path));
  return UniqueFd(fd);
}

Result<void> make_directory(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    return std::unexpected(write_error(errno, "image.mkdir", path));
  }
  // The process's umask must not decide whether a container reaches its root.
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    return std::unexpected(system_error(errno, "image.mkdir", path));
  }
  return {};
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return std::unexpected(system_error(error.value(), "image.list", directory));
  std::ranges::sort(names);
  return names;
}

Result<std::string> read_small_file(const std::string& path, Bytes limit) {
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(path, O_RDONLY));
  ALOFT_ASSIGN(const auto data, read_prefix(fd.get(), limit.count() + 1));
  if (data.size() > limit.count()) {
    return fail(Code::OutOfRange, "image.file_too_large",
                fmt::format("{} is larger than {}", path, to_string(limit)));
  }
  std::string text(data.size(), '\0');
  std::memcpy(text.data(), data.data(), data.size());
  return text;
}

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string temporary = path + ".new";
  {
    ALOFT_ASSIGN(const UniqueFd fd, open_fd(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
    if (auto done = write_all(fd.get(), std::as_bytes(std::span(text)), 0); !done) {
      ::unlink(temporary.c_str());
      return done;
    }
    if (::fsync(fd.get()) != 0) {
      const int error = errno;
      ::unlink(temporary.c_str());
      return std::unexpected(write_error(error, "image.write", path));
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return std::unexpected(write_error(errno, "image.write", path));
  }
  return sync_directory(fs::path(path).parent_path().string());
}

Result<void> sync_directory(const std::string& path) {
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return std::unexpected(write_error(errno, "image.sync", path));
  return {};
}

Result<void> sync_file_system(const std::string& directory) {
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(directory, O_RDONLY | O_DIRECTORY));
  if (::syncfs(fd.get()) != 0) return std::unexpected(write_error(errno, "image.sync", directory));
  return {};
}

Result<std::vector<std::byte>> read_prefix(int fd, std::size_t size) {
  std::vector<std::byte> data;
  while (data.size() < size) {
    const std::size_t have = data.size();
    data.resize(std::min(size, have + kCopyBlock));
    const ssize_t got =
        ::pread(fd, data.data() + have, data.size() - have, static_cast<off_t>(have));
    data.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) {
      return std::unexpected(system_error(errno, "image.read", "reading"));
    }
  }
  return data;
}

Result<void> write_all(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t put = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(write_error(errno, "image.write", "writing"));
    }
    data = data.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> write_sparse(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  constexpr std::size_t kGrain = 4096;
  const auto zero = [](std::span<const std::byte> grain) {
    return grain.empty() || (grain[0] == std::byte{0} &&
                             std::memcmp(grain.data(), grain.data() + 1, grain.size() - 1) == 0);
  };
  std::size_t begin = 0;
  while (begin < data.size()) {
    std::size_t end = std::min(begin + kGrain, data.size());
    if (zero(data.subspan(begin, end - begin))) {
      begin = end;
      continue;
    }
    while (end < data.size() && !zero(data.subspan(end, std::min(kGrain, data.size() - end)))) {
      end = std::min(end + kGrain, data.size());
    }
    ALOFT_TRY(write_all(fd, data.subspan(begin, end - begin), offset + begin));
    begin = end;
  }
  return {};
}

Result<Bytes> copy_file(int from, int to, Sha256* hash, Meter& meter) {
  struct stat status{};
  if (::fstat(from, &status) != 0) {
    return std::unexpected(system_error(errno, "image.read", "reading"));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::vector<std::byte> block(kCopyBlock);
  std::uint64_t at = 0;
  while (at < size) {
    if (hash == nullptr) {
      const off_t data = ::lseek(from, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // only a hole is left
      if (data > 0) at = static_cast<std::uint64_t>(data);
    }
    const std::size_t want = std::min<std::uint64_t>(block.size(), size - at);
    const ssize_t got = ::pread(from, block.data(), want, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(system_error(errno, "image.read", "reading"));
    if (got == 0) {
      return fail(Code::Aborted, "image.source_changed",
                  "the file became shorter while it was read; try again when nobody writes it");
    }
    const std::span data(block.data(), static_cast<std::size_t>(got));
    if (hash != nullptr) hash->update(data);
    ALOFT_TRY(write_sparse(to, data, at));
    at += data.size();
    ALOFT_TRY(meter.advance(data.size()));
  }
  if (::ftruncate(to, static_cast<off_t>(size)) != 0) {
    return std::unexpected(write_error(errno, "image.write", "writing"));
  }
  return Bytes(size);
}

bool reflink(int from, int to) {
  return ::ioctl(to, FICLONE, from) == 0;
}

Result<void> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return std::unexpected(system_error(error.value(), "image.remove", path));
  }
  return {};
}

Bytes stored_bytes(const std::string& path) {
  constexpr std::uint64_t kStatBlock = 512;
  std::uint64_t total = 0;
  const auto add = [&total](const fs::path& file) {
    struct stat status{};
    if (::lstat(file.c_str(), &status) == 0) {
      total += static_cast<std::uint64_t>(status.st_blocks) * kStatBlock /
               std::max<std::uint64_t>(S_ISDIR(status.st_mode) ? 1 : status.st_nlink, 1);
    }
  };
  add(path);
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(path, error))) return Bytes(total);
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    add(it->path());
  }
  return Bytes(total);
}

}  // namespace aloft::image
