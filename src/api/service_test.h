// A service over a memory store and a backend that answers from a script; shared by the tests of
// this room.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "api/service.h"
#include "store/memory_store.h"

namespace aloft::api {

class ScriptedBackend final : public Backend {
 public:
  Result<void> admit(const model::Guest& guest) override {
    if (!guest.spec().cloud_init.starts_with("not yaml")) return {};
    return fail(Code::InvalidArgument, "cloud_init.not_yaml", "the user-data is not YAML");
  }
  Result<int> open_console(std::string_view guest) override {
    if (console < 0) {
      return fail(Code::FailedPrecondition, "guest.not_running",
                  std::string(guest) + " does not run");
    }
    return std::exchange(console, -1);
  }
  Result<ExecResult> exec(std::string_view /*guest*/, const std::vector<std::string>& command,
                          Duration /*timeout*/) override {
    return ExecResult{3, "ran " + command.front(), std::string("\xFF\0", 2)};
  }
  Result<std::string> console_log(std::string_view guest, std::size_t max_bytes) override {
    return ("log of " + std::string(guest)).substr(0, max_bytes);
  }
  std::vector<Sample> samples() override {
    return {{.name = "aloft_guest_cpu_seconds_total",
             .type = Sample::Type::Counter,
             .help = "CPU time.",
             .labels = {{"guest", "we\"b\\1\n"}},
             .value = 1.5}};
  }
  int console = -1;
};

class ServiceTest : public ::testing::Test {
 protected:
  static constexpr std::string_view kWeb1 =
      R"({"metadata":{"name":"web1"},"spec":{"image":"busybox","cpus":1,"memoryBytes":"67108864"}})";

  Response send(Method method, std::string_view target, std::string_view body = "",
                std::map<std::string, std::string, std::less<>> headers = {},
                Role role = Role::Admin) {
    Request request;
    request.method = method;
    auto parsed = parse_target(target);
    if (!parsed) return error_response(parsed.error());
    request.target = *std::move(parsed);
    request.headers = std::move(headers);
    request.body = body;
    request.id = "r1";
    if (role != Role::None) request.identity = {"unix:test", role, {}};
    return service_.handle(request);
  }

  void make_image(std::string_view name = "busybox") {
    auto image = model::Image::make({.name = *model::Name::make("image name", name)},
                                    {.source = "debian:bookworm"});
    ASSERT_TRUE(records_.create(*image));
  }
  void make_web1() {
    make_image();
    const auto made = send(Method::Post, "/v1/guests", kWeb1);
    ASSERT_EQ(made.status, 202) << made.body;
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  std::unique_ptr<store::Store> store_ = store::make_memory_store();
  records::Records records_{*store_};
  ScriptedBackend backend_;
  Service service_{records_, backend_, {"0.1", "h1"}};
};

}  // namespace aloft::api
