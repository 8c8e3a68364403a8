// A file that one process at a time may hold; the kernel releases it however the process ends.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace aloft::store {

class ProcessLock {
 public:
  // Makes `path` (mode 0600), locks it (flock) and writes this process's id into it.
  // Errors: FailedPrecondition "store.in_use", naming the process that holds it.
  static Result<ProcessLock> acquire(const std::filesystem::path& path);

  ProcessLock(ProcessLock&& other) noexcept;
  ProcessLock& operator=(ProcessLock&& other) noexcept;
  ~ProcessLock();

 private:
  explicit ProcessLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace aloft::store
