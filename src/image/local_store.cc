#include "image/local_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "image/record.h"

namespace aloft::image {
namespace {

// Others may pass through but not look: a container's root, who is nobody here, must reach its
// tree.
constexpr unsigned kPassMode = 0711;
constexpr std::array<std::string_view, 3> kFolders{"images", "volumes", "seeds"};

}  // namespace

Result<void> check_label(std::string_view what, std::string_view text) {
  constexpr std::size_t kMaxLabel = 63;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool good = !text.empty() && text.size() <= kMaxLabel && letter(text.front()) &&
                    letter(text.back()) &&
                    std::ranges::all_of(text, [&](char c) { return letter(c) || c == '-'; });
  if (good) return {};
  return fail(Code::InvalidArgument, "name.invalid",
              fmt::format("'{:.80}' is no {}: 1 to 63 of a-z, 0-9 and '-', beginning and ending "
                          "with a letter or digit",
                          text, what));
}

Staging::~Staging() {
  if (path_.empty()) return;
  if (auto removed = remove_tree(path_); !removed) {
    log::warning("image", "{}; it is removed at the next start", removed.error().message);
  }
}

Result<void> Staging::publish(const std::string& target) {
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    return std::unexpected(write_error(errno, "image.publish", target));
  }
  path_.clear();
  return sync_directory(std::filesystem::path(target).parent_path().string());
}

Result<std::unique_ptr<ImageStore>> ImageStore::open(Options options) {
  namespace fs = std::filesystem;
  if (!options.directory.starts_with('/')) {
    return fail(Code::InvalidArgument, "image.store_path",
                fmt::format("the image store '{}' must be an absolute path", options.directory));
  }
  std::error_code error;
  fs::create_directories(fs::path(options.directory).parent_path(), error);
  if (!exists(options.directory)) ALOFT_TRY(make_directory(options.directory, kPassMode));
  ALOFT_ASSIGN(UniqueFd lock, open_fd(options.directory + "/lock", O_RDWR | O_CREAT, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::FailedPrecondition, "image.store_locked",
                fmt::format("the image store {} is used by another process; stop it first, or use "
                            "another state directory",
                            options.directory));
  }
  auto store = std::make_unique<LocalStore>(std::move(options), std::move(lock));
  ALOFT_TRY(store->prepare());
  return std::unique_ptr<ImageStore>(std::move(store));
}

LocalStore::LocalStore(Options options, UniqueFd lock)
    : options_(std::move(options)), lock_(std::move(lock)) {
  if (options_.free_reserve.count() == 0) options_.free_reserve = kFreeReserve;
}

Result<void> LocalStore::prepare() {
  for (const std::string_view folder : kFolders) {
    const std::string directory = fmt::format("{}/{}", options_.directory, folder);
    if (!exists(directory)) ALOFT_TRY(make_directory(directory, kPassMode));
  }
  const std::string staging = options_.directory + "/staging";
  if (!exists(staging)) ALOFT_TRY(make_directory(staging, 0700));
  ALOFT_ASSIGN(const auto leftovers, names_in(staging));
  for (const std::string& name : leftovers) {
    // A probe that was killed may have left its overlay mounted.
    ::umount2(fmt::format("{}/{}/root", staging, name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    ALOFT_TRY(remove_tree(staging + "/" + name));
  }
  if (!leftovers.empty()) {
    log::info("image", "removed {} unfinished imports and clones of an earlier run",
              leftovers.size());
  }
  probe_abilities();
  return {};
}

LocalStore::Hold::~Hold() {
  if (store_ == nullptr) return;
  const std::scoped_lock lock(store_->mutex_);
  const auto found = store_->holds_.find(key_);
  if (use_ == Use::Exclusive || --found->second == 0) store_->holds_.erase(found);
}

Result<LocalStore::Hold> LocalStore::hold(std::string key, Use use) {
  const std::scoped_lock lock(mutex_);
  const auto [found, is_new] = holds_.try_emplace(key, 0);
  if (!is_new && (use == Use::Exclusive || found->second < 0)) {
    return fail(Code::Unavailable, "image.busy",
                fmt::format("another operation works on {}; try again when it is done", key));
  }
  found->second = use == Use::Exclusive ? -1 : found->second + 1;
  return Hold(*this, std::move(key), use);
}

std::string LocalStore::path(std::string_view kind, std::string_view name) const {
  return fmt::format("{}/{}/{}", options_.directory, kind, name);
}

Result<Staging> LocalStore::stage(std::string_view purpose) {
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = ++staged_;
  }
  const std::string directory =
      fmt::format("{}/staging/{}-{}", options_.directory, purpose, number);
  ALOFT_TRY(make_directory(directory, kPassMode));
  return Staging(directory);
}

Shift LocalStore::shift() const {
  return Shift{.own = ::geteuid() == 0, .base = options_.id_base};
}

RunOptions LocalStore::tool_options(const Job& job) const {
  RunOptions options;
  options.stop = job.stop;
  return options;
}

Result<Info> LocalStore::image(std::string_view name) {
  ALOFT_TRY(check_label("image name", name));
  const std::string directory = path("images", name);
  if (!exists(directory)) {
    return fail(
        Code::NotFound, "image.not_found",
        fmt::format("there is no image '{}'; 'aloft image list' shows what there is", name));
  }
  ALOFT_ASSIGN(const std::string record, read_small_file(directory + "/image.json", mib(1)));
  return decode_info(record, directory);
}

Result<std::vector<Info>> LocalStore::images() {
  ALOFT_ASSIGN(const auto names, names_in(options_.directory + "/images"));
  std::vector<Info> all;
  for (const std::string& name : names) {
    auto info = image(name);
    if (info) {
      all.push_back(std::move(*info));
    } else if (info.error().code != Code::NotFound) {
      log::warning("image/" + name, "{}", info.error().message);
    }
  }
  return all;
}

Result<void> LocalStore::remove_image(std::string_view name) {
  ALOFT_TRY(check_label("image name", name));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("image/{}", name), Use::Exclusive));
  const std::string directory = path("images", name);
  if (!exists(directory)) {
    return fail(Code::NotFound, "image.not_found", fmt::format("there is no image '{}'", name));
  }
  ALOFT_ASSIGN(const auto all, volumes());
  std::string users;
  std::size_t count = 0;
  constexpr std::size_t kNamed = 5;
  for (const Volume& volume : all) {
    if (volume.image != name || volume.method != CloneMethod::Overlay) continue;
    if (++count <= kNamed) users += (users.empty() ? "" : ", ") + volume.name;
  }
  if (count > 0) {
    return fail(Code::FailedPrecondition, "image.in_use",
                fmt::format("image '{}' is what {} volumes are written on top of ({}{}); delete "
                            "their guests first",
                            name, count, users, count > kNamed ? ", ..." : ""));
  }
  ALOFT_ASSIGN(Staging staging, stage("removed"));
  const std::string gone = staging.path() + "/image";
  if (::rename(directory.c_str(), gone.c_str()) != 0) {
    return std::unexpected(system_error(errno, "image.remove", directory));
  }
  return sync_directory(options_.directory + "/images");
}

std::vector<ImageStore::Ability> LocalStore::abilities() {
  return {reflink_, overlay_};
}

}  // namespace aloft::image
