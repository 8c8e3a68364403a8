#include "heartbeat/session_machine.h"

#include <utility>

namespace aloft::heartbeat {

SessionMachine::SessionMachine(Life life, std::uint64_t seed_high, std::uint64_t seed_low)
    : life_(life), seed_high_(seed_high), seed_low_(seed_low) {
  // Until the peer is heard, packets carry this challenge: hellos.
  session_.own = make_challenge();
}

Challenge SessionMachine::make_challenge() {
  while (true) {
    // Unpredictable from outside through the seed, different each time through the counter
    // (splitmix64's finalizer over both).
    std::uint64_t mixed = seed_low_ ^ (++challenges_made_ * 0x9e3779b97f4a7c15U);
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31U;
    mixed ^= seed_high_;
    if (mixed != 0) return Challenge(mixed);
  }
}

Freshness SessionMachine::take(const Header& header, Instant now) {
  answer_due_ = false;
  if (established() && header.life == session_.life) {
    if (header.response != session_.own) return Freshness::Hello;
    return fresh(header, now);
  }
  if (header.life != candidate_.life) {
    candidate_ = Session{};
    candidate_.life = header.life;
    // Before the first session, the challenge that went out in our hellos may be answered.
    candidate_.own = established() ? make_challenge() : session_.own;
    candidate_.sent = established() ? 0 : session_.sent;
  }
  // Whoever answers a challenge of ours shows its own beside it; unproven, the newest is as good.
  candidate_.peers = header.challenge;
  if (header.response != candidate_.own) {
    answer_due_ = true;
    return Freshness::Hello;
  }
  session_ = std::exchange(candidate_, Session{});
  round_trip_ = Duration::zero();
  return fresh(header, now);
}

Freshness SessionMachine::fresh(const Header& header, Instant now) {
  if (header.sequence <= session_.received) return Freshness::Replay;
  session_.received = header.sequence;
  session_.peers = header.challenge;
  session_.echo_ns = header.sent_at_ns;
  session_.echo_at = now;
  if (header.echo_ns > 0) {
    const Duration trip =
        now.time_since_epoch() - Duration(header.echo_ns) - Duration(header.echo_delay_ns);
    if (trip >= Duration::zero()) round_trip_ = trip;
  }
  return Freshness::Fresh;
}

Outgoing SessionMachine::to(Session& session, Instant now) const {
  ++session.sent;
  return {.life = life_,
          .challenge = session.own,
          .response = session.peers,
          .sequence = session.sent,
          .echo_ns = session.echo_ns,
          .echo_delay_ns = session.echo_ns == 0 ? 0 : (now - session.echo_at).count()};
}

Outgoing SessionMachine::next(Instant now) {
  return to(session_, now);
}

std::optional<Outgoing> SessionMachine::answer() {
  if (!std::exchange(answer_due_, false)) return std::nullopt;
  // The first session goes on counting where the candidate's packets stop.
  Outgoing outgoing = to(candidate_, Instant{});
  if (!established()) session_.sent = candidate_.sent;
  return outgoing;
}

}  // namespace aloft::heartbeat
