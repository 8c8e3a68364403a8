#include "guest/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <sstream>

#include "guest/files.h"

namespace aloft::guest {
namespace {

struct StatLine {
  char state = '?';
  pid_t parent = 0;
  std::uint64_t start_ticks = 0;
  int exit_code = 0;
};

std::optional<StatLine> read_stat(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  const auto name_end = text->rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(name_end + 1));
  StatLine line;
  std::string skipped;
  fields >> line.state >> line.parent;
  for (int field = 5; field < 22; ++field) fields >> skipped;
  fields >> line.start_ticks;
  for (int field = 23; field < 52; ++field) fields >> skipped;
  fields >> line.exit_code;
  if (fields.fail()) return std::nullopt;
  return line;
}

int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U));
}

// linux/pidfd.h of Linux 6.15; older kernels answer ENOTTY.
struct PidfdInfo {
  std::uint64_t mask = 0;
  std::uint64_t cgroup_id = 0;
  std::array<std::uint32_t, 11> ids{};
  std::int32_t exit_code = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kPidfdInfoExit = 1U << 3U;

// The status of a process that has just ended: from its zombie, or from the kernel's memory of it.
ProcessEnd status_of_ended(int pidfd, const ProcessIdentity& process) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    const auto line = read_stat(process.pid);
    if (line && line->start_ticks == process.start_ticks && line->state == 'Z') {
      return {.known = true, .wait_status = line->exit_code};
    }
    PidfdInfo info;
    info.mask = kPidfdInfoExit;
    if (::ioctl(pidfd, _IOWR(0xFF, 11, PidfdInfo), &info) < 0) return {};
    if ((info.mask & kPidfdInfoExit) != 0) return {.known = true, .wait_status = info.exit_code};
    ::usleep(1000);  // between zombie and reaped
  }
  return {};
}

}  // namespace

Result<ProcessIdentity> identify(pid_t pid) {
  const auto line = read_stat(pid);
  if (pid <= 0 || !line || line->state == 'Z' || line->state == 'X') {
    return fail(Code::NotFound, "guest.no_process", "there is no process " + std::to_string(pid));
  }
  return ProcessIdentity{.pid = pid, .start_ticks = line->start_ticks};
}

Result<pid_t> parent_of(pid_t pid) {
  const auto line = read_stat(pid);
  if (!line) {
    return fail(Code::NotFound, "guest.no_process", "there is no process " + std::to_string(pid));
  }
  return line->parent;
}

bool alive(const ProcessIdentity& process) {
  const auto now = identify(process.pid);
  return now && *now == process;
}

Result<void> send_signal(const ProcessIdentity& process, int signal_number) {
  const UniqueFd pidfd(open_pidfd(process.pid));
  // Opened first, checked afterwards: the pidfd can no longer come to mean another process.
  if (pidfd.get() < 0 || !alive(process)) return {};
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0U) == 0 ||
      errno == ESRCH) {
    return {};
  }
  return std::unexpected(system_error(
      errno, "guest.signal_failed", "sending a signal to process " + std::to_string(process.pid)));
}

bool wait_gone(const ProcessIdentity& process, Duration timeout) {
  const UniqueFd pidfd(open_pidfd(process.pid));
  if (pidfd.get() < 0 || !alive(process)) return true;
  return wait_readable(pidfd.get(), timeout);
}

bool ProcessEnd::by_signal() const {
  return known && WIFSIGNALED(wait_status);
}

std::string ProcessEnd::text() const {
  if (!known) return "ended";
  if (by_signal()) return "killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with " + std::to_string(WEXITSTATUS(wait_status));
}

Result<std::unique_ptr<ProcessWatcher>> ProcessWatcher::make() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake;
  if (epoll < 0 || wake < 0 || ::epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) < 0) {
    const int error = errno;
    if (epoll >= 0) ::close(epoll);
    if (wake >= 0) ::close(wake);
    return std::unexpected(system_error(error, "guest.watcher_failed", "watching processes"));
  }
  return std::unique_ptr<ProcessWatcher>(new ProcessWatcher(epoll, wake));
}

ProcessWatcher::ProcessWatcher(int epoll, int wake) : epoll_(epoll), wake_(wake) {
  thread_ = std::thread([this] { run(); });
}

ProcessWatcher::~ProcessWatcher() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_, 1);
  thread_.join();
  for (const auto& [pidfd, watched] : watched_) ::close(pidfd);
  ::close(epoll_);
  ::close(wake_);
}

Result<void> ProcessWatcher::watch(const ProcessIdentity& process, Ended ended) {
  const int pidfd = open_pidfd(process.pid);
  if (pidfd < 0 || !alive(process)) {
    const int error = pidfd < 0 ? errno : ESRCH;
    if (pidfd >= 0) ::close(pidfd);
    if (error != ESRCH) {
      return std::unexpected(system_error(error, "guest.watch_failed",
                                          "watching process " + std::to_string(process.pid)));
    }
    after(Duration{0}, [ended = std::move(ended)] { ended({}); });
    return {};
  }
  const std::scoped_lock lock(mutex_);
  watched_.emplace(pidfd, Watched{.process = process, .ended = std::move(ended)});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = pidfd;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event) == 0) return {};
  const int error = errno;
  watched_.erase(pidfd);
  ::close(pidfd);
  return std::unexpected(
      system_error(error, "guest.watch_failed", "watching process " + std::to_string(process.pid)));
}

void ProcessWatcher::after(Duration delay, std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  due_.emplace(boot_now() + delay, std::move(work));
  ::eventfd_write(wake_, 1);
}

int ProcessWatcher::next_wait_ms() {
  const std::scoped_lock lock(mutex_);
  if (stopping_) return 0;
  if (due_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.begin()->first - boot_now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void ProcessWatcher::run_due() {
  while (true) {
    std::function<void()> work;
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_ || due_.empty() || due_.begin()->first > boot_now()) return;
      work = std::move(due_.begin()->second);
      due_.erase(due_.begin());
    }
    work();
  }
}

void ProcessWatcher::run() {
  while (true) {
    std::array<epoll_event, 16> events{};
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), next_wait_ms());
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == wake_) {
        eventfd_t drained = 0;
        ::eventfd_read(wake_, &drained);
        continue;
      }
      Watched watched;
      {
        const std::scoped_lock lock(mutex_);
        const auto found = watched_.find(fd);
        if (found == watched_.end()) continue;
        watched = std::move(found->second);
        watched_.erase(found);
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
      }
      const ProcessEnd end = status_of_ended(fd, watched.process);
      ::close(fd);
      watched.ended(end);
    }
    run_due();
  }
}

}  // namespace aloft::guest
