#include "placement/load.h"

#include <algorithm>
#include <cmath>

namespace aloft::placement {
namespace {

constexpr int kStaleAfter = 10;

bool sane(const Load& load) {
  for (double value : {load.cpu, load.memory, load.disk, load.network}) {
    if (!std::isfinite(value) || value < 0) return false;
  }
  return true;
}

// `value`, at most `limit` where there is one.
double at_most(double value, double limit) {
  return limit > 0 ? std::min(value, limit) : value;
}

}  // namespace

SampleUse LoadTracker::observe(Instant at, const Load& sample) {
  if (!sane(sample)) return SampleUse::Absurd;
  if (last_ && at <= *last_) return SampleUse::NotNewer;
  double weight = 1;
  if (last_) {
    const double elapsed = std::chrono::duration<double>(at - *last_).count();
    weight = 1 - std::exp(-elapsed / std::chrono::duration<double>(time_constant_).count());
  }
  last_ = at;
  smoothed_.cpu += weight * (sample.cpu - smoothed_.cpu);
  smoothed_.memory += weight * (sample.memory - smoothed_.memory);
  smoothed_.disk += weight * (sample.disk - smoothed_.disk);
  smoothed_.network += weight * (sample.network - smoothed_.network);
  return SampleUse::Taken;
}

std::optional<Load> LoadTracker::value(Instant now) const {
  if (!last_ || now - *last_ > kStaleAfter * time_constant_) return std::nullopt;
  return smoothed_;
}

Load effective_load(const State& state, GuestIndex index) {
  const Guest& guest = state.guest(index);
  const auto need = [&](Resource resource) { return static_cast<double>(guest.needs[resource]); };
  if (!guest.load) {
    const double percent = static_cast<double>(state.farm().cpu_overcommit_percent);
    return {.cpu = need(Resource::Cpu) * 100 / percent,
            .memory = need(Resource::Memory),
            .disk = 0,
            .network = need(Resource::Network)};
  }
  Load load = *guest.load;
  if (guest.host) {
    const Pressure& pressure = state.host(*guest.host).pressure;
    load.cpu *= 1 + pressure.cpu;
    load.memory *= 1 + pressure.memory;
    load.disk *= 1 + pressure.io;
    const Host& host = state.host(*guest.host);
    load.disk = at_most(load.disk, host.disk_bandwidth);
    load.network = at_most(load.network, static_cast<double>(host.capacity[Resource::Network]));
  }
  load.cpu = at_most(load.cpu, need(Resource::Cpu));
  load.memory = at_most(load.memory, need(Resource::Memory));
  return load;
}

}  // namespace aloft::placement
