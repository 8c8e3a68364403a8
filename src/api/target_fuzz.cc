// The parser of request targets and the JSON of objects, fed with anything.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/target.h"
#include "base/assert.h"
#include "model/codec.h"
#include "model/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = aloft::api::parse_target(text)) {
    for (const auto& segment : target->segments) {
      ALOFT_ASSERT(aloft::model::is_utf8(segment) && !segment.empty() && segment != "..");
    }
  }
  // What is accepted survives bytes and JSON unchanged.
  if (const auto guest = aloft::model::from_json<aloft::model::Guest>(text)) {
    const auto bytes =
        aloft::model::from_bytes<aloft::model::Guest>(aloft::model::to_bytes(*guest));
    ALOFT_ASSERT(bytes && *bytes == *guest);
    const auto json = aloft::model::from_json<aloft::model::Guest>(aloft::model::to_json(*guest));
    ALOFT_ASSERT(json && *json == *guest);
  }
  return 0;
}
