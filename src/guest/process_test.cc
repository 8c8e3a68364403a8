#include "guest/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <optional>

#include "guest/files.h"

namespace aloft::guest {
namespace {

constexpr auto kPatience = 60s;

// A child that waits for a signal; killed and reaped at the end, whatever the test did.
class Child {
 public:
  explicit Child(int exit_status = -1) : pid_(::fork()) {
    if (pid_ != 0) return;
    if (exit_status >= 0) ::_exit(exit_status);
    while (true) ::pause();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { reap(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void reap() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

class Ending {
 public:
  void set(const ProcessEnd& end) {
    const std::scoped_lock lock(mutex_);
    end_ = end;
    changed_.notify_all();
  }
  std::optional<ProcessEnd> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return end_.has_value(); });
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<ProcessEnd> end_;
};

TEST(Process, is_known_by_pid_and_start_time) {
  const auto self = identify(::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_GT(self->start_ticks, 0U);
  EXPECT_TRUE(alive(*self));
  EXPECT_FALSE(alive({.pid = self->pid, .start_ticks = self->start_ticks + 1}));
  EXPECT_EQ(parent_of(::getpid()).value_or(0), ::getppid());
}

TEST(Process, that_does_not_exist_is_not_found) {
  EXPECT_EQ(identify(0).error().code, Code::NotFound);
  EXPECT_EQ(identify(-1).error().code, Code::NotFound);
  EXPECT_EQ(identify(1 << 30).error().code, Code::NotFound);
}

TEST(Process, a_signal_reaches_exactly_the_process_that_was_meant) {
  const Child child;
  const auto identity = identify(child.pid());
  ASSERT_TRUE(identity);
  // Another process that had this pid before.
  EXPECT_TRUE(send_signal({.pid = child.pid(), .start_ticks = identity->start_ticks - 1}, SIGKILL));
  EXPECT_TRUE(alive(*identity));
  EXPECT_FALSE(wait_gone(*identity, 1ms));
  EXPECT_TRUE(send_signal(*identity, SIGKILL));
  EXPECT_TRUE(wait_gone(*identity, kPatience));
  EXPECT_FALSE(alive(*identity));  // it is a zombie now
  EXPECT_TRUE(send_signal(*identity, SIGKILL));
}

TEST(ProcessEnd, is_told_in_words) {
  EXPECT_EQ((ProcessEnd{.known = true, .wait_status = 9}).text(), "killed by signal 9");
  EXPECT_EQ((ProcessEnd{.known = true, .wait_status = 3 << 8}).text(), "exited with 3");
  EXPECT_EQ(ProcessEnd{}.text(), "ended");
}

TEST(ProcessWatcher, tells_how_a_process_ended) {
  Child child;
  Ending ending;
  const auto watcher = ProcessWatcher::make();
  ASSERT_TRUE(watcher);
  ASSERT_TRUE(
      (*watcher)->watch(*identify(child.pid()), [&](const ProcessEnd& end) { ending.set(end); }));
  ::kill(child.pid(), SIGKILL);
  const auto end = ending.wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->text(), "killed by signal 9");
}

TEST(ProcessWatcher, tells_at_once_about_a_process_that_has_ended_before) {
  Child child;
  const auto identity = identify(child.pid());
  ASSERT_TRUE(identity);
  child.reap();
  Ending ending;
  const auto watcher = ProcessWatcher::make();
  ASSERT_TRUE(watcher);
  ASSERT_TRUE((*watcher)->watch(*identity, [&](const ProcessEnd& end) { ending.set(end); }));
  EXPECT_TRUE(ending.wait());
}

TEST(ProcessWatcher, can_be_asked_again_from_its_own_thread) {
  Child first;
  Child second;
  Ending ending;
  const auto made = ProcessWatcher::make();
  ASSERT_TRUE(made);
  auto& watcher = **made;
  const auto second_identity = identify(second.pid());
  ASSERT_TRUE(second_identity);
  ASSERT_TRUE(watcher.watch(*identify(first.pid()), [&](const ProcessEnd&) {
    watcher.after(1ms, [&] {
      EXPECT_TRUE(watcher.watch(*second_identity, [&](const ProcessEnd& end) { ending.set(end); }));
      ::kill(second.pid(), SIGTERM);
    });
  }));
  ::kill(first.pid(), SIGKILL);
  const auto end = ending.wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->text(), "killed by signal 15");
}

TEST(ProcessWatcher, stops_while_it_still_watches) {
  const Child child;
  const auto watcher = ProcessWatcher::make();
  ASSERT_TRUE(watcher);
  ASSERT_TRUE((*watcher)->watch(*identify(child.pid()),
                                [](const ProcessEnd&) { ADD_FAILURE() << "it has not ended"; }));
  (*watcher)->after(3600s, [] { ADD_FAILURE() << "an hour has not passed"; });
}

}  // namespace
}  // namespace aloft::guest
