// Which of a peer's packets are fresh. Pure; one machine for each peer.
//
// A packet counts as a sign of life only when it answers a challenge that this machine made for
// that very life of the peer, and its sequence is higher than every one before. So a recorded
// packet never counts: in the same session its sequence is old, in any other its response is wrong.
//
// A peer that restarts appears with a new life. It must not end the running session by itself, or a
// recorded packet would: it opens a *candidate* beside it, with a challenge of its own, and takes
// the session's place only when it answers that. Regular packets go to the session; a candidate
// gets one answer for each packet it sends, so a recorder costs the living peer nothing.
//
//   packet's life    | response to            | sequence | what happens
//   -----------------+------------------------+----------+-------------------------------------
//   the session's    | the session's challenge| higher   | Fresh
//   the session's    | the session's challenge| not      | Replay
//   the session's    | anything else          | any      | Hello, not answered
//   the candidate's  | the candidate's        | any      | Fresh; the candidate is the session now
//   the candidate's  | anything else          | any      | Hello, answered
//   another          | any                    | any      | it is the candidate now; then as above
#pragma once

#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "heartbeat/packet_codec.h"

namespace aloft::heartbeat {

enum class Freshness {
  Fresh,   // a sign of life; its payload counts
  Hello,   // authentic, but perhaps recorded: answer it, believe nothing in it
  Replay,  // older than something taken before
};

// What goes into the header of a packet to this peer.
struct Outgoing {
  Life life;
  Challenge challenge;
  Challenge response;
  std::uint64_t sequence = 0;
  std::int64_t echo_ns = 0;
  std::int64_t echo_delay_ns = 0;
};

class SessionMachine {
 public:
  // `seed`: random bits from the system, another for every peer and start; the challenges are made
  // from them. `life`: of this process, the same for all peers.
  SessionMachine(Life life, std::uint64_t seed_high, std::uint64_t seed_low);

  // Judges an authentic packet from the peer. `now` is this host's boot clock.
  Freshness take(const Header& header, Instant now);
  // The header of the next regular packet; counts it as sent.
  Outgoing next(Instant now);
  // The answer to a candidate's packet, when the last one taken asks for one.
  std::optional<Outgoing> answer();

  // Round trip of the newest fresh packet that echoed one of ours, or zero when none did.
  [[nodiscard]] Duration round_trip() const { return round_trip_; }
  [[nodiscard]] bool established() const { return session_.life != Life(0); }

 private:
  struct Session {
    Life life;  // of the peer; 0: none
    Challenge own;
    Challenge peers;
    std::uint64_t received = 0;  // highest sequence taken
    std::uint64_t sent = 0;
    std::int64_t echo_ns = 0;  // `sent at` of the newest fresh packet
    Instant echo_at{};
  };

  Challenge make_challenge();
  Freshness fresh(const Header& header, Instant now);
  Outgoing to(Session& session, Instant now) const;

  Life life_;
  std::uint64_t seed_high_;
  std::uint64_t seed_low_;
  std::uint64_t challenges_made_ = 0;
  Session session_;
  Session candidate_;
  bool answer_due_ = false;
  Duration round_trip_{};
};

}  // namespace aloft::heartbeat
