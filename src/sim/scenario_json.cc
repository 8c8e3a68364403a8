#include "sim/scenario_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "sim/limits.h"

namespace aloft::sim {
namespace {

// Follows the scanner through the text and remembers where the present token began.
struct Scan {
  std::string_view text;
  std::size_t token = 0;  // offset of its first byte
  bool in_text = false;
  bool escaped = false;
  bool between = true;  // no token has begun

  void see(std::size_t at) {
    const char c = text[at];
    if (in_text) {
      if (!std::exchange(escaped, false)) {
        escaped = c == '\\';
        if (c == '"') in_text = false;
      }
      return;
    }
    switch (c) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
      case ',':
      case ':':
      case ']':
      case '}':
        between = true;
        return;
      case '[':
      case '{':
        token = at;
        between = true;
        return;
      case '"':
        token = at;
        in_text = true;
        between = true;
        return;
      default:
        if (std::exchange(between, false)) token = at;
    }
  }
};

// The input of nlohmann's parser: a text that tells `scan` what was read of it.
class Bytes {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Bytes(Scan& scan, std::size_t at) : scan_(&scan), at_(at) {}
  reference operator*() const { return scan_->text[at_]; }
  Bytes& operator++() {
    scan_->see(at_++);
    return *this;
  }
  Bytes operator++(int) {
    Bytes before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Bytes& other) const { return at_ == other.at_; }
  bool operator!=(const Bytes& other) const { return at_ != other.at_; }

 private:
  Scan* scan_;
  std::size_t at_;
};

// Counts lines forward only: values are asked for in their order.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  JsonPlace place(std::size_t offset) {
    offset = std::min(offset, text_.size());
    if (offset < at_) {
      at_ = start_ = 0;
      line_ = 1;
    }
    for (; at_ < offset; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      start_ = at_ + 1;
    }
    return {line_, static_cast<std::uint32_t>(offset - start_ + 1)};
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::uint32_t line_ = 1;
};

// What nlohmann's parser calls for every token.
class Builder {
 public:
  Builder(Scan& scan, std::string_view file) : scan_(scan), lines_(scan.text), file_(file) {}

  bool null() { return add({}); }
  bool boolean(bool value) {
    JsonValue made;
    made.kind = JsonValue::Kind::Boolean;
    made.boolean = value;
    return add(std::move(made));
  }
  bool number_integer(std::int64_t value) { return number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return number(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) { return number(value); }
  bool string(std::string& value) {
    JsonValue made;
    made.kind = JsonValue::Kind::Text;
    made.text = std::move(value);
    return add(std::move(made));
  }
  bool binary(std::vector<std::uint8_t>&) { return false; }  // not of JSON
  bool start_object(std::size_t) { return open(JsonValue::Kind::Object); }
  bool start_array(std::size_t) { return open(JsonValue::Kind::List); }
  bool end_object() {
    open_.pop_back();
    return true;
  }
  bool end_array() { return end_object(); }
  bool key(std::string& name) {
    const JsonPlace place = here();
    JsonValue& object = *open_.back();
    if (object.find(name) != nullptr) {
      return give_up("json.name_twice", place, fmt::format("'{}' comes twice", name));
    }
    if (object.members.size() >= kMaxJsonMembers) {
      return give_up("json.too_large", place,
                     fmt::format("an object has more than {} members", kMaxJsonMembers));
    }
    object.members.push_back({std::move(name), place, {}});
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& what_failed) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ... - ..."
    const std::string_view words = what_failed.what();
    const std::size_t colon = words.find(": ");
    std::string what(colon == std::string_view::npos ? words : words.substr(colon + 2));
    // The token itself may be as long as the file.
    if (what.size() > kMaxQuotedText) what.resize(kMaxQuotedText);
    const std::size_t back = std::min(position, std::max<std::size_t>(token.size(), 1));
    return give_up("json.syntax", lines_.place(position - back), what);
  }

  JsonValue root;
  Error error;

 private:
  JsonPlace here() { return lines_.place(scan_.token); }
  bool give_up(std::string_view reason, JsonPlace place, std::string_view words) {
    error = fail_at(file_, place, reason, words).error();
    return false;
  }
  bool number(double value) {
    JsonValue made;
    made.kind = JsonValue::Kind::Number;
    made.number = value;
    return add(std::move(made));
  }
  JsonValue* put(JsonValue made) {
    made.place = here();
    if (++values_ > kMaxJsonValues) {
      (void)give_up("json.too_large", made.place,
                    fmt::format("there are more than {} values", kMaxJsonValues));
      return nullptr;
    }
    if (open_.empty()) {
      root = std::move(made);
      return &root;
    }
    JsonValue& parent = *open_.back();
    if (parent.kind == JsonValue::Kind::List) {
      parent.items.push_back(std::move(made));
      return &parent.items.back();
    }
    parent.members.back().value = std::move(made);
    return &parent.members.back().value;
  }
  bool add(JsonValue made) { return put(std::move(made)) != nullptr; }
  bool open(JsonValue::Kind kind) {
    if (open_.size() >= kMaxJsonDepth) {
      return give_up("json.too_deep", here(),
                     fmt::format("values are nested more than {} deep", kMaxJsonDepth));
    }
    JsonValue made;
    made.kind = kind;
    // Only the innermost open value grows, so that the others stay where they are.
    JsonValue* const at = put(std::move(made));
    if (at == nullptr) return false;
    open_.push_back(at);
    return true;
  }

  Scan& scan_;
  Lines lines_;
  std::string_view file_;
  std::vector<JsonValue*> open_;
  std::size_t values_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &JsonMember::name);
  return found == members.end() ? nullptr : &found->value;
}

std::string_view kind_words(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::Null:
      return "null";
    case JsonValue::Kind::Boolean:
      return "true or false";
    case JsonValue::Kind::Number:
      return "a number";
    case JsonValue::Kind::Text:
      return "text";
    case JsonValue::Kind::List:
      return "a list";
    case JsonValue::Kind::Object:
      return "an object";
  }
  return "";
}

std::unexpected<Error> fail_at(std::string_view file, JsonPlace place, std::string_view reason,
                               std::string_view words) {
  const Code code = reason.ends_with("too_large") ? Code::ResourceExhausted : Code::InvalidArgument;
  return fail(code, reason, fmt::format("{}:{}:{}: {}", file, place.line, place.column, words));
}

Result<JsonValue> read_json(std::string_view text, std::string_view file) {
  if (text.size() > kMaxJsonBytes) {
    return fail_at(file, {}, "json.too_large",
                   fmt::format("it has {} bytes, at most {} are read", text.size(), kMaxJsonBytes));
  }
  Scan scan;
  scan.text = text;
  Builder builder(scan, file);
  const bool whole = nlohmann::json::sax_parse(Bytes(scan, 0), Bytes(scan, text.size()), &builder,
                                               nlohmann::json::input_format_t::json, true, false);
  if (!whole) return std::unexpected(builder.error);
  return std::move(builder.root);
}

}  // namespace aloft::sim
