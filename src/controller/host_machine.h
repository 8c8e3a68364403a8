// One host's agent as a pure machine: which guests may run here, and which other owners this host
// keeps from running theirs. Owned by the agent (or the simulator), called from one thread.
//
// Events are the on_* functions; each carries `now` on this host's boot clock and appends effects.
// A record replaces an older one by revision only, so that watches, reads and answers may come late
// and in any order.
//
// Instance of a guest on this host ("right": permission of every grantor, see grant_table.h):
//
//   state     | event                              | next      | effects
//   ----------+------------------------------------+-----------+--------------------------------
//   Absent    | owner, fences stand                | Absent    | AskToClear (each fence, repeated)
//   Absent    | owner, fences clear, right, due    | Starting  | Start
//   Absent    | owner, move_to set                 | Absent    | Cas: hand over
//   Starting  | on_started                         | Running   |
//   Starting  | right ends                         | Frozen    | Freeze
//   Running   | right ends                         | Frozen    | Freeze; Cas: leave the deaf
//   grantor out Frozen    | right is back (every grantor       | Running   | Thaw
//             |   grants, or the store left the    |           |
//             |   deaf one out)                    |           |
//   Frozen    | on_freeze_failed                   | Killing   | Kill
//   any       | generation moved, owner elsewhere  | Killing   | Kill
//   Running   | not desired, or move_to set        | Stopping  | Stop
//   Killing   | on_kill_failed                     | Killing   | ResetHost
//   any       | on_exited                          | Absent    | (back-off; after kTriesHere: Cas
//   gives
//             |                                    |           |  the guest back to the controller)
//
// An owner that has just started changes nothing in its record but the revision before it runs the
// guest: a change of its earlier life that is still on its way cannot come true then.
// Beside that an owner mends its record: stale members whose host is heard catch up, caught-up ones
// and spare grantors are added - after this host has begun to ask them for grants.
#pragma once

#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "controller/defect.h"
#include "controller/farm_record.h"
#include "controller/grant_table.h"
#include "controller/host_effect.h"
#include "controller/ids.h"
#include "controller/limits.h"
#include "controller/silence_machine.h"

namespace aloft::controller {

enum class Run : std::uint8_t { Absent, Starting, Running, Frozen, Stopping, Killing };

// A guest that was found running here when the agent started.
struct Instance {
  GuestId guest;
  Generation generation;
  bool frozen = false;
};

class HostMachine {
 public:
  HostMachine(HostId self, std::size_t hosts, std::size_t guests, const Timing& timing,
              Defect defect);

  // ---- life
  // The host booted: nothing runs; `durable` is what was persisted.
  void on_boot(Instant now, std::vector<Agreement> durable);
  // The agent restarted within the same boot and found `instances`.
  void on_agent_start(Instant now, const std::vector<Instance>& instances, HostEffects& out);

  // ---- heartbeats
  // A fresh heartbeat of `peer`; the caller answers with refusals(peer).
  void on_beat(HostId peer, Instant now);
  // `peer` answered the heartbeat sent at `sent_at`.
  void on_answer(HostId peer, Instant sent_at, Instant now, const std::vector<Refusal>& refusals,
                 std::uint32_t version);

  // ---- store
  void on_record(GuestId guest, const GuestRecord& record, Instant now, HostEffects& out);
  // The answer to Cas or Read. For Unknown and Unavailable `record` is not looked at.
  void on_store_answer(GuestId guest, StoreAnswer answer, const GuestRecord& record, Instant now,
                       HostEffects& out);
  void on_hosts(const std::vector<HostRecord>& hosts) { hosts_ = hosts; }

  // ---- other hosts
  void on_ask_to_clear(HostId from, GuestId guest, const GuestRecord& record, Instant now,
                       HostEffects& out);
  void on_clear(GuestId guest, Generation generation, HostId owner, Instant now, HostEffects& out);

  // ---- guests of this host
  void on_started(GuestId guest, Instant now, HostEffects& out);
  void on_exited(GuestId guest, bool crashed, Instant now, HostEffects& out);
  void on_freeze_failed(GuestId guest, Instant now, HostEffects& out);
  void on_kill_failed(GuestId guest, Instant now, HostEffects& out);
  void on_caught_up(GuestId guest, HostId member, Generation generation, Instant now,
                    HostEffects& out);
  // A write did not reach a member that was caught up but is not in sync yet.
  void on_member_missed(GuestId guest, HostId member, HostEffects& out);
  // The disk of this host's own replica or of a member reported an error.
  void on_disk_error(GuestId guest, HostId member, Instant now, HostEffects& out);

  // ---- time
  // Does what is due at `now`.
  void on_time(Instant now, HostEffects& out);
  // When on_time has something to do. `regular`: peers whose heartbeats and answers are known to
  // keep coming, so that nothing of theirs runs out (a simulator's knowledge; a daemon gives none).
  [[nodiscard]] Instant next_deadline(const HostSet& regular) const;

  // ---- what drivers and checkers read
  [[nodiscard]] Run run(GuestId guest) const { return slots_[guest.value()].run; }
  [[nodiscard]] Generation run_generation(GuestId guest) const {
    return slots_[guest.value()].generation;
  }
  [[nodiscard]] const GuestRecord& record(GuestId guest) const {
    return slots_[guest.value()].record;
  }
  // Until when this host may run the instance it has; the gate of its disk closes then.
  [[nodiscard]] Instant right_until(GuestId guest) const;
  // When the grants behind some guest that executes here run out at their grantors. A watchdog that
  // is set to bite after w may be fed until w before this, and again once such guests stand still:
  // so a host whose agent dies is reset before anybody may start its guests.
  [[nodiscard]] Instant grants_end() const;
  // Members that a write must reach before it is acknowledged, beside this host's own.
  [[nodiscard]] Few<HostId, kMaxMembers> must_reach(GuestId guest) const;
  // Whether the copy to `member` that Resync began is still wanted.
  [[nodiscard]] bool wants_copy(GuestId guest, HostId member) const {
    return has(slot(guest).resyncing, member);
  }
  [[nodiscard]] const std::vector<Agreement>& agreements() const { return grants_.agreements(); }
  [[nodiscard]] const GrantTable& grants() const { return grants_; }
  [[nodiscard]] SilenceMachine& silence() { return silence_; }
  [[nodiscard]] const SilenceMachine& silence() const { return silence_; }
  void check_invariants() const;

 private:
  struct Slot {
    GuestRecord record;
    Run run = Run::Absent;
    Generation generation;            // of the instance
    Few<HostId, kMaxFences> cleared;  // owners whose fences are clear, for record.generation
    Few<HostId, kMaxMembers> asked;   // grants asked for, not in the record yet
    Few<HostId, kMaxMembers> caught_up;
    Few<HostId, kMaxMembers> resyncing;
    Few<HostId, kMaxMembers> broken;  // members whose disk has failed
    Instant broken_until{};           // unless it fails again
    GuestRecord attempt;              // the change that is on its way to the store
    bool store_pending = false;
    bool unsettled = false;  // an answer was lost: the attempt may still come true
    Instant store_due{};     // next try of a change of the record
    Instant ask_due{};       // next try of clearing
    Instant start_due{};     // back-off
    Instant tried_at{};      // last look whether it can start
    Instant repair_due{};
    Instant waiting_since{};  // for a right to start
    Instant first_crash{};
    std::uint32_t crashes = 0;
    // The revision at which this life of the agent first saw the record. A change that an earlier
    // life sent may still come true at that revision; once the record has moved on, it cannot.
    Revision first_seen;
    bool involved = false;
  };

  Slot& slot(GuestId guest) { return slots_[guest.value()]; }
  const Slot& slot(GuestId guest) const { return slots_[guest.value()]; }
  [[nodiscard]] bool owner(const Slot& slot) const { return slot.record.host == self_; }
  [[nodiscard]] bool settled(const Slot& slot) const {
    return slot.record.revision > slot.first_seen;
  }
  [[nodiscard]] bool wanted(const Slot& slot) const;
  [[nodiscard]] bool fences_clear(const Slot& slot) const;
  [[nodiscard]] Instant right(GuestId guest, const Slot& slot, Generation generation) const;
  [[nodiscard]] bool grants_now(GuestId guest, const Slot& slot, HostId grantor, Instant now) const;
  void involve(GuestId guest);

  void adopt(GuestId guest, Slot& slot, const GuestRecord& record, Instant now, HostEffects& out);
  void agree_to_fences(GuestId guest, const GuestRecord& record, HostId asker, Instant now,
                       HostEffects& out);
  void tell_cleared(Instant now, HostEffects& out);
  void advance(GuestId guest, Instant now, HostEffects& out);
  void advance_instance(GuestId guest, Slot& slot, Instant now, HostEffects& out);
  void ask_for_clearing(GuestId guest, Slot& slot, Instant now, HostEffects& out);
  void mend(GuestId guest, Slot& slot, Instant now, HostEffects& out);
  void look_for_repairs(GuestId guest, Slot& slot, Instant now, HostEffects& out);
  void choose_grantor(GuestId guest, Slot& slot, Instant now);
  [[nodiscard]] bool change_of(GuestId guest, const Slot& slot, Instant now,
                               GuestRecord& record) const;
  [[nodiscard]] bool set_aside_broken(const Slot& slot, Instant now, GuestRecord& record) const;
  [[nodiscard]] bool move_to_a_disk(const Slot& slot, Instant now, GuestRecord& record) const;
  [[nodiscard]] bool give_back(const Slot& slot, GuestRecord& record) const;
  [[nodiscard]] bool leave_deaf_out(GuestId guest, const Slot& slot, Instant now,
                                    GuestRecord& record) const;
  [[nodiscard]] bool take_asked_in(GuestId guest, const Slot& slot, Instant now,
                                   GuestRecord& record) const;
  [[nodiscard]] bool hand_over(const Slot& slot, Instant now, GuestRecord& record) const;
  void kill(GuestId guest, Slot& slot, HostEffects& out);

  HostId self_;
  Timing timing_;
  Defect defect_;
  std::vector<HostRecord> hosts_;
  GrantTable grants_;
  SilenceMachine silence_;
  std::vector<Slot> slots_;
  std::vector<GuestId> involved_;  // guests that on_time looks at
};

}  // namespace aloft::controller
