// The image store on a directory of this host: what image_store.h promises.
//
// Shared by the files that implement it (import.cc, volumes.cc, seeds.cc, export.cc); the rest of
// Aloft sees ImageStore alone. The mutex guards only the table of names in use; long work runs
// without it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/files.h"
#include "image/image_store.h"
#include "image/process.h"
#include "image/tree_writer.h"

namespace aloft::image {

// A directory below staging/ that goes away with this object unless it was published.
class Staging {
 public:
  explicit Staging(std::string path) : path_(std::move(path)) {}
  Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Staging& operator=(Staging&&) = delete;
  ~Staging();

  [[nodiscard]] const std::string& path() const { return path_; }
  // Renames it to `target`. Durability: flushed once what is inside is.
  Result<void> publish(const std::string& target);

 private:
  std::string path_;
};

class LocalStore final : public ImageStore {
 public:
  LocalStore(Options options, UniqueFd lock);

  Result<void> prepare();

  Result<Info> import(const ImportRequest& request, const Job& job) override;
  Result<Info> image(std::string_view name) override;
  Result<std::vector<Info>> images() override;
  Result<void> remove_image(std::string_view name) override;
  Result<void> export_image(std::string_view name, const std::string& path,
                            const Job& job) override;
  Result<Volume> clone(const CloneRequest& request, const Job& job) override;
  Result<Volume> create_blank(std::string_view volume, Bytes size) override;
  Result<Volume> ensure_ready(std::string_view volume) override;
  Result<Volume> volume(std::string_view name) override;
  Result<std::vector<Volume>> volumes() override;
  Result<Volume> grow_volume(std::string_view name, Bytes size) override;
  Result<void> export_volume(std::string_view name, const std::string& path,
                             const Job& job) override;
  Result<Bytes> used(std::string_view volume) override;
  Result<void> remove_volume(std::string_view name) override;
  Result<std::string> write_seed(const SeedRequest& request) override;
  Result<void> seed_tree(std::string_view volume, const SeedRequest& request) override;
  Result<void> remove_seed(std::string_view guest) override;
  std::vector<Ability> abilities() override;

 private:
  enum class Use { Shared, Exclusive };
  // Keeps others from changing the named thing while it lives.
  class Hold {
   public:
    Hold(LocalStore& store, std::string key, Use use)
        : store_(&store), key_(std::move(key)), use_(use) {}
    Hold(Hold&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)),
          key_(std::move(other.key_)),
          use_(other.use_) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();

   private:
    LocalStore* store_;
    std::string key_;
    Use use_;
  };
  // Errors: Unavailable "image.busy".
  Result<Hold> hold(std::string key, Use use);

  [[nodiscard]] std::string path(std::string_view kind, std::string_view name) const;
  Result<Staging> stage(std::string_view purpose);
  [[nodiscard]] Shift shift() const;
  [[nodiscard]] RunOptions tool_options(const Job& job) const;

  // import.cc; `directory` is a staging directory that becomes the image's.
  struct Import;
  Result<void> import_source(Import& work);
  Result<void> import_path(Import& work, const std::string& source);
  Result<void> import_file(Import& work, UniqueFd fd, const std::string& source);
  Result<void> import_archive(Import& work, const UniqueFd& fd);
  Result<void> import_disk(Import& work);
  Result<void> import_directory(Import& work, const std::string& source);
  Result<void> import_oci(Import& work, const std::string& layout, const std::string& tag);
  Result<void> import_registry(Import& work, const std::string& reference);
  Result<void> import_debian(Import& work, const std::string& suite);
  RunOptions fetch_options(Import& work) const;
  Result<TreeWriter> new_tree(const Import& work);

  // export.cc
  Result<void> export_tree(const std::string& root, const Shift& owners, Bytes size,
                           const std::string& target, const Job& job);
  Result<void> export_disk(const std::string& path, Format format, bool convert,
                           const std::string& target, const Job& job);

  // volumes.cc
  Result<Volume> publish_volume(Staging staging, Volume volume);
  Result<void> drop_volume(std::string_view name);
  Result<void> clone_disk(const Info& image, const CloneRequest& request, Staging& staging,
                          Volume& volume, const Job& job);
  Result<void> clone_tree(const Info& image, const CloneRequest& request, Staging& staging,
                          Volume& volume, const Job& job);
  Result<void> resize_disk(const std::string& path, Format format, Bytes size, const Job& job);
  Result<void> mount_overlay(const std::string& lower, const std::string& directory);
  void probe_abilities();

  Options options_;
  UniqueFd lock_;
  Ability reflink_{"reflink", false, ""};
  Ability overlay_{"overlay", false, ""};
  std::mutex mutex_;
  std::map<std::string, int, std::less<>> holds_;  // -1: exclusive, n: shared by n
  std::uint64_t staged_ = 0;
};

// An RFC 1123 label, as names of images, volumes and guests are.
[[nodiscard]] Result<void> check_label(std::string_view what, std::string_view text);

}  // namespace aloft::image
