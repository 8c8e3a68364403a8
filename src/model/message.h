// Parts of messages that codecs convert. Shows protobuf: for .cc files only.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "aloft/v1/common.pb.h"
#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"
#include "model/limits.h"
#include "model/object.h"
#include "model/text.h"

namespace aloft::model {

// `kind` begins the errors: "guest".
Result<Metadata> metadata_from(std::string_view kind, const v1::Metadata& message);
void metadata_to(const Metadata& metadata, v1::Metadata& message);

WallTime time_from(const google::protobuf::Timestamp& message);
google::protobuf::Timestamp time_to(WallTime time);

Result<void> unknown_enumerator(std::string_view field, int value);

// Model enums have the numbers of their messages. 0 keeps the default that `out` holds.
template <class Enum>
Result<void> enum_from(std::string_view field, int value, bool (*is_valid)(int), Enum& out) {
  if (!is_valid(value)) return unknown_enumerator(field, value);
  if (value != 0) out = static_cast<Enum>(value);
  return {};
}

// For status, which is never refused: unknown values keep the default.
template <class Enum>
Enum enum_or_default(int value, bool (*is_valid)(int), Enum otherwise) {
  return value != 0 && is_valid(value) ? static_cast<Enum>(value) : otherwise;
}

// Text that came from the world, made storable.
inline std::string stored(std::string_view text) {
  return clean_text(text, kMaxTextBytes);
}

}  // namespace aloft::model
