// Files of the store: descriptors that close themselves, durable writes, sparse copies.
//
// Used inside the room, from any thread; nothing here keeps state.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "image/image_store.h"

namespace aloft::image {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// SHA-256 of what is given to it piece by piece.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> data);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // Lower-case hex. Requires: called once.
  [[nodiscard]] std::string hex();

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

// Watches over a long copy: reports, hears the stop, keeps space free. One thread's.
class Meter {
 public:
  // directory: on the file system that is written; free_reserve stays free there.
  Meter(const Job& job, std::string directory, Bytes free_reserve);

  void begin(std::string step, Bytes total);
  // `count` more bytes (or 0) were handled. Errors: Cancelled; ResourceExhausted "image.disk_full".
  Result<void> advance(std::uint64_t count);
  // The same for bytes that were written without being read: what a compressed stream unpacks to.
  Result<void> wrote(std::uint64_t count);
  // Says how much there is by now, where somebody else writes.
  void report(Bytes done);
  [[nodiscard]] bool stopped() const { return job_.stop.stop_requested(); }
  [[nodiscard]] std::stop_token stop() const { return job_.stop; }

 private:
  const Job& job_;
  std::string directory_;
  Bytes free_reserve_;
  Result<void> check_space(std::uint64_t count);

  Progress progress_;
  std::uint64_t since_space_check_ = 0;
  Instant reported_{};
};

[[nodiscard]] Error cancelled();
// ENOSPC and EDQUOT become "image.disk_full" with what to do; anything else keeps `reason`.
[[nodiscard]] Error write_error(int errno_value, std::string_view reason, std::string_view what);

[[nodiscard]] Result<UniqueFd> open_fd(const std::string& path, int flags, unsigned mode = 0);
[[nodiscard]] Result<void> make_directory(const std::string& path, unsigned mode);
[[nodiscard]] bool exists(const std::string& path);
[[nodiscard]] Result<std::vector<std::string>> names_in(const std::string& directory);

// Whole small files. Errors: OutOfRange "image.file_too_large" above `limit`.
[[nodiscard]] Result<std::string> read_small_file(const std::string& path, Bytes limit);
// Durability: flushed; replaces atomically.
[[nodiscard]] Result<void> write_file(const std::string& path, std::string_view text,
                                      unsigned mode);
[[nodiscard]] Result<void> sync_directory(const std::string& path);
[[nodiscard]] Result<void> sync_file_system(const std::string& directory);

// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
[[nodiscard]] Result<std::vector<std::byte>> read_prefix(int fd, std::size_t size);
[[nodiscard]] Result<void> write_all(int fd, std::span<const std::byte> data, std::uint64_t offset);
// Writes the block but leaves runs of zeros out: the file keeps its holes.
[[nodiscard]] Result<void> write_sparse(int fd, std::span<const std::byte> data,
                                        std::uint64_t offset);

// Copies the whole of `from` to the empty file `to`, keeping holes; hash may be null (then holes
// are skipped unread). Returns the size.
[[nodiscard]] Result<Bytes> copy_file(int from, int to, Sha256* hash, Meter& meter);
// Shares the blocks of `from` with `to` (FICLONE). False when the file system cannot.
[[nodiscard]] bool reflink(int from, int to);

// Removes a file or a tree without following links or entering mounts.
[[nodiscard]] Result<void> remove_tree(const std::string& path);
// Bytes on disk of a file or a tree.
[[nodiscard]] Bytes stored_bytes(const std::string& path);

}  // namespace aloft::image
