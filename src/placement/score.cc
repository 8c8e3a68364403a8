#include "placement/score.h"

#include <algorithm>
#include <cmath>

#include "placement/load.h"

namespace aloft::placement {
namespace {

constexpr std::size_t at(Metric metric) {
  return static_cast<std::size_t>(metric);
}

double number(std::int64_t value) {
  return static_cast<double>(value);
}

double inverse(double value) {
  return value > 0 ? 1 / value : 0;
}

// 0 for a host with room for its reserve; else more than 1, growing with what is missing.
double shortage(double reserve, double free, double per_byte) {
  constexpr double kSlope = 10;
  return reserve > free ? 1 + kSlope * (reserve - free) * per_byte : 0;
}

double deviation(double count, double sum, double squares) {
  if (count <= 0) return 0;
  const double mean = sum / count;
  return std::sqrt(std::max(squares / count - mean * mean, 0.0));
}

}  // namespace

Score::Score(const State& state, const ScoreOptions& options) : state_(&state), options_(options) {
  const std::uint32_t hosts = state.host_count();
  const std::uint32_t guests = state.guest_count();
  live_.resize(hosts);
  inverse_.resize(hosts);
  values_.resize(hosts);
  free_memory_.resize(hosts);
  reserve_.resize(hosts);
  peers_.resize(hosts);
  running_.resize(guests);
  replica_.resize(guests);
  pair_.resize(guests);
  paired_.resize(guests);
  const bool absolute = options.load_units == ScoreOptions::LoadUnits::Absolute;
  for (std::uint32_t h = 0; h < hosts; ++h) {
    const Host& host = state.host(HostIndex(h));
    const Amounts& capacity = state.capacity(HostIndex(h));
    live_[h] = host.state == HostState::Up;
    Values& scale = inverse_[h];
    scale[at(Metric::CpuLoad)] = absolute ? 1 : inverse(number(host.capacity[Resource::Cpu]));
    scale[at(Metric::MemoryLoad)] = absolute ? 1 : inverse(number(capacity[Resource::Memory]));
    scale[at(Metric::DiskLoad)] = absolute ? 1 : inverse(host.disk_bandwidth);
    scale[at(Metric::NetworkLoad)] = absolute ? 1 : inverse(number(capacity[Resource::Network]));
    scale[at(Metric::Memory)] = inverse(number(capacity[Resource::Memory]));
    scale[at(Metric::Disk)] = inverse(number(capacity[Resource::Disk]));
    // Of the CPUs themselves: overcommitted ones count more than once.
    scale[at(Metric::Cpu)] = inverse(number(host.capacity[Resource::Cpu]));
    scale[at(Metric::Reserve)] = inverse(number(capacity[Resource::Memory]));
    free_memory_[h] = number(state.free(HostIndex(h))[Resource::Memory]);
  }
  for (std::uint32_t g = 0; g < guests; ++g) {
    const GuestIndex index(g);
    const Guest& guest = state.guest(index);
    if (!state.present(index) || !guest.host) continue;
    const Load load = effective_load(state, index);
    Values& run = running_[g];
    Values& copy = replica_[g];
    run[at(Metric::CpuLoad)] = load.cpu;
    run[at(Metric::MemoryLoad)] = load.memory;
    run[at(Metric::NetworkLoad)] = load.network;
    run[at(Metric::Memory)] = number(guest.needs[Resource::Memory]);
    run[at(Metric::Cpu)] = number(guest.needs[Resource::Cpu]);
    const bool mirrored = !guest.replicas.empty();
    Values& disk = mirrored ? copy : run;
    disk[at(Metric::DiskLoad)] = load.disk;
    disk[at(Metric::Disk)] = number(guest.needs[Resource::Disk]);
    for (std::size_t m = 0; m < kMetricCount; ++m) {
      const std::uint32_t h = guest.host->value();
      values_[h][m] += run[m] * inverse_[h][m];
      for (HostIndex replica : guest.replicas) {
        values_[replica.value()][m] += copy[m] * inverse_[replica.value()][m];
      }
    }
    if (const auto pair = pair_of(index, *guest.host)) {
      pair_[g] = {pair->primary, pair->secondary};
      paired_[g] = true;
      add_peer(*pair, number(guest.needs[Resource::Memory]));
    }
  }
  for (std::uint32_t h = 0; h < hosts; ++h) {
    reserve_[h] = reserve_with(HostIndex(h), HostIndex(h), 0, HostIndex(h), 0);
    values_[h][at(Metric::Reserve)] = reserve_[h] * inverse_[h][at(Metric::Reserve)];
    if (!live_[h]) continue;
    for (std::size_t m = 0; m < kMetricCount; ++m) counts_[m] += inverse_[h][m] > 0 ? 1 : 0;
    count_host(HostIndex(h), 1);
  }
  value_ = combine(sums_, squares_, shorts_);
}

void Score::count_host(HostIndex host, double sign) {
  const std::uint32_t h = host.value();
  if (!live_[h]) return;
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    sums_[m] += sign * values_[h][m];
    squares_[m] += sign * values_[h][m] * values_[h][m];
  }
  shorts_ += sign * shortage(reserve_[h], free_memory_[h], inverse_[h][at(Metric::Reserve)]);
}

double Score::combine(const Values& sums, const Values& squares, double shorts) const {
  double total = options_.short_reserve_weight * shorts +
                 options_.reserve_total_weight * sums[at(Metric::Reserve)];
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    total += options_.weights[m] * deviation(counts_[m], sums[m], squares[m]);
  }
  return total;
}

// The one host that a mirrored guest can restart on.
std::optional<Score::Pair> Score::pair_of(GuestIndex index, HostIndex host) const {
  const Guest& guest = state_->guest(index);
  if (guest.locality != Locality::Required || guest.replicas.size() != 2) return std::nullopt;
  if (guest.replicas[0] == host) return Pair{host, guest.replicas[1]};
  if (guest.replicas[1] == host) return Pair{host, guest.replicas[0]};
  return std::nullopt;
}

std::optional<Score::Pair> Score::pair_after(const Move& move) const {
  std::array<HostIndex, 2> replicas = pair_[move.guest.value()];
  if (move.drop_replica) {
    (replicas[0] == *move.drop_replica ? replicas[0] : replicas[1]) = *move.add_replica;
  }
  if (replicas[0] == move.to) return Pair{replicas[0], replicas[1]};
  return Pair{replicas[1], replicas[0]};
}

void Score::add_peer(const Pair& pair, double memory) {
  std::vector<Peer>& list = peers_[pair.secondary.value()];
  const auto found = std::ranges::find(list, pair.primary, &Peer::primary);
  if (found == list.end()) {
    list.push_back({pair.primary, memory});
  } else {
    found->memory += memory;
    if (found->memory <= 0) list.erase(found);
  }
}

double Score::reserve_with(HostIndex host, HostIndex primary_minus, double minus,
                           HostIndex primary_plus, double plus) const {
  double most = 0;
  bool added = plus <= 0;
  for (const Peer& peer : peers_[host.value()]) {
    double memory = peer.memory;
    if (peer.primary == primary_minus) memory -= minus;
    if (plus > 0 && peer.primary == primary_plus) {
      memory += plus;
      added = true;
    }
    most = std::max(most, memory);
  }
  return added ? most : std::max(most, plus);
}

void Score::collect(const Move& move, Changes& changes) const {
  const std::uint32_t g = move.guest.value();
  const auto touch = [&](HostIndex host) -> Change& {
    for (std::size_t i = 0; i < changes.count; ++i) {
      if (changes.items[i].host == host) return changes.items[i];
    }
    Change& change = changes.items[changes.count++];
    change = {host, values_[host.value()], free_memory_[host.value()], reserve_[host.value()]};
    return change;
  };
  const auto add = [&](HostIndex host, const Values& amounts, double sign) {
    Change& change = touch(host);
    for (std::size_t m = 0; m < kMetricCount; ++m) {
      change.values[m] += sign * amounts[m] * inverse_[host.value()][m];
    }
  };
  const double memory = running_[g][at(Metric::Memory)];
  if (move.from != move.to) {
    add(move.from, running_[g], -1);
    touch(move.from).free_memory += memory;
    add(move.to, running_[g], 1);
    touch(move.to).free_memory -= memory;
  }
  if (move.drop_replica) add(*move.drop_replica, replica_[g], -1);
  if (move.add_replica) add(*move.add_replica, replica_[g], 1);
  if (!paired_[g]) return;
  const Pair was{move.from, pair_[g][0] == move.from ? pair_[g][1] : pair_[g][0]};
  const Pair will = *pair_after(move);
  if (was.primary == will.primary && was.secondary == will.secondary) return;
  const bool same = was.secondary == will.secondary;
  Change& old = touch(was.secondary);
  old.reserve = reserve_with(was.secondary, was.primary, memory, will.primary, same ? memory : 0);
  old.values[at(Metric::Reserve)] =
      old.reserve * inverse_[was.secondary.value()][at(Metric::Reserve)];
  if (same) return;
  Change& fresh = touch(will.secondary);
  fresh.reserve = reserve_with(will.secondary, was.primary, 0, will.primary, memory);
  fresh.values[at(Metric::Reserve)] =
      fresh.reserve * inverse_[will.secondary.value()][at(Metric::Reserve)];
}

std::optional<double> Score::after(const Move& move) const {
  Changes changes;
  collect(move, changes);
  Values sums = sums_;
  Values squares = squares_;
  double shorts = shorts_;
  for (std::size_t i = 0; i < changes.count; ++i) {
    const Change& change = changes.items[i];
    const std::uint32_t h = change.host.value();
    if (!live_[h]) continue;
    const bool was_short = reserve_[h] > free_memory_[h];
    const bool is_short = change.reserve > change.free_memory;
    if (is_short && !was_short) return std::nullopt;
    if (was_short) {
      const double per_byte = inverse_[h][at(Metric::Reserve)];
      shorts += shortage(change.reserve, change.free_memory, per_byte) -
                shortage(reserve_[h], free_memory_[h], per_byte);
    }
    for (std::size_t m = 0; m < kMetricCount; ++m) {
      const double was = values_[h][m];
      const double will = change.values[m];
      sums[m] += will - was;
      squares[m] += will * will - was * was;
    }
  }
  return combine(sums, squares, shorts);
}

void Score::apply(const Move& move) {
  Changes changes;
  collect(move, changes);
  const std::uint32_t g = move.guest.value();
  if (paired_[g]) {
    const double memory = running_[g][at(Metric::Memory)];
    const Pair was{move.from, pair_[g][0] == move.from ? pair_[g][1] : pair_[g][0]};
    const Pair will = *pair_after(move);
    add_peer(was, -memory);
    add_peer(will, memory);
    pair_[g] = {will.primary, will.secondary};
  }
  for (std::size_t i = 0; i < changes.count; ++i) {
    const Change& change = changes.items[i];
    const std::uint32_t h = change.host.value();
    count_host(change.host, -1);
    values_[h] = change.values;
    free_memory_[h] = change.free_memory;
    reserve_[h] = change.reserve;
    count_host(change.host, 1);
  }
  value_ = combine(sums_, squares_, shorts_);
}

double Score::fullness(HostIndex host) const {
  double sum = 0;
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    const double spread = deviation(counts_[m], sums_[m], squares_[m]);
    if (spread <= 0 || inverse_[host.value()][m] <= 0) continue;
    sum += options_.weights[m] * (values_[host.value()][m] - sums_[m] / counts_[m]);
  }
  return sum;
}

Metric Score::main_metric(const Move& move) const {
  Changes changes;
  collect(move, changes);
  Metric best = Metric::Memory;
  double best_fall = 0;
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    double sum = sums_[m];
    double squares = squares_[m];
    for (std::size_t i = 0; i < changes.count; ++i) {
      const std::uint32_t h = changes.items[i].host.value();
      if (!live_[h]) continue;
      const double was = values_[h][m];
      const double will = changes.items[i].values[m];
      sum += will - was;
      squares += will * will - was * was;
    }
    const double fall = options_.weights[m] * (deviation(counts_[m], sums_[m], squares_[m]) -
                                               deviation(counts_[m], sum, squares));
    if (fall > best_fall) {
      best_fall = fall;
      best = static_cast<Metric>(m);
    }
  }
  return best;
}

}  // namespace aloft::placement
