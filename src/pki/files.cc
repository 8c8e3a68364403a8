#include "pki/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace aloft::pki {
namespace {

constexpr std::size_t kMaxFileBytes = 64U << 10U;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

std::unexpected<Error> failed(std::string_view what, const std::filesystem::path& path) {
  return std::unexpected(
      system_error(errno, "pki.file", fmt::format("{} {}", what, path.string())));
}

}  // namespace

Result<void> write_file(const std::filesystem::path& path, std::string_view text, Secrecy secrecy) {
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (file.get() < 0) return failed("cannot write", path);
  const auto give_up = [&] {
    auto error = failed("cannot write", path);
    ::unlink(temporary.c_str());
    return error;
  };
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return give_up();
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if ((secrecy == Secrecy::Public && ::fchmod(file.get(), 0644) != 0) || ::fsync(file.get()) != 0 ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    return give_up();
  }
  const Descriptor directory(::open(path.has_parent_path() ? path.parent_path().c_str() : ".",
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return failed("cannot flush", path);
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path, Secrecy secrecy) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return failed("cannot read", path);
  if (secrecy == Secrecy::Private && (status.st_mode & 077U) != 0) {
    return fail(
        Code::PermissionDenied, "pki.open_secret",
        fmt::format("{} holds a secret but others may read it: chmod 600 it, and replace the "
                    "secret if somebody did",
                    path.string()));
  }
  if (std::cmp_greater(status.st_size, kMaxFileBytes)) {
    return fail(Code::InvalidArgument, "pki.too_large",
                fmt::format("{} has {} bytes, more than the {} of any key or certificate",
                            path.string(), status.st_size, kMaxFileBytes));
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(file.get(), &text[have], text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("cannot read", path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

}  // namespace aloft::pki
