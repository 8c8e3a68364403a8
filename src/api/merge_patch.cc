#include "api/merge_patch.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace aloft::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr int kMaxDepth = 32;  // no message of ours is deeper

// How deep objects and arrays lie in each other; strings are skipped.
int nesting(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

Result<json> canonical(const json& value, const Descriptor& message) {
  if (!value.is_object()) return value;
  json result = json::object();
  for (const auto& [key, inner] : value.items()) {
    const FieldDescriptor* field = message.FindFieldByCamelcaseName(key);
    if (field == nullptr) field = message.FindFieldByName(key);
    const std::string name = field == nullptr ? key : field->json_name();
    if (result.contains(name)) {
      return fail(Code::InvalidArgument, "json.invalid",
                  fmt::format("the patch gives field {} twice", name));
    }
    const bool nested = field != nullptr && !field->is_repeated() &&
                        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (nested) {
      ALOFT_ASSIGN(result[name], canonical(inner, *field->message_type()));
    } else {
      result[name] = inner;
    }
  }
  return result;
}

}  // namespace

Result<std::string> merge_patch(std::string_view present, std::string_view patch,
                                const Descriptor& message) {
  // Copies and merges recurse as deep as the text does.
  if (nesting(patch) > kMaxDepth) {
    return fail(Code::InvalidArgument, "json.invalid",
                fmt::format("the patch is nested deeper than {} levels", kMaxDepth));
  }
  json target = json::parse(present, nullptr, false);
  const json change = json::parse(patch, nullptr, false);
  if (change.is_discarded() || !change.is_object()) {
    return fail(Code::InvalidArgument, "json.invalid",
                "the patch is no JSON object; send the fields to change");
  }
  ALOFT_ASSIGN(const auto canonical_change, canonical(change, message));
  target.merge_patch(canonical_change);
  return target.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace aloft::api
