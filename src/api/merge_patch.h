// JSON merge patches (RFC 7396) on objects in protobuf's JSON mapping.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace google::protobuf {
class Descriptor;
}

namespace aloft::api {

// `present` with `patch` applied. Field names of the patch may be lower camel case or the proto's;
// those that `message` does not have stay, for the parser to name. null resets a field.
// Errors: InvalidArgument "json.invalid".
[[nodiscard]] Result<std::string> merge_patch(std::string_view present, std::string_view patch,
                                              const google::protobuf::Descriptor& message);

}  // namespace aloft::api
