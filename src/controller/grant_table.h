// The grants between one host and its peers, both sides. Pure.
//
// A grant is given to a *host* with every heartbeat that is answered, for all guests that the host
// owns, except those for which this grantor has agreed to shut the owner out: the answer names
// them.
//
//   grantor's promise: until `granted_until(owner)` I clear no fence of that owner; once I have
//                      agreed to shut it out of a guest, I never grant it that guest again, until
//                      it owns the guest anew at that generation or a later one.
//   holder's right:    sent_at + Tr - margin, from the sending of the heartbeat that was answered.
//
// Agreements are durable before they are told. A restarted grantor has forgotten what it granted:
// it counts every peer as granted at its start.
#pragma once

#include <vector>

#include "base/instant.h"
#include "controller/defect.h"
#include "controller/farm_record.h"
#include "controller/ids.h"
#include "controller/limits.h"

namespace aloft::controller {

// `owner` is shut out of `guest` for generations below `generation`.
struct Agreement {
  GuestId guest;
  HostId owner;
  Generation generation;
  Instant clear_at;        // when what was granted before has run out
  HostId asker = kNoHost;  // to be told then
};

struct Refusal {
  GuestId guest;
  Generation generation;
};

class GrantTable {
 public:
  GrantTable(std::size_t hosts, const Timing& timing, Defect defect);

  // ---- grantor
  // A heartbeat of `owner` arrived: it is granted. The answer carries `refusals(owner)`.
  void grant(HostId owner, Instant now);
  [[nodiscard]] const std::vector<Refusal>& refusals(HostId owner) const {
    return given_[owner.value()].refusals;
  }
  // Counts up whenever refusals(owner) changes.
  [[nodiscard]] std::uint32_t refusals_version(HostId owner) const {
    return given_[owner.value()].version;
  }
  // Agrees that `owner` is shut out of `guest` below `generation`; tells when that is in force.
  // True when something new must be made durable.
  bool agree(GuestId guest, HostId owner, Generation generation, HostId asker, Instant now);
  [[nodiscard]] const Agreement* agreement(GuestId guest, HostId owner) const;
  [[nodiscard]] std::vector<Agreement>& agreements() { return agreements_; }
  [[nodiscard]] const std::vector<Agreement>& agreements() const { return agreements_; }
  // `owner` owns `guest` anew at `generation`: agreements up to there have done their work.
  bool forget(GuestId guest, HostId owner, Generation generation);

  // ---- holder
  // `grantor` answered the heartbeat sent at `sent_at`, and refuses `refusals`.
  void held(HostId grantor, Instant sent_at, Instant now, const std::vector<Refusal>& refusals,
            std::uint32_t version);
  // Until when this host may run `guest` as instance `generation`, as far as `grantor` goes.
  [[nodiscard]] Instant right_until(HostId grantor, GuestId guest, Generation generation) const;

  // ---- life
  // The whole host starts anew; `durable` is what it had made durable.
  void restart(Instant now, std::vector<Agreement> durable);
  // The agent alone starts anew: it still holds what it held, but forgets what it granted.
  void restart_agent(Instant now);

 private:
  struct Given {
    Instant until{};
    std::vector<Refusal> refusals;
    std::uint32_t version = 1;
  };
  struct Held {
    Instant from = Instant::min();  // when the answered heartbeat was sent
    std::vector<Refusal> refusals;
    std::uint32_t version = 0;
  };

  void rebuild_refusals(HostId owner);

  Timing timing_;
  Defect defect_;
  std::vector<Given> given_;
  std::vector<Held> held_;
  std::vector<Agreement> agreements_;
};

}  // namespace aloft::controller
