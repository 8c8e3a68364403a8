#include "cli/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cli/text.h"
#include "model/text.h"

namespace aloft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 64;

bool is_plain(std::string_view text) {
  constexpr std::array<std::string_view, 9> kWords = {"true", "false", "null", "yes", "no",
                                                      "on",   "off",   "y",    "n"};
  if (text.empty() || text.back() == ':' || text.back() == ' ') return false;
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (std::ranges::count(kWords, lower) > 0) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(text.front()) && text.front() != '/') return false;
  return std::ranges::all_of(text, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') ||
           std::string_view(" _./-+=@").find(c) != std::string_view::npos;
  });
}

// Several lines that a literal block keeps as they are.
bool fits_block(std::string_view text) {
  if (!text.contains('\n') || text.front() == ' ' || text.front() == '\n' || text.front() == '\t') {
    return false;
  }
  if (!text.ends_with('\n') || text.ends_with("\n\n")) return false;
  return std::ranges::all_of(
      text, [](char c) { return c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20; });
}

std::string scalar(const Json& value, std::size_t indent) {
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  if (is_plain(text)) return text;
  if (!fits_block(text)) return value.dump();
  std::string block = "|";
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    block += "\n";
    if (!line.empty()) block += std::string(indent, ' ') + std::string(line);
  }
  return block;
}

void emit(const Json& value, std::size_t indent, std::string& into);

void emit_after_key(const Json& value, std::size_t indent, std::string& into) {
  if (value.is_structured() && !value.empty()) {
    into += "\n";
    emit(value, indent, into);
  } else {
    into += " " + scalar(value, indent) + "\n";
  }
}

void emit(const Json& value, std::size_t indent, std::string& into) {
  const std::string space(indent, ' ');
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, item] : value.items()) {
      into += space + (is_plain(key) ? key : Json(key).dump()) + ":";
      emit_after_key(item, indent + 2, into);
    }
  } else if (value.is_array() && !value.empty()) {
    for (const auto& item : value) {
      std::string text;
      emit(item, indent + 2, text);
      // The first line stands behind the dash.
      into += space + "- " + text.substr(std::min(text.size(), indent + 2));
    }
  } else {
    into += space + scalar(value, indent) + "\n";
  }
}

std::unexpected<Error> bad(std::string_view what, int line, std::string_view why) {
  return fail(Code::InvalidArgument, "cli.bad_yaml",
              fmt::format("{}, line {}: {}; correct it and try again", what, line, why));
}

Result<Json> convert(std::string_view what, const YAML::Node& node, int depth) {
  const int line = node.Mark().line + 1;
  if (depth > kMaxDepth) return bad(what, line, "it is nested too deeply");
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return Json(nullptr);
    case YAML::NodeType::Scalar: {
      const std::string& text = node.Scalar();
      if (node.Tag() == "?") {
        if (text == "true") return Json(true);
        if (text == "false") return Json(false);
        if (text == "null" || text == "~" || text.empty()) return Json(nullptr);
      } else if (node.Tag() != "!") {
        return bad(what, line, fmt::format("tag {} is not understood", printable(node.Tag())));
      }
      return Json(text);
    }
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const auto& item : node) {
        ALOFT_ASSIGN(auto converted, convert(what, item, depth + 1));
        list.push_back(std::move(converted));
      }
      return list;
    }
    case YAML::NodeType::Map: {
      Json map = Json::object();
      for (const auto& pair : node) {
        if (!pair.first.IsScalar()) return bad(what, line, "a key is no text");
        const std::string& key = pair.first.Scalar();
        if (map.contains(key)) {
          return bad(what, line, fmt::format("\"{}\" is there twice", printable(key)));
        }
        ALOFT_ASSIGN(map[key], convert(what, pair.second, depth + 1));
      }
      return map;
    }
  }
  return Json(nullptr);
}

}  // namespace

std::string yaml_from_json(std::string_view json) {
  const Json value = Json::parse(json, nullptr, false);
  std::string text;
  emit(value, 0, text);
  return text;
}

std::string pretty_json(std::string_view json) {
  return Json::parse(json, nullptr, false).dump(1) + "\n";
}

Result<std::string> json_from_yaml(std::string_view what, std::string_view yaml) {
  if (!model::is_utf8(yaml)) return bad(what, 1, "it is not UTF-8");
  try {
    const YAML::Node node = YAML::Load(std::string(yaml));
    ALOFT_ASSIGN(const Json value, convert(what, node, 0));
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  } catch (const YAML::Exception& error) {
    return bad(what, error.mark.line + 1, printable(error.msg));
  }
}

}  // namespace aloft::cli
