// The readable trace of a simulated farm; nothing is formatted unless it is kept.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "sim/farm.h"

namespace aloft::sim {

// "  12.345678 s  "
[[nodiscard]] inline std::string trace_time(Instant at) {
  return fmt::format("{:12.6f} s  ", std::chrono::duration<double>(at.time_since_epoch()).count());
}

[[nodiscard]] std::string_view news_words(controller::News news);

template <class... Values>
void Farm::tell(fmt::format_string<Values...> words, Values&&... values) {
  if (options_.record) {
    trace_.push_back(trace_time(now_) + fmt::format(words, std::forward<Values>(values)...));
  }
}

}  // namespace aloft::sim
