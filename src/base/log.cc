#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>

namespace aloft::log {
namespace {

struct State {
  std::mutex mutex;
  Sink sink;
  std::atomic<Level> level{Level::Info};
};

State& state() {
  static State instance;
  return instance;
}

int journal_priority(Level level) {
  switch (level) {
    case Level::Error:
      return 3;
    case Level::Warning:
      return 4;
    case Level::Info:
      return 6;
    case Level::Debug:
      return 7;
  }
  return 6;
}

}  // namespace

void set_sink(Sink sink) {
  const std::lock_guard lock(state().mutex);
  state().sink = std::move(sink);
}

void set_level(Level most_verbose) {
  state().level = most_verbose;
}

bool enabled(Level level) {
  return static_cast<int>(level) <= static_cast<int>(state().level.load());
}

void write(Level level, std::string_view subject, std::string_view message) {
  if (!enabled(level)) return;
  const std::lock_guard lock(state().mutex);
  if (state().sink) {
    state().sink(level, subject, message);
    return;
  }
  // A record is one line whatever came in with it.
  std::string line = fmt::format("<{}>{}: {}", journal_priority(level), subject, message);
  for (char& character : line) {
    if (static_cast<unsigned char>(character) < 0x20) character = ' ';
  }
  fmt::print(stderr, "{}\n", line);
}

}  // namespace aloft::log
