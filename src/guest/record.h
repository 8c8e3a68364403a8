// A record on disk: named text values, one "name value" line each, sorted by name. New lines and
// backslashes in values are escaped, so that any value comes back as it went in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "guest/driver.h"

namespace aloft::guest {

class Record {
 public:
  void set(std::string_view name, std::string_view value);
  void set(std::string_view name, std::uint64_t value) { set(name, std::to_string(value)); }
  [[nodiscard]] std::string text(std::string_view name) const;      // empty when absent
  [[nodiscard]] std::uint64_t number(std::string_view name) const;  // 0 when absent or not a number
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& values() const {
    return values_;
  }

  [[nodiscard]] std::string encode() const;
  // Errors: DataLoss "guest.record_damaged".
  [[nodiscard]] static Result<Record> decode(std::string_view text);

  bool operator==(const Record&) const = default;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// A whole guest definition as a record, and back. decode(encode(x)) is x.
[[nodiscard]] Record to_record(const Config& config);
// Errors: DataLoss "guest.record_damaged".
[[nodiscard]] Result<Config> to_config(const Record& record);

// What every driver refuses, before anything is touched: names that are no RFC 1123 labels, control
// characters, relative paths, no CPU or memory, maxima below, too many devices.
// Errors: InvalidArgument "guest.config_invalid".
Result<void> check_config(const Config& config);

}  // namespace aloft::guest
