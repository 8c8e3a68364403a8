// Writes entries that come from outside into a root tree, and never anywhere else.
//
// Paths are taken apart here: ".." is refused, a leading "/" is dropped, and links on the way are
// followed as a process inside the tree would follow them (openat2 with RESOLVE_IN_ROOT), so that
// no link leads out. Device nodes and sockets are left out: a container gets its own /dev, and a
// node would give it the host's disk. Owners are shifted into the range of the container.
//
// One object per tree, used by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "image/files.h"

namespace aloft::image {

// Owners on the host are owners in the tree plus `base`. Off: owners are the process's.
struct Shift {
  bool own = true;  // change owners at all (needs root)
  std::uint32_t base = 0;
};

struct Attributes {
  std::uint32_t mode = 0644;  // permission bits with set-id and sticky bits
  std::uint32_t uid = 0;      // in the tree
  std::uint32_t gid = 0;
  std::int64_t mtime_s = 0;
  std::uint32_t mtime_ns = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// The path as the tree has it, "" for its root. Errors: InvalidArgument "image.entry_outside" for
// "..", "image.entry_name" for names no file can have.
[[nodiscard]] Result<std::string> clean_entry_path(std::string_view path);
// A file capability as a container with that base must have it to be in force (version 3; 0: the
// host's version 2). Empty when it is none.
[[nodiscard]] std::string shift_capability(std::string_view value, std::uint32_t base);

class TreeWriter {
 public:
  // root: an open directory; the tree's root.
  TreeWriter(UniqueFd root, Shift shift) : root_(std::move(root)), shift_(shift) {}

  // Makes it, or changes one that is there. Sub-trees of links are replaced.
  Result<void> directory(std::string_view path, const Attributes& attributes);
  // An empty file that replaces what was there, open for writing; end with finish_file.
  Result<UniqueFd> file(std::string_view path);
  Result<void> finish_file(const UniqueFd& fd, std::string_view path, const Attributes& attributes);
  Result<void> symlink(std::string_view path, const std::string& target,
                       const Attributes& attributes);
  // Errors: InvalidArgument "image.corrupt" when the target is not there.
  Result<void> hard_link(std::string_view path, std::string_view target);
  Result<void> fifo(std::string_view path, const Attributes& attributes);
  // Removes what a lower layer put there; nothing there is well too.
  Result<void> whiteout(std::string_view path);
  Result<void> clear_directory(std::string_view path);
  // Sets the times of directories, which writing into them had changed. Call last.
  Result<void> finish();

  // The bits of a regular file inside, for reading. Errors: NotFound.
  Result<UniqueFd> open_inside(std::string_view path);

 private:
  struct Place {
    int parent = -1;  // owned by the cache
    std::string name;
  };
  Result<Place> place(std::string_view path);
  Result<UniqueFd> open_directory(const std::string& path);
  Result<UniqueFd> ensure_directory(const std::string& path);
  Result<void> make_way(const Place& place, std::string_view path);
  Result<void> apply(int fd, std::string_view path, const Attributes& attributes);
  Result<void> own(int parent, const std::string& name, std::string_view path,
                   const Attributes& attributes);

  UniqueFd root_;
  Shift shift_;
  std::string cached_path_;
  UniqueFd cached_;
  std::map<std::string, std::pair<std::int64_t, std::uint32_t>> directory_times_;
};

}  // namespace aloft::image
