#include "cli/sse.h"

#include "cli/limits.h"

namespace aloft::cli {

void SseReader::take_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.name = value;
  } else if (field == "id") {
    event_.id = value;
  }
}

Result<bool> SseReader::feed(std::string_view bytes,
                             const std::function<Result<bool>(const ServerEvent&)>& handler) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    pending_ += bytes.substr(0, end);
    if (pending_.size() + event_.data.size() > kMaxStreamEventBytes) {
      return fail(Code::ResourceExhausted, "cli.event_too_large",
                  "the server sent an event that is too large; check that it is aloftd");
    }
    if (end == std::string_view::npos) return true;
    bytes.remove_prefix(end + 1);
    if (pending_.ends_with('\r')) pending_.pop_back();
    if (!pending_.empty()) {
      take_line(pending_);
      pending_.clear();
      continue;
    }
    if (has_data_) {
      ALOFT_ASSIGN(const bool more, handler(event_));
      if (!more) return false;
    }
    event_.name.clear();
    event_.data.clear();
    has_data_ = false;
  }
  return true;
}

}  // namespace aloft::cli
