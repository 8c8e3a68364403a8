#include <fmt/format.h>

#include <algorithm>

#include "placement/admission.h"
#include "placement/choose.h"

namespace aloft::placement {
namespace {

// Hosts tried one after the other when the reserve is in the way; small farms are tried whole.
constexpr std::size_t kMaxHostsTried = 64;
constexpr std::size_t kSmallFarm = 1'000;
constexpr double kSameRackWeight = 2;
// Replicas of large farms are chosen among so many hosts with room.
constexpr std::size_t kReplicaHostsLookedAt = 256;

}  // namespace

double Admission::launch_score(HostIndex host, const Eligibility& eligibility) const {
  return crowding(state_, host, eligibility.needs()) + eligibility.penalty(host) / 100;
}

void Admission::add_replicas(GuestIndex guest, std::span<const HostIndex> replicas) {
  for (HostIndex host : replicas) {
    state_.add_replica(guest, host);
    if (promised()) mark_short(host);
  }
}

// Hosts for the replicas that the guest lacks, its own host first; none when there are too few.
std::optional<std::vector<HostIndex>> Admission::choose_replicas(GuestIndex guest, HostIndex host) {
  const Guest& g = state_.guest(guest);
  std::vector<HostIndex> chosen;
  std::vector<HostIndex> all = g.replicas;
  if (all.size() >= g.replica_count) return chosen;
  if (all.empty()) {
    chosen.push_back(host);
    all.push_back(host);
  }
  const std::size_t enough =
      state_.host_count() > kSmallFarm ? kReplicaHostsLookedAt : state_.host_count();
  const Unit unit = unit_of(host);
  Amounts disk;
  disk[Resource::Disk] = g.needs[Resource::Disk];
  Amounts running = g.needs;
  running[Resource::Disk] = 0;
  const bool must_start = g.locality == Locality::Required && g.restartable && promised();
  // Rules and wishes of the guest hold for the host it may restart on.
  eligibility_.prepare(guest);
  while (all.size() < g.replica_count) {
    std::optional<Choice> best;
    std::size_t found = 0;
    const std::uint32_t count = state_.host_count();
    const std::uint32_t first = count > kSmallFarm ? guest.value() * 2654435761U % count : 0;
    for (std::uint32_t i = 0; i < count && found < enough; ++i) {
      const std::uint32_t h = first + i < count ? first + i : first + i - count;
      const HostIndex to(h);
      if (std::ranges::find(all, to) != all.end() || !disk.fits_in(state_.free(to))) continue;
      double score = crowding(state_, to, disk);
      if (must_start) {
        const Amounts load = incoming(to, unit) + running;
        if (unit_of(to) == unit || !load.fits_in(state_.free(to))) continue;
        const Amounts raised = reserve_[h].max(load) - reserve_[h];
        score += crowding(state_, to, load) + 4 * crowding(state_, to, raised);
      }
      for (HostIndex other : all) {
        if (state_.domain(Level::Rack, other) == state_.domain(Level::Rack, to)) {
          score += kSameRackWeight;
        }
      }
      ++found;
      if (best && score >= best->score) continue;
      if (eligibility_.allows(to)) best = Choice{to, score};
    }
    if (!best) return std::nullopt;
    chosen.push_back(best->host);
    all.push_back(best->host);
  }
  return chosen;
}

std::optional<Placement> Admission::try_host(GuestIndex guest, HostIndex host, Force force) {
  const auto replicas = choose_replicas(guest, host);
  if (!replicas) return std::nullopt;
  journaling_ = true;
  add_replicas(guest, *replicas);
  put(guest, host);
  bool kept = failed_.empty();
  if (kept && tolerance_.count > 1 && force == Force::No) kept = prove().proof == Proof::Proved;
  if (kept || force == Force::Yes) {
    journaling_ = false;
    journal_.clear();
    return Placement{host, *replicas};
  }
  return std::nullopt;
}

Result<Placement> Admission::place(GuestIndex guest, Force force) {
  const std::size_t replicas_before = state_.guest(guest).replicas.size();
  if (force == Force::No && !failed_.empty()) {
    return fail(
        Code::ResourceExhausted, "placement.not_tolerated",
        fmt::format("guest {} is not launched: already now, {}; add room, or launch with --force",
                    state_.guest(guest).name, explain(state_, tolerance_, verdict())));
  }
  eligibility_.prepare(guest);
  const auto score = [&](HostIndex host) { return launch_score(host, eligibility_); };
  // First among hosts with room beside the reserve: no plan of another unit can break there.
  const auto clear = best_host(
      state_, eligibility_, Scan{},
      [&](HostIndex host) {
        return (eligibility_.needs() + reserve_[host.value()]).fits_in(state_.free(host));
      },
      score);
  if (clear) {
    if (auto placed = try_host(guest, clear->host, force)) return *placed;
  }
  std::optional<Verdict> refuted;
  const auto remember = [&] {
    if (!refuted && state_.guest(guest).host) {
      refuted = verdict();
      if (refuted->proof == Proof::Proved) refuted = prove();
    }
  };
  remember();
  std::string reason;
  if (refuted) reason = explain(state_, tolerance_, *refuted);
  roll_back(guest, replicas_before);

  eligibility_.prepare(guest);
  std::vector<Choice> choices;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    const HostIndex host(h);
    if (clear && host == clear->host) continue;
    if (!eligibility_.has_room(host) || !eligibility_.allows(host)) continue;
    choices.push_back({host, launch_score(host, eligibility_)});
  }
  if (choices.empty() && !clear) {
    return fail(Code::ResourceExhausted, "placement.no_room",
                fmt::format("guest {} is not launched: {}; free room or add a host",
                            state_.guest(guest).name,
                            explain(state_, explain_no_room(state_, eligibility_))));
  }
  std::ranges::sort(choices, {},
                    [](const Choice& choice) { return std::pair(choice.score, choice.host); });
  if (state_.host_count() > kSmallFarm && choices.size() > kMaxHostsTried) {
    choices.resize(kMaxHostsTried);
  }
  for (const Choice& choice : choices) {
    if (auto placed = try_host(guest, choice.host, force)) return *placed;
    if (reason.empty() && state_.guest(guest).host) {
      remember();
      reason = explain(state_, tolerance_, *refuted);
    }
    roll_back(guest, replicas_before);
  }
  if (reason.empty()) reason = "no host has room for its replicas beside the reserve";
  return fail(Code::ResourceExhausted, "placement.not_tolerated",
              fmt::format("guest {} is not launched: {}; add room, or launch with --force",
                          state_.guest(guest).name, reason));
}

}  // namespace aloft::placement
