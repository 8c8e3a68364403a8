// The logging facade: one line a record, "level subject: message".
//
// Edge and front rooms log; pure rooms do not (they give effects and events instead). The sink is
// chosen once by the program: standard error with a level prefix that journald understands
// (sd-daemon's "<6>"), or a function of a test. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <utility>

namespace aloft::log {

enum class Level { Error, Warning, Info, Debug };

using Sink = std::function<void(Level, std::string_view subject, std::string_view message)>;

// Replaces the sink. Call before threads start.
void set_sink(Sink sink);
void set_level(Level most_verbose);
[[nodiscard]] bool enabled(Level level);
void write(Level level, std::string_view subject, std::string_view message);

template <class... Arguments>
void error(std::string_view subject, fmt::format_string<Arguments...> text, Arguments&&... values) {
  write(Level::Error, subject, fmt::format(text, std::forward<Arguments>(values)...));
}
template <class... Arguments>
void warning(std::string_view subject, fmt::format_string<Arguments...> text,
             Arguments&&... values) {
  write(Level::Warning, subject, fmt::format(text, std::forward<Arguments>(values)...));
}
template <class... Arguments>
void info(std::string_view subject, fmt::format_string<Arguments...> text, Arguments&&... values) {
  if (enabled(Level::Info)) {
    write(Level::Info, subject, fmt::format(text, std::forward<Arguments>(values)...));
  }
}
template <class... Arguments>
void debug(std::string_view subject, fmt::format_string<Arguments...> text, Arguments&&... values) {
  if (enabled(Level::Debug)) {
    write(Level::Debug, subject, fmt::format(text, std::forward<Arguments>(values)...));
  }
}

}  // namespace aloft::log
