#include "image/archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <filesystem>
#include <string>

#include "image/limits.h"
#include "image/sample_files.h"
#include "image/tree_copy.h"

namespace aloft::image {
namespace {

namespace fs = std::filesystem;

// A tree in a scratch directory, with a file beside it that must never be touched.
class Archive : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(scratch_.path().empty());
    fs::create_directory(scratch_ / "tree");
    scratch_.write("outside", "untouched");
  }
  void TearDown() override {
    EXPECT_EQ(read_back(scratch_ / "outside"), "untouched");
    std::size_t beside = 0;
    for (const auto& entry : fs::directory_iterator(scratch_.path())) {
      beside += entry.path().filename() != "tree" && entry.path().filename() != "outside" &&
                entry.path().filename() != "source";
    }
    EXPECT_EQ(beside, 0U);
  }

  TreeWriter writer() {
    return TreeWriter(
        UniqueFd(::open((scratch_ / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        Shift{.own = false, .base = 0});
  }
  Result<void> unpack(const std::string& text, TarMode mode = TarMode::Plain) {
    const std::string path = scratch_.write("source", text);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    TreeWriter tree = writer();
    Meter meter(job_, scratch_.path(), Bytes());
    Sha256 hash;
    ALOFT_TRY(read_tar(fd.get(), mode, tree, hash, meter, summary_));
    EXPECT_EQ(hash.hex(), sha256_of(text));
    return tree.finish();
  }
  std::string outcome(const std::string& text, TarMode mode = TarMode::Plain) {
    const auto done = unpack(text, mode);
    return done ? "done" : done.error().reason;
  }
  std::string inside(std::string_view name) const {
    return read_back(scratch_ / ("tree/" + std::string(name)));
  }
  bool there(std::string_view name) const {
    return exists(scratch_ / ("tree/" + std::string(name)));
  }

  Scratch scratch_;
  Job job_;
  TreeSummary summary_;
};

TEST_F(Archive, unpacks_files_links_and_directories) {
  ASSERT_EQ(outcome(tar_entry({.name = "etc/", .type = '5', .mode = 0750}) +
                    tar_entry({.name = "etc/hosts", .content = "127.0.0.1 here"}) +
                    tar_entry({.name = "etc/same", .type = '1', .link = "etc/hosts"}) +
                    tar_entry({.name = "etc/link", .type = '2', .link = "hosts"}) +
                    tar_entry({.name = "run/pipe", .type = '6'}) +
                    tar_entry({.name = "bin/su", .content = "#!", .mode = 04755}) + tar_end()),
            "done");
  EXPECT_EQ(inside("etc/hosts"), "127.0.0.1 here");
  EXPECT_EQ(inside("etc/link"), "127.0.0.1 here");
  EXPECT_EQ(fs::hard_link_count(scratch_ / "tree/etc/hosts"), 2U);
  EXPECT_TRUE(fs::is_fifo(scratch_ / "tree/run/pipe"));
  struct stat status{};
  ASSERT_EQ(::stat((scratch_ / "tree/bin/su").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 04755U);
  ASSERT_EQ(::stat((scratch_ / "tree/etc").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0750U);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(summary_.entries, 6U);
}

TEST_F(Archive, refuses_entries_that_climb_out) {
  for (const std::string_view name :
       {"../outside", "etc/../../outside", "..", "./../outside", "/../outside"}) {
    EXPECT_EQ(outcome(tar_entry({.name = name, .content = "evil"}) + tar_end()),
              "image.entry_outside")
        << name;
  }
  EXPECT_EQ(outcome(tar_entry({.name = "x", .type = '1', .link = "../outside"}) + tar_end()),
            "image.entry_outside");
}

TEST_F(Archive, takes_absolute_names_as_names_in_the_tree) {
  const std::string name = scratch_ / "outside";
  ASSERT_EQ(outcome(tar_entry({.name = name, .content = "evil"}) + tar_end()), "done");
  EXPECT_EQ(inside(name), "evil");
  EXPECT_EQ(summary_.absolute_paths, 1U);
  EXPECT_EQ(notes_of(summary_).size(), 1U);
}

TEST_F(Archive, leaves_devices_out) {
  ASSERT_EQ(outcome(tar_entry({.name = "dev/sda", .type = '4'}) +
                    tar_entry({.name = "dev/mem", .type = '3'}) + tar_end()),
            "done");
  EXPECT_FALSE(there("dev/sda"));
  EXPECT_FALSE(there("dev/mem"));
  EXPECT_EQ(summary_.devices_left_out, 2U);
}

TEST_F(Archive, is_not_led_out_by_links_of_the_archive) {
  const std::string up = "../../../../../../../../../.." + scratch_.path();
  for (const std::string& target :
       {scratch_.path(), up, std::string(".."), std::string("/proc/self/root") + scratch_.path()}) {
    const std::string text = tar_entry({.name = "link", .type = '2', .link = target}) +
                             tar_entry({.name = "link/outside", .content = "evil"}) +
                             tar_entry({.name = "link/new", .content = "evil"}) + tar_end();
    static_cast<void>(outcome(text));  // TearDown looks whether anything happened outside
    EXPECT_EQ(read_back(scratch_ / "outside"), "untouched") << target;
    EXPECT_FALSE(exists(scratch_ / "new")) << target;
    fs::remove_all(scratch_ / "tree");
    fs::create_directory(scratch_ / "tree");
  }
}

TEST_F(Archive, replaces_a_link_instead_of_writing_through_it) {
  ASSERT_EQ(outcome(tar_entry({.name = "file", .type = '2', .link = scratch_ / "outside"}) +
                    tar_entry({.name = "file", .content = "inside"}) +
                    tar_entry({.name = "dir", .type = '2', .link = "."}) +
                    tar_entry({.name = "dir/", .type = '5', .mode = 0700}) + tar_end()),
            "done");
  EXPECT_EQ(inside("file"), "inside");
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(scratch_ / "tree/dir")));
}

TEST_F(Archive, does_not_link_to_what_is_not_in_the_tree) {
  EXPECT_EQ(
      outcome(tar_entry({.name = "x", .type = '1', .link = scratch_ / "outside"}) + tar_end()),
      "image.corrupt");
  EXPECT_EQ(outcome(tar_entry({.name = "d", .type = '2', .link = scratch_.path()}) +
                    tar_entry({.name = "x", .type = '1', .link = "d/outside"}) + tar_end()),
            "image.corrupt");
}

TEST_F(Archive, a_file_may_take_the_place_of_a_directory_and_back) {
  ASSERT_EQ(outcome(tar_entry({.name = "a/b/c", .content = "deep"}) +
                    tar_entry({.name = "a", .content = "file"}) +
                    tar_entry({.name = "a/", .type = '5', .mode = 0755}) +
                    tar_entry({.name = "a/d", .content = "again"}) + tar_end()),
            "done");
  EXPECT_FALSE(there("a/b"));
  EXPECT_EQ(inside("a/d"), "again");
}

TEST_F(Archive, finds_an_archive_cut_off_at_any_block) {
  const std::string whole = tar_entry({.name = "one", .content = std::string(3000, 'x')}) +
                            tar_entry({.name = "two", .content = std::string(3000, 'y')}) +
                            tar_end();
  for (std::size_t size = 512; size + 1024 <= whole.size(); size += 512) {
    EXPECT_EQ(outcome(whole.substr(0, size)), "image.corrupt") << size;
    EXPECT_EQ(outcome(whole.substr(0, size - 100)), "image.corrupt") << size;
  }
  EXPECT_EQ(outcome(whole), "done");
}

TEST_F(Archive, refuses_owners_that_no_container_has) {
  TreeWriter tree = writer();
  Attributes attributes;
  attributes.uid = kIdCount;
  const auto made = tree.directory("home", attributes);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "image.owner_out_of_range");
}

TEST_F(Archive, refuses_names_no_file_can_have) {
  EXPECT_EQ(clean_entry_path(std::string(300, 'x')).error().reason, "image.entry_name");
  EXPECT_EQ(clean_entry_path(std::string_view("a\0b", 3)).error().reason, "image.entry_name");
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  EXPECT_EQ(clean_entry_path(deep).error().reason, "image.entry_name");
  EXPECT_EQ(*clean_entry_path("//etc/./hosts/"), "etc/hosts");
  EXPECT_EQ(*clean_entry_path("./"), "");
  EXPECT_EQ(*clean_entry_path("..a/b.."), "..a/b..");
}

TEST_F(Archive, whiteouts_of_a_layer_remove_what_lower_layers_have) {
  ASSERT_EQ(outcome(tar_entry({.name = "etc/old", .content = "1"}) +
                        tar_entry({.name = "var/a", .content = "2"}) +
                        tar_entry({.name = "var/sub/b", .content = "3"}) + tar_end(),
                    TarMode::Layer),
            "done");
  ASSERT_EQ(outcome(tar_entry({.name = "etc/.wh.old"}) + tar_entry({.name = "var/.wh..wh..opq"}) +
                        tar_entry({.name = "var/c", .content = "4"}) +
                        tar_entry({.name = "no/.wh.such"}) + tar_end(),
                    TarMode::Layer),
            "done");
  EXPECT_FALSE(there("etc/old"));
  EXPECT_FALSE(there("var/a"));
  EXPECT_FALSE(there("var/sub"));
  EXPECT_EQ(inside("var/c"), "4");
}

TEST_F(Archive, a_whiteout_does_not_reach_outside) {
  EXPECT_EQ(outcome(tar_entry({.name = ".wh..."}) + tar_end(), TarMode::Layer),
            "image.entry_outside");
  EXPECT_EQ(outcome(tar_entry({.name = "link", .type = '2', .link = scratch_.path()}) +
                        tar_entry({.name = "link/.wh.outside"}) + tar_end(),
                    TarMode::Layer) == "done"
                ? read_back(scratch_ / "outside")
                : "untouched",
            "untouched");
}

TEST_F(Archive, stops_when_it_is_no_longer_wanted) {
  std::stop_source stop;
  job_.stop = stop.get_token();
  stop.request_stop();
  EXPECT_EQ(outcome(tar_entry({.name = "x", .content = "y"}) + tar_end()), "image.cancelled");
}

TEST_F(Archive, garbage_gives_an_error) {
  std::string text = tar_entry({.name = "x", .content = std::string(2000, 'z')}) + tar_end();
  text[148] = 'q';
  EXPECT_EQ(outcome(text), "image.corrupt");
  EXPECT_EQ(outcome(std::string(4096, '\x7f')), "image.corrupt");
}

TEST_F(Archive, capabilities_get_the_root_of_the_container) {
  // cap_net_raw+ep, version 2, as `getfattr -n security.capability /bin/ping` shows it
  const std::string version_2("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const std::string shifted = shift_capability(version_2, 100'000);
  ASSERT_EQ(shifted.size(), 24U);
  EXPECT_EQ(shifted.substr(0, 4), std::string("\x01\0\0\x03", 4));
  EXPECT_EQ(shifted.substr(20), std::string("\xa0\x86\x01\0", 4));
  EXPECT_EQ(shift_capability(shifted, 0), version_2);
  EXPECT_EQ(shift_capability("nonsense", 0), "");
}

TEST_F(Archive, a_tree_written_as_tar_reads_back_the_same) {
  ASSERT_EQ(outcome(tar_entry({.name = "etc/hosts", .content = "here"}) +
                    tar_entry({.name = "etc/same", .type = '1', .link = "etc/hosts"}) +
                    tar_entry({.name = "lib", .type = '2', .link = "usr/lib"}) + tar_end()),
            "done");
  const std::string path = scratch_ / "source";
  {
    const UniqueFd to(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    Meter meter(job_, scratch_.path(), Bytes());
    const auto written =
        write_tar(scratch_ / "tree", Shift{.own = false, .base = 0}, to.get(), meter);
    ASSERT_TRUE(written) << written.error().message;
  }
  fs::remove_all(scratch_ / "tree");
  fs::create_directory(scratch_ / "tree");
  ASSERT_EQ(outcome(read_back(path)), "done");
  EXPECT_EQ(inside("etc/hosts"), "here");
  EXPECT_EQ(fs::hard_link_count(scratch_ / "tree/etc/hosts"), 2U);
  EXPECT_EQ(fs::read_symlink(scratch_ / "tree/lib"), "usr/lib");
}

TEST_F(Archive, copies_a_tree_with_its_links_and_without_its_sockets) {
  const Scratch from;
  from.write("etc/hosts", "here");
  fs::create_hard_link(from / "etc/hosts", from / "etc/same");
  fs::create_symlink(scratch_ / "outside", from / "etc/link");
  TreeWriter tree = writer();
  Meter meter(job_, scratch_.path(), Bytes());
  TreeCopyOptions options;
  options.source_base = static_cast<std::uint32_t>(::getuid());
  const auto copied = copy_tree(from.path(), options, tree, meter, summary_);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(inside("etc/hosts"), "here");
  EXPECT_EQ(fs::hard_link_count(scratch_ / "tree/etc/same"), 2U);
  EXPECT_EQ(fs::read_symlink(scratch_ / "tree/etc/link"), scratch_ / "outside");
}

}  // namespace
}  // namespace aloft::image
