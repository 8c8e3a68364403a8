#include <gtest/gtest.h>
#include <sys/wait.h>

#include "guest/files.h"
#include "guest/process.h"

namespace aloft::guest {
namespace {

Result<CommandResult> shell(const std::string& script, CommandOptions options = {}) {
  options.environment.emplace_back("PATH=/usr/bin:/bin");
  return run_command({"/bin/sh", "-c", script}, options);
}

TEST(Command, gives_its_output_its_errors_and_its_status_apart) {
  const auto result = shell("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->error, "err\n");
  EXPECT_EQ(result->end.text(), "exited with 3");
  EXPECT_FALSE(result->timed_out);
}

TEST(Command, sees_nothing_of_the_callers_environment_and_input) {
  ::setenv("ALOFT_SECRET", "x", 1);
  const auto result = shell("echo \"[$ALOFT_SECRET]\"; cat", {.environment = {"A=1"}});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "[]\n");
}

TEST(Command, that_is_missing_is_an_error) {
  EXPECT_EQ(run_command({"/nowhere/program"}, {}).error().reason, "guest.command_missing");
  EXPECT_EQ(run_command({"relative"}, {}).error().reason, "guest.command_missing");
  EXPECT_EQ(run_command({}, {}).error().reason, "guest.command_missing");
}

TEST(Command, killed_by_a_signal_says_so) {
  const auto result = shell("kill -9 $$");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->end.text(), "killed by signal 9");
}

TEST(Command, is_killed_with_its_descendants_at_the_timeout) {
  const auto result =
      shell("sleep 3600 & echo $!; echo ready; wait", {.environment = {}, .timeout = 2s});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_TRUE(result->end.by_signal());
  const auto sleeper = identify(std::atoi(result->output.c_str()));
  if (sleeper) {
    EXPECT_TRUE(wait_gone(*sleeper, 60s));
  }
}

TEST(Command, that_writes_without_end_is_cut_and_stopped) {
  const auto result = shell("yes", {.environment = {}, .timeout = 500ms, .output_limit = 100'000});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->output.size(), 100'000U);
}

TEST(Command, gives_all_of_a_long_output) {
  const auto result = shell("head -c 900000 /dev/zero; echo last >&2");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output.size(), 900'000U);
  EXPECT_EQ(result->error, "last\n");
}

TEST(Command, may_leave_a_daemon_behind) {
  const auto result = shell("sleep 3600 & echo $!", {.environment = {}, .detaches = true});
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->timed_out);
  const auto sleeper = identify(std::atoi(result->output.c_str()));
  ASSERT_TRUE(sleeper);
  EXPECT_TRUE(alive(*sleeper));
  EXPECT_TRUE(send_signal(*sleeper, SIGKILL));
}

}  // namespace
}  // namespace aloft::guest
