#include "guest/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace aloft::guest {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "aloft-files-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(FilesTest, a_replaced_file_is_whole_and_private) {
  const std::string path = directory_ + "/record";
  ASSERT_TRUE(replace_file(path, "one", Durability::Flushed));
  ASSERT_TRUE(replace_file(path, "second", Durability::Written));
  EXPECT_EQ(read_file(path).value_or(""), "second");
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_FALSE(exists(path + ".new"));
}

TEST_F(FilesTest, a_missing_file_is_not_found) {
  EXPECT_EQ(read_file(directory_ + "/none").error().code, Code::NotFound);
  EXPECT_EQ(write_into(directory_ + "/none", "x").error().code, Code::NotFound);
  EXPECT_EQ(replace_file(directory_ + "/none/x", "x", Durability::Written).error().code,
            Code::NotFound);
  EXPECT_EQ(read_tail(directory_ + "/none", 10), "");
}

TEST_F(FilesTest, only_the_beginning_or_the_end_of_a_long_file_is_read) {
  const std::string path = directory_ + "/long";
  ASSERT_TRUE(replace_file(path, std::string(50'000, 'a') + "end", Durability::Written));
  EXPECT_EQ(read_file(path, 10'000).value_or("").size(), 10'000U);
  EXPECT_EQ(read_tail(path, 5), "aaend");
  EXPECT_EQ(read_tail(path, 1U << 20U).size(), 50'003U);
}

TEST_F(FilesTest, a_directory_is_made_with_its_parents) {
  ASSERT_TRUE(ensure_directory(directory_ + "/a/b/c", 0700));
  ASSERT_TRUE(ensure_directory(directory_ + "/a/b/c", 0700));
  EXPECT_TRUE(exists(directory_ + "/a/b/c"));
  ASSERT_TRUE(replace_file(directory_ + "/file", "", Durability::Written));
  EXPECT_FALSE(ensure_directory(directory_ + "/file/x", 0700));
}

TEST_F(FilesTest, a_lock_is_held_by_one_until_it_is_closed) {
  const std::string path = directory_ + "/lock";
  auto first = lock_file(path, 0s);
  ASSERT_TRUE(first);
  const auto second = lock_file(path, 5ms);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "guest.locked");
  first->reset();
  EXPECT_TRUE(lock_file(path, 0s));
}

TEST_F(FilesTest, a_pipe_is_readable_once_written_to) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  EXPECT_FALSE(wait_readable(read_end.get(), 1ms));
  ASSERT_EQ(::write(write_end.get(), "x", 1), 1);
  EXPECT_TRUE(wait_readable(read_end.get(), 60s));
}

TEST(Trimmed, leaves_the_text_without_its_trailing_space) {
  EXPECT_EQ(trimmed("a b \n"), "a b");
  EXPECT_EQ(trimmed(" \n\t"), "");
  EXPECT_EQ(trimmed(""), "");
}

}  // namespace
}  // namespace aloft::guest
