#include "aloft_sim_file.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "sim/limits.h"

aloft::Result<std::string> read_whole_file(const std::string& path) {
  using namespace aloft;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) return std::unexpected(system_error(errno, "file.unreadable", path));
  std::string text;
  std::array<char, 65536> part{};
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), file.get())) {
    text.append(part.data(), got);
    if (text.size() > sim::kMaxJsonBytes) {
      return fail(Code::ResourceExhausted, "file.too_large",
                  fmt::format("{} has more than {} bytes", path, sim::kMaxJsonBytes));
    }
  }
  if (std::ferror(file.get()) != 0) {
    return std::unexpected(system_error(errno, "file.unreadable", path));
  }
  return text;
}
