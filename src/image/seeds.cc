#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "image/local_store.h"

namespace aloft::image {
namespace {

struct SeedFile {
  std::string name;
  std::string text;
};

// What the NoCloud data source of cloud-init reads.
Result<std::vector<SeedFile>> seed_files(const SeedRequest& request) {
  ALOFT_TRY(check_label("guest name", request.guest));
  ALOFT_TRY(check_label("host name", request.hostname));
  ALOFT_TRY(check_label("instance id", request.instance_id));
  ALOFT_TRY(check_user_data(request.user_data));
  std::string user_data = request.user_data;
  constexpr std::string_view kMark = "#cloud-config";  // without it cloud-init ignores the text
  if (!user_data.starts_with(kMark)) user_data = fmt::format("{}\n{}", kMark, user_data);
  std::vector<SeedFile> files{{"user-data", std::move(user_data)},
                              {"meta-data", fmt::format("instance-id: {}\nlocal-hostname: {}\n",
                                                        request.instance_id, request.hostname)}};
  if (!request.network_config.empty()) {
    ALOFT_TRY(check_user_data(request.network_config));
    files.push_back({"network-config", request.network_config});
  }
  return files;
}

}  // namespace

Result<std::string> LocalStore::write_seed(const SeedRequest& request) {
  ALOFT_ASSIGN(const auto files, seed_files(request));
  ALOFT_ASSIGN(const Hold held, hold(fmt::format("seed/{}", request.guest), Use::Exclusive));
  ALOFT_ASSIGN(const Staging staging, stage("seed"));
  const std::string directory = staging.path() + "/files";
  ALOFT_TRY(make_directory(directory, 0700));
  for (const SeedFile& file : files) {
    ALOFT_TRY(write_file(directory + "/" + file.name, file.text, 0644));
  }
  const std::string iso = staging.path() + "/seed.iso";
  ALOFT_ASSIGN(const Finished made, run({"xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-o", iso,
                                         "-V", "cidata", "-J", "-r", directory},
                                        tool_options(Job())));
  if (made.status != 0) {
    return fail(Code::Internal, "cloud_init.seed",
                fmt::format("xorriso could not make the cloud-init seed of guest '{}': {}",
                            request.guest, last_words(made.errors)));
  }
  ALOFT_ASSIGN(const UniqueFd fd, open_fd(iso, O_RDONLY));
  if (::fsync(fd.get()) != 0) return std::unexpected(write_error(errno, "cloud_init.seed", iso));
  const std::string target = path("seeds", request.guest + ".iso");
  if (::rename(iso.c_str(), target.c_str()) != 0) {
    return std::unexpected(write_error(errno, "cloud_init.seed", target));
  }
  ALOFT_TRY(sync_directory(options_.directory + "/seeds"));
  return target;
}

Result<void> LocalStore::seed_tree(std::string_view name, const SeedRequest& request) {
  ALOFT_ASSIGN(const auto files, seed_files(request));
  ALOFT_ASSIGN(const Volume found, ensure_ready(name));
  if (found.format != Format::Directory) {
    return fail(Code::InvalidArgument, "volume.no_tree",
                fmt::format("volume '{}' is a disk, not a root tree", name));
  }
  ALOFT_ASSIGN(UniqueFd root, open_fd(found.path, O_RDONLY | O_DIRECTORY));
  Shift owners = shift();
  if (found.privileged) owners.base = 0;
  TreeWriter tree(std::move(root), owners);
  Attributes attributes;
  attributes.mode = 0600;  // user-data often holds passwords
  attributes.mtime_s =
      std::chrono::duration_cast<std::chrono::seconds>(wall_now().time_since_epoch()).count();
  for (const SeedFile& file : files) {
    const std::string inside = "var/lib/cloud/seed/nocloud-net/" + file.name;
    ALOFT_ASSIGN(const UniqueFd fd, tree.file(inside));
    ALOFT_TRY(write_all(fd.get(), std::as_bytes(std::span(file.text)), 0));
    ALOFT_TRY(tree.finish_file(fd, inside, attributes));
  }
  return {};
}

Result<void> LocalStore::remove_seed(std::string_view guest) {
  ALOFT_TRY(check_label("guest name", guest));
  const std::string target = path("seeds", fmt::format("{}.iso", guest));
  if (::unlink(target.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(system_error(errno, "cloud_init.seed", target));
  }
  return {};
}

}  // namespace aloft::image
