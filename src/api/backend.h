// What the API needs of a running host and cannot find in the records.
//
// The agent implements it. Calls come from several worker threads at once and may block; whatever
// changes a guest goes through records and operations instead (docs/reference/operations.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "model/guest.h"

namespace aloft::api {

struct ExecResult {
  int exit_status = 0;
  std::string standard_output;  // any bytes
  std::string standard_error;
};

// One value of one Prometheus metric. Samples of one name come one after another.
struct Sample {
  enum class Type { Counter, Gauge };
  std::string name{};  // "aloft_guest_cpu_seconds_total"
  Type type = Type::Gauge;
  std::string help{};
  std::map<std::string, std::string> labels{};
  double value = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // A last word on a new or changed guest before it is written: user-data that is not YAML, options
  // that no driver knows. Must not depend on what runs now. Errors: InvalidArgument.
  virtual Result<void> admit(const model::Guest& /*guest*/) { return {}; }

  // A descriptor that reads and writes the guest's console, non-blocking; the caller closes it.
  // Errors: NotFound "guest.not_found", FailedPrecondition when it does not run.
  virtual Result<int> open_console(std::string_view guest) = 0;
  // Runs a command in the guest and waits for its end. Errors: DeadlineExceeded.
  virtual Result<ExecResult> exec(std::string_view guest, const std::vector<std::string>& command,
                                  Duration timeout) = 0;
  // The last `max_bytes` of what the guest's console said.
  virtual Result<std::string> console_log(std::string_view guest, std::size_t max_bytes) = 0;
  // Everything worth measuring now: of the host and of each guest.
  virtual std::vector<Sample> samples() = 0;
};

}  // namespace aloft::api
