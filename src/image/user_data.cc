#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <exception>
#include <string>

#include "image/image_store.h"
#include "image/limits.h"

namespace aloft::image {
namespace {

// RFC 3629: no surrogates, nothing above U+10FFFF, no overlong forms, and no zero bytes.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const std::uint32_t first = byte(i);
    std::size_t size = 1;
    std::uint32_t smallest = 1, point = first;
    if (first >= 0xF0U) {
      size = 4, smallest = 0x10000U, point = first & 0x07U;
    } else if (first >= 0xE0U) {
      size = 3, smallest = 0x800U, point = first & 0x0FU;
    } else if (first >= 0xC0U) {
      size = 2, smallest = 0x80U, point = first & 0x1FU;
    } else if (first >= 0x80U) {
      return false;
    }
    for (std::size_t k = 1; k < size; ++k) {
      if ((byte(i + k) & 0xC0U) != 0x80U) return false;
      point = point << 6U | (byte(i + k) & 0x3FU);
    }
    if (point < smallest || point > 0x10FFFFU || (point >= 0xD800U && point <= 0xDFFFU)) {
      return false;
    }
    i += size;
  }
  return true;
}

}  // namespace

Result<void> check_user_data(std::string_view text) {
  const auto wrong = [](std::string_view why) {
    return fail(Code::InvalidArgument, "cloud_init.not_yaml",
                fmt::format("the cloud-init user-data {}; it must be a YAML mapping such as "
                            "'packages: [nginx]'",
                            why));
  };
  if (text.size() > kMaxUserData) {
    return fail(Code::InvalidArgument, "cloud_init.too_large",
                fmt::format("the cloud-init user-data has {} bytes, at most {} are allowed",
                            text.size(), kMaxUserData));
  }
  if (text.empty()) return {};
  if (!is_utf8(text)) return wrong("is not UTF-8");
  if (text.starts_with("#!")) return wrong("is a script; put it under 'runcmd' or 'bootcmd'");
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (node.IsNull()) return {};
    if (!node.IsMap()) return wrong("is not a mapping");
  } catch (const YAML::ParserException& error) {
    return wrong(fmt::format("is not YAML (line {}, column {}: {})", error.mark.line + 1,
                             error.mark.column + 1, error.msg));
  } catch (const std::exception& error) {
    return wrong(fmt::format("is not YAML ({})", error.what()));
  }
  return {};
}

}  // namespace aloft::image
