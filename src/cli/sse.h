// Server-sent events as they come over the wire, in pieces of any size (WHATWG HTML, section
// "Server-sent events"). Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::cli {

struct ServerEvent {
  std::string id{};    // last id seen, also of events before
  std::string name{};  // "change"
  std::string data{};  // lines joined by '\n'
};

class SseReader {
 public:
  // Calls `handler` for every event that is whole now; comments are left out. The handler gives
  // false to end. True: go on. Errors: ResourceExhausted "cli.event_too_large" (limits.h); those of
  // the handler.
  Result<bool> feed(std::string_view bytes,
                    const std::function<Result<bool>(const ServerEvent&)>& handler);

 private:
  void take_line(std::string_view line);

  std::string pending_;  // the line that is not whole yet
  ServerEvent event_;
  bool has_data_ = false;
};

}  // namespace aloft::cli
