#include "api/service_test.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "aloft/v1/service.pb.h"
#include "api/merge_patch.h"
#include "api/metrics.h"
#include "model/codec.h"

namespace aloft::api {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json parsed(const Response& response) {
  return json::parse(response.body, nullptr, false);
}

TEST_F(ServiceTest, makes_reads_and_lists_guests) {
  make_web1();
  const auto one = send(Method::Get, "/v1/guests/web1");
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(parsed(one)["spec"]["memoryBytes"], "67108864");
  EXPECT_EQ(header(one, "ETag"),
            "\"" + parsed(one)["metadata"]["revision"].get<std::string>() + "\"");
  const auto list = parsed(send(Method::Get, "/v1/guests"));
  ASSERT_EQ(list["items"].size(), 1U);
  EXPECT_EQ(list["items"][0]["metadata"]["name"], "web1");
  const auto binary = send(Method::Get, "/v1/guests", "", {{"accept", "application/x-protobuf"}});
  v1::GuestList message;
  ASSERT_TRUE(message.ParseFromString(binary.body));
  EXPECT_EQ(message.items(0).spec().memory_bytes(), 67108864U);
}

TEST_F(ServiceTest, a_guest_takes_its_technique_from_its_image) {
  make_image();
  ASSERT_TRUE(records_.change_status<model::Image>("busybox", "", [](model::ImageStatus& status) {
    status.technique = model::Technique::Container;
  }));
  ASSERT_EQ(send(Method::Post, "/v1/guests", kWeb1).status, 202);
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().technique, model::Technique::Container);
  EXPECT_EQ(parsed(send(Method::Get, "/v1/guests?technique=container"))["items"].size(), 1U);
}

TEST_F(ServiceTest, a_creation_is_an_operation_that_can_be_read_and_cancelled) {
  make_image();
  const auto made = send(Method::Post, "/v1/guests", kWeb1);
  ASSERT_EQ(made.status, 202) << made.body;
  const std::string path = header(made, "Location");
  EXPECT_EQ(path, "/v1/operations/" + parsed(made)["metadata"]["name"].get<std::string>());
  const auto read = parsed(send(Method::Get, path));
  EXPECT_EQ(read["kind"], "guest.create");
  EXPECT_EQ(read["subject"], "guest/web1");
  EXPECT_EQ(read["actor"], "unix:test");
  EXPECT_EQ(parsed(send(Method::Get, "/v1/operations?state=pending"))["items"].size(), 1U);
  EXPECT_FALSE(parsed(send(Method::Get, "/v1/operations?state=done")).contains("items"));
  EXPECT_EQ(parsed(send(Method::Post, path + ":cancel"))["state"], "STATE_CANCELLED");
  EXPECT_EQ(send(Method::Post, path + ":cancel").status, 412);
}

TEST_F(ServiceTest, refuses_bad_bodies_by_name_and_changes_nothing) {
  make_image();
  const auto refused = [&](const std::string& body) {
    const auto response = send(Method::Post, "/v1/guests", body);
    EXPECT_EQ(response.status, 400) << body << response.body;
    return parsed(response)["message"].get<std::string>();
  };
  const auto guest = [](const std::string& name, const std::string& spec) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{)" + spec + "}}";
  };
  const std::string good = R"("cpus":1,"memoryBytes":"67108864")";
  EXPECT_THAT(refused(guest("web1", good + R"(,"colour":"red")")), HasSubstr("colour"));
  EXPECT_THAT(refused(guest("web1", R"("cpus":"two","memoryBytes":1)")), HasSubstr("cpus"));
  EXPECT_THAT(refused(guest("web1", R"("cpus":0,"memoryBytes":"67108864")")), HasSubstr("cpus"));
  EXPECT_THAT(refused(guest("web1", R"("cpus":-1,"memoryBytes":"1")")), HasSubstr("cpus"));
  EXPECT_THAT(refused(guest("web1", R"("cpus":1,"memoryBytes":1E30)")), HasSubstr("memory"));
  EXPECT_THAT(refused(guest(std::string(64, 'a'), good)), HasSubstr("too long"));
  EXPECT_THAT(refused(guest("\xFF\xFE", good)), HasSubstr("guest"));
  EXPECT_THAT(refused(guest("Web_1", good)), HasSubstr("Web_1"));
  refused("");
  refused("{");
  refused("null");
  EXPECT_TRUE(records_.list<model::Guest>()->items.empty());
  EXPECT_TRUE(records_.list_operations()->items.empty());
}

TEST_F(ServiceTest, refuses_a_second_guest_of_a_name_and_a_missing_one) {
  make_web1();
  const auto second = send(Method::Post, "/v1/guests", kWeb1);
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(parsed(second)["reason"], "guest.already_exists");
  EXPECT_EQ(send(Method::Post, "/v1/guests?dryRun=true", kWeb1).status, 409);
  for (const auto method : {Method::Get, Method::Delete}) {
    const auto missing = send(method, "/v1/guests/web2");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(parsed(missing)["reason"], "guest.not_found");
  }
  EXPECT_EQ(send(Method::Post, "/v1/guests/web2:start").status, 404);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web2:freeze").status, 404);
}

TEST_F(ServiceTest, refuses_what_no_host_can_hold_or_what_does_not_exist) {
  const auto missing = send(Method::Post, "/v1/guests", kWeb1);
  EXPECT_EQ(parsed(missing)["reason"], "guest.image_missing") << missing.body;
  make_image();
  auto host = *model::Host::make({.name = *model::Name::make("host name", "h1")}, {});
  model::HostStatus status;
  status.memory = mib(32);
  host.set_status(status);
  ASSERT_TRUE(records_.create(host));
  const auto large = send(Method::Post, "/v1/guests", kWeb1);
  EXPECT_EQ(parsed(large)["reason"], "guest.memory_exceeds_hosts") << large.body;
  EXPECT_THAT(parsed(large)["message"], HasSubstr("32 MiB"));
  EXPECT_TRUE(records_.list<model::Guest>()->items.empty());
}

TEST_F(ServiceTest, the_host_has_a_last_word_on_a_guest) {
  make_web1();
  const auto changed =
      send(Method::Patch, "/v1/guests/web1", R"({"spec":{"cloudInit":"not yaml: ["}})");
  EXPECT_EQ(changed.status, 400);
  EXPECT_EQ(parsed(changed)["reason"], "cloud_init.not_yaml");
  EXPECT_THAT(parsed(changed)["message"], HasSubstr("guest web1"));
  const std::string second =
      R"({"metadata":{"name":"web2"},"spec":{"cpus":1,"memoryBytes":"67108864","cloudInit":"not yaml"}})";
  EXPECT_EQ(send(Method::Post, "/v1/guests", second).status, 400);
  EXPECT_EQ(send(Method::Post, "/v1/guests?dryRun=true", second).status, 400);
  EXPECT_EQ(records_.list<model::Guest>()->items.size(), 1U);
}

TEST_F(ServiceTest, a_put_needs_the_revision_that_was_read) {
  make_web1();
  const auto read = send(Method::Get, "/v1/guests/web1");
  json wanted = parsed(read);
  wanted["spec"]["priority"] = 7;
  wanted["metadata"].erase("revision");
  EXPECT_EQ(send(Method::Put, "/v1/guests/web1", wanted.dump()).status, 428);
  EXPECT_EQ(send(Method::Put, "/v1/guests/web1", wanted.dump(), {{"if-match", "\"7777\""}}).status,
            412);
  EXPECT_EQ(send(Method::Put, "/v1/guests/web1", wanted.dump(), {{"if-match", "7"}}).status, 400);
  const auto dry = send(Method::Put, "/v1/guests/web1?dryRun=true", wanted.dump(),
                        {{"if-match", header(read, "ETag")}});
  EXPECT_EQ(dry.status, 200) << dry.body;
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().priority, 0U);
  const auto done =
      send(Method::Put, "/v1/guests/web1", wanted.dump(), {{"if-match", header(read, "ETag")}});
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(parsed(done)["spec"]["priority"], 7);
  EXPECT_EQ(parsed(done)["metadata"]["generation"], "2");
  EXPECT_EQ(send(Method::Put, "/v1/guests/web2", wanted.dump(), {{"if-match", "*"}}).status, 400);
}

TEST_F(ServiceTest, a_patch_changes_only_what_it_names) {
  make_web1();
  const auto done =
      send(Method::Patch, "/v1/guests/web1",
           R"({"metadata":{"labels":{"my_tier":"x"}},"spec":{"memory_bytes":"134217728"}})");
  ASSERT_EQ(done.status, 200) << done.body;
  const auto guest = *records_.get<model::Guest>("web1");
  EXPECT_EQ(guest.spec().memory, mib(128));
  EXPECT_EQ(guest.spec().image, "busybox");
  EXPECT_EQ(guest.metadata().labels.at("my_tier"), "x");
  EXPECT_EQ(
      send(Method::Patch, "/v1/guests/web1", R"({"metadata":{"labels":{"my_tier":null}}})").status,
      200);
  EXPECT_TRUE(records_.get<model::Guest>("web1")->metadata().labels.empty());
  EXPECT_EQ(send(Method::Get, "/v1/guests?label=my_tier").status, 200);
  for (const auto* bad :
       {R"({"spec":{"colour":1}})", R"({"spec":{"cpus":0}})", "[]", "7", "{",
        R"({"metadata":{"name":"other"}})", R"({"spec":{"memory_bytes":"1","memoryBytes":"1"}})"}) {
    EXPECT_EQ(send(Method::Patch, "/v1/guests/web1", bad).status, 400) << bad;
  }
  EXPECT_EQ(send(Method::Patch, "/v1/guests/web1", R"({"spec":{"image":"other"}})").status, 412);
  EXPECT_EQ(
      parsed(send(Method::Patch, "/v1/guests/web1", R"({"spec":{"image":"other"}})"))["reason"],
      "guest.immutable");
}

TEST_F(ServiceTest, actions_are_operations) {
  make_web1();
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:stop?force=true").status, 202);
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().desired, model::Desired::Stopped);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:start?dryRun=true").status, 200);
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().desired, model::Desired::Stopped);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:start").status, 202);
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().desired, model::Desired::Running);
  for (const auto* verb : {"restart", "kill", "freeze", "thaw"}) {
    const auto done = send(Method::Post, std::string("/v1/guests/web1:") + verb);
    EXPECT_EQ(done.status, 202) << done.body;
    EXPECT_EQ(parsed(done)["kind"], std::string("guest.") + verb);
  }
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:resize", R"({"cpus":2})").status, 202);
  EXPECT_EQ(records_.get<model::Guest>("web1")->spec().cpus, 2U);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:resize", "{}").status, 400);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:resize", R"({"cpus":4000})").status, 400);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:fly").status, 404);
}

TEST_F(ServiceTest, an_idempotency_key_gives_the_same_operation_again) {
  make_image();
  const auto first = send(Method::Post, "/v1/guests", kWeb1, {{"idempotency-key", "k1"}});
  ASSERT_EQ(first.status, 202);
  const auto again = send(Method::Post, "/v1/guests", kWeb1, {{"idempotency-key", "k1"}});
  EXPECT_EQ(again.status, 202) << again.body;
  EXPECT_EQ(parsed(again)["metadata"]["name"], parsed(first)["metadata"]["name"]);
  const auto other = send(Method::Post, "/v1/guests/web1:kill", "", {{"idempotency-key", "k1"}});
  EXPECT_EQ(parsed(other)["reason"], "api.idempotency_key_reused");
  EXPECT_EQ(records_.list_operations()->items.size(), 1U);
  EXPECT_EQ(
      send(Method::Post, "/v1/guests/web1:kill", "", {{"idempotency-key", std::string(1000, 'k')}})
          .status,
      400);
}

TEST_F(ServiceTest, a_deletion_is_refused_while_something_is_in_use) {
  make_web1();
  const auto image = send(Method::Delete, "/v1/images/busybox");
  EXPECT_EQ(parsed(image)["reason"], "image.in_use");
  EXPECT_EQ(send(Method::Delete, "/v1/guests/web1", "", {{"if-match", "\"9999\""}}).status, 412);
  EXPECT_EQ(send(Method::Delete, "/v1/guests/web1?dryRun=true").status, 200);
  EXPECT_FALSE(records_.get<model::Guest>("web1")->deleting());
  EXPECT_EQ(send(Method::Delete, "/v1/guests/web1").status, 202);
  EXPECT_TRUE(records_.get<model::Guest>("web1")->deleting());
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:restart").status, 412);
  ASSERT_TRUE(records_.remove<model::Guest>("web1"));
  EXPECT_EQ(send(Method::Delete, "/v1/images/busybox").status, 202);
}

TEST_F(ServiceTest, roles_bound_what_everybody_may_do) {
  make_web1();
  EXPECT_EQ(send(Method::Get, "/v1/guests", "", {}, Role::None).status, 401);
  EXPECT_EQ(send(Method::Get, "/healthz", "", {}, Role::None).status, 200);
  EXPECT_EQ(send(Method::Get, "/v1/guests", "", {}, Role::Viewer).status, 200);
  const auto forbidden = send(Method::Post, "/v1/guests/web1:kill", "", {}, Role::Viewer);
  EXPECT_EQ(forbidden.status, 403);
  EXPECT_THAT(forbidden.body, HasSubstr("operator"));
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:kill", "", {}, Role::Operator).status, 202);
  EXPECT_EQ(send(Method::Get, "/v1/tokens", "", {}, Role::Operator).status, 403);
  // What reaches into the host is for admins.
  const std::string privileged = R"({"spec":{"driverOptions":{"lxc.privileged":"true"}}})";
  EXPECT_EQ(send(Method::Patch, "/v1/guests/web1", privileged, {}, Role::Operator).status, 403);
  EXPECT_EQ(send(Method::Patch, "/v1/guests/web1", privileged, {}, Role::Admin).status, 200);
  const std::string image = R"({"metadata":{"name":"shadow"},"spec":{"source":"/etc/shadow"}})";
  EXPECT_EQ(send(Method::Post, "/v1/images", image, {}, Role::Operator).status, 403);
}

TEST_F(ServiceTest, a_page_of_another_site_cannot_change_anything) {
  make_web1();
  EXPECT_EQ(
      send(Method::Post, "/v1/guests/web1:kill", "", {{"sec-fetch-site", "cross-site"}}).status,
      403);
  EXPECT_EQ(send(Method::Post, "/v1/guests", kWeb1, {{"content-type", "text/plain"}}).status, 415);
}

TEST_F(ServiceTest, tokens_are_made_once_and_expire) {
  const auto made = send(Method::Post, "/v1/tokens",
                         R"({"name":"ci","role":"ROLE_OPERATOR","lifetimeS":"3600"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string secret = parsed(made)["secret"];
  const auto identity = service_.tokens().authenticate(secret, wall_now());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, "token:ci");
  EXPECT_EQ(identity->role, Role::Operator);
  const auto expired = service_.tokens().authenticate(secret, wall_now() + 2h);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().reason, "token.expired");
  EXPECT_FALSE(service_.tokens().authenticate(secret + "x", wall_now()));
  EXPECT_FALSE(service_.tokens().authenticate("", wall_now()));
  const auto list = send(Method::Get, "/v1/tokens");
  EXPECT_THAT(list.body, HasSubstr("ci"));
  EXPECT_THAT(list.body, ::testing::Not(HasSubstr(secret)));
  for (const auto& entry : store_->list("")->entries) {
    EXPECT_EQ(entry.value.find(secret), std::string::npos) << entry.key;
  }
  EXPECT_EQ(send(Method::Post, "/v1/tokens", R"({"name":"ci","role":"ROLE_VIEWER"})").status, 409);
  EXPECT_EQ(send(Method::Post, "/v1/tokens", R"({"name":"x"})").status, 400);
  EXPECT_EQ(send(Method::Post, "/v1/tokens", R"({"name":"x","role":99})").status, 400);
  EXPECT_EQ(send(Method::Delete, "/v1/tokens/ci").status, 204);
  EXPECT_EQ(send(Method::Delete, "/v1/tokens/ci").status, 404);
  EXPECT_FALSE(service_.tokens().authenticate(secret, wall_now()));
}

TEST_F(ServiceTest, commands_run_through_the_backend) {
  make_web1();
  const auto done = send(Method::Post, "/v1/guests/web1:exec", R"({"command":["uname","-a"]})");
  ASSERT_EQ(done.status, 200) << done.body;
  v1::ExecResponse message;
  ASSERT_TRUE(model::message_from_json("answer", done.body, message));
  EXPECT_EQ(message.exit_status(), 3);
  EXPECT_EQ(message.standard_output(), "ran uname");
  EXPECT_EQ(message.standard_error(), std::string("\xFF\0", 2));
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:exec", R"({"command":[]})").status, 400);
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:exec", R"({"command":["a"],"timeoutMs":99999999})")
                .status,
            400);
  EXPECT_EQ(send(Method::Get, "/v1/guests/web1/log?bytes=3").body, "log");
  EXPECT_EQ(send(Method::Post, "/v1/guests/web1:console").status, 400);
}

TEST_F(ServiceTest, lists_come_in_pages) {
  make_image();
  for (int i = 0; i < 5; ++i) {
    std::string body(kWeb1);
    body.replace(body.find("web1"), 4, "web" + std::to_string(i));
    ASSERT_EQ(send(Method::Post, "/v1/guests", body).status, 202);
  }
  std::vector<std::string> names;
  std::string after;
  do {
    const auto page = parsed(send(Method::Get, "/v1/guests?limit=2&after=" + after));
    for (const auto& item : page["items"]) names.push_back(item["metadata"]["name"]);
    after = page.value("next", "");
  } while (!after.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"web0", "web1", "web2", "web3", "web4"}));
  EXPECT_EQ(send(Method::Get, "/v1/guests?limit=x").status, 400);
  EXPECT_EQ(send(Method::Get, "/v1/guests?limit=99999").status, 400);
  EXPECT_EQ(parsed(send(Method::Get, "/v1/guests?flavour=x"))["reason"], "api.unknown_parameter");
  EXPECT_EQ(parsed(send(Method::Get, "/v1/guests?state=new"))["items"].size(), 5U);
  EXPECT_FALSE(parsed(send(Method::Get, "/v1/guests?state=running")).contains("items"));
}

TEST_F(ServiceTest, events_are_listed_and_filtered) {
  ASSERT_TRUE(records_.append_event({.subject = "guest/web1", .kind = "guest.started"}));
  ASSERT_TRUE(records_.append_event(
      {.subject = "guest/db1", .kind = "guest.crashed", .severity = model::Severity::Error}));
  ASSERT_TRUE(records_.append_event({.subject = "host/h1", .kind = "host.seen"}));
  const auto count = [&](const std::string& query) {
    const auto list = parsed(send(Method::Get, "/v1/events" + query));
    return list.contains("items") ? list["items"].size() : 0U;
  };
  EXPECT_EQ(count(""), 3U);
  EXPECT_EQ(count("?subject=guest/web1"), 1U);
  EXPECT_EQ(count("?kind=guest"), 2U);
  EXPECT_EQ(count("?severity=warning"), 1U);
  EXPECT_EQ(count("?after=1&limit=1"), 1U);
  EXPECT_EQ(count("?after=3"), 0U);
  EXPECT_EQ(send(Method::Get, "/v1/events?severity=loud").status, 400);
}

TEST_F(ServiceTest, whoever_changes_something_is_named_in_an_event) {
  make_web1();
  ASSERT_EQ(send(Method::Patch, "/v1/guests/web1", R"({"spec":{"priority":3}})").status, 200);
  ASSERT_EQ(send(Method::Patch, "/v1/guests/web1", R"({"spec":{"priority":3}})").status, 200);
  ASSERT_EQ(send(Method::Patch, "/v1/guests/web1?dryRun=true", R"({"spec":{"priority":4}})").status,
            200);
  const auto events = records_.latest_events(10)->items;
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, "operation.asked");
  EXPECT_EQ(events[1].kind, "guest.changed");
  EXPECT_EQ(events[1].subject, "guest/web1");
  EXPECT_EQ(events[1].actor, "unix:test");
}

TEST_F(ServiceTest, metrics_are_prometheus_text) {
  const auto response = send(Method::Get, "/metrics");
  ASSERT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("# HELP aloft_guest_cpu_seconds_total CPU time.\n"
                                       "# TYPE aloft_guest_cpu_seconds_total counter\n"
                                       "aloft_guest_cpu_seconds_total{guest=\"we\\\"b\\\\1\\n\"} "
                                       "1.5\n"));
  EXPECT_THAT(response.body, HasSubstr("aloft_build_info{host=\"h1\",version=\"0.1\"} 1\n"));
}

TEST(Metrics, keep_samples_of_one_name_together) {
  const auto text = prometheus_text({{.name = "a", .help = "A"},
                                     {.name = "b", .help = "B"},
                                     {.name = "a", .help = "A", .value = 2},
                                     {.name = "not a name"}});
  EXPECT_EQ(text, "# HELP a A\n# TYPE a gauge\na 0\na 2\n# HELP b B\n# TYPE b gauge\nb 0\n");
}

TEST_F(ServiceTest, every_route_is_documented_and_every_document_leads_to_a_route) {
  const auto document = parsed(send(Method::Get, "/openapi.json", "", {}, Role::None));
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document["openapi"], "3.0.3");
  std::set<std::string> documented;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      documented.insert(method + " " + path);
      const Method wanted = method == "get"     ? Method::Get
                            : method == "post"  ? Method::Post
                            : method == "put"   ? Method::Put
                            : method == "patch" ? Method::Patch
                                                : Method::Delete;
      std::string example = path;
      if (const auto open = example.find('{'); open != std::string::npos) {
        example.replace(open, example.find('}') - open + 1, "example");
      }
      const auto found = match(service_.routes(), wanted, *parse_target(example));
      ASSERT_TRUE(found) << method << " " << path;
      EXPECT_EQ(found->route->path, path);
    }
  }
  EXPECT_EQ(documented.size(), service_.routes().size());
  // Every $ref leads to a schema.
  const std::string text = document.dump();
  for (std::size_t at = text.find("\"$ref\":\""); at != std::string::npos;
       at = text.find("\"$ref\":\"", at + 1)) {
    const std::string begin = "\"$ref\":\"#/components/schemas/";
    ASSERT_EQ(text.substr(at, begin.size()), begin);
    const std::string name =
        text.substr(at + begin.size(), text.find('"', at + begin.size()) - at - begin.size());
    EXPECT_TRUE(document["components"]["schemas"].contains(name)) << name;
  }
  // Messages of the table exist: a name that is none would be taken for a media type.
  for (const Route& route : service_.routes()) {
    for (const std::string& name : {route.body, route.answer}) {
      if (name.empty() || name.contains('/')) continue;
      EXPECT_TRUE(document["components"]["schemas"].contains(name)) << name;
    }
  }
}

TEST_F(ServiceTest, no_route_crashes_on_nonsense) {
  make_web1();
  for (const Route& route : service_.routes()) {
    std::string path = route.path;
    if (const auto open = path.find('{'); open != std::string::npos) {
      path.replace(open, path.find('}') - open + 1, "web1");
    }
    for (const auto* body : {"", "{}", "[]", "null", "{\"metadata\":7}", "\xFF"}) {
      const auto response = send(route.method, path, body);
      EXPECT_LT(response.status, 500)
          << name_of(route.method) << " " << path << " " << body << response.body;
    }
  }
  EXPECT_EQ(send(Method::Put, "/v1/guests").status, 405);
  EXPECT_EQ(send(Method::Get, "/v2/guests").status, 404);
  EXPECT_EQ(send(Method::Get, "/").status, 404);
}

TEST_F(ServiceTest, the_reference_page_is_up_to_date) {
  const std::string path = std::string(ALOFT_SOURCE_DIR) + "/docs/reference/api.md";
  const std::string page = reference_page(service_.routes());
  if (std::getenv("ALOFT_WRITE_REFERENCE") != nullptr) std::ofstream(path) << page;
  std::stringstream present;
  present << std::ifstream(path).rdbuf();
  EXPECT_TRUE(present.str() == page)
      << path << " is out of date; run this test with ALOFT_WRITE_REFERENCE=1";
}

class CollectingSink final : public EventSink {
 public:
  void send(std::string event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    more_.notify_all();
  }
  void close() override {}
  bool wait_for(std::string_view text) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, 60s, [&] {
      return std::ranges::any_of(events_, [&](const auto& e) { return e.contains(text); });
    });
  }
  std::vector<std::string> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::string> events_;
};

TEST_F(ServiceTest, a_watch_shows_what_is_there_then_what_changes) {
  make_web1();
  const auto response = send(Method::Get, "/v1/watch?kinds=guests,operations");
  ASSERT_EQ(response.content_type, "text/event-stream");
  const auto sink = std::make_shared<CollectingSink>();
  auto running = response.events(sink);
  ASSERT_TRUE(running) << running.error().message;
  ASSERT_TRUE(sink->wait_for("event: synced"));
  EXPECT_TRUE(sink->wait_for("\"name\":\"web1\""));
  EXPECT_TRUE(sink->wait_for("guest.create"));
  ASSERT_TRUE(records_.change_status<model::Guest>(
      "web1", "", [](model::GuestStatus& status) { status.state = model::GuestState::Running; }));
  ASSERT_TRUE(sink->wait_for("STATE_RUNNING"));
  const auto last = sink->events().back();
  const std::string cursor = last.substr(4, last.find('\n') - 4);
  running->reset();
  // From its last id a client goes on without the past.
  ASSERT_TRUE(records_.remove<model::Guest>("web1"));
  const auto resumed =
      send(Method::Get, "/v1/watch?kinds=guests,operations", "", {{"last-event-id", cursor}});
  const auto second = std::make_shared<CollectingSink>();
  const auto again = resumed.events(second);
  ASSERT_TRUE(again);
  ASSERT_TRUE(second->wait_for("data: {\"kind\":\"guest\",\"name\":\"web1\"}"));
  EXPECT_FALSE(second->events().front().contains("STATE_RUNNING"));
  EXPECT_EQ(send(Method::Get, "/v1/watch?kinds=guests,guests").status, 400);
  EXPECT_EQ(send(Method::Get, "/v1/watch?kinds=people").status, 400);
  EXPECT_EQ(send(Method::Get, "/v1/watch?cursor=x").status, 400);
}

TEST_F(ServiceTest, events_are_followed_without_a_gap) {
  ASSERT_TRUE(records_.append_event({.subject = "guest/a", .kind = "guest.one"}));
  ASSERT_TRUE(records_.append_event({.subject = "guest/a", .kind = "guest.two"}));
  const auto response = send(Method::Get, "/v1/events?follow=true&after=1");
  const auto sink = std::make_shared<CollectingSink>();
  const auto running = response.events(sink);
  ASSERT_TRUE(running);
  ASSERT_TRUE(records_.append_event({.subject = "guest/a", .kind = "guest.three"}));
  ASSERT_TRUE(sink->wait_for("guest.three"));
  const auto events = sink->events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_TRUE(events[0].starts_with("id: 2\nevent: guest.two\n"));
  EXPECT_EQ(send(Method::Get, "/v1/events?follow=true&after=x").status, 400);
}

}  // namespace
}  // namespace aloft::api
