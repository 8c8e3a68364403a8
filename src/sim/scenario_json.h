// JSON read into a tree whose every value knows its line and column, so that whoever reads a file
// written by hand can say where something is wrong. The scanning is nlohmann-json's.
//
// Names in an object are kept in their order; one that comes twice is an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aloft::sim {

// From 1; columns count bytes.
struct JsonPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct JsonMember;

struct JsonValue {
  enum class Kind : std::uint8_t { Null, Boolean, Number, Text, List, Object };

  Kind kind = Kind::Null;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;
  JsonPlace place;

  // The member of that name; nullptr: an object without it, or no object at all.
  [[nodiscard]] const JsonValue* find(std::string_view name) const;
};

struct JsonMember {
  std::string name;
  JsonPlace place;
  JsonValue value;
};

// "a list", "text" ...
[[nodiscard]] std::string_view kind_words(JsonValue::Kind kind);

// An error at a place of `file`: "farm.json:3:17: ...".
[[nodiscard]] std::unexpected<Error> fail_at(std::string_view file, JsonPlace place,
                                             std::string_view reason, std::string_view words);

// Reads one document. `file` is named in errors.
// Errors: InvalidArgument "json.syntax", "json.name_twice", "json.too_deep"; ResourceExhausted
// "json.too_large".
[[nodiscard]] Result<JsonValue> read_json(std::string_view text, std::string_view file);

}  // namespace aloft::sim
