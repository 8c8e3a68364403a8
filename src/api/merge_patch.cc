#include "api/merge_patch.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <nlohmann/json.hpp>

namespace aloft::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr int kMaxDepth = 16;  // no message of ours is deeper

Result<json> canonical(const json& value, const Descriptor& message, int depth) {
  if (!value.is_object()) return value;
  if (depth > kMaxDepth) {
    return fail(Code::InvalidArgument, "json.invalid", "the patch is nested too deeply");
  }
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
      ALOFT_ASSIGN(result[name], canonical(inner, *field->message_type(), depth + 1));
    } else {
      result[name] = inner;
    }
  }
  return result;
}

}  // namespace

Result<std::string> merge_patch(std::string_view present, std::string_view patch,
                                const Descriptor& message) {
  json target = json::parse(present, nullptr, false);
  const json change = json::parse(patch, nullptr, false);
  if (change.is_discarded() || !change.is_object()) {
    return fail(Code::InvalidArgument, "json.invalid",
                "the patch is no JSON object; send the fields to change");
  }
  ALOFT_ASSIGN(const auto canonical_change, canonical(change, message, 0));
  target.merge_patch(canonical_change);
  return target.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace aloft::api
