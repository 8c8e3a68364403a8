// Farms of any shape: nothing may crash, hang, overdraw a host, or leave the state changed.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "placement/placement.h"

namespace aloft::placement {
namespace {

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> data) : data_(data) {}
  std::uint8_t next() {
    if (at_ == data_.size()) return 0;
    return data_[at_++];
  }
  std::uint32_t below(std::uint32_t bound) { return next() % bound; }

 private:
  std::span<const std::uint8_t> data_;
  std::size_t at_ = 0;
};

Farm make_farm(Bytes& in) {
  Farm farm;
  const std::uint32_t hosts = in.below(7);
  const std::uint32_t guests = in.below(14);
  farm.cpu_overcommit_percent = 1 + in.next();
  for (std::uint32_t h = 0; h < hosts; ++h) {
    Host host;
    host.name = std::to_string(h);
    host.rack = std::string(in.below(3), 'r');
    host.state = static_cast<HostState>(in.below(8) < 6 ? 0 : 1 + in.below(2));
    for (Resource resource : kResources) host.capacity[resource] = in.next();
    host.features = in.below(4);
    if (in.below(4) == 0) host.devices = {{0, in.below(3)}};
    farm.hosts.push_back(std::move(host));
  }
  for (std::uint32_t g = 0; g < guests; ++g) {
    Guest guest;
    guest.name = std::to_string(g);
    for (Resource resource : kResources) guest.needs[resource] = in.below(64);
    if (hosts > 0 && in.below(3) != 0) guest.host = HostIndex(in.below(hosts));
    guest.movable = in.below(5) != 0;
    guest.restartable = in.below(5) != 0;
    guest.replica_count = in.below(4);
    guest.locality = static_cast<Locality>(in.below(3));
    if (guest.host && guest.replica_count > 0 && in.below(2) == 0) {
      guest.replicas = {*guest.host};
      const HostIndex second(in.below(hosts));
      if (second != *guest.host) guest.replicas.push_back(second);
    }
    guest.features = in.below(3);
    if (in.below(6) == 0) guest.devices = {{0, 1}};
    if (hosts > 0 && in.below(6) == 0) guest.forbidden = {HostIndex(in.below(hosts))};
    if (in.below(2) == 0) guest.load = Load{.cpu = 1.0 * in.next(), .memory = 1.0 * in.next()};
    farm.guests.push_back(std::move(guest));
  }
  for (std::uint32_t r = in.below(5); r > 0 && guests > 1; --r) {
    farm.rules.push_back({.name = std::to_string(r),
                          .kind = static_cast<RuleKind>(in.below(2)),
                          .strength = static_cast<Strength>(in.below(2)),
                          .level = static_cast<Level>(in.below(3)),
                          .guests = {GuestIndex(in.below(guests)), GuestIndex(in.below(guests))}});
  }
  return farm;
}

void check_room(const State& state, std::span<const Move> moves) {
  State after = state;
  for (const Move& move : moves) {
    apply(after, move);
    ALOFT_ASSERT(move.from == move.to ||
                 after.running_needs(move.guest)
                     .fits_in(after.free(move.to) + after.running_needs(move.guest)));
  }
  after.check_invariants();
}

void run(Bytes& in) {
  auto made = State::make(make_farm(in));
  if (!made) return;
  State& state = *made;
  static_cast<void>(check_rules(state.farm()));
  const std::uint32_t hosts = state.host_count();
  Admission admission(state, {.level = static_cast<Level>(in.below(3)), .count = in.below(4)});
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    if (state.guest(GuestIndex(g)).host) continue;
    const auto placed = admission.place(GuestIndex(g), in.below(3) == 0 ? Force::Yes : Force::No);
    ALOFT_ASSERT(placed.has_value() == state.guest(GuestIndex(g)).host.has_value());
    state.check_invariants();
  }
  static_cast<void>(explain(state, admission.tolerance(), admission.prove()));
  if (hosts == 0) return;
  const std::vector<HostIndex> some = {HostIndex(in.below(hosts)), HostIndex(in.below(hosts))};
  const RecoveryPlan recovery = admission.recover(some);
  for (const NoRoom& no_room : recovery.unplaced) static_cast<void>(explain(state, no_room));
  state.check_invariants();
  for (Admission* with : {static_cast<Admission*>(nullptr), &admission}) {
    const BalancePlan plan = balance(state, {.max_moves = 20, .rounds = 2}, with);
    state.check_invariants();
    check_room(state, plan.moves);
    for (const Move& move : plan.moves) static_cast<void>(explain(state, move));
  }
  check_room(state, evacuate(state, some, static_cast<Leave>(in.below(2))).moves);
  check_room(state, repair_replicas(state).moves);
  check_room(state, even_out_replicas(state, 10).moves);
  check_room(state, consolidate(state, {.count = 1}, 2).moves);
  state.check_invariants();
}

}  // namespace
}  // namespace aloft::placement

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  aloft::placement::Bytes in({data, size});
  aloft::placement::run(in);
  return 0;
}
