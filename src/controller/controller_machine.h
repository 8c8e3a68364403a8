// The farm's controller as a pure machine: one on every voter, of which the holder of the
// controller record acts. Nothing safe depends on there being one: every action is a
// compare-and-swap under the revision that was read.
//
// Host as the controller sees it:
//
//   state       | when                                              | what is done
//   ------------+---------------------------------------------------+--------------------------------
//   Alive       | heard here                                        | gets guests, unless in
//   maintenance Silent      | not heard here                                    | gets no guests
//   Lost        | not heard here, nor by another voter that is      | its guests are taken over,
//   its BMC
//               |   heard; or its host lease is gone                |   is asked to switch it off
//   (cut off)   | lost, but every grantor of a guest hears it       | that guest is left alone
//   Maintenance | by an operator                                    | its guests are handed over
//
// Guests, in order of priority:
//
//   no owner                                -> a host is chosen
//   owner lost and one of its grantors deaf -> another owner, generation + 1, the old one fenced
//   owner in maintenance                    -> move_to is set; the owner stops it and hands it over
//   a member's host lost for replace_after  -> another host's replica takes its place
#pragma once

#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "controller/defect.h"
#include "controller/farm_record.h"
#include "controller/host_effect.h"
#include "controller/ids.h"
#include "controller/limits.h"
#include "controller/recovery.h"
#include "controller/silence_machine.h"

namespace aloft::controller {

enum class ControllerAction : std::uint8_t {
  CasGuest,       // `record`, if the store still has revision record.revision
  CasController,  // `controller`, the same
  AskBmc,         // switch `host` off; ends in on_bmc
  Report,         // an event for people: `news` about `guest` and `host`
};

enum class News : std::uint8_t {
  ControllerTaken,
  HostSilent,
  HostLost,
  HostBack,
  TakeOver,
  Placed,
  NoRoom,         // a guest waits for capacity or for an in-sync replica
  OwnerCutOff,    // lost, but its grantors hear it: left alone
  NoGrantorLeft,  // nobody can show that the owner has stopped: waits for a host to return
  Drained,
  ReplicaReplaced,
  BmcOff,
  BmcFailed,
};

struct ControllerEffect {
  ControllerAction action = ControllerAction::Report;
  News news = News::Placed;
  HostId host = kNoHost;
  GuestId guest{};
  GuestRecord record{};
  ControllerRecord controller{};
};
using ControllerEffects = std::vector<ControllerEffect>;

class ControllerMachine {
 public:
  // `silence`: of the host that this controller runs on; it outlives the machine.
  ControllerMachine(HostId self, std::size_t hosts, std::size_t guests, const Timing& timing,
                    Defect defect, const SilenceMachine& silence);

  // The process starts anew: everything is read again from the store.
  void on_start(Instant now);
  void on_hosts(const std::vector<HostRecord>& hosts, Instant now);
  void on_guest(GuestId guest, const GuestRecord& record, Instant now);
  void on_controller(const ControllerRecord& record, Instant now);
  void on_lease(HostId host, bool held, Instant now);
  // Heartbeats carry which peers their sender does not hear.
  void on_opinion(HostId of, const HostSet& deaf_to, Instant now);
  void on_guest_answer(GuestId guest, StoreAnswer answer, const GuestRecord& record, Instant now);
  void on_controller_answer(StoreAnswer answer, const ControllerRecord& record, Instant now);
  void on_bmc(HostId host, bool off, Instant now, ControllerEffects& out);

  void on_time(Instant now, ControllerEffects& out);
  [[nodiscard]] Instant next_deadline(const HostSet& regular) const;

  [[nodiscard]] bool acting() const { return controller_.holder == self_; }
  [[nodiscard]] bool lost(HostId host) const { return contains(lost_, host); }

 private:
  struct Guest {
    GuestRecord record;
    Instant due{};  // next look at it
    bool pending = false;
    News news = News::Placed;   // of the change that is on its way to the store
    HostId shut_out = kNoHost;  // by it: the BMC is asked once it is in the store
    bool told = false;          // people know that it waits
    bool given_up = false;      // only with a defect
  };

  void succeed(Instant now, ControllerEffects& out);
  void judge_hosts(Instant now, ControllerEffects& out);
  [[nodiscard]] HostId second_witness(HostId host, Instant now) const;
  [[nodiscard]] bool deaf(HostId grantor, HostId owner, Instant now) const;
  [[nodiscard]] bool grantor_deaf(const GuestRecord& record, Instant now) const;
  [[nodiscard]] bool needs_owner(const GuestRecord& record) const;
  void look_at_guests(Instant now, ControllerEffects& out);
  void choose_owner(GuestId guest, Instant now, ControllerEffects& out);
  void drain(GuestId guest, Instant now, ControllerEffects& out);
  void replace_replicas(GuestId guest, Instant now, ControllerEffects& out);
  void report(News news, HostId host, GuestId guest, ControllerEffects& out) const;
  void submit(GuestId guest, const GuestRecord& record, News news, ControllerEffects& out);
  void account(const GuestRecord& record, std::int64_t sign);
  [[nodiscard]] HostSet usable(Instant now) const;

  HostId self_;
  Timing timing_;
  Defect defect_;
  const SilenceMachine& silence_;
  std::vector<HostRecord> hosts_;
  std::vector<Guest> guests_;
  std::vector<std::int64_t> used_mib_;
  ControllerRecord controller_;
  bool controller_pending_ = false;
  Instant controller_due_{};
  std::vector<HostSet> opinions_;
  HostSet lease_gone_;
  HostSet silent_;
  HostSet lost_;
  std::vector<Instant> silent_since_;
  std::vector<Instant> lost_since_;
  HostSet bmc_asked_;
  ControllerEffects done_;  // follow from answers of the store; given out by on_time
  Capacity capacity_;
  std::size_t draining_ = 0;
  bool changed_ = true;  // something to look at
  bool awake_ = false;   // past the time in which every peer had a chance to speak
  bool vacant_ = false;  // nobody holds the controller's record
  Instant look_due_{};
  Instant judge_due_ = kNever;  // a silent host is not called lost yet
  Instant started_{};
};

}  // namespace aloft::controller
