#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/text.h"

namespace aloft::cli {
namespace {

constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kMaxBars = 10;

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

std::string progress_line(const Doing& doing, std::size_t columns) {
  std::string line = fmt::format("{}  {}", printable(doing.subject), printable(doing.verb));
  if (doing.permille > 0) {
    const std::uint32_t permille = std::min(doing.permille, 1000U);
    const std::size_t filled = permille * kBarColumns / 1000;
    line += fmt::format("  [{}{}] {:3} %", std::string(filled, '#'),
                        std::string(kBarColumns - filled, ' '), permille / 10);
  }
  if (!doing.step.empty()) line += "  " + printable(doing.step);
  return shortened(line, columns);
}

void Progress::show(const std::vector<Doing>& all) {
  if (output_.quiet()) return;
  if (!output_.progress()) {
    for (const Doing& doing : all) {
      if (doing.step.empty()) continue;
      std::string line = fmt::format("{} {}: {}", doing.subject, doing.verb, doing.step);
      if (std::ranges::count(told_, line) > 0) continue;
      output_.note(printable(line));
      std::erase_if(told_, [&](const std::string& told) {
        return told.starts_with(fmt::format("{} {}: ", doing.subject, doing.verb));
      });
      told_.push_back(std::move(line));
    }
    return;
  }
  std::string drawing = lines_ > 0 ? fmt::format("\x1b[{}A", lines_) : std::string();
  drawing += "\r\x1b[J";
  lines_ = 0;
  const std::size_t columns = terminal_columns() - 1;
  for (const Doing& doing : all) {
    if (lines_ == kMaxBars) {
      drawing += fmt::format("and {} more\n", all.size() - kMaxBars);
      ++lines_;
      break;
    }
    drawing += progress_line(doing, columns) + "\n";
    ++lines_;
  }
  output_.complain(drawing);
}

void Progress::clear() {
  if (lines_ == 0) return;
  output_.complain(fmt::format("\x1b[{}A\r\x1b[J", lines_));
  lines_ = 0;
}

}  // namespace aloft::cli
