// run_command of process.h.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "guest/files.h"
#include "guest/process.h"

namespace aloft::guest {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

// Deepest first, so that nobody is orphaned into another parent before it is seen.
void kill_with_descendants(pid_t pid) {
  const std::string id = std::to_string(pid);
  if (const auto children = read_file("/proc/" + id + "/task/" + id + "/children")) {
    std::istringstream list(*children);
    pid_t child = 0;
    while (list >> child) kill_with_descendants(child);
  }
  ::kill(pid, SIGKILL);
}

// Reads all that is there now; false at end of file.
bool drain(int fd, std::string& into, std::size_t limit) {
  std::array<char, 16384> buffer{};
  // Bounded, so that a command that never stops writing does not outlive its timeout.
  for (int rounds = 0; rounds < 64; ++rounds) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0) return errno == EINTR || errno == EAGAIN;
    if (count == 0) return false;
    const auto room = limit - std::min(limit, into.size());
    into.append(buffer.data(), std::min(static_cast<std::size_t>(count), room));
  }
  return true;
}

struct Pipe {
  UniqueFd read;  // non-blocking
  UniqueFd write;
};

Result<Pipe> make_pipe(const std::string& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
    return std::unexpected(system_error(errno, "guest.command_failed", "running " + program));
  }
  Pipe pipe{.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return pipe;
}

pollfd entry(bool wanted, const UniqueFd& fd) {
  return {.fd = wanted ? fd.get() : -1, .events = POLLIN, .revents = 0};
}

Result<pid_t> spawn(const std::vector<std::string>& argv, const CommandOptions& options, int out,
                    int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // a terminal's ^C is not for it
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv.front().c_str(), &actions, &attributes,
                                pointers(argv).data(), pointers(options.environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return std::unexpected(system_error(error, "guest.command_missing", "running " + argv.front()));
  }
  return pid;
}

int left_ms(Instant deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - boot_now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace

Result<CommandResult> run_command(const std::vector<std::string>& argv,
                                  const CommandOptions& options) {
  if (argv.empty() || !argv.front().starts_with('/')) {
    return fail(Code::InvalidArgument, "guest.command_missing",
                "a command needs the absolute path of a program");
  }
  ALOFT_ASSIGN(Pipe out, make_pipe(argv.front()));
  ALOFT_ASSIGN(Pipe err, make_pipe(argv.front()));
  ALOFT_ASSIGN(const pid_t pid, spawn(argv, options, out.write.get(), err.write.get()));
  out.write.reset();
  err.write.reset();
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));

  CommandResult result;
  const Instant deadline = boot_now() + options.timeout;
  bool out_open = true;
  bool err_open = true;
  bool running = true;
  // A command that detaches leaves the pipes open in its daemon; its own end is the end.
  while (running || (!options.detaches && (out_open || err_open))) {
    std::array fds{entry(out_open, out.read), entry(err_open, err.read), entry(running, pidfd)};
    const int ready = ::poll(fds.data(), fds.size(), left_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      result.timed_out = true;
      if (running) kill_with_descendants(pid);
      break;
    }
    // The end is looked at before the pipes: what the command wrote last is read after it.
    if (fds[2].revents != 0) running = false;
    if (out_open && (fds[0].revents != 0 || !running)) {
      out_open = drain(out.read.get(), result.output, options.output_limit);
    }
    if (err_open && (fds[1].revents != 0 || !running)) {
      err_open = drain(err.read.get(), result.error, options.output_limit);
    }
  }
  int status = 0;
  pid_t waited = 0;
  while ((waited = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  result.end = {.known = waited == pid, .wait_status = status};
  return result;
}

}  // namespace aloft::guest
