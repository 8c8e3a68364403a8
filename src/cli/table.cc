#include "cli/table.h"

#include <algorithm>

#include "base/assert.h"
#include "cli/text.h"

namespace aloft::cli {
namespace {

constexpr std::string_view kReset = "\x1b[0m";

std::string_view color_of(Style style) {
  switch (style) {
    case Style::Plain:
      return "";
    case Style::Good:
      return "\x1b[32m";
    case Style::Warning:
      return "\x1b[33m";
    case Style::Bad:
      return "\x1b[31m";
    case Style::Dim:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

std::string styled(std::string_view text, Style style) {
  const std::string_view color = color_of(style);
  if (color.empty()) return std::string(text);
  return std::string(color) + std::string(text) + std::string(kReset);
}

Table::Table(std::vector<std::string> titles) : titles_(std::move(titles)) {
  for (std::string& title : titles_) {
    right_.push_back(title.starts_with('>'));
    if (right_.back()) title.erase(0, 1);
    widths_.push_back(display_width(title));
  }
}

void Table::add(std::vector<Cell> row) {
  ALOFT_ASSERT(row.size() == titles_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i].text = row[i].text.empty() ? "-" : printable(row[i].text);
    widths_[i] = std::max(widths_[i], display_width(row[i].text));
  }
  rows_.push_back(std::move(row));
}

std::string Table::text(bool color) const {
  std::string result;
  const auto line = [&](const auto& cell_of) {
    const std::size_t begin = result.size();
    for (std::size_t i = 0; i < titles_.size(); ++i) {
      const Cell cell = cell_of(i);
      const std::string padding(widths_[i] - display_width(cell.text), ' ');
      if (i > 0) result += "  ";
      if (right_[i]) result += padding;
      result += color ? styled(cell.text, cell.style) : cell.text;
      if (!right_[i]) result += padding;
    }
    while (result.size() > begin && result.back() == ' ') result.pop_back();
    result += '\n';
  };
  line([&](std::size_t i) { return Cell{titles_[i], Style::Dim}; });
  for (const auto& row : rows_) {
    line([&](std::size_t i) { return row[i]; });
  }
  return result;
}

void Fields::add(std::string name, std::string value, Style style) {
  if (!value.empty()) fields_.push_back({std::move(name), {std::move(value), style}});
}

std::string Fields::text(bool color) const {
  std::size_t width = 0;
  for (const Field& field : fields_) width = std::max(width, display_width(field.name));
  std::string result;
  for (const Field& field : fields_) {
    std::string head = field.name + ":" + std::string(width - display_width(field.name) + 2, ' ');
    std::string_view rest = field.value.text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const std::string value = printable(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      result += head + (color ? styled(value, field.value.style) : value) + "\n";
      head.assign(width + 3, ' ');
    }
  }
  return result;
}

}  // namespace aloft::cli
