// Name of an object: an RFC 1123 label, 1 to 63 of a-z, 0-9 and '-', beginning and ending with a
// letter or digit. A Name that exists is valid; it is safe in paths, host names and store keys.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::model {

class Name {
 public:
  // Errors: InvalidArgument "name.invalid", naming `what` ("guest name") and the broken rule.
  static Result<Name> make(std::string_view what, std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  auto operator<=>(const Name&) const = default;

 private:
  explicit Name(std::string_view text) : text_(text) {}
  std::string text_;
};

}  // namespace aloft::model
