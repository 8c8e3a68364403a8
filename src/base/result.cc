#include "base/result.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace aloft {
namespace {

struct CodeRow {
  Code code;
  std::string_view name;
  int http;
  int exit;
};

// The one table of codes. Exit codes 1 and 2 belong to the shell's habits (failure, usage).
constexpr std::array<CodeRow, 16> kCodes{{
    {Code::Cancelled, "cancelled", 499, 10},
    {Code::Unknown, "unknown", 500, 11},
    {Code::InvalidArgument, "invalid_argument", 400, 2},
    {Code::DeadlineExceeded, "deadline_exceeded", 504, 12},
    {Code::NotFound, "not_found", 404, 3},
    {Code::AlreadyExists, "already_exists", 409, 4},
    {Code::PermissionDenied, "permission_denied", 403, 5},
    {Code::ResourceExhausted, "resource_exhausted", 429, 6},
    {Code::FailedPrecondition, "failed_precondition", 412, 7},
    {Code::Aborted, "aborted", 409, 8},
    {Code::OutOfRange, "out_of_range", 400, 2},
    {Code::Unimplemented, "unimplemented", 501, 13},
    {Code::Internal, "internal", 500, 1},
    {Code::Unavailable, "unavailable", 503, 9},
    {Code::DataLoss, "data_loss", 500, 14},
    {Code::Unauthenticated, "unauthenticated", 401, 15},
}};

const CodeRow& row(Code code) {
  for (const CodeRow& entry : kCodes) {
    if (entry.code == code) return entry;
  }
  return kCodes[12];
}

Code code_of_errno(int value) {
  switch (value) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
      return Code::NotFound;
    case EEXIST:
      return Code::AlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::PermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Code::ResourceExhausted;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
      return Code::InvalidArgument;
    case ETIMEDOUT:
      return Code::DeadlineExceeded;
    case EAGAIN:
    case EBUSY:
    case ECONNREFUSED:
    case ECONNRESET:
    case ENETUNREACH:
    case EHOSTUNREACH:
      return Code::Unavailable;
    case EIO:
      return Code::DataLoss;
    default:
      return Code::Internal;
  }
}

}  // namespace

Error with_context(Error error, std::string_view context) {
  error.message = fmt::format("{}: {}", context, error.message);
  return error;
}

std::string_view code_name(Code code) {
  return row(code).name;
}
int http_status(Code code) {
  return row(code).http;
}
int exit_code(Code code) {
  return row(code).exit;
}

Error system_error(int errno_value, std::string_view reason, std::string_view what) {
  return Error{code_of_errno(errno_value), std::string(reason),
               fmt::format("{}: {}", what, std::generic_category().message(errno_value))};
}

}  // namespace aloft
