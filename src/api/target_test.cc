#include "api/target.h"

#include <gtest/gtest.h>

#include "api/limits.h"

namespace aloft::api {
namespace {

TEST(Target, is_split_and_decoded) {
  const auto target = parse_target("/v1/guests/web%31:start?dryRun=true&label=a%3Db+c&x");
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->segments, (std::vector<std::string>{"v1", "guests", "web1"}));
  EXPECT_EQ(target->verb, "start");
  EXPECT_EQ(target->query.at("dryRun"), "true");
  EXPECT_EQ(target->query.at("label"), "a=b c");
  EXPECT_EQ(target->query.at("x"), "");
  EXPECT_TRUE(parse_target("/")->segments.empty());
  EXPECT_EQ(parse_target("/a%3Ab")->segments[0], "a:b");
}

TEST(Target, refuses_what_it_cannot_trust) {
  std::string many = "/v1?";
  for (std::size_t i = 0; i <= kMaxQueryParameters; ++i) many += "p" + std::to_string(i) + "=&";
  for (const std::string& bad :
       {std::string(), std::string("v1"), std::string("http://x/v1"), std::string("/v1//guests"),
        std::string("/v1/.."), std::string("/v1/%2e%2E/x"), std::string("/v1/%"),
        std::string("/v1/%4"), std::string("/v1/%zz"), std::string("/v1/%00"),
        std::string("/v1/%ff"), std::string("/v1/a%0Ab"), std::string("/v1?a=1&a=2"),
        std::string("/v1?%=1"), std::string("*"), "/" + std::string(kMaxTargetBytes, 'a'), many}) {
    const auto target = parse_target(bad);
    ASSERT_FALSE(target) << bad;
    EXPECT_EQ(target.error().reason, "api.bad_target");
  }
}

}  // namespace
}  // namespace aloft::api
