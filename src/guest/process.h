// Processes of this host: who they are, running a command, being told of an end.
//
// A pid alone names nothing for long, so a process is a pid together with its start time.
// ProcessWatcher is one thread that waits on pidfds: an end is reported within a millisecond or
// so, also of processes that are nobody's children here.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace aloft::guest {

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // since boot, /proc/PID/stat field 22

  bool operator==(const ProcessIdentity&) const = default;
};

// Errors: NotFound when there is no such process.
[[nodiscard]] Result<ProcessIdentity> identify(pid_t pid);
[[nodiscard]] Result<pid_t> parent_of(pid_t pid);
// False for zombies, and when the pid now belongs to another process.
[[nodiscard]] bool alive(const ProcessIdentity& process);
// Sends `signal_number` to exactly this process; success when it is gone already.
Result<void> send_signal(const ProcessIdentity& process, int signal_number);
// Waits until the process is gone (a zombie counts as gone). False after `timeout`.
[[nodiscard]] bool wait_gone(const ProcessIdentity& process, Duration timeout);

struct ProcessEnd {
  bool known = false;   // old kernels do not tell the status of other people's children
  int wait_status = 0;  // as waitpid gives it

  [[nodiscard]] bool by_signal() const;
  // "killed by signal 9", "exited with 1", "ended".
  [[nodiscard]] std::string text() const;
};

struct CommandResult {
  ProcessEnd end;
  bool timed_out = false;
  std::string output;  // at most `output_limit` bytes each; the rest is read and dropped
  std::string error;
};

struct CommandOptions {
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
  Duration timeout = std::chrono::seconds(30);
  std::size_t output_limit = 1U << 20U;
  bool detaches = false;  // leaves a daemon behind: done when the command itself ends
};

// Runs argv[0] (an absolute path) and waits. At the timeout it is killed with its descendants.
// Errors: NotFound "guest.command_missing" when it cannot be executed.
[[nodiscard]] Result<CommandResult> run_command(const std::vector<std::string>& argv,
                                                const CommandOptions& options);

class ProcessWatcher {
 public:
  using Ended = std::function<void(const ProcessEnd&)>;

  static Result<std::unique_ptr<ProcessWatcher>> make();
  ~ProcessWatcher();
  ProcessWatcher(const ProcessWatcher&) = delete;
  ProcessWatcher& operator=(const ProcessWatcher&) = delete;

  // Calls `ended` once, from the watcher's thread, when the process ends; at once when it has.
  Result<void> watch(const ProcessIdentity& process, Ended ended);
  // Calls `work` from the watcher's thread, after `delay`.
  void after(Duration delay, std::function<void()> work);

 private:
  struct Watched {
    ProcessIdentity process;
    Ended ended;
  };

  ProcessWatcher(int epoll, int wake);
  void run();
  [[nodiscard]] int next_wait_ms();
  void run_due();

  int epoll_;
  int wake_;
  std::mutex mutex_;
  bool stopping_ = false;
  std::map<int, Watched> watched_;  // by pidfd
  std::multimap<Instant, std::function<void()>> due_;
  std::thread thread_;
};

}  // namespace aloft::guest
