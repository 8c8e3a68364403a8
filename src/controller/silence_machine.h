// Which peers of this host are silent. Pure; one for each host.
//
// A peer is heard whenever a fresh heartbeat of it arrives, and silent when none came for
// `silence`, stretched by the jitter really seen: four times the smoothed deviation of the gaps is
// added (the estimator of RFC 6298), up to `silence_maximum`. So a busy host or a full link makes
// its peers patient instead of suspicious.
#pragma once

#include <vector>

#include "base/instant.h"
#include "controller/ids.h"
#include "controller/limits.h"

namespace aloft::controller {

class SilenceMachine {
 public:
  SilenceMachine(std::size_t hosts, HostId self, const Timing& timing);

  // A fresh heartbeat of `peer` arrived.
  void heard(HostId peer, Instant now);
  // Every beat of `peer` from `first` to `last` arrived in time: the same as that many `heard`.
  void heard_regularly(HostId peer, Instant first, Instant last);
  // Forgets everything, as after a restart: every peer counts as heard `now`, so that nobody is
  // called silent who had no chance to speak.
  void restart(Instant now);

  [[nodiscard]] bool silent(HostId peer, Instant now) const {
    return peer != self_ && now >= silent_at(peer);
  }
  // When `peer` becomes silent unless it is heard before.
  [[nodiscard]] Instant silent_at(HostId peer) const;
  [[nodiscard]] Instant last_heard(HostId peer) const { return peers_[peer.value()].last; }
  [[nodiscard]] HostSet silent_peers(Instant now) const;

 private:
  struct Peer {
    Instant last{};
    Duration deviation{};  // smoothed, of the gaps from one beat
  };

  HostId self_;
  Timing timing_;
  std::vector<Peer> peers_;
};

}  // namespace aloft::controller
