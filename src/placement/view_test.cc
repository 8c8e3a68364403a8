#include "placement/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aloft::placement {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

model::Metadata named(std::string_view name) {
  return {.name = *model::Name::make("name", name)};
}

class ViewTest : public ::testing::Test {
 protected:
  model::Host& add_host(std::string_view name, model::HostSpec spec = {}) {
    auto host = *model::Host::make(named(name), std::move(spec));
    model::HostStatus status;
    status.cpus = 8;
    status.memory = gib(16);
    status.disk = gib(100);
    status.architecture = model::Architecture::X86_64;
    host.set_status(status);
    return hosts_.emplace_back(std::move(host));
  }
  void add_guest(std::string_view name, model::GuestSpec spec, model::GuestStatus status = {},
                 std::map<std::string, std::string> labels = {}) {
    spec.memory = spec.memory.count() == 0 ? gib(1) : spec.memory;
    auto metadata = named(name);
    metadata.labels = std::move(labels);
    auto guest = *model::Guest::make(std::move(metadata), std::move(spec));
    guest.set_status(std::move(status));
    guests_.push_back(std::move(guest));
  }
  void add_rule(std::string_view name, model::RuleSpec spec) {
    rules_.push_back(*model::Rule::make(named(name), std::move(spec)));
  }
  View view() {
    auto made = view_of({hosts_, guests_, rules_, {}, {}, settings_, now_});
    EXPECT_TRUE(made) << made.error().message;
    EXPECT_TRUE(validate(made->farm));
    return *std::move(made);
  }

  std::vector<model::Host> hosts_;
  std::vector<model::Guest> guests_;
  std::vector<model::Rule> rules_;
  model::FarmSpec settings_;
  WallTime now_ = WallTime(std::chrono::hours(500'000));
};

TEST_F(ViewTest, HostsKeepMemoryForThemselves) {
  add_host("h1");
  add_host("h2", {.reserved_memory = gib(4), .huge_pages = 1024, .pinned_cores = 2});
  const auto farm = view().farm;
  EXPECT_EQ(farm.hosts[0].capacity[Resource::Memory], std::int64_t{15} << 30);
  EXPECT_EQ(farm.hosts[0].capacity[Resource::Cpu], 8000);
  EXPECT_EQ(farm.hosts[1].capacity[Resource::Memory], std::int64_t{10} << 30);
  EXPECT_EQ(farm.hosts[1].capacity[Resource::HugePages], 1024);
  EXPECT_EQ(farm.hosts[1].capacity[Resource::Cpu], 6000);
  EXPECT_EQ(farm.hosts[1].capacity[Resource::PinnedCores], 2);
}

TEST_F(ViewTest, ReservedMemoryAboveTheHostsLeavesNone) {
  add_host("h1", {.reserved_memory = gib(64)});
  EXPECT_EQ(view().farm.hosts[0].capacity[Resource::Memory], 0);
}

TEST_F(ViewTest, OnlyGuestsThatShouldRunCount) {
  add_host("h1");
  add_guest("runs", {}, {.state = model::GuestState::Running, .host = "h1"});
  add_guest("stopped", {.desired = model::Desired::Stopped});
  const auto seen = view();
  ASSERT_EQ(seen.farm.guests.size(), 1U);
  EXPECT_EQ(seen.farm.guests[0].host, HostIndex(0));
  EXPECT_FALSE(seen.guest("stopped"));
}

TEST_F(ViewTest, NeedsIncludeOverheadDisksAndWhatIsSetApart) {
  add_host("h1");
  add_guest("web", {.technique = model::Technique::Container,
                    .cpus = 2,
                    .memory = gib(2),
                    .disks = {{.name = "root", .size = gib(3)}, {.name = "data", .size = gib(4)}}});
  add_guest("db", {.technique = model::Technique::Vm,
                   .cpus = 4,
                   .memory = gib(4),
                   .placement = {.huge_pages = true, .pinned_cpus = true}});
  const auto guests = view().farm.guests;
  EXPECT_EQ(guests[0].needs[Resource::Memory],
            (std::int64_t{2} << 30) + memory_overhead(Technique::OsLevel, std::int64_t{2} << 30));
  EXPECT_EQ(guests[0].needs[Resource::Disk], std::int64_t{7} << 30);
  EXPECT_EQ(guests[0].needs[Resource::Cpu], 2000);
  EXPECT_EQ(guests[1].needs[Resource::HugePages], 2048);
  EXPECT_EQ(guests[1].needs[Resource::PinnedCores], 4);
  EXPECT_EQ(guests[1].needs[Resource::Cpu], 0);
  EXPECT_LT(guests[1].needs[Resource::Memory], std::int64_t{1} << 30);
}

TEST_F(ViewTest, CapabilitiesDecideWhereAGuestMayRun) {
  auto status = add_host("h1").status();
  status.capabilities = {{"kvm", true, ""}, {"tcg.aarch64", true, ""}, {"driver.lxc", false, "no"}};
  hosts_[0].set_status(status);
  add_host("h2");
  add_guest("vm", {.technique = model::Technique::Vm, .placement = {.capabilities = {"kvm"}}});
  add_guest("arm",
            {.technique = model::Technique::Vm, .architecture = model::Architecture::Aarch64});
  add_guest("amd",
            {.technique = model::Technique::Vm, .architecture = model::Architecture::X86_64});
  add_guest("box", {.technique = model::Technique::Container});
  auto state = *State::make(view().farm);
  const auto allowed = [&](std::uint32_t guest) {
    Eligibility eligibility(state);
    eligibility.prepare(GuestIndex(guest));
    return std::pair(eligibility.allows(HostIndex(0)), eligibility.allows(HostIndex(1)));
  };
  EXPECT_EQ(allowed(0), std::pair(true, false));
  EXPECT_EQ(allowed(1), std::pair(true, false));
  EXPECT_EQ(allowed(2), std::pair(true, true));
  EXPECT_EQ(allowed(3), std::pair(false, true));
}

TEST_F(ViewTest, RulesTakeGuestsByNameAndByLabel) {
  add_host("h1");
  add_guest("a", {}, {}, {{"app", "web"}});
  add_guest("b", {}, {}, {{"app", "web"}});
  add_guest("c", {}, {}, {{"app", "db"}});
  add_rule("webs", {.kind = model::RuleKind::KeepApart,
                    .level = model::Level::Rack,
                    .guests = {"c", "gone"},
                    .label = "app=web"});
  const auto seen = view();
  ASSERT_EQ(seen.farm.rules.size(), 1U);
  EXPECT_THAT(seen.farm.rules[0].guests, ElementsAre(GuestIndex(0), GuestIndex(1), GuestIndex(2)));
  EXPECT_EQ(seen.farm.rules[0].level, Level::Rack);
  EXPECT_THAT(seen.problems, ElementsAre(HasSubstr("rule webs names guest gone")));
}

TEST_F(ViewTest, AGuestWhoseAllowedHostsAreAllUnknownMayRunNowhere) {
  add_host("h1");
  add_guest("a", {.placement = {.allowed_hosts = {"h9"}}});
  const auto seen = view();
  EXPECT_THAT(seen.problems, ElementsAre(HasSubstr("guest a names host h9")));
  EXPECT_THAT(seen.farm.guests[0].forbidden, ElementsAre(HostIndex(0)));
}

TEST_F(ViewTest, OldAndFutureLoadsDoNotCount) {
  add_host("h1");
  const auto measured = [&](WallTime at) {
    return model::GuestStatus{.load = {.cpu_millis = 500, .measured_at = at}};
  };
  add_guest("fresh", {}, measured(now_ - std::chrono::minutes(1)));
  add_guest("old", {}, measured(now_ - std::chrono::hours(2)));
  add_guest("future", {}, measured(now_ + std::chrono::hours(2)));
  const auto guests = view().farm.guests;
  ASSERT_TRUE(guests[0].load);
  EXPECT_EQ(guests[0].load->cpu, 500);
  EXPECT_FALSE(guests[1].load);
  EXPECT_FALSE(guests[2].load);
}

TEST_F(ViewTest, SettingsOfTheFarmAreItsOwn) {
  settings_ = {.tolerate = {model::Level::Rack, 2},
               .cpu_overcommit_percent = 200,
               .memory_overcommit_percent = 150};
  add_host("h1");
  const auto seen = view();
  EXPECT_EQ(seen.tolerance.level, Level::Rack);
  EXPECT_EQ(seen.tolerance.count, 2U);
  EXPECT_EQ(seen.farm.cpu_overcommit_percent, 200U);
  EXPECT_EQ(seen.farm.hosts[0].capacity[Resource::Memory], (std::int64_t{15} << 30) * 3 / 2);
}

TEST_F(ViewTest, TooManyDifferentNamesAreRefused) {
  add_host("h1");
  for (int i = 0; i < 70; ++i) {
    add_guest(fmt::format("g{}", i), {.placement = {.licences = {fmt::format("l{}", i)}}});
  }
  const auto made = view_of({hosts_, guests_, rules_, {}, {}, settings_, now_});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "placement.too_many_names");
}

}  // namespace
}  // namespace aloft::placement
