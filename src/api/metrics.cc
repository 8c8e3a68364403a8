#include "api/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "model/limits.h"
#include "model/text.h"

namespace aloft::api {
namespace {

bool is_metric_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string escaped(std::string_view text, bool quotes) {
  std::string result;
  for (const char c : model::clean_text(text, model::kMaxTextBytes)) {
    if (c == '\\') {
      result += "\\\\";
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '"' && quotes) {
      result += "\\\"";
    } else {
      result += c;
    }
  }
  return result;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

std::string prometheus_text(const std::vector<Sample>& samples) {
  // All samples of one name must come together.
  std::map<std::string_view, std::string> lines;
  std::vector<const Sample*> first;
  for (const Sample& sample : samples) {
    if (!is_metric_name(sample.name)) continue;
    const auto [at, is_new] = lines.try_emplace(sample.name);
    if (is_new) first.push_back(&sample);
    std::string labels;
    for (const auto& [name, value] : sample.labels) {
      if (!is_metric_name(name)) continue;
      labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", name, escaped(value, true));
    }
    at->second += labels.empty()
                      ? fmt::format("{} {}\n", sample.name, number(sample.value))
                      : fmt::format("{}{{{}}} {}\n", sample.name, labels, number(sample.value));
  }
  std::string text;
  for (const Sample* sample : first) {
    text += fmt::format(
        "# HELP {} {}\n# TYPE {} {}\n{}", sample->name, escaped(sample->help, false), sample->name,
        sample->type == Sample::Type::Counter ? "counter" : "gauge", lines.at(sample->name));
  }
  return text;
}

}  // namespace aloft::api
