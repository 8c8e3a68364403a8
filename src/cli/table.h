// A table of text with columns aligned by display width. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aloft::cli {

enum class Style { Plain, Good, Warning, Bad, Dim };

struct Cell {
  std::string text{};
  Style style = Style::Plain;
};

// `text` in the colors of a terminal.
[[nodiscard]] std::string styled(std::string_view text, Style style);

class Table {
 public:
  // Titles of columns; one that begins with '>' is aligned to the right.
  explicit Table(std::vector<std::string> titles);

  // Requires: as many cells as columns. Control characters of the cells are replaced.
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Lines end without trailing spaces; an empty cell shows as "-".
  [[nodiscard]] std::string text(bool color) const;

 private:
  std::vector<std::string> titles_;
  std::vector<bool> right_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<Cell>> rows_;
};

// "Name:    web1" lines, values aligned; more lines of a value stand under the first.
class Fields {
 public:
  // An empty value is left out.
  void add(std::string name, std::string value, Style style = Style::Plain);
  [[nodiscard]] std::string text(bool color) const;

 private:
  struct Field {
    std::string name;
    Cell value;
  };
  std::vector<Field> fields_;
};

}  // namespace aloft::cli
