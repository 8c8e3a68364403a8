#include "image/oci.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "image/limits.h"
#include "image/sample_files.h"
#include "image/sample_oci.h"

namespace aloft::image {
namespace {

namespace fs = std::filesystem;

class Oci : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(scratch_ / "tree");
    layout_.add_layer(tar_entry({.name = "etc/a", .content = "one"}) +
                      tar_entry({.name = "etc/b", .content = "lower"}) + tar_end());
    layout_.add_layer(tar_entry({.name = "etc/.wh.b"}) +
                      tar_entry({.name = "etc/c", .content = "upper"}) + tar_end());
  }
  Result<OciConfig> read(const std::string& tag = "", std::string_view machine = "x86_64") {
    layout_.finish();
    return read_again(tag, machine);
  }
  Result<OciConfig> read_again(const std::string& tag = "", std::string_view machine = "x86_64") {
    TreeWriter tree(
        UniqueFd(::open((scratch_ / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        Shift{.own = false, .base = 0});
    const Job job;
    Meter meter(job, scratch_.path(), Bytes());
    TreeSummary summary;
    return read_oci(layout_.path(), tag, machine, tree, meter, summary);
  }
  static std::string reason(const Result<OciConfig>& result) {
    return result ? "taken" : result.error().reason;
  }

  Scratch scratch_;
  SampleOci layout_;
};

TEST_F(Oci, lays_layers_on_each_other_and_reads_what_to_run) {
  const auto config = read();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(read_back(scratch_ / "tree/etc/a"), "one");
  EXPECT_FALSE(exists(scratch_ / "tree/etc/b"));
  EXPECT_EQ(read_back(scratch_ / "tree/etc/c"), "upper");
  EXPECT_EQ(config->architecture, "x86_64");
  EXPECT_EQ(config->entrypoint, (std::vector<std::string>{"/bin/server", "--port", "80"}));
  EXPECT_EQ(config->environment, std::vector<std::string>{"PATH=/bin"});
  EXPECT_EQ(config->working_directory, "/srv");
  EXPECT_TRUE(config->manifest_digest.starts_with("sha256:"));
}

TEST_F(Oci, refuses_a_layer_whose_digest_does_not_match) {
  layout_.finish();
  const std::string blob = layout_.blob_path(layout_.layers().at(1));
  std::string text = read_back(blob);
  text[600] = static_cast<char>(text[600] ^ 1);
  layout_.overwrite(blob, text);
  EXPECT_EQ(reason(read_again()), "image.digest_mismatch");
}

TEST_F(Oci, refuses_a_layer_that_is_shorter_or_missing) {
  layout_.finish();
  const std::string blob = layout_.blob_path(layout_.layers().at(0));
  const std::string text = read_back(blob);
  layout_.overwrite(blob, text.substr(0, text.size() - 512));
  EXPECT_EQ(reason(read_again()), "image.digest_mismatch");
  fs::remove(blob);
  EXPECT_EQ(reason(read_again()), "image.corrupt");
}

TEST_F(Oci, refuses_a_manifest_that_was_changed) {
  layout_.finish();
  const std::string blob = layout_.blob_path(layout_.manifest_digest());
  std::string text = read_back(blob);
  text.replace(text.find("layers"), 6, "LAYERS");
  layout_.overwrite(blob, text);
  EXPECT_EQ(reason(read_again()), "image.digest_mismatch");
}

TEST_F(Oci, does_not_follow_links_out_of_the_layout) {
  layout_.finish();
  const std::string blob = layout_.blob_path(layout_.layers().at(0));
  const std::string outside = scratch_.write("outside", read_back(blob));
  fs::remove(blob);
  fs::create_symlink(outside, blob);
  EXPECT_EQ(reason(read_again()), "image.corrupt");
  fs::remove(layout_.path() + "/index.json");
  fs::create_symlink("/proc/self/environ", layout_.path() + "/index.json");
  EXPECT_EQ(reason(read_again()), "image.corrupt");
}

TEST_F(Oci, chooses_by_tag_and_names_the_tags_there_are) {
  layout_.set_tag("stable");
  EXPECT_EQ(reason(read("stable")), "taken");
  const auto other = read("nightly");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "image.tag_not_found");
  EXPECT_NE(other.error().message.find("stable"), std::string::npos);
}

TEST_F(Oci, refuses_another_machines_image) {
  EXPECT_EQ(reason(read("", "aarch64")), "image.architecture");
}

TEST_F(Oci, chooses_the_entry_for_this_machine) {
  const std::string digest(64, 'a'), other(64, 'b');
  const auto entry = [](const std::string& hex, std::string_view machine) {
    return R"({"digest":"sha256:)" + hex +
           R"(","size":7,"platform":{"os":"linux","architecture":")" + std::string(machine) +
           R"("}})";
  };
  const auto choice = choose_oci_manifest(
      R"({"manifests":[)" + entry(digest, "arm64") + "," + entry(other, "amd64") + "]}", "",
      "x86_64");
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->blob.digest, "sha256:" + other);
}

TEST_F(Oci, documents_of_the_wrong_shape_give_errors) {
  for (const std::string_view text :
       {"", "[]", "null", "{", "{\"manifests\":7}", "{\"manifests\":[7]}", "{\"manifests\":[]}",
        R"({"manifests":[{"digest":"md5:00","size":1}]})",
        R"({"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]})"}) {
    EXPECT_FALSE(choose_oci_manifest(text, "", "x86_64").has_value()) << text;
    EXPECT_FALSE(parse_oci_manifest(text).has_value()) << text;
  }
  EXPECT_TRUE(parse_oci_config("{}").has_value());
  EXPECT_TRUE(parse_oci_config(R"({"config":7,"architecture":[]})").has_value());
  EXPECT_FALSE(parse_oci_config("7").has_value());
}

}  // namespace
}  // namespace aloft::image
