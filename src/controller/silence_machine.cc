#include "controller/silence_machine.h"

#include <algorithm>

namespace aloft::controller {

SilenceMachine::SilenceMachine(std::size_t hosts, HostId self, const Timing& timing)
    : self_(self), timing_(timing), peers_(hosts) {}

void SilenceMachine::heard(HostId peer, Instant now) {
  Peer& state = peers_[peer.value()];
  const Duration gap = now - state.last;
  state.last = std::max(state.last, now);
  // A gap that made the peer silent is an outage, not jitter: patience must not grow from it.
  if (gap < Duration::zero() || gap > timing_.silence) return;
  const Duration off = gap > timing_.beat ? gap - timing_.beat : timing_.beat - gap;
  state.deviation += (off - state.deviation) / 4;
}

void SilenceMachine::heard_regularly(HostId peer, Instant first, Instant last) {
  // After so many regular beats the smoothed deviation is below any that matters.
  constexpr int kBeatsToForget = 64;
  Instant from = first;
  if ((last - first) / timing_.beat > kBeatsToForget) {
    from = last - kBeatsToForget * timing_.beat;
    peers_[peer.value()].last = from - timing_.beat;
  }
  for (Instant beat = from; beat <= last; beat += timing_.beat) heard(peer, beat);
}

void SilenceMachine::restart(Instant now) {
  for (Peer& peer : peers_) peer = Peer{.last = now, .deviation = Duration::zero()};
}

Instant SilenceMachine::silent_at(HostId peer) const {
  const Peer& state = peers_[peer.value()];
  return state.last + std::min(timing_.silence + 4 * state.deviation, timing_.silence_maximum);
}

HostSet SilenceMachine::silent_peers(Instant now) const {
  HostSet set;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const HostId peer(static_cast<std::uint32_t>(i));
    if (silent(peer, now)) insert(set, peer);
  }
  return set;
}

}  // namespace aloft::controller
