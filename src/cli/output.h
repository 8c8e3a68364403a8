// Where results and notes of one run of the program go.
//
// Results are gathered and leave in one piece with `flush`; notes and progress go to standard error
// at once. A reader that has closed its end is no failure of ours: see `flush`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/table.h"

namespace google::protobuf {
class Message;
}

namespace aloft::cli {

enum class Format { Table, Wide, Json, Yaml, Name };
[[nodiscard]] Format format_of(std::string_view name);  // Table for a name that is not known

struct OutputOptions {
  Format format = Format::Table;
  bool color = false;     // of results
  bool progress = false;  // standard error is a terminal that may be redrawn
  bool quiet = false;     // no notes
  int standard_output = 1;
  int standard_error = 2;
};

class Output {
 public:
  explicit Output(OutputOptions options) : options_(options) {}

  [[nodiscard]] Format format() const { return options_.format; }
  [[nodiscard]] bool wide() const { return options_.format == Format::Wide; }
  [[nodiscard]] bool for_people() const {
    return options_.format == Format::Table || options_.format == Format::Wide;
  }
  [[nodiscard]] bool color() const { return options_.color; }
  [[nodiscard]] bool progress() const { return options_.progress && !options_.quiet; }
  [[nodiscard]] bool quiet() const { return options_.quiet; }

  void print(std::string_view text) { pending_ += text; }
  void print(const Table& table) { pending_ += table.text(options_.color); }
  void print(const Fields& fields) { pending_ += fields.text(options_.color); }
  // As the format says: JSON or YAML. Requires: one of these formats.
  void print(const google::protobuf::Message& message);
  // One alone as it is, several as {"items": [...]}.
  void print(const std::vector<const google::protobuf::Message*>& messages);

  // Errors: "cli.output_closed" (Cancelled) when nobody reads any more; "cli.output" else.
  Result<void> flush();
  // One line on standard error, unless quiet.
  void note(std::string_view line) const;
  // Bytes on standard error, whatever was wished.
  void complain(std::string_view bytes) const;

 private:
  OutputOptions options_;
  std::string pending_;
};

}  // namespace aloft::cli
