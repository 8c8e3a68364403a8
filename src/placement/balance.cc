#include "placement/balance.h"

#include <algorithm>
#include <map>
#include <queue>

#include "placement/limits.h"
#include "placement/undo.h"

namespace aloft::placement {
namespace {

// Plans are looked over from the start when nothing is left to gain, at most so often.
constexpr int kMaxPasses = 8;
// The emptiest hosts are chosen anew after so many moves.
constexpr std::size_t kMovesPerTargets = 64;

class Search {
 public:
  Search(State& state, const BalanceOptions& options, Admission* admission)
      : state_(state),
        options_(options),
        changes_(state, admission),
        eligibility_(state),
        score_(state, options.score),
        closed_(state.guest_count()) {}

  BalancePlan run();

 private:
  struct Offer {
    double gain = 0;
    Move move;
  };
  struct Entry {
    double gain;
    std::uint32_t version;
    GuestIndex guest;
    bool operator<(const Entry& other) const {
      return gain != other.gain ? gain < other.gain : guest > other.guest;
    }
  };

  [[nodiscard]] bool open(GuestIndex guest) const;
  [[nodiscard]] std::optional<Offer> best_offer(GuestIndex guest);
  void consider(const Move& move, double bonus, std::optional<Offer>& best) const;
  void offer_replica_changes(GuestIndex guest, double bonus, std::optional<Offer>& best);
  [[nodiscard]] double price(const Move& move) const;
  [[nodiscard]] Move new_move(GuestIndex guest, HostIndex to) const;
  void choose_targets();
  void fill();
  bool take(const Offer& offer);

  State& state_;
  const BalanceOptions& options_;
  UndoableChanges changes_;
  Eligibility eligibility_;
  Score score_;
  std::vector<bool> closed_;
  std::vector<HostIndex> targets_;
  std::priority_queue<Entry> queue_;
  std::uint32_t version_ = 0;
  double threshold_ = 0;
};

bool Search::open(GuestIndex guest) const {
  const Guest& g = state_.guest(guest);
  return state_.present(guest) && g.host && g.movable && !closed_[guest.value()] &&
         state_.host(*g.host).state != HostState::Lost &&
         !(options_.pinned && options_.pinned(guest));
}

void Search::choose_targets() {
  std::vector<std::pair<double, HostIndex>> hosts;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) {
    if (state_.up(HostIndex(h))) hosts.emplace_back(score_.fullness(HostIndex(h)), HostIndex(h));
  }
  if (hosts.size() > options_.max_targets) {
    std::ranges::sort(hosts);
    hosts.resize(options_.max_targets);
  }
  targets_.clear();
  for (const auto& [fullness, host] : hosts) targets_.push_back(host);
}

Move Search::new_move(GuestIndex guest, HostIndex to) const {
  return {.guest = guest, .from = *state_.guest(guest).host, .to = to};
}

double Search::price(const Move& move) const {
  const Guest& guest = state_.guest(move.guest);
  double bytes = 0;
  if (move.from != move.to) bytes += static_cast<double>(guest.needs[Resource::Memory]);
  if (move.add_replica) bytes += static_cast<double>(guest.needs[Resource::Disk]);
  return options_.price_per_tib * bytes / static_cast<double>(std::int64_t{1} << 40);
}

void Search::consider(const Move& move, double bonus, std::optional<Offer>& best) const {
  const auto after = score_.after(move);
  if (!after) return;
  double gain = score_.value() - *after + bonus - price(move);
  if (move.from != move.to) {
    gain += (eligibility_.penalty(move.from) - eligibility_.penalty(move.to)) / 100;
  }
  if (gain < threshold_ || (best && gain <= best->gain)) return;
  best = Offer{gain, move};
}

// A replica goes to another host, with or without the guest.
void Search::offer_replica_changes(GuestIndex guest, double bonus, std::optional<Offer>& best) {
  const Guest& g = state_.guest(guest);
  const HostIndex home = *g.host;
  Amounts disk;
  disk[Resource::Disk] = g.needs[Resource::Disk];
  Amounts running = state_.running_needs(guest);
  for (HostIndex to : targets_) {
    if (!disk.fits_in(state_.free(to))) continue;
    if (std::ranges::find(g.replicas, to) != g.replicas.end()) continue;
    if (!eligibility_.allows_with_replica(to)) continue;
    const bool room = running.fits_in(state_.free(to));
    for (HostIndex drop : g.replicas) {
      Move move = new_move(guest, home);
      move.drop_replica = drop;
      move.add_replica = to;
      if (drop != home) consider(move, 0, best);
      if (room) {
        move.to = to;
        consider(move, bonus, best);
      }
      for (HostIndex other : g.replicas) {
        if (drop != home || other == drop || !state_.up(other)) continue;
        if (!running.fits_in(state_.free(other)) || !eligibility_.allows(other)) continue;
        move.to = other;
        consider(move, bonus, best);
      }
    }
  }
}

std::optional<Search::Offer> Search::best_offer(GuestIndex guest) {
  const Guest& g = state_.guest(guest);
  eligibility_.prepare(guest);
  // Where it may not be (rule, maintenance), leaving is worth something of itself.
  const bool breach = !eligibility_.allows(*g.host);
  const double bonus = breach ? options_.rule_gain : 0;
  std::optional<Offer> best;
  const auto& list = eligibility_.shortlist().empty() ? targets_ : eligibility_.shortlist();
  for (HostIndex to : list) {
    if (to == *g.host || !eligibility_.has_room(to) || !eligibility_.allows(to)) continue;
    consider(new_move(guest, to), bonus, best);
  }
  if (g.locality == Locality::Required && !g.replicas.empty() &&
      options_.replica_moves == ReplicaMoves::Allowed) {
    offer_replica_changes(guest, bonus, best);
  }
  if (best && breach) best->move.purpose = Purpose::Rules;
  return best;
}

void Search::fill() {
  choose_targets();
  queue_ = {};
  for (std::uint32_t g = 0; g < state_.guest_count(); ++g) {
    const GuestIndex guest(g);
    if (!open(guest)) continue;
    if (const auto offer = best_offer(guest)) queue_.push({offer->gain, version_, guest});
  }
}

bool Search::take(const Offer& offer) {
  Move move = offer.move;
  move.gain = offer.gain;
  switch (score_.main_metric(move)) {
    case Metric::CpuLoad:
    case Metric::Cpu:
      move.resource = Resource::Cpu;
      break;
    case Metric::MemoryLoad:
    case Metric::Memory:
    case Metric::Reserve:
      move.resource = Resource::Memory;
      break;
    case Metric::DiskLoad:
    case Metric::Disk:
      move.resource = Resource::Disk;
      break;
    case Metric::NetworkLoad:
      move.resource = Resource::Network;
      break;
  }
  const Metric metric = score_.main_metric(move);
  const HostIndex from = move.from != move.to ? move.from : move.drop_replica.value_or(move.from);
  const HostIndex to = move.from != move.to ? move.to : move.add_replica.value_or(move.to);
  move.from_before = score_.share(metric, from);
  if (!changes_.apply(move)) return false;
  score_.apply(move);
  move.from_after = score_.share(metric, from);
  move.to_after = score_.share(metric, to);
  changes_.back() = move;
  return true;
}

BalancePlan Search::run() {
  BalancePlan plan;
  plan.score_before = score_.value();
  threshold_ = std::max(options_.min_gain, options_.min_gain_share * score_.value());
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    const std::size_t before = changes_.moves().size();
    ++version_;
    fill();
    while (!queue_.empty() && changes_.moves().size() < options_.max_moves) {
      const Entry top = queue_.top();
      queue_.pop();
      if (!open(top.guest)) continue;
      const auto offer = best_offer(top.guest);
      if (!offer) continue;
      // What was counted before other moves is counted again before it is believed.
      if (top.version != version_ && !queue_.empty() && offer->gain < queue_.top().gain) {
        queue_.push({offer->gain, version_, top.guest});
        continue;
      }
      closed_[top.guest.value()] = true;
      if (!take(*offer)) continue;
      ++version_;
      if (changes_.moves().size() % kMovesPerTargets == 0) choose_targets();
    }
    if (changes_.moves().size() == before || changes_.moves().size() >= options_.max_moves) break;
  }
  plan.score_after = score_.value();
  plan.moves = changes_.moves();
  changes_.undo();
  return plan;
}

}  // namespace

BalancePlan balance(State& state, const BalanceOptions& options, Admission* admission) {
  return Search(state, options, admission).run();
}

}  // namespace aloft::placement
