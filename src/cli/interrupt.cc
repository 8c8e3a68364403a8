#include "cli/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace aloft::cli {
namespace {

sigset_t interrupt_only() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = interrupt_only();
  descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor_ >= 0) ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

Interrupt::~Interrupt() {
  if (descriptor_ < 0) return;
  // One that has been answered must not end the program now.
  signalfd_siginfo taken{};
  while (::read(descriptor_, &taken, sizeof(taken)) == static_cast<ssize_t>(sizeof(taken))) {
  }
  const sigset_t set = interrupt_only();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::close(descriptor_);
}

}  // namespace aloft::cli
