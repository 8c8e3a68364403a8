// What every command of one run shares: the connection, the output, the time it may take.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/profile.h"

namespace aloft::cli {

class Context {
 public:
  // Requires: `output` outlives the context.
  Context(Words global, Environment environment, Output& output);

  [[nodiscard]] Output& out() { return output_; }
  [[nodiscard]] const Words& global() const { return global_; }
  [[nodiscard]] std::optional<std::string> environment(std::string_view name) const {
    return environment_(name);
  }

  // Finds out where the API is at the first call; connects with the first request.
  // Errors: those of find_login().
  Result<ApiClient*> api();

  // When waiting ends: --timeout from the start of the program, else kDefaultWait.
  // Errors: InvalidArgument "cli.bad_duration".
  Result<Instant> deadline() const;
  [[nodiscard]] bool has_timeout() const { return global_.has("--timeout"); }

 private:
  Words global_;
  Environment environment_;
  Output& output_;
  Instant started_;
  std::unique_ptr<ApiClient> api_;
};

// Runs one command line; gives the exit code. Errors are shown on standard error.
// `words`: without the program's name.
int run(const std::vector<std::string>& words, const Environment& environment);

}  // namespace aloft::cli
