#include "image/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "image/limits.h"

namespace aloft::image {
namespace {

// Names in archives are UTF-8; libarchive converts by the thread's locale, which must not be "C".
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{})) {
    if (locale_ != nullptr) previous_ = ::uselocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    ::uselocale(previous_);
    ::freelocale(locale_);
  }

 private:
  locale_t locale_;
  locale_t previous_{};
};

// Where libarchive's bytes come from, and why reading ended early.
struct Source {
  int fd = -1;
  Sha256* hash = nullptr;
  Meter* meter = nullptr;
  std::vector<std::byte> block = std::vector<std::byte>(kCopyBlock / 4);
  std::size_t trailing_zeros = 0;  // at the end of what was read, counted up to a block
  std::optional<Error> error;
};

la_ssize_t read_source(archive* reader, void* data, const void** buffer) {
  Source& source = *static_cast<Source*>(data);
  ssize_t got = -1;
  do {
    got = ::read(source.fd, source.block.data(), source.block.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    source.error = system_error(errno, "image.read", "reading");
  } else {
    const auto size = static_cast<std::size_t>(got);
    const std::span read(source.block.data(), size);
    if (source.hash != nullptr) source.hash->update(read);
    const auto last = std::find_if(read.rbegin(), read.rend(),
                                   [](std::byte byte) { return byte != std::byte{0}; });
    const auto zeros = static_cast<std::size_t>(last - read.rbegin());
    source.trailing_zeros = zeros == size ? source.trailing_zeros + zeros : zeros;
    if (source.meter != nullptr) {
      if (auto going = source.meter->advance(size); !going) source.error = going.error();
    }
  }
  if (source.error) {
    archive_set_error(reader, EIO, "stopped");
    return ARCHIVE_FATAL;
  }
  *buffer = source.block.data();
  return got;
}

using Reader = std::unique_ptr<archive, int (*)(archive*)>;

Error archive_error(archive* reader, const Source& source, std::string_view what) {
  if (source.error) return *source.error;
  const char* text = archive_error_string(reader);
  return Error{
      Code::InvalidArgument, "image.corrupt",
      fmt::format("{}: {}; fetch the file again", what, text == nullptr ? "damaged" : text)};
}

Result<Reader> open_reader(Source& source, bool tar) {
  Reader reader(archive_read_new(), archive_read_free);
  if (reader == nullptr) return fail(Code::ResourceExhausted, "image.memory", "out of memory");
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  if (tar) {
    archive_read_support_format_tar(reader.get());
  } else {
    archive_read_support_format_raw(reader.get());
  }
  if (archive_read_open(reader.get(), &source, nullptr, read_source, nullptr) != ARCHIVE_OK) {
    return std::unexpected(archive_error(reader.get(), source, "opening"));
  }
  return reader;
}

Attributes attributes_of(archive_entry* entry) {
  Attributes attributes;
  attributes.mode = static_cast<std::uint32_t>(archive_entry_perm(entry));
  const auto id = [](la_int64_t value) {
    return value < 0 || value > kIdCount ? kIdCount : static_cast<std::uint32_t>(value);
  };
  attributes.uid = id(archive_entry_uid(entry));
  attributes.gid = id(archive_entry_gid(entry));
  attributes.mtime_s = archive_entry_mtime(entry);
  attributes.mtime_ns = static_cast<std::uint32_t>(archive_entry_mtime_nsec(entry));
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    if (name != nullptr && value != nullptr) {
      attributes.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
  }
  return attributes;
}

std::string entry_path(archive_entry* entry) {
  const char* path = archive_entry_pathname(entry);
  if (path == nullptr) path = archive_entry_pathname_utf8(entry);
  return path == nullptr ? std::string() : std::string(path);
}

// One stream into one tree.
class TarReading {
 public:
  TarReading(Source& source, TarMode mode, TreeWriter& tree, TreeSummary& summary)
      : source_(source), mode_(mode), tree_(tree), summary_(summary) {}

  Result<void> run() {
    ALOFT_ASSIGN(reader_, open_reader(source_, true));
    while (true) {
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(reader_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      if (status < ARCHIVE_WARN) {
        return std::unexpected(archive_error(reader_.get(), source_, "the archive is damaged"));
      }
      if (++summary_.entries > kMaxTreeEntries) {
        return fail(Code::InvalidArgument, "image.too_large",
                    fmt::format("the archive has more than {} entries", kMaxTreeEntries));
      }
      ALOFT_TRY(take(entry));
    }
    return drain();
  }

 private:
  // Reads what comes after the archive's end, so that the hash is the file's.
  Result<void> drain() {
    const void* buffer = nullptr;
    la_ssize_t got = 0;
    while ((got = read_source(reader_.get(), &source_, &buffer)) > 0) {
    }
    if (source_.error) return std::unexpected(*source_.error);
    // libarchive takes the end of a file for the end of an archive. Compressed streams and layers
    // know their length; a plain archive has zeros after its last entry or was cut off.
    constexpr std::size_t kTarBlock = 512;
    if (mode_ == TarMode::Plain && source_.trailing_zeros < kTarBlock &&
        archive_filter_code(reader_.get(), 0) == ARCHIVE_FILTER_NONE) {
      return fail(Code::InvalidArgument, "image.corrupt",
                  "the archive has no end mark, it was cut off; fetch it again");
    }
    return {};
  }

  Result<void> take(archive_entry* entry) {
    const std::string given = entry_path(entry);
    if (given.starts_with('/')) ++summary_.absolute_paths;
    ALOFT_ASSIGN(const std::string path, clean_entry_path(given));
    if (mode_ == TarMode::Layer) {
      const std::size_t slash = path.rfind('/');
      const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
      const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
      if (name == ".wh..wh..opq") return tree_.clear_directory(parent);
      if (name.starts_with(".wh..wh.")) return {};  // housekeeping of aufs
      if (name.starts_with(".wh.")) {
        ALOFT_ASSIGN(
            const std::string gone,
            clean_entry_path(parent.empty() ? name.substr(4) : parent + "/" + name.substr(4)));
        return gone.empty() ? Result<void>() : tree_.whiteout(gone);
      }
    }
    const Attributes attributes = attributes_of(entry);
    if (path.empty()) {
      if (archive_entry_filetype(entry) != AE_IFDIR) return {};
      return tree_.directory(path, attributes);
    }
    const char* link = archive_entry_hardlink(entry);
    if (link == nullptr) link = archive_entry_hardlink_utf8(entry);
    if (link != nullptr) return tree_.hard_link(path, link);
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG:
        return file(path, attributes);
      case AE_IFDIR:
        return tree_.directory(path, attributes);
      case AE_IFLNK: {
        const char* target = archive_entry_symlink(entry);
        if (target == nullptr) target = archive_entry_symlink_utf8(entry);
        if (target == nullptr) {
          return fail(Code::InvalidArgument, "image.corrupt",
                      fmt::format("the link '{}' leads nowhere", path));
        }
        return tree_.symlink(path, target, attributes);
      }
      case AE_IFIFO:
        return tree_.fifo(path, attributes);
      case AE_IFCHR:
      case AE_IFBLK:
        ++summary_.devices_left_out;
        return {};
      case AE_IFSOCK:
        ++summary_.sockets_left_out;
        return {};
      default:
        return fail(Code::InvalidArgument, "image.corrupt",
                    fmt::format("the entry '{}' is of no known type", path));
    }
  }

  Result<void> file(const std::string& path, const Attributes& attributes) {
    ALOFT_ASSIGN(const UniqueFd fd, tree_.file(path));
    std::uint64_t end = 0;
    while (true) {
      const void* buffer = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int status = archive_read_data_block(reader_.get(), &buffer, &size, &offset);
      if (status == ARCHIVE_EOF) {
        end = std::max(end, static_cast<std::uint64_t>(std::max<la_int64_t>(offset, 0)));
        break;
      }
      if (status < ARCHIVE_WARN) {
        return std::unexpected(archive_error(reader_.get(), source_,
                                             fmt::format("the archive is damaged in '{}'", path)));
      }
      if (offset < 0) continue;
      const auto begin = static_cast<std::uint64_t>(offset);
      end = begin + size;
      summary_.size += Bytes(size);
      if (end > kMaxTreeSize.count() || summary_.size > kMaxTreeSize) {
        return fail(Code::InvalidArgument, "image.too_large",
                    fmt::format("the archive holds more than {}", to_string(kMaxTreeSize)));
      }
      ALOFT_TRY(write_all(fd.get(), std::span(static_cast<const std::byte*>(buffer), size), begin));
      ALOFT_TRY(unpacked(size));
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(end)) != 0) {
      return std::unexpected(write_error(errno, "image.write", path));
    }
    return tree_.finish_file(fd, path, attributes);
  }

  // Between two reads of the source a well compressed stream may unpack to very much.
  Result<void> unpacked(std::size_t size) {
    since_check_ += size;
    if (since_check_ < kCopyBlock || source_.meter == nullptr) return {};
    return source_.meter->wrote(std::exchange(since_check_, 0));
  }

  Source& source_;
  TarMode mode_;
  TreeWriter& tree_;
  TreeSummary& summary_;
  Reader reader_{nullptr, archive_read_free};
  std::size_t since_check_ = 0;
};

}  // namespace

std::vector<std::string> notes_of(const TreeSummary& summary) {
  std::vector<std::string> notes;
  if (summary.devices_left_out > 0) {
    notes.push_back(fmt::format("{} device nodes were left out: containers get their own /dev",
                                summary.devices_left_out));
  }
  if (summary.sockets_left_out > 0) {
    notes.push_back(fmt::format("{} sockets were left out", summary.sockets_left_out));
  }
  if (summary.absolute_paths > 0) {
    notes.push_back(fmt::format("{} absolute paths were taken as paths inside the tree",
                                summary.absolute_paths));
  }
  return notes;
}

Result<void> read_tar(int fd, TarMode mode, TreeWriter& tree, Sha256& hash, Meter& meter,
                      TreeSummary& summary) {
  const Utf8Locale locale;
  Source source;
  source.fd = fd;
  source.hash = &hash;
  source.meter = &meter;
  return TarReading(source, mode, tree, summary).run();
}

Result<Recognised> recognise_inside(int fd) {
  Source source;
  source.fd = fd;
  ALOFT_ASSIGN(const Reader reader, open_reader(source, false));
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(reader.get(), &entry);
  if (status == ARCHIVE_EOF) return recognise({});
  if (status < ARCHIVE_WARN) {
    return std::unexpected(archive_error(reader.get(), source, "the file is damaged"));
  }
  std::vector<std::byte> prefix(kPrefixSize);
  std::size_t have = 0;
  while (have < prefix.size()) {
    const la_ssize_t got =
        archive_read_data(reader.get(), prefix.data() + have, prefix.size() - have);
    if (got < 0) {
      return std::unexpected(archive_error(reader.get(), source, "the file is damaged"));
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return recognise(std::span(prefix.data(), have));
}

Result<Bytes> unpack_file(int from, int to, Sha256& hash, Meter& meter) {
  Source source;
  source.fd = from;
  source.hash = &hash;
  source.meter = &meter;
  ALOFT_ASSIGN(const Reader reader, open_reader(source, false));
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN) {
    return std::unexpected(archive_error(reader.get(), source, "the file is damaged"));
  }
  std::uint64_t end = 0;
  std::vector<std::byte> block(kCopyBlock);
  while (true) {
    const la_ssize_t got = archive_read_data(reader.get(), block.data(), block.size());
    if (got < 0) {
      return std::unexpected(archive_error(reader.get(), source, "the file is damaged"));
    }
    if (got == 0) break;
    const auto size = static_cast<std::size_t>(got);
    ALOFT_TRY(write_sparse(to, std::span(block.data(), size), end));
    end += size;
    if (end > kMaxVirtualSize.count()) {
      return fail(Code::InvalidArgument, "image.too_large",
                  fmt::format("the file unpacks to more than {}", to_string(kMaxVirtualSize)));
    }
    ALOFT_TRY(meter.wrote(size));
  }
  if (::ftruncate(to, static_cast<off_t>(end)) != 0) {
    return std::unexpected(write_error(errno, "image.write", "unpacking"));
  }
  return Bytes(end);
}

namespace {

la_ssize_t write_sink(archive* writer, void* data, const void* buffer, std::size_t size) {
  const int fd = *static_cast<int*>(data);
  ssize_t put = -1;
  do {
    put = ::write(fd, buffer, size);
  } while (put < 0 && errno == EINTR);
  if (put < 0) archive_set_error(writer, errno, "writing");
  return put;
}

Result<void> copy_data(archive* writer, int fd, Meter& meter) {
  std::vector<std::byte> block(kCopyBlock);
  while (true) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(system_error(errno, "image.read", "reading"));
    if (got == 0) return {};
    if (archive_write_data(writer, block.data(), static_cast<std::size_t>(got)) < 0) {
      return std::unexpected(write_error(archive_errno(writer), "image.write", "the archive"));
    }
    ALOFT_TRY(meter.advance(static_cast<std::uint64_t>(got)));
  }
}

// Capabilities name the host's id of the container's root; in an archive they must not.
void shift_capabilities_back(archive_entry* entry) {
  const Attributes attributes = attributes_of(entry);
  archive_entry_xattr_clear(entry);
  for (const auto& [name, value] : attributes.xattrs) {
    const bool capability = name == "security.capability";
    if (!capability && !name.starts_with("user.")) continue;
    const std::string stored = capability ? shift_capability(value, 0) : value;
    archive_entry_xattr_add_entry(entry, name.c_str(), stored.data(), stored.size());
  }
}

}  // namespace

Result<void> write_tar(const std::string& root, const Shift& shift, int to, Meter& meter) {
  const Utf8Locale locale;
  int sink = to;
  const Reader writer(archive_write_new(), archive_write_free);
  const Reader disk(archive_read_disk_new(), archive_read_free);
  if (writer == nullptr || disk == nullptr) {
    return fail(Code::ResourceExhausted, "image.memory", "out of memory");
  }
  archive_write_set_format_pax_restricted(writer.get());
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  if (archive_write_open(writer.get(), &sink, nullptr, write_sink, nullptr) != ARCHIVE_OK) {
    return fail(Code::Internal, "image.write", "the archive could not be begun");
  }
  archive_read_disk_set_symlink_physical(disk.get());
  archive_read_disk_set_behavior(disk.get(), ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS |
                                                 ARCHIVE_READDISK_NO_ACL |
                                                 ARCHIVE_READDISK_NO_FFLAGS);
  if (archive_read_disk_open(disk.get(), root.c_str()) != ARCHIVE_OK) {
    return fail(Code::NotFound, "image.read",
                fmt::format("{}: {}", root, archive_error_string(disk.get())));
  }
  const std::unique_ptr<archive_entry_linkresolver, void (*)(archive_entry_linkresolver*)> links(
      archive_entry_linkresolver_new(), archive_entry_linkresolver_free);
  archive_entry_linkresolver_set_strategy(links.get(), ARCHIVE_FORMAT_TAR);
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  while (true) {
    const int status = archive_read_next_header2(disk.get(), entry.get());
    if (status == ARCHIVE_EOF) break;
    if (status < ARCHIVE_WARN) {
      return fail(Code::Internal, "image.read",
                  fmt::format("{}: {}", root, archive_error_string(disk.get())));
    }
    archive_read_disk_descend(disk.get());
    const std::string source = archive_entry_sourcepath(entry.get());
    const std::string inside =
        source.size() <= root.size() ? "." : "." + source.substr(root.size());
    archive_entry_set_pathname(entry.get(), inside.c_str());
    const auto back = [&shift](la_int64_t id) {
      return shift.own && id >= shift.base ? id - shift.base : id;
    };
    archive_entry_set_uid(entry.get(), back(archive_entry_uid(entry.get())));
    archive_entry_set_gid(entry.get(), back(archive_entry_gid(entry.get())));
    shift_capabilities_back(entry.get());
    archive_entry_set_uname(entry.get(), nullptr);
    archive_entry_set_gname(entry.get(), nullptr);
    if (archive_entry_filetype(entry.get()) == AE_IFSOCK) continue;
    archive_entry* linked = entry.get();
    archive_entry* deferred = nullptr;
    archive_entry_linkify(links.get(), &linked, &deferred);
    if (archive_write_header(writer.get(), linked) < ARCHIVE_WARN) {
      return std::unexpected(write_error(archive_errno(writer.get()), "image.write", inside));
    }
    if (archive_entry_filetype(linked) == AE_IFREG && archive_entry_hardlink(linked) == nullptr) {
      ALOFT_ASSIGN(const UniqueFd fd, open_fd(source, O_RDONLY | O_NOFOLLOW));
      ALOFT_TRY(copy_data(writer.get(), fd.get(), meter));
    }
    ALOFT_TRY(meter.advance(0));
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) {
    return std::unexpected(write_error(archive_errno(writer.get()), "image.write", "the archive"));
  }
  return {};
}

}  // namespace aloft::image
