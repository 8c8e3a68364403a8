#include "guest/driver.h"

#include <unistd.h>

namespace aloft::guest {

ConsoleFd& ConsoleFd::operator=(ConsoleFd&& other) noexcept {
  std::swap(fd, other.fd);
  std::swap(hold, other.hold);
  return *this;
}

ConsoleFd::~ConsoleFd() {
  if (fd >= 0) ::close(fd);
  if (hold >= 0) ::close(hold);
}

}  // namespace aloft::guest
