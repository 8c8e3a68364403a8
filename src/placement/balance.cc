#include "placement/balance.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "base/random.h"
#include "placement/limits.h"
#include "placement/undo.h"

namespace aloft::placement {
namespace {

// Plans are looked over from the start when nothing is left to gain, at most so often.
constexpr int kMaxPasses = 64;
// Guests times targets looked at in one pass; farms above look at fewer targets.
constexpr std::size_t kLooksPerPass = 4'000'000;
constexpr std::size_t kLeastTargets = 16;
// A plan of more moves than this is not refined.
constexpr std::size_t kMaxRefinedMoves = 3'000;
constexpr int kMaxRefinements = 12;
constexpr std::size_t kMaxRefinedGuests = 20'000;
constexpr std::size_t kMaxExchanges = 100'000;        // of one refinement
constexpr std::size_t kMaxSubstitutions = 1'000'000;  // guests times targets
constexpr double kLeastExchange = 1e-6;
// A move goes when that costs at most this many times the least gain of a move.
constexpr double kThinningLoss = 2;
// Further tries see each guest's gain up to half of this share larger or smaller.
constexpr double kTasteSpread = 0.6;
constexpr std::uint64_t kTasteSeed = 1;
constexpr int kMaxThinnings = 64;
constexpr std::size_t kMaxThinnedMoves = 300;
// The emptiest hosts are chosen anew after so many moves.
constexpr std::size_t kMovesPerTargets = 64;

// The host that is new to the guest or its replicas.
HostIndex aim(const Move& move) {
  return move.add_replica.value_or(move.to);
}

// The same kind of move with another aim.
Move aimed(Move move, HostIndex to) {
  if (move.to == aim(move)) move.to = to;
  if (move.add_replica) move.add_replica = to;
  return move;
}

class Search {
 public:
  Search(State& state, const BalanceOptions& options, Admission* admission)
      : state_(state),
        options_(options),
        changes_(state, admission),
        eligibility_(state),
        score_(state, options.score),
        closed_(state.guest_count()),
        taste_(state.guest_count(), 1.0),
        has_admission_(admission != nullptr) {}

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
  void exchange(std::vector<Move>& moves);
  void substitute(std::vector<Move>& moves);
  void follow(const Move& move) {
    placement::apply(state_, move);
    score_.apply(move);
  }
  [[nodiscard]] bool sound(const Move& move) const;
  void descend(std::size_t already);
  void aim_again(std::vector<Move>& moves);
  void refine(std::vector<Move>& moves);
  void thin(std::vector<Move>& moves);
  void polish(std::vector<Move>& moves) {
    refine(moves);
    if (moves.size() <= kMaxThinnedMoves) thin(moves);
  }
  // Of the state as it is after the moves: lower is better.
  [[nodiscard]] double worth(const std::vector<Move>& moves) const {
    return score_.value() + kThinningLoss * threshold_ * static_cast<double>(moves.size());
  }
  void take_back(const std::vector<Move>& moves) {
    for (auto at = moves.rbegin(); at != moves.rend(); ++at) {
      placement::apply(state_, inverse(*at));
    }
  }
  [[nodiscard]] bool fits(const Move& move);
  [[nodiscard]] std::vector<Move> in_order(std::vector<Move> moves);

  State& state_;
  const BalanceOptions& options_;
  UndoableChanges changes_;
  Eligibility eligibility_;
  Score score_;
  std::vector<bool> closed_;
  std::vector<double> taste_;  // by guest: how its gain is seen in this try
  bool has_admission_;
  std::vector<HostIndex> targets_;
  std::vector<Move> last_;
  std::priority_queue<Entry> queue_;
  std::uint32_t version_ = 0;
  double threshold_ = 0;
  double price_per_byte_ = 0;
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
  const std::size_t budget = kLooksPerPass / std::max<std::size_t>(state_.guest_count(), 1);
  const std::size_t most = std::min(options_.max_targets, std::max(budget, kLeastTargets));
  if (hosts.size() > most) {
    std::ranges::sort(hosts);
    hosts.resize(most);
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
  return price_per_byte_ * bytes;
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
    if (const auto offer = best_offer(guest)) {
      queue_.push({offer->gain * taste_[g], version_, guest});
    }
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

// Takes the best move again and again until none is worth while.
void Search::descend(std::size_t already) {
  ++version_;
  fill();
  while (!queue_.empty() && changes_.moves().size() + already < options_.max_moves) {
    const Entry top = queue_.top();
    queue_.pop();
    if (!open(top.guest)) continue;
    const auto offer = best_offer(top.guest);
    if (!offer) continue;
    // What was counted before other moves is counted again before it is believed.
    const double gain = offer->gain * taste_[top.guest.value()];
    if (top.version != version_ && !queue_.empty() && gain < queue_.top().gain) {
      queue_.push({gain, version_, top.guest});
      continue;
    }
    closed_[top.guest.value()] = true;
    if (!take(*offer)) continue;
    ++version_;
    if (changes_.moves().size() % kMovesPerTargets == 0) choose_targets();
  }
}

// Moves chosen early may be better aimed, or needless, now that the others are known: each is taken
// back and chosen again from where its guest started.
void Search::aim_again(std::vector<Move>& moves) {
  choose_targets();
  std::vector<Move> kept;
  for (const Move& move : moves) {
    follow(inverse(move));
    auto offer = best_offer(move.guest);
    // The old aim may no longer be among the targets.
    eligibility_.prepare(move.guest);
    consider(move, 0, offer);
    if (!offer) {
      closed_[move.guest.value()] = false;
      continue;
    }
    if (take(*offer)) kept.push_back(changes_.release().back());
  }
  moves = std::move(kept);
}

// Another guest may do the work of a moved one better.
void Search::substitute(std::vector<Move>& moves) {
  const std::size_t looks = moves.size() * state_.guest_count() * targets_.size();
  if (looks > kMaxSubstitutions) return;
  for (Move& move : moves) {
    const double before = score_.value();
    follow(inverse(move));
    closed_[move.guest.value()] = false;
    std::optional<Offer> best;
    for (std::uint32_t g = 0; g < state_.guest_count(); ++g) {
      if (!open(GuestIndex(g))) continue;
      const auto offer = best_offer(GuestIndex(g));
      if (offer && (!best || offer->gain > best->gain)) best = offer;
    }
    const auto after = best ? score_.after(best->move) : std::nullopt;
    if (after && *after < before - kLeastExchange && take(*best)) {
      move = changes_.release().back();
    } else {
      follow(move);
    }
    closed_[move.guest.value()] = true;
  }
}

// Until nothing is gained: aims again, exchanges aims, gives guests that stayed a new chance.
void Search::refine(std::vector<Move>& moves) {
  for (int pass = 0; pass < kMaxRefinements; ++pass) {
    const double before = score_.value();
    aim_again(moves);
    exchange(moves);
    substitute(moves);
    descend(moves.size());
    for (const Move& move : changes_.release()) moves.push_back(move);
    if (score_.value() > before - kLeastExchange) break;
  }
}

// Leaves out moves whose work the others, aimed again, can nearly do.
void Search::thin(std::vector<Move>& moves) {
  for (int tries = 0; tries < kMaxThinnings && !moves.empty(); ++tries) {
    const double before = score_.value();
    const std::vector<Move> saved = moves;
    std::size_t least = 0;
    double least_loss = std::numeric_limits<double>::max();
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const double loss = score_.after(inverse(moves[i])).value_or(least_loss) - before;
      if (loss >= least_loss) continue;
      least_loss = loss;
      least = i;
    }
    follow(inverse(moves[least]));
    moves.erase(moves.begin() + static_cast<std::ptrdiff_t>(least));
    aim_again(moves);
    exchange(moves);
    if (score_.value() <= before + kThinningLoss * threshold_) {
      closed_[saved[least].guest.value()] = false;
      continue;
    }
    for (auto at = moves.rbegin(); at != moves.rend(); ++at) follow(inverse(*at));
    for (const Move& move : saved) follow(move);
    moves = saved;
    break;
  }
}

// Two moves exchange their aims when that is better: the evenness in numbers stays, the rest gains.
void Search::exchange(std::vector<Move>& moves) {
  std::size_t looks = 0;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (++looks > kMaxExchanges) return;
      if (aim(moves[i]) == aim(moves[j])) continue;
      const double before = score_.value();
      follow(inverse(moves[i]));
      follow(inverse(moves[j]));
      const Move one = aimed(moves[i], aim(moves[j]));
      const Move two = aimed(moves[j], aim(moves[i]));
      if (sound(one) && fits(one) && score_.after(one)) {
        follow(one);
        const auto after = sound(two) && fits(two) ? score_.after(two) : std::nullopt;
        if (after && *after < before - kLeastExchange) {
          follow(two);
          moves[i] = one;
          moves[j] = two;
          continue;
        }
        follow(inverse(one));
      }
      follow(moves[j]);
      follow(moves[i]);
    }
  }
}

// An order in which each move fits after those before it; what fits in none is left out.
std::vector<Move> Search::in_order(std::vector<Move> moves) {
  std::vector<Move> ordered;
  for (bool progress = true; progress && !moves.empty();) {
    progress = false;
    std::vector<Move> waiting;
    for (const Move& move : moves) {
      if (!fits(move)) {
        waiting.push_back(move);
        continue;
      }
      placement::apply(state_, move);
      ordered.push_back(move);
      progress = true;
    }
    moves = std::move(waiting);
  }
  return ordered;
}

// Whether a move with an exchanged aim makes sense for the guest as it is.
bool Search::sound(const Move& move) const {
  const Guest& guest = state_.guest(move.guest);
  const HostIndex to = aim(move);
  if (to == move.from || !state_.up(to)) return false;
  if (move.add_replica) return std::ranges::find(guest.replicas, to) == guest.replicas.end();
  return true;
}

bool Search::fits(const Move& move) {
  eligibility_.prepare(move.guest);
  Amounts disk;
  disk[Resource::Disk] = state_.guest(move.guest).needs[Resource::Disk];
  if (move.add_replica && !disk.fits_in(state_.free(*move.add_replica))) return false;
  if (move.from == move.to) return true;
  const bool allowed = move.add_replica == move.to ? eligibility_.allows_with_replica(move.to)
                                                   : eligibility_.allows(move.to);
  return allowed && state_.running_needs(move.guest).fits_in(state_.free(move.to));
}

BalancePlan Search::run() {
  BalancePlan plan;
  plan.score_before = score_.value();
  double hosts = 0;
  for (std::uint32_t h = 0; h < state_.host_count(); ++h) hosts += state_.up(HostIndex(h)) ? 1 : 0;
  hosts = std::max(hosts, 1.0);
  threshold_ = options_.min_gain / hosts;
  price_per_byte_ = options_.price_per_tib / hosts / static_cast<double>(std::int64_t{1} << 40);
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    const std::size_t before = changes_.moves().size();
    descend(0);
    if (changes_.moves().size() == before || changes_.moves().size() >= options_.max_moves) break;
  }
  if (has_admission_ || changes_.moves().size() > kMaxRefinedMoves ||
      state_.guest_count() > kMaxRefinedGuests) {
    plan.score_after = score_.value();
    plan.moves = changes_.moves();
    changes_.undo();
    return plan;
  }
  const Score start = [&] {
    Score again = score_;
    for (auto at = changes_.moves().rbegin(); at != changes_.moves().rend(); ++at) {
      again.apply(inverse(*at));
    }
    return again;
  }();
  std::vector<Move> best = changes_.release();
  polish(best);
  double best_worth = worth(best);
  Random random(kTasteSeed);
  for (std::uint32_t i = 1; i < options_.tries; ++i) {
    take_back(i == 1 ? best : last_);
    score_ = start;
    closed_.assign(closed_.size(), false);
    for (double& taste : taste_) taste = 1 + kTasteSpread * (random.unit() - 0.5);
    descend(0);
    last_ = changes_.release();
    polish(last_);
    const double now = worth(last_);
    if (now >= best_worth) continue;
    best_worth = now;
    best = last_;
  }
  take_back(options_.tries > 1 ? last_ : best);
  plan.moves = in_order(std::move(best));
  plan.score_after = Score(state_, options_.score).value();
  take_back(plan.moves);
  return plan;
}

}  // namespace

BalancePlan balance(State& state, const BalanceOptions& options, Admission* admission) {
  if (options.rounds <= 1 || admission != nullptr) return Search(state, options, admission).run();
  BalancePlan whole = Search(state, options, nullptr).run();
  BalanceOptions rest = options;
  for (const Move& move : whole.moves) apply(state, move);
  for (std::uint32_t round = 1; round < options.rounds; ++round) {
    rest.max_moves = options.max_moves - std::min(options.max_moves, whole.moves.size());
    const BalancePlan more = Search(state, rest, nullptr).run();
    if (more.moves.empty()) break;
    for (const Move& move : more.moves) apply(state, move);
    whole.moves.insert(whole.moves.end(), more.moves.begin(), more.moves.end());
    whole.score_after = more.score_after;
  }
  for (auto at = whole.moves.rbegin(); at != whole.moves.rend(); ++at) apply(state, inverse(*at));
  return whole;
}

}  // namespace aloft::placement
