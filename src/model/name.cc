#include "model/name.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/limits.h"
#include "model/text.h"

namespace aloft::model {

Result<Name> Name::make(std::string_view what, std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    const std::string shown = clean_text(text, kMaxNameBytes + 1);
    return fail(Code::InvalidArgument, "name.invalid",
                fmt::format("{} \"{}\" {}; give 1 to {} of a-z, 0-9 and '-', beginning and ending "
                            "with a letter or digit",
                            what, shown, why, kMaxNameBytes));
  };
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty()) return refuse("is empty");
  if (text.size() > kMaxNameBytes) return refuse("is too long");
  if (!std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || c == '-'; })) {
    return refuse("contains other characters");
  }
  if (!alphanumeric(text.front()) || !alphanumeric(text.back())) {
    return refuse("begins or ends with '-'");
  }
  return Name(text);
}

}  // namespace aloft::model
