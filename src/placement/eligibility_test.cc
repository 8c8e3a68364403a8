#include "placement/eligibility.h"

#include <gtest/gtest.h>

#include <cmath>

#include "placement/placement.h"
#include "placement/test_farm.h"

namespace aloft::placement {
namespace {

using testing::kGiB;
using testing::make_guest;
using testing::make_host;
using testing::make_rule;

// Hosts h0 .. of 64 GiB, and one guest g0 of 8 GiB that runs nowhere.
Farm farm_of(std::uint32_t hosts) {
  Farm farm;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    farm.hosts.push_back(make_host("h" + std::to_string(h), 64));
  }
  farm.guests.push_back(make_guest("g0", 8));
  return farm;
}

// The hosts that guest 0 may run on, as "0 2".
std::string hosts_for(const Farm& farm, std::uint32_t guest = 0) {
  const auto state = State::make(farm);
  EXPECT_TRUE(state.has_value()) << state.error().message;
  Eligibility eligibility(*state);
  eligibility.prepare(GuestIndex(guest));
  std::string text;
  for (std::uint32_t h = 0; h < state->host_count(); ++h) {
    const HostIndex host(h);
    const bool fits = eligibility.allows(host) && eligibility.has_room(host);
    if (fits) text += (text.empty() ? "" : " ") + std::to_string(h);
    if (!fits) EXPECT_FALSE(to_string(*state, eligibility.refusal(host)).empty());
  }
  return text;
}

TEST(Eligibility, every_host_with_room_is_allowed_without_rules) {
  Farm farm = farm_of(3);
  farm.hosts[1].capacity[Resource::Memory] = 7 * kGiB;
  EXPECT_EQ(hosts_for(farm), "0 2");
}

TEST(Eligibility, each_resource_is_a_limit_of_its_own) {
  for (Resource resource : kResources) {
    Farm farm = farm_of(2);
    farm.cpu_overcommit_percent = 100;
    farm.guests[0].needs[resource] = 10;
    farm.hosts[0].capacity[resource] = 9;
    farm.hosts[1].capacity[resource] = 10;
    if (resource != Resource::Cpu) farm.guests[0].needs[Resource::Cpu] = 0;
    EXPECT_EQ(hosts_for(farm), "1") << to_string(resource);
  }
}

TEST(Eligibility, cpus_are_overcommitted_by_the_farm_or_the_host) {
  Farm farm = farm_of(3);
  farm.cpu_overcommit_percent = 200;
  farm.guests[0].needs[Resource::Cpu] = 6000;
  for (Host& host : farm.hosts) host.capacity[Resource::Cpu] = 2000;
  farm.hosts[1].cpu_overcommit_percent = 300;
  farm.hosts[2].cpu_overcommit_percent = 100;
  EXPECT_EQ(hosts_for(farm), "1");
}

TEST(Eligibility, architecture_features_and_licences_must_match) {
  Farm farm = farm_of(4);
  farm.hosts[0].architecture = 1;
  farm.hosts[1].features = 0b11;
  farm.hosts[2].features = 0b01;
  farm.hosts[3].features = 0b11;
  farm.hosts[3].licences = 0b1;
  farm.guests[0].features = 0b10;
  EXPECT_EQ(hosts_for(farm), "1 3");
  farm.guests[0].licences = 0b1;
  EXPECT_EQ(hosts_for(farm), "3");
}

TEST(Eligibility, devices_are_counted) {
  Farm farm = farm_of(3);
  farm.hosts[0].devices = {{.device_class = 7, .count = 1}};
  farm.hosts[1].devices = {{.device_class = 7, .count = 2}};
  farm.guests.push_back(make_guest("g1", 1, 0));
  for (Guest& guest : farm.guests) guest.devices = {{.device_class = 7, .count = 1}};
  EXPECT_EQ(hosts_for(farm), "1");
}

TEST(Eligibility, nothing_comes_to_hosts_in_maintenance_or_lost) {
  Farm farm = farm_of(3);
  farm.hosts[0].state = HostState::Maintenance;
  farm.hosts[1].state = HostState::Lost;
  EXPECT_EQ(hosts_for(farm), "2");
}

TEST(Eligibility, allowed_and_forbidden_hosts_are_kept) {
  Farm farm = farm_of(4);
  farm.guests[0].allowed = {HostIndex(1), HostIndex(2)};
  EXPECT_EQ(hosts_for(farm), "1 2");
  farm.guests[0].forbidden = {HostIndex(2)};
  EXPECT_EQ(hosts_for(farm), "1");
}

TEST(Eligibility, keep_apart_counts_hosts_racks_or_sites) {
  Farm farm = farm_of(4);
  farm.hosts[0].rack = farm.hosts[1].rack = "r1";
  farm.hosts[2].rack = "r2";
  farm.hosts[3].rack = "r2";
  farm.hosts[3].site = "south";
  farm.guests.push_back(make_guest("g1", 1, 0));
  farm.rules = {make_rule("apart", RuleKind::KeepApart, {0, 1})};
  EXPECT_EQ(hosts_for(farm), "1 2 3");
  farm.rules[0].level = Level::Rack;
  EXPECT_EQ(hosts_for(farm), "2 3");
  farm.rules[0].level = Level::Site;
  EXPECT_EQ(hosts_for(farm), "3");
}

TEST(Eligibility, keep_together_follows_the_partner) {
  Farm farm = farm_of(3);
  farm.hosts[1].rack = farm.hosts[2].rack = "r1";
  farm.guests.push_back(make_guest("g1", 1, 2));
  farm.rules = {make_rule("pair", RuleKind::KeepTogether, {0, 1})};
  EXPECT_EQ(hosts_for(farm), "2");
  farm.rules[0].level = Level::Rack;
  EXPECT_EQ(hosts_for(farm), "1 2");
}

TEST(Eligibility, the_first_of_guests_kept_together_finds_room_for_all) {
  Farm farm = farm_of(2);
  farm.hosts[0].capacity[Resource::Memory] = 10 * kGiB;
  farm.guests.push_back(make_guest("g1", 4));
  farm.rules = {make_rule("pair", RuleKind::KeepTogether, {0, 1})};
  EXPECT_EQ(hosts_for(farm), "1");
}

TEST(Eligibility, required_locality_leaves_only_live_replicas) {
  Farm farm = farm_of(3);
  farm.guests[0].replicas = {HostIndex(0), HostIndex(2)};
  farm.guests[0].locality = Locality::Required;
  EXPECT_EQ(hosts_for(farm), "0 2");
  farm.hosts[2].state = HostState::Lost;
  EXPECT_EQ(hosts_for(farm), "0");
  farm.hosts[0].state = HostState::Lost;
  EXPECT_EQ(hosts_for(farm), "");
}

TEST(Eligibility, wishes_are_penalties_not_limits) {
  Farm farm = farm_of(3);
  farm.guests.push_back(make_guest("g1", 1, 0));
  farm.guests[0].preferences = {{.host = HostIndex(2), .weight = 300}};
  farm.guests[0].locality = Locality::Preferred;
  farm.guests[0].replicas = {HostIndex(0)};
  farm.rules = {make_rule("apart", RuleKind::KeepApart, {0, 1}, Level::Host, Strength::Preferred)};
  EXPECT_EQ(hosts_for(farm), "0 1 2");
  const auto state = State::make(farm);
  Eligibility eligibility(*state);
  eligibility.prepare(GuestIndex(0));
  EXPECT_DOUBLE_EQ(eligibility.penalty(HostIndex(0)), 100);
  EXPECT_DOUBLE_EQ(eligibility.penalty(HostIndex(1)), 50);
  EXPECT_DOUBLE_EQ(eligibility.penalty(HostIndex(2)), -250);
}

TEST(Eligibility, a_host_without_capacity_takes_only_guests_without_needs) {
  Farm farm = farm_of(2);
  farm.hosts[0].capacity = Amounts{};
  EXPECT_EQ(hosts_for(farm), "1");
  farm.guests[0].needs = Amounts{};
  EXPECT_EQ(hosts_for(farm), "0 1");
}

TEST(Rules, contradictions_name_both_rules_and_the_guests) {
  Farm farm = farm_of(3);
  farm.guests.push_back(make_guest("g1", 1));
  farm.guests.push_back(make_guest("g2", 1));
  farm.rules = {make_rule("pair", RuleKind::KeepTogether, {0, 1}),
                make_rule("team", RuleKind::KeepTogether, {1, 2}),
                make_rule("apart", RuleKind::KeepApart, {0, 2}, Level::Rack)};
  const auto checked = check_rules(farm);
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().reason, "placement.rules_contradict");
  EXPECT_NE(checked.error().message.find("apart"), std::string::npos);
  EXPECT_NE(checked.error().message.find("team"), std::string::npos);
  EXPECT_NE(checked.error().message.find("g2"), std::string::npos);
}

TEST(Rules, together_in_a_rack_and_apart_on_hosts_is_no_contradiction) {
  Farm farm = farm_of(3);
  farm.guests.push_back(make_guest("g1", 1));
  farm.rules = {make_rule("near", RuleKind::KeepTogether, {0, 1}, Level::Rack),
                make_rule("apart", RuleKind::KeepApart, {0, 1})};
  EXPECT_TRUE(check_rules(farm).has_value());
}

TEST(Rules, what_no_farm_can_keep_is_refused) {
  Farm farm = farm_of(2);
  farm.guests.push_back(make_guest("g1", 1));
  farm.guests.push_back(make_guest("g2", 1));
  farm.rules = {make_rule("apart", RuleKind::KeepApart, {0, 1, 2})};
  EXPECT_EQ(check_rules(farm).error().reason, "placement.rule_unsatisfiable");
  farm.rules = {make_rule("pair", RuleKind::KeepTogether, {0, 1})};
  farm.guests[0].allowed = {HostIndex(0)};
  farm.guests[1].allowed = {HostIndex(1)};
  EXPECT_EQ(check_rules(farm).error().reason, "placement.rules_contradict");
  farm.rules.clear();
  farm.guests[0].forbidden = {HostIndex(0)};
  EXPECT_EQ(check_rules(farm).error().reason, "placement.rule_unsatisfiable");
  farm.guests[0] = make_guest("g0", 65);
  EXPECT_EQ(check_rules(farm).error().reason, "placement.guest_too_large");
}

TEST(Rules, unknown_guests_and_hosts_are_named) {
  Farm farm = farm_of(1);
  farm.rules = {make_rule("apart", RuleKind::KeepApart, {0, 9})};
  EXPECT_EQ(State::make(farm).error().reason, "placement.unknown_guest");
  farm.rules.clear();
  farm.guests[0].host = HostIndex(4);
  EXPECT_EQ(State::make(farm).error().reason, "placement.unknown_host");
}

TEST(Rules, absurd_amounts_loads_and_double_names_are_refused) {
  Farm farm = farm_of(1);
  farm.guests[0].needs[Resource::Memory] = -1;
  EXPECT_EQ(State::make(farm).error().reason, "placement.bad_amount");
  farm = farm_of(1);
  farm.guests[0].load = Load{.cpu = std::nan("")};
  EXPECT_EQ(State::make(farm).error().reason, "placement.bad_load");
  farm = farm_of(1);
  farm.guests.push_back(farm.guests[0]);
  EXPECT_EQ(State::make(farm).error().reason, "placement.name_twice");
}

}  // namespace
}  // namespace aloft::placement
