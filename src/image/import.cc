#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ranges>

#include "image/archive.h"
#include "image/header.h"
#include "image/local_store.h"
#include "image/oci.h"
#include "image/record.h"
#include "image/tree_copy.h"

namespace aloft::image {

// One import on its way: everything it makes lies in its staging directory.
struct LocalStore::Import {
  const ImportRequest& request;
  const Job& job;
  Staging staging;
  Meter meter;
  Info info;
  TreeSummary summary;

  [[nodiscard]] std::string file(std::string_view name) const {
    return fmt::format("{}/{}", staging.path(), name);
  }
};

namespace {

std::string host_architecture() {
  utsname name{};
  ::uname(&name);
  return name.machine;
}

Error wrong_technique(std::string_view what, std::string_view other) {
  return Error{Code::InvalidArgument, "image.technique",
               fmt::format("the source is {}, of which no {} can be made", what, other)};
}

// Copies a kernel or initrd in: a regular file, as it is.
Result<void> copy_boot_file(const std::string& from, const std::string& to, Meter& meter) {
  const UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!source.valid() || ::fstat(source.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size == 0) {
    return fail(Code::InvalidArgument, "image.source_missing",
                fmt::format("'{}' is no file that can be read, or empty", from));
  }
  ALOFT_ASSIGN(const UniqueFd target, open_fd(to, O_WRONLY | O_CREAT | O_EXCL, 0644));
  ALOFT_TRY(copy_file(source.get(), target.get(), nullptr, meter));
  return {};
}

// The mirror this host installs from, so that a farm behind one needs no other; empty: Debian's.
std::string debian_mirror() {
  for (const char* file : {"/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"}) {
    const auto text = read_small_file(file, mib(1));
    if (!text) continue;
    for (const auto part : *text | std::views::split('\n')) {
      std::string_view line(part.begin(), part.end());
      if (line.starts_with('#')) continue;
      const std::size_t begin = line.find("http");
      if (begin == std::string_view::npos) continue;
      line = line.substr(begin);
      line = line.substr(0, line.find_first_of(" \t\r"));
      while (line.ends_with('/')) line.remove_suffix(1);
      if (line.ends_with("/debian")) return std::string(line);
    }
  }
  return {};
}

// The machine a root tree is for: that of the first program found.
std::string tree_architecture(TreeWriter& tree) {
  constexpr std::array<std::string_view, 5> kPrograms{"usr/bin/env", "bin/busybox", "bin/sh",
                                                      "sbin/init", "usr/lib/systemd/systemd"};
  constexpr std::size_t kElfHeader = 64;
  for (const std::string_view program : kPrograms) {
    auto fd = tree.open_inside(program);
    if (!fd) continue;
    const auto prefix = read_prefix(fd->get(), kElfHeader);
    if (!prefix) continue;
    const std::string_view found = elf_architecture(*prefix);
    if (!found.empty()) return std::string(found);
  }
  return {};
}

}  // namespace

Result<Info> LocalStore::import(const ImportRequest& request, const Job& job) {
  ALOFT_TRY(check_label("image name", request.name));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("image/{}", request.name), Use::Exclusive));
  const std::string target = path("images", request.name);
  if (exists(target)) {
    return fail(Code::AlreadyExists, "image.exists",
                fmt::format("there is an image '{}' already; delete it or choose another name",
                            request.name));
  }
  ALOFT_ASSIGN(Staging staging, stage("import"));
  Import work{request,
              job,
              std::move(staging),
              Meter(job, options_.directory, options_.free_reserve),
              Info(),
              TreeSummary()};
  work.info.name = request.name;
  work.info.source = request.source;
  work.info.architecture = request.architecture;
  if (auto done = import_source(work); !done) {
    return std::unexpected(with_context(done.error(), "image " + request.name));
  }
  if (!request.kernel.empty()) {
    ALOFT_TRY(copy_boot_file(request.kernel, work.file("kernel"), work.meter));
    work.info.kernel = target + "/kernel";
  }
  if (!request.initrd.empty()) {
    ALOFT_TRY(copy_boot_file(request.initrd, work.file("initrd"), work.meter));
    work.info.initrd = target + "/initrd";
  }
  if (work.info.technique == Technique::Container &&
      (!request.kernel.empty() || !request.initrd.empty())) {
    return std::unexpected(
        with_context(wrong_technique("a root tree with a kernel of its own", "container"),
                     "image " + request.name));
  }
  work.info.kernel_arguments = request.kernel_arguments;
  work.info.imported_at = wall_now();
  for (std::string& note : notes_of(work.summary)) work.info.notes.push_back(std::move(note));
  work.info.stored = stored_bytes(work.staging.path());
  work.meter.begin("writing to disk", Bytes());
  ALOFT_TRY(write_file(work.file("image.json"), encode(work.info), 0644));
  ALOFT_TRY(sync_file_system(work.staging.path()));
  ALOFT_TRY(work.meter.advance(0));
  ALOFT_TRY(work.staging.publish(target));
  return image(request.name);
}

Result<void> LocalStore::import_source(Import& work) {
  const std::string& source = work.request.source;
  if (source.empty()) {
    if (work.request.kernel.empty()) {
      return fail(Code::InvalidArgument, "image.source_missing",
                  "neither a source nor a kernel was named");
    }
    if (work.request.technique == Technique::Container) {
      return std::unexpected(wrong_technique("a kernel alone", "container"));
    }
    work.info.format = Format::None;
    work.info.technique = Technique::Vm;
    return {};
  }
  if (source.starts_with("debian:")) return import_debian(work, source.substr(7));
  if (source.starts_with("oci:")) {
    std::string where = source.substr(4), tag;
    if (!where.starts_with('/')) return import_registry(work, where);
    if (!exists(where)) {
      const std::size_t colon = where.rfind(':');
      if (colon != std::string::npos && where.find('/', colon) == std::string::npos) {
        tag = where.substr(colon + 1);
        where.resize(colon);
      }
    }
    struct stat status{};
    if (::stat(where.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      if (!is_oci_layout(where)) {
        return fail(
            Code::InvalidArgument, "image.format_unknown",
            fmt::format("'{}' is no OCI layout (it has no oci-layout and index.json)", where));
      }
      return import_oci(work, where, tag);
    }
    return import_path(work, where);
  }
  return import_path(work, source);
}

// A tool's progress is what lies in the staging directory so far.
RunOptions LocalStore::fetch_options(Import& work) const {
  RunOptions options = tool_options(work.job);
  options.memory = Bytes();  // apt, dpkg and Go programs map what they like
  options.environment = {"TMPDIR=" + work.staging.path(), "HOME=/root"};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE"}) {
    const char* value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets variables
    if (value != nullptr) options.environment.push_back(fmt::format("{}={}", name, value));
  }
  options.tick = [&work] { work.meter.report(stored_bytes(work.staging.path())); };
  return options;
}

// skopeo fetches into a layout in staging; what it fetched is checked like any other layout.
Result<void> LocalStore::import_registry(Import& work, const std::string& reference) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]";
  if (reference.empty() || reference.size() > kMaxReference || reference.starts_with('-') ||
      reference.find_first_not_of(kAllowed) != std::string::npos) {
    return fail(
        Code::InvalidArgument, "image.reference",
        fmt::format("'{:.80}' names no image of a registry; write oci:HOST/NAME:TAG, such as "
                    "oci:docker.io/library/alpine:3.20, or oci:/PATH[:TAG]",
                    reference));
  }
  work.meter.begin("fetching " + reference, Bytes());
  const std::string layout = work.file("layout");
  std::vector<std::string> command{"skopeo", "--insecure-policy", "--override-os", "linux"};
  if (!work.request.architecture.empty()) {
    command.insert(command.end(), {"--override-arch", oci_architecture(work.request.architecture)});
  }
  command.insert(command.end(), {"copy", "--quiet", "--retry-times", "2", "docker://" + reference,
                                 fmt::format("oci:{}:latest", layout)});
  ALOFT_ASSIGN(const Finished fetched, run(command, fetch_options(work)));
  if (fetched.status != 0) {
    return fail(Code::Unavailable, "image.fetch",
                fmt::format("skopeo could not fetch {} ({}); check the name and the way to the "
                            "registry",
                            reference, last_words(fetched.errors)));
  }
  ALOFT_TRY(import_oci(work, layout, "latest"));
  return remove_tree(layout);
}

Result<void> LocalStore::import_path(Import& work, const std::string& source) {
  if (!source.starts_with('/')) {
    return fail(Code::InvalidArgument, "image.source_relative",
                fmt::format("the source '{:.200}' must be an absolute path, oci:PATH[:TAG] or "
                            "debian:SUITE",
                            source));
  }
  // Not blocking: a fifo must not hold the import for ever.
  UniqueFd fd(::open(source.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return fail(Code::InvalidArgument, "image.source_missing",
                fmt::format("the source cannot be read: {}; it must be a path on the host that "
                            "runs aloftd",
                            system_error(errno, "", source).message));
  }
  if (S_ISDIR(status.st_mode)) {
    if (is_oci_layout(source)) return import_oci(work, source, "");
    return import_directory(work, source);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Code::InvalidArgument, "image.source_missing",
                fmt::format("'{}' is neither a file nor a directory", source));
  }
  return import_file(work, std::move(fd), source);
}

Result<void> LocalStore::import_file(Import& work, UniqueFd fd, const std::string& source) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return std::unexpected(system_error(errno, "image.read", source));
  }
  const Bytes size(static_cast<std::uint64_t>(status.st_size));
  ALOFT_ASSIGN(const auto prefix, read_prefix(fd.get(), kPrefixSize));
  const Recognised outer = recognise(prefix);
  Recognised inner = outer;
  const bool compressed = outer.kind == Kind::Gzip || outer.kind == Kind::Xz ||
                          outer.kind == Kind::Zstd || outer.kind == Kind::Bzip2;
  if (compressed) {
    ALOFT_ASSIGN(inner, recognise_inside(fd.get()));
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) {
      return std::unexpected(system_error(errno, "image.read", source));
    }
  }
  work.meter.begin("reading", size);
  // A kernel boots directly: its disk may be anything.
  if (inner.kind == Kind::Unknown && !work.request.kernel.empty()) inner.kind = Kind::Raw;
  switch (inner.kind) {
    case Kind::Tar:
      return import_archive(work, fd);
    case Kind::Qcow2:
    case Kind::Raw: {
      ALOFT_ASSIGN(const UniqueFd to, open_fd(work.file("disk"), O_RDWR | O_CREAT | O_EXCL, 0644));
      Sha256 hash;
      if (compressed) {
        ALOFT_TRY(unpack_file(fd.get(), to.get(), hash, work.meter));
      } else {
        ALOFT_TRY(copy_file(fd.get(), to.get(), &hash, work.meter));
      }
      work.info.sha256 = hash.hex();
      return import_disk(work);
    }
    case Kind::Empty:
      return fail(Code::InvalidArgument, "image.corrupt", fmt::format("'{}' is empty", source));
    case Kind::Unsupported:
      return fail(Code::InvalidArgument, "image.format_unknown",
                  fmt::format("'{}' is a {}, which is not taken as it is; convert disks with "
                              "'qemu-img convert -O qcow2 OLD NEW'",
                              source, inner.description));
    case Kind::Gzip:
    case Kind::Xz:
    case Kind::Zstd:
    case Kind::Bzip2:
      return fail(Code::InvalidArgument, "image.format_unknown",
                  fmt::format("'{}' is compressed twice; unpack it once", source));
    case Kind::Unknown:
      break;
  }
  return fail(Code::InvalidArgument, "image.format_unknown",
              fmt::format("'{}' is neither a qcow2 image, a disk with partitions or a file system, "
                          "a tar archive nor an OCI image",
                          source));
}

// The copy in staging is checked, not the source: nobody can change it after the look.
Result<void> LocalStore::import_disk(Import& work) {
  if (work.request.technique == Technique::Container) {
    return std::unexpected(wrong_technique("the disk of a virtual machine", "container"));
  }
  const std::string disk = work.file("disk");
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(disk, O_RDONLY));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return std::unexpected(system_error(errno, "image.read", disk));
  }
  const Bytes size(static_cast<std::uint64_t>(status.st_size));
  ALOFT_ASSIGN(const auto prefix, read_prefix(fd.get(), kPrefixSize));
  work.info.technique = Technique::Vm;
  if (recognise(prefix).kind == Kind::Qcow2) {
    ALOFT_ASSIGN(const Qcow2Header header, check_qcow2(prefix, size));
    work.meter.begin("checking", Bytes());
    ALOFT_ASSIGN(
        const Finished checked,
        run({options_.qemu_img, "check", "-q", "-f", "qcow2", disk}, tool_options(work.job)));
    constexpr int kLeaksOnly = 3;
    if (checked.status != 0 && checked.status != kLeaksOnly) {
      return fail(Code::InvalidArgument, "image.corrupt",
                  fmt::format("qemu-img check finds the qcow2 image damaged or cut off ({}); fetch "
                              "it again",
                              last_words(checked.errors + checked.output)));
    }
    work.info.format = Format::Qcow2;
    work.info.size = header.virtual_size;
  } else {
    ALOFT_TRY(check_raw(prefix, size));
    work.info.format = Format::Raw;
    work.info.size = size;
  }
  const std::string named = work.file(disk_file(work.info.format));
  if (::rename(disk.c_str(), named.c_str()) != 0) {
    return std::unexpected(system_error(errno, "image.write", named));
  }
  return {};
}

Result<TreeWriter> LocalStore::new_tree(const Import& work) {
  const std::string tree = work.file("tree");
  ALOFT_TRY(make_directory(tree, 0755));
  ALOFT_ASSIGN(UniqueFd root, open_fd(tree, O_RDONLY | O_DIRECTORY));
  TreeWriter writer(std::move(root), shift());
  Attributes attributes;
  attributes.mode = 0755;
  attributes.mtime_s =
      std::chrono::duration_cast<std::chrono::seconds>(wall_now().time_since_epoch()).count();
  ALOFT_TRY(writer.directory("", attributes));
  return writer;
}

Result<void> LocalStore::import_archive(Import& work, const UniqueFd& fd) {
  ALOFT_ASSIGN(TreeWriter tree, new_tree(work));
  Sha256 hash;
  ALOFT_TRY(read_tar(fd.get(), TarMode::Plain, tree, hash, work.meter, work.summary));
  ALOFT_TRY(tree.finish());
  work.info.sha256 = hash.hex();
  const std::string unpacked = work.file("tree");
  if (is_oci_layout(unpacked)) {  // an "oci-archive": the layout in a tar file
    const std::string layout = work.file("layout");
    if (::rename(unpacked.c_str(), layout.c_str()) != 0) {
      return std::unexpected(system_error(errno, "image.write", layout));
    }
    const std::string& source = work.request.source;
    const std::size_t colon = source.rfind(':');
    const bool tagged = source.starts_with("oci:") && colon > 3 && !exists(source.substr(4));
    ALOFT_TRY(import_oci(work, layout, tagged ? source.substr(colon + 1) : ""));
    return remove_tree(layout);
  }
  if (exists(unpacked + "/manifest.json") && exists(unpacked + "/repositories")) {
    return fail(Code::InvalidArgument, "image.format_unknown",
                "the source is an archive of 'docker save'; convert it with 'skopeo copy "
                "docker-archive:FILE oci:DIRECTORY'");
  }
  if (work.request.technique == Technique::Vm) {
    return std::unexpected(wrong_technique("a root tree", "virtual machine"));
  }
  if (work.summary.entries == 0) {
    return fail(Code::InvalidArgument, "image.corrupt", "the archive is empty");
  }
  work.info.technique = Technique::Container;
  work.info.format = Format::Directory;
  work.info.size = work.summary.size;
  if (work.info.architecture.empty()) work.info.architecture = tree_architecture(tree);
  return {};
}

Result<void> LocalStore::import_directory(Import& work, const std::string& source) {
  if (work.request.technique == Technique::Vm) {
    return std::unexpected(wrong_technique("a root tree", "virtual machine"));
  }
  std::error_code error;
  const std::string real = std::filesystem::canonical(source, error).string() + "/";
  const std::string own = std::filesystem::canonical(options_.directory, error).string() + "/";
  if (error || real.starts_with(own) || own.starts_with(real)) {
    return fail(Code::InvalidArgument, "image.source_missing",
                fmt::format("'{}' lies in the image store or holds it; choose the directory that "
                            "is the container's root",
                            source));
  }
  ALOFT_ASSIGN(TreeWriter tree, new_tree(work));
  work.meter.begin("copying", Bytes());
  Sha256 hash;
  TreeCopyOptions options;
  options.reflink = options_.allow_reflink;
  options.hash = &hash;
  ALOFT_TRY(copy_tree(source, options, tree, work.meter, work.summary));
  work.info.sha256 = hash.hex();
  work.info.technique = Technique::Container;
  work.info.format = Format::Directory;
  work.info.size = work.summary.size;
  if (work.info.architecture.empty()) work.info.architecture = tree_architecture(tree);
  return {};
}

Result<void> LocalStore::import_oci(Import& work, const std::string& layout,
                                    const std::string& tag) {
  if (work.request.technique == Technique::Vm) {
    return std::unexpected(wrong_technique("an OCI image", "virtual machine"));
  }
  ALOFT_ASSIGN(TreeWriter tree, new_tree(work));
  work.summary = TreeSummary();
  const std::string machine =
      work.request.architecture.empty() ? host_architecture() : work.request.architecture;
  ALOFT_ASSIGN(OciConfig config, read_oci(layout, tag, machine, tree, work.meter, work.summary));
  work.info.sha256 = config.manifest_digest.substr(config.manifest_digest.find(':') + 1);
  work.info.technique = Technique::Container;
  work.info.format = Format::Directory;
  work.info.size = work.summary.size;
  work.info.entrypoint = std::move(config.entrypoint);
  work.info.environment = std::move(config.environment);
  work.info.working_directory = std::move(config.working_directory);
  work.info.architecture = config.architecture.empty() ? machine : config.architecture;
  return {};
}

Result<void> LocalStore::import_debian(Import& work, const std::string& suite) {
  if (suite.empty() || suite.size() > 32 ||
      suite.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string::npos ||
      suite.starts_with('-')) {
    return fail(Code::InvalidArgument, "image.suite",
                fmt::format("'{:.80}' is no suite of Debian; try debian:bookworm", suite));
  }
  work.meter.begin("building debian " + suite, Bytes());
  const std::string archive = work.file("root.tar");
  // Namespaces of its own: however it ends, its mounts and processes end with it.
  std::vector<std::string> command{
      "unshare",      "--mount",
      "--pid",        "--fork",
      "--kill-child", "--mount-proc",
      "mmdebstrap",   "--quiet",
      "--mode=root",  "--variant=minbase",
      "--format=tar", "--include=systemd-sysv,iproute2,iputils-ping,netbase",
      suite,          archive};
  if (const std::string mirror = debian_mirror(); !mirror.empty()) command.push_back(mirror);
  ALOFT_ASSIGN(const Finished built, run(command, fetch_options(work)));
  if (built.status != 0) {
    return fail(Code::Unavailable, "image.bootstrap",
                fmt::format("mmdebstrap could not build debian:{} ({}); check the suite's name and "
                            "the way to deb.debian.org",
                            suite, last_words(built.errors)));
  }
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(archive, O_RDONLY));
  struct stat status{};
  static_cast<void>(::fstat(fd.get(), &status));
  work.meter.begin("reading", Bytes(static_cast<std::uint64_t>(status.st_size)));
  ALOFT_TRY(import_archive(work, fd));
  return remove_tree(archive);
}

}  // namespace aloft::image
