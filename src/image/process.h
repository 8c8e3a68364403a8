// Outside tools, run under limits: memory, CPU time, wall time; stopped when the job is.
//
// A child gets no descriptor but its three, a clean environment, a process group of its own, and
// dies when this process does. Used from worker threads.
#pragma once

#include <sys/types.h>

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"
#include "image/files.h"
#include "image/limits.h"

namespace aloft::image {

struct RunOptions {
  Bytes memory = kToolMemory;  // address space; 0: no limit
  std::chrono::seconds cpu = kToolCpu;
  Duration timeout = kToolTimeout;
  std::stop_token stop;
  std::vector<std::string> environment;  // "NAME=value", added to PATH and LC_ALL
  std::function<void()> tick;            // called about once a second while the tool runs
};

struct Finished {
  int status = 0;  // exit status, or 128 + signal
  std::string output;
  std::string errors;  // the last kMaxToolOutput bytes
};

// A running tool whose output the caller reads itself.
class Child {
 public:
  // Errors: NotFound "image.tool_missing" when there is no such program.
  static Result<Child> start(const std::vector<std::string>& command, const RunOptions& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) = delete;
  ~Child();  // kills what still runs

  [[nodiscard]] int output() const { return output_.get(); }
  // Reads `errors` (and, when wanted, the output) to the end and waits.
  // Errors: Cancelled; DeadlineExceeded "image.tool_timeout".
  Result<Finished> finish();

 private:
  Child(std::string name, RunOptions options)
      : name_(std::move(name)), options_(std::move(options)) {}
  void end();

  std::string name_;
  RunOptions options_;
  pid_t pid_ = -1;
  UniqueFd output_, errors_, process_;
  Instant deadline_{};
};

[[nodiscard]] Result<Finished> run(const std::vector<std::string>& command,
                                   const RunOptions& options);
// The last lines of a tool's errors, on one line, for messages.
[[nodiscard]] std::string last_words(const std::string& errors);

}  // namespace aloft::image
