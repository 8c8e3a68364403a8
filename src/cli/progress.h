// What operations are doing, while somebody waits: bars that are redrawn on a terminal, a line for
// each new step anywhere else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace aloft::cli {

struct Doing {
  std::string subject;  // "guest web1"
  std::string verb;     // "create"
  std::string step;     // "copying 1.2 GiB of 4 GiB"; empty: not known
  std::uint32_t permille = 0;
};

// "guest web1  create  [########          ]  45 %  copying", at most `columns` wide. Pure.
[[nodiscard]] std::string progress_line(const Doing& doing, std::size_t columns);

class Progress {
 public:
  explicit Progress(Output& output) : output_(output) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `all`: what is still under way.
  void show(const std::vector<Doing>& all);
  // Takes the bars away before something else is written.
  void clear();

 private:
  Output& output_;
  std::size_t lines_ = 0;  // drawn now
  std::vector<std::string> told_;
};

}  // namespace aloft::cli
