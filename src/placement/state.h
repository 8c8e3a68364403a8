// The farm with what is taken and free kept up to date: every planner of the room works on it.
//
// A State owns its copy of the Farm and changes it: guests are put and taken, replicas added and
// dropped, hosts change state, guests and rules come and go. Each change costs the few words it
// touches. Planners try changes and undo them; a State is not shared between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "placement/farm.h"

namespace aloft::placement {

// What a scan over thousands of hosts reads of each, side by side in memory.
struct HostTraits {
  std::uint64_t features = 0;
  std::uint64_t licences = 0;
  std::uint32_t architecture = 0;
  HostState state = HostState::Up;
  std::array<double, kResourceCount> per_amount{};  // 1 / capacity; 0: the host has none
};

using DomainIndex = std::uint32_t;  // of a host, rack or site, by level

class State {
 public:
  // Errors: those of validate().
  [[nodiscard]] static Result<State> make(Farm farm);

  [[nodiscard]] const Farm& farm() const { return farm_; }
  [[nodiscard]] std::uint32_t host_count() const {
    return static_cast<std::uint32_t>(farm_.hosts.size());
  }
  [[nodiscard]] std::uint32_t guest_count() const {
    return static_cast<std::uint32_t>(farm_.guests.size());
  }
  [[nodiscard]] const Host& host(HostIndex host) const { return farm_.hosts[host.value()]; }
  [[nodiscard]] const Guest& guest(GuestIndex guest) const { return farm_.guests[guest.value()]; }
  [[nodiscard]] const Rule& rule(RuleIndex rule) const { return farm_.rules[rule.value()]; }
  // False after remove_guest().
  [[nodiscard]] bool present(GuestIndex guest) const { return present_[guest.value()]; }
  [[nodiscard]] std::span<const GuestIndex> guests_on(HostIndex host) const {
    return on_host_[host.value()];
  }
  // Guests with a replica on the host.
  [[nodiscard]] std::span<const GuestIndex> replicas_on(HostIndex host) const {
    return replicas_on_[host.value()];
  }
  [[nodiscard]] std::span<const RuleIndex> rules_of(GuestIndex guest) const {
    return rules_of_[guest.value()];
  }
  // Capacity with the CPU overcommit in it, and what is left of it; negative when overdrawn.
  [[nodiscard]] const Amounts& capacity(HostIndex host) const { return capacity_[host.value()]; }
  [[nodiscard]] const Amounts& free(HostIndex host) const { return free_[host.value()]; }
  [[nodiscard]] std::span<const DeviceCount> free_devices(HostIndex host) const {
    return free_devices_[host.value()];
  }
  [[nodiscard]] DomainIndex domain(Level level, HostIndex host) const {
    return domains_[static_cast<std::size_t>(level)][host.value()];
  }
  [[nodiscard]] DomainIndex domain_count(Level level) const {
    return domain_counts_[static_cast<std::size_t>(level)];
  }
  [[nodiscard]] const HostTraits& traits(HostIndex host) const { return traits_[host.value()]; }
  [[nodiscard]] bool up(HostIndex host) const { return traits(host).state == HostState::Up; }

  // What the guest takes of the host it runs on; without disk when replicas hold it.
  [[nodiscard]] Amounts running_needs(GuestIndex guest) const;

  // Requires: the guest is present and runs nowhere.
  void put(GuestIndex guest, HostIndex host);
  // Requires: the guest runs somewhere.
  void take(GuestIndex guest);
  void move(GuestIndex guest, HostIndex to) {
    take(guest);
    put(guest, to);
  }
  // Requires: the guest has no replica there (add), has one there (drop).
  void add_replica(GuestIndex guest, HostIndex host);
  void drop_replica(GuestIndex guest, HostIndex host);
  void set_host_state(HostIndex host, HostState state) {
    farm_.hosts[host.value()].state = state;
    traits_[host.value()].state = state;
  }
  void set_pressure(HostIndex host, const Pressure& pressure) {
    farm_.hosts[host.value()].pressure = pressure;
  }
  void set_load(GuestIndex guest, std::optional<Load> load) {
    farm_.guests[guest.value()].load = load;
  }

  // Errors: as validate(), for this guest alone; AlreadyExists is the caller's to know.
  [[nodiscard]] Result<GuestIndex> add_guest(Guest guest);
  // Frees its room; its index stays taken.
  void remove_guest(GuestIndex guest);
  // Errors: InvalidArgument "placement.unknown_guest"; ResourceExhausted.
  [[nodiscard]] Result<RuleIndex> add_rule(Rule rule);

  // Aborts when the sums kept do not match a recount. For tests.
  void check_invariants() const;

 private:
  State() = default;
  void index_domains();
  void charge(GuestIndex guest, HostIndex host, int sign);
  void index_guest(GuestIndex guest);

  Farm farm_;
  std::vector<bool> present_;
  std::vector<HostTraits> traits_;
  std::vector<Amounts> capacity_;
  std::vector<Amounts> free_;
  std::vector<std::vector<DeviceCount>> free_devices_;
  std::vector<std::vector<GuestIndex>> on_host_;
  std::vector<std::uint32_t> position_;  // of a guest in on_host_
  std::vector<std::vector<GuestIndex>> replicas_on_;
  std::vector<std::vector<RuleIndex>> rules_of_;
  std::array<std::vector<DomainIndex>, 3> domains_;
  std::array<DomainIndex, 3> domain_counts_{};
};

}  // namespace aloft::placement
