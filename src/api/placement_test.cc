// Rules, the farm's settings, admission with a proof, and the reports of placement.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "api/service_test.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PlacementTest : public ServiceTest {
 protected:
  void SetUp() override { make_image(); }

  void add_host(std::string_view name, Bytes memory = gib(9)) {
    auto host = model::Host::make({.name = *model::Name::make("host name", name)}, {});
    model::HostStatus status;
    status.cpus = 8;
    status.memory = memory;  // a GiB of it is not for guests
    status.disk = gib(100);
    host->set_status(status);
    ASSERT_TRUE(records_.create(*host));
  }
  Response launch(std::string_view name, std::uint64_t memory_gib, std::string_view query = "") {
    return send(Method::Post, fmt::format("/v1/guests{}", query),
                json{{"metadata", {{"name", name}}},
                     {"spec",
                      {{"image", "busybox"},
                       {"technique", "TECHNIQUE_CONTAINER"},
                       {"cpus", 1},
                       {"memoryBytes", std::to_string(memory_gib << 30U)}}}}
                    .dump());
  }
  // What the agent does once it runs the guest.
  void runs_on(std::string_view name, std::string_view host) {
    ASSERT_TRUE(records_.change_status<model::Guest>(name, "", [&](model::GuestStatus& status) {
      status.state = model::GuestState::Running;
      status.host = host;
    }));
  }
  void tolerate(int count) {
    const auto answer =
        send(Method::Patch, "/v1/farm", json{{"spec", {{"tolerate", {{"count", count}}}}}}.dump());
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  json get(std::string_view path) {
    const auto answer = send(Method::Get, path);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body);
  }
  static std::string reason(const Response& response) {
    return json::parse(response.body).value("reason", "");
  }
};

TEST_F(PlacementTest, AFarmThatNobodySetUpHasSettingsAndNoRecord) {
  EXPECT_EQ(get("/v1/farm")["metadata"]["name"], "farm");
  EXPECT_FALSE(records_.get<model::Farm>("farm"));
  tolerate(1);
  EXPECT_EQ(get("/v1/farm")["spec"]["tolerate"]["count"], 1);
  EXPECT_EQ(send(Method::Patch, "/v1/farm", R"({"spec":{"tolerate":{"count":9}}})").status, 400);
  EXPECT_EQ(send(Method::Patch, "/v1/farm", R"({"spec":{}})", {}, Role::Operator).status, 403);
}

TEST_F(PlacementTest, ALaunchThatFitsNowhereNamesTheNearestHost) {
  add_host("h1");
  EXPECT_EQ(launch("small", 2).status, 202);
  const auto refused = launch("large", 7);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(reason(refused), "placement.no_room");
  EXPECT_THAT(refused.body, HasSubstr("h1"));
  EXPECT_FALSE(records_.get<model::Guest>("large"));
}

TEST_F(PlacementTest, ALaunchThatEndsThePromiseIsRefusedWithACounterExample) {
  add_host("h1");
  add_host("h2");
  tolerate(1);
  ASSERT_EQ(launch("a", 5).status, 202);
  runs_on("a", "h1");
  const auto refused = launch("b", 5);
  EXPECT_EQ(reason(refused), "placement.not_tolerated") << refused.body;
  EXPECT_THAT(refused.body, HasSubstr("finds no room"));
  EXPECT_FALSE(records_.get<model::Guest>("b"));
}

TEST_F(PlacementTest, ForceTakesItAndAnEventSaysSo) {
  add_host("h1");
  add_host("h2");
  tolerate(1);
  ASSERT_EQ(launch("a", 5).status, 202);
  runs_on("a", "h1");
  EXPECT_EQ(launch("b", 5, "?force=true").status, 202);
  const auto events = records_.latest_events(10);
  const auto forced = std::ranges::find(events->items, "guest.forced", &model::Event::kind);
  ASSERT_NE(forced, events->items.end());
  EXPECT_THAT(forced->message, HasSubstr("finds no room"));
  runs_on("b", "h2");
  const auto report = get("/v1/placement");
  EXPECT_EQ(report["proof"], "PROOF_REFUTED");
  EXPECT_EQ(report["lost"].size(), 1U);
}

TEST_F(PlacementTest, ForceOfWhatFitsLeavesNoEvent) {
  add_host("h1");
  EXPECT_EQ(launch("a", 1, "?force=true").status, 202);
  const auto events = records_.latest_events(10);
  EXPECT_EQ(std::ranges::count(events->items, "guest.forced", &model::Event::kind), 0);
}

TEST_F(PlacementTest, ADryRunIsRefusedLikeTheLaunch) {
  add_host("h1");
  EXPECT_EQ(launch("large", 9, "?dryRun=true").status, 429);
}

TEST_F(PlacementTest, GuestsThatHaveNoHostYetTakeTheirRoom) {
  add_host("h1");
  EXPECT_EQ(launch("a", 5).status, 202);
  EXPECT_EQ(reason(launch("b", 5)), "placement.no_room");
}

TEST_F(PlacementTest, AStoppedGuestStartsOnlyWhereThereIsRoom) {
  add_host("h1");
  ASSERT_EQ(launch("a", 5).status, 202);
  ASSERT_EQ(send(Method::Post, "/v1/guests/a:stop").status, 202);
  ASSERT_EQ(launch("b", 5).status, 202);
  EXPECT_EQ(send(Method::Post, "/v1/guests/a:start").status, 429);
}

TEST_F(PlacementTest, ARunningGuestGrowsOnlyIntoTheRoomOfItsHost) {
  add_host("h1");
  add_host("h2");
  ASSERT_EQ(launch("a", 5).status, 202);
  runs_on("a", "h1");
  EXPECT_EQ(send(Method::Post, "/v1/guests/a:resize", R"({"memoryBytes":"9663676416"})").status,
            429);
  EXPECT_EQ(send(Method::Post, "/v1/guests/a:resize", R"({"memoryBytes":"6442450944"})").status,
            202);
}

TEST_F(PlacementTest, ARuleIsMadeAtOnceAndKept) {
  add_host("h1");
  add_host("h2");
  ASSERT_EQ(launch("a", 1).status, 202);
  ASSERT_EQ(launch("b", 1).status, 202);
  const auto made = send(Method::Post, "/v1/rules",
                         R"({"metadata":{"name":"ab"},"spec":{"kind":"KIND_KEEP_APART",
                             "guests":["a","b"]}})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(get("/v1/rules")["items"].size(), 1U);
  runs_on("a", "h1");
  runs_on("b", "h1");
  EXPECT_THAT(get("/v1/placement")["problems"].dump(), HasSubstr("rule ab"));
  EXPECT_THAT(get("/v1/placement/balance")["moves"].dump(), HasSubstr("\"purpose\":\"rules\""));
  EXPECT_EQ(send(Method::Delete, "/v1/rules/ab").status, 204);
  EXPECT_EQ(send(Method::Delete, "/v1/rules/ab").status, 404);
}

TEST_F(PlacementTest, RulesThatCannotHoldAreRefused) {
  add_host("h1");
  add_host("h2");
  for (const auto* name : {"a", "b", "c"}) ASSERT_EQ(launch(name, 1).status, 202);
  const auto rule = [&](std::string_view name, std::string_view kind, std::string_view guests) {
    return send(Method::Post, "/v1/rules",
                fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"kind":"{}","guests":{}}}}})",
                            name, kind, guests));
  };
  EXPECT_EQ(reason(rule("x", "KIND_KEEP_APART", R"(["a","gone"])")), "rule.guest_missing");
  EXPECT_EQ(reason(rule("x", "KIND_KEEP_APART", R"(["a"])")), "rule.too_few_guests");
  EXPECT_EQ(reason(rule("x", "KIND_UNSPECIFIED", R"(["a","b"])")), "rule.no_kind");
  EXPECT_EQ(reason(rule("three", "KIND_KEEP_APART", R"(["a","b","c"])")),
            "placement.rule_unsatisfiable");
  ASSERT_EQ(rule("apart", "KIND_KEEP_APART", R"(["a","b"])").status, 201);
  const auto contradiction = rule("together", "KIND_KEEP_TOGETHER", R"(["a","b"])");
  EXPECT_EQ(reason(contradiction), "placement.rules_contradict");
  EXPECT_THAT(contradiction.body, HasSubstr("apart"));
  EXPECT_EQ(get("/v1/rules")["items"].size(), 1U);
}

TEST_F(PlacementTest, TheReportShowsRoomAndWhatIsReserved) {
  add_host("h1");
  add_host("h2");
  tolerate(1);
  ASSERT_EQ(launch("a", 3).status, 202);
  runs_on("a", "h1");
  const auto report = get("/v1/placement");
  EXPECT_EQ(report["proof"], "PROOF_PROVED");
  const auto& memory = report["hosts"][1]["resources"][1];
  EXPECT_EQ(memory["resource"], "memory");
  EXPECT_GE(std::stoll(memory["reserved"].get<std::string>()), std::int64_t{3} << 30);
}

TEST_F(PlacementTest, PlansNameGuestsAndHosts) {
  add_host("h1");
  add_host("h2");
  ASSERT_EQ(launch("a", 3).status, 202);
  runs_on("a", "h1");
  EXPECT_EQ(get("/v1/placement/recovery?lost=h1")["starts"][0]["host"], "h2");
  EXPECT_EQ(get("/v1/placement/evacuation?hosts=h1")["moves"][0]["to"], "h2");
  EXPECT_THAT(get("/v1/placement/consolidation")["emptied"].dump(), HasSubstr("h"));
  const auto unplaced = get("/v1/placement/recovery?lost=h1,h2");
  EXPECT_EQ(unplaced["unplaced"][0]["guest"], "a");
  EXPECT_EQ(reason(send(Method::Get, "/v1/placement/recovery?lost=h1,h9")),
            "placement.unknown_host");
  EXPECT_EQ(reason(send(Method::Get, "/v1/placement/recovery")), "placement.unknown_host");
}

TEST_F(PlacementTest, ExplainSaysForEachHostWhyNot) {
  add_host("h1");
  add_host("h2", gib(3));
  ASSERT_EQ(launch("a", 5).status, 202);
  runs_on("a", "h1");
  const auto report = get("/v1/placement/guests/a");
  EXPECT_EQ(report["host"], "h1");
  EXPECT_EQ(report["hosts"][0]["fits"], true);
  EXPECT_THAT(report["hosts"][1]["refusal"].get<std::string>(), HasSubstr("memory"));
  EXPECT_EQ(send(Method::Get, "/v1/placement/guests/none").status, 404);
}

TEST_F(PlacementTest, MetricsTellOfThePromise) {
  add_host("h1");
  tolerate(1);
  ASSERT_EQ(launch("a", 1, "?force=true").status, 202);
  runs_on("a", "h1");
  const auto text = send(Method::Get, "/metrics").body;
  EXPECT_THAT(text, HasSubstr("aloft_placement_tolerated 0"));
  EXPECT_THAT(text, HasSubstr("aloft_placement_memory_reserved_bytes{host=\"h1\"}"));
}

}  // namespace
}  // namespace aloft::api
