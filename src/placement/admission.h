// Admission: a farm in which every guest can restart after any k losses stays one.
//
// For each thing that may be lost (a host, a rack, a site) admission keeps a recovery plan that is
// known to fit: the proof by construction. A change touches only the plans that it could break, so
// the verdict follows launches and stops within microseconds. For k >= 2 losses at once prove()
// joins the single plans where they cannot meet and plans every other set anew.
//
// A verdict is Proved (a plan exists for every set of losses), Refuted (a set for which the planner
// finds none: the counter-example) or Unproven (more sets than limits.h lets it look at).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "placement/eligibility.h"
#include "placement/plan.h"
#include "placement/recover.h"
#include "placement/state.h"

namespace aloft::placement {

// What may be lost without a guest staying down: `count` hosts, racks or sites at once.
struct Tolerance {
  Level level = Level::Host;
  std::uint32_t count = 1;  // 0: no promise; at most kMaxTolerated
};

enum class Proof : std::uint8_t { Proved, Refuted, Unproven };

struct Verdict {
  Proof proof = Proof::Proved;
  std::vector<HostIndex> lost;    // of Refuted: if these die together ...
  std::optional<NoRoom> no_room;  // ... this guest finds no room
  std::size_t sets_planned = 0;   // failing sets that had a plan of their own
};
// "tolerates any 1 host" or "if h2 and h5 die, web7 (8 GiB of memory) finds no room; ..."
[[nodiscard]] std::string explain(const State& state, const Tolerance& tolerance,
                                  const Verdict& verdict);

// Where a launch goes.
struct Placement {
  HostIndex host;
  std::vector<HostIndex> new_replicas;  // the first is `host` unless it has one
};

enum class Force : std::uint8_t { No, Yes };

class Admission {
 public:
  // Plans every single loss. The state must outlive this object, and change only through it or
  // be followed by refresh().
  Admission(State& state, Tolerance tolerance);

  // Chooses a host (and replicas) for a guest that runs nowhere, puts it there and keeps the
  // promise. Force::Yes takes any host with room, whatever that does to the verdict.
  // Errors: ResourceExhausted "placement.no_room" (no host fits at all, the nearest is named),
  // "placement.not_tolerated" (the counter-example); the state is then as it was.
  [[nodiscard]] Result<Placement> place(GuestIndex guest, Force force = Force::No);

  // The same changes as State's, followed by the plans they concern.
  void put(GuestIndex guest, HostIndex host);
  void take(GuestIndex guest);
  void apply(const Move& move);
  void remove_guest(GuestIndex guest);
  // Applies the move if the promise stands after it; else nothing is changed. A promise that is
  // broken already must not get worse.
  [[nodiscard]] bool try_move(const Move& move);
  // After changes made past this object: plans everything again.
  void refresh();

  // Of single losses, kept up to date by every change.
  [[nodiscard]] Verdict verdict();
  // Of up to tolerance.count losses at once.
  [[nodiscard]] Verdict prove();

  // The recovery plan for hosts that are lost now: the planner's own where it is complete, else the
  // one that the proof was built from, so that what was promised is kept; else with moves.
  [[nodiscard]] RecoveryPlan recover(std::span<const HostIndex> lost,
                                     const RecoveryOptions& options = {});

  // The plans, to be put back when the state is as it was when they were saved.
  struct Plans;
  [[nodiscard]] Plans save_plans() const;
  void restore_plans(const Plans& plans);

  // Room that recovery counts on, at most, for one loss; what is free beyond it is for launches.
  [[nodiscard]] const Amounts& reserve(HostIndex host) const { return reserve_[host.value()]; }
  // Where the guest restarts when its host is lost.
  [[nodiscard]] std::optional<HostIndex> refuge(GuestIndex guest) const;
  [[nodiscard]] const Tolerance& tolerance() const { return tolerance_; }

 private:
  using Unit = std::uint32_t;  // one thing that may be lost: a domain of the tolerance's level
  struct Incoming {
    Unit unit;
    Amounts amounts;
  };
  struct UnitPlan {
    std::vector<Start> starts;
    std::optional<NoRoom> failure;
    bool has_devices = false;
  };

  [[nodiscard]] bool promised() const { return tolerance_.count > 0; }
  [[nodiscard]] Unit unit_of(HostIndex host) const { return state_.domain(tolerance_.level, host); }
  [[nodiscard]] Amounts incoming(HostIndex host, Unit unit) const;
  void add_start(Unit unit, const Start& start);
  void drop_start(Unit unit, GuestIndex guest);
  void recount_reserve(HostIndex host);
  void clear_plan(Unit unit);
  void note(Unit unit);
  void roll_back(GuestIndex guest, std::size_t replicas);
  void roll_back_plans();
  void replan(Unit unit);
  void replan_dirty();
  void mark(Unit unit) { dirty_.insert(unit); }
  void mark_short(HostIndex host);
  void mark_rules(GuestIndex guest);
  bool extend(GuestIndex guest);
  [[nodiscard]] bool shares_unit_by_rule(GuestIndex guest, Unit unit) const;
  void add_replicas(GuestIndex guest, std::span<const HostIndex> replicas);

  [[nodiscard]] std::optional<std::vector<HostIndex>> choose_replicas(GuestIndex guest,
                                                                      HostIndex host);
  [[nodiscard]] std::optional<Placement> try_host(GuestIndex guest, HostIndex host, Force force);
  [[nodiscard]] double launch_score(HostIndex host, const Eligibility& eligibility) const;

  // For k >= 2 (proof.cc).
  using Sets = std::set<std::vector<Unit>>;
  [[nodiscard]] bool collect_meeting_pairs(Sets& sets) const;
  [[nodiscard]] bool collect_all_sets(Sets& sets) const;
  [[nodiscard]] std::optional<RecoveryPlan> join_plans(std::span<const HostIndex> lost) const;
  [[nodiscard]] std::vector<HostIndex> hosts_of(std::span<const Unit> units) const;

  State& state_;
  Tolerance tolerance_;
  RecoveryPlanner planner_;
  Eligibility eligibility_;
  Eligibility second_;
  std::vector<std::vector<HostIndex>> units_;
  std::vector<UnitPlan> plans_;
  std::vector<std::vector<Incoming>> incoming_;  // by host
  std::vector<Amounts> reserve_;
  std::set<Unit> dirty_;
  std::set<Unit> failed_;
  std::map<Unit, UnitPlan> journal_;  // plans as they were before the launch that is tried
  bool journaling_ = false;
};

struct Admission::Plans {
  std::vector<UnitPlan> plans;
  std::vector<std::vector<Incoming>> incoming;
  std::vector<Amounts> reserve;
  std::set<Unit> failed;
};

}  // namespace aloft::placement
