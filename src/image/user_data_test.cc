#include <gtest/gtest.h>

#include <string>

#include "image/image_store.h"
#include "image/limits.h"

namespace aloft::image {
namespace {

std::string reason(std::string_view text) {
  const auto checked = check_user_data(text);
  return checked ? "taken" : checked.error().reason;
}

TEST(UserData, takes_mappings_and_nothing) {
  EXPECT_EQ(reason(""), "taken");
  EXPECT_EQ(reason("#cloud-config\n"), "taken");
  EXPECT_EQ(reason("#cloud-config\npackages: [nginx]\nruncmd:\n  - [ls, -l]\n"), "taken");
  EXPECT_EQ(reason("motd: Grüße, 世界 🛫\n"), "taken");
}

TEST(UserData, refuses_what_is_not_yaml_with_line_and_column) {
  const auto checked = check_user_data("packages:\n  - nginx\n bad: [\n");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, "cloud_init.not_yaml");
  EXPECT_NE(checked.error().message.find("line "), std::string::npos) << checked.error().message;
  EXPECT_EQ(checked.error().code, Code::InvalidArgument);
}

TEST(UserData, refuses_other_documents) {
  EXPECT_EQ(reason("just words"), "cloud_init.not_yaml");
  EXPECT_EQ(reason("- a\n- list\n"), "cloud_init.not_yaml");
  EXPECT_EQ(reason("#!/bin/sh\necho hello\n"), "cloud_init.not_yaml");
  EXPECT_EQ(reason(std::string(20'000, '[')), "cloud_init.not_yaml");
  EXPECT_EQ(reason("a: &a {b: *a}\nc: *unknown\n"), "cloud_init.not_yaml");
}

TEST(UserData, refuses_text_that_is_not_utf8) {
  EXPECT_EQ(reason("motd: \xff\xfe\n"), "cloud_init.not_yaml");
  EXPECT_EQ(reason("motd: \xc0\xaf\n"), "cloud_init.not_yaml");      // overlong
  EXPECT_EQ(reason("motd: \xed\xa0\x80\n"), "cloud_init.not_yaml");  // surrogate
  EXPECT_EQ(reason("motd: \xe4\xb8"), "cloud_init.not_yaml");        // cut off
  EXPECT_EQ(reason(std::string("motd: a\0b\n", 10)), "cloud_init.not_yaml");
}

TEST(UserData, refuses_more_than_cloud_init_takes) {
  EXPECT_EQ(reason("motd: " + std::string(kMaxUserData, 'x')), "cloud_init.too_large");
}

}  // namespace
}  // namespace aloft::image
