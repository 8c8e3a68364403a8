// Errors as values.
//
// Every function that can fail returns Result<T>. An Error has one of sixteen canonical codes (the
// meaning of gRPC's status codes), a stable dotted reason for callers that react to it
// ("volume.no_quorum"), and one sentence for people that names the object, the cause and the next
// step. Nothing in Aloft throws; a library's exceptions stop at its adapter.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace aloft {

enum class Code {
  Cancelled,
  Unknown,          // it may have happened: the answer was lost, read before you retry
  InvalidArgument,  // wrong whatever the state of the system
  DeadlineExceeded,
  NotFound,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,  // not in this state; change the state first
  Aborted,             // a concurrent change won; read again and retry
  OutOfRange,
  Unimplemented,
  Internal,
  Unavailable,  // try again later; it has not happened
  DataLoss,
  Unauthenticated,
};

struct Error {
  Code code = Code::Internal;
  std::string reason;   // stable, dotted, lower case: "image.backing_file_outside"
  std::string message;  // one sentence: object, cause, next step

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;

// Makes the unexpected value that a function returning Result<T> gives back.
[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string_view reason,
                                                 std::string message) {
  return std::unexpected(Error{code, std::string(reason), std::move(message)});
}

// The error with `context` put before its message: "guest web1: no such image".
[[nodiscard]] Error with_context(Error error, std::string_view context);

// The canonical lower-case name of a code: "failed_precondition".
[[nodiscard]] std::string_view code_name(Code code);
// HTTP status the API answers with, and the exit code of the CLI (docs/reference/exit-codes.md).
[[nodiscard]] int http_status(Code code);
[[nodiscard]] int exit_code(Code code);

// Error of a system call: code chosen from `errno_value`, message "<what>: <strerror>".
[[nodiscard]] Error system_error(int errno_value, std::string_view reason, std::string_view what);

}  // namespace aloft

// Gives back the error of a Result expression, or goes on with its value.
#define ALOFT_TRY(expression)                                      \
  do {                                                             \
    if (auto aloft_try_result = (expression); !aloft_try_result)   \
      return std::unexpected(std::move(aloft_try_result).error()); \
  } while (false)
#define ALOFT_CONCAT_INNER(a, b) a##b
#define ALOFT_CONCAT(a, b) ALOFT_CONCAT_INNER(a, b)
#define ALOFT_ASSIGN_INNER(result, declaration, expression)       \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
// ALOFT_ASSIGN(const auto size, file_size(path));
#define ALOFT_ASSIGN(declaration, expression) \
  ALOFT_ASSIGN_INNER(ALOFT_CONCAT(aloft_result_, __LINE__), declaration, expression)
