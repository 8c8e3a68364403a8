#include "image/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace aloft::image {
namespace {

// What the child does between fork and exec: only calls that are safe after fork in a process
// with threads. Never returns.
[[noreturn]] void become(char* const* arguments, char* const* environment, int output, int errors,
                         pid_t parent, const RunOptions& options) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(errors, 2) < 0) {
    ::_exit(126);
  }
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (options.memory.count() > 0) {
    const rlimit memory{options.memory.count(), options.memory.count()};
    ::setrlimit(RLIMIT_AS, &memory);
  }
  const auto seconds = static_cast<rlim_t>(options.cpu.count());
  const rlimit cpu{seconds, seconds};
  ::setrlimit(RLIMIT_CPU, &cpu);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::execvpe(arguments[0], arguments, environment);
  ::_exit(errno == ENOENT ? 127 : 126);
}

// Drains a pipe into `text`, keeping its last kMaxToolOutput bytes. False at the end.
bool drain(int fd, std::string& text) {
  std::array<char, 16'384> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  text.append(buffer.data(), static_cast<std::size_t>(got));
  if (text.size() > kMaxToolOutput) text.erase(0, text.size() - kMaxToolOutput);
  return got > 0;
}

}  // namespace

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      options_(std::move(other.options_)),
      pid_(std::exchange(other.pid_, -1)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      process_(std::move(other.process_)),
      deadline_(other.deadline_) {}

Child::~Child() {
  end();
}

Result<Child> Child::start(const std::vector<std::string>& command, const RunOptions& options) {
  std::array<int, 2> output{}, errors{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) {
    return std::unexpected(system_error(errno, "image.tool", command[0]));
  }
  Child child(command[0], options);
  child.output_ = UniqueFd(output[0]);
  const UniqueFd output_end(output[1]);
  if (::pipe2(errors.data(), O_CLOEXEC) != 0) {
    return std::unexpected(system_error(errno, "image.tool", command[0]));
  }
  child.errors_ = UniqueFd(errors[0]);
  const UniqueFd errors_end(errors[1]);

  std::vector<std::string> words = command;
  std::vector<std::string> environment{
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  std::vector<char*> arguments, variables;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& variable : environment) variables.push_back(variable.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);

  const pid_t parent = ::getpid();
  child.pid_ = ::fork();
  if (child.pid_ < 0) return std::unexpected(system_error(errno, "image.tool", command[0]));
  if (child.pid_ == 0) {
    become(arguments.data(), variables.data(), output_end.get(), errors_end.get(), parent, options);
  }
  child.process_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0U)));
  child.deadline_ = boot_now() + options.timeout;
  return child;
}

void Child::end() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGTERM);
  ::kill(pid_, SIGTERM);
  if (process_.valid()) {
    pollfd waited{process_.get(), POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(std::chrono::milliseconds(kToolStopTime).count()));
  }
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Result<Finished> Child::finish() {
  Finished finished;
  bool output_open = true, errors_open = true;
  Instant ticked = boot_now();
  while (output_open || errors_open) {
    if (options_.stop.stop_requested()) {
      end();
      return std::unexpected(cancelled());
    }
    if (boot_now() > deadline_) {
      end();
      return fail(
          Code::DeadlineExceeded, "image.tool_timeout",
          fmt::format("{} was ended after {} s", name_,
                      std::chrono::duration_cast<std::chrono::seconds>(options_.timeout).count()));
    }
    if (options_.tick && boot_now() - ticked >= kToolTick) {
      options_.tick();
      ticked = boot_now();
    }
    constexpr int kPollMs = 100;
    std::array<pollfd, 2> waited{pollfd{output_open ? output_.get() : -1, POLLIN, 0},
                                 pollfd{errors_open ? errors_.get() : -1, POLLIN, 0}};
    if (::poll(waited.data(), waited.size(), kPollMs) <= 0) continue;
    if (waited[0].revents != 0) output_open = drain(output_.get(), finished.output);
    if (waited[1].revents != 0) errors_open = drain(errors_.get(), finished.errors);
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  finished.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (finished.status == 127) {
    return fail(Code::NotFound, "image.tool_missing",
                fmt::format("the program {} is missing; install it with apt-get", name_));
  }
  return finished;
}

Result<Finished> run(const std::vector<std::string>& command, const RunOptions& options) {
  ALOFT_ASSIGN(Child child, Child::start(command, options));
  return child.finish();
}

std::string last_words(const std::string& errors) {
  constexpr std::size_t kWords = 400;
  std::string text = errors.substr(errors.size() - std::min(errors.size(), kWords));
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace aloft::image
