#include "heartbeat/session_machine.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/random.h"

namespace aloft::heartbeat {
namespace {

// One end: its machine, and which life of the host it belongs to.
struct End {
  explicit End(std::uint64_t seed) : machine(Life(seed | 1U), seed, ~seed) {}
  SessionMachine machine;
};

struct Flight {
  Header header;
  int sender = 0;
  int sender_life = 0;
  int receiver_life = 0;  // of the receiver when it was sent
};

class Pair {
 public:
  explicit Pair(std::uint64_t seed) : random_(seed) {
    restart(0);
    restart(1);
  }

  void restart(int end) {
    ends_[end] = std::make_unique<End>(random_.next());
    ++lives_[end];
    newest_[1 - end] = 0;
  }
  Flight send(int end) {
    now_ += std::chrono::milliseconds(1);
    return flight(end, ends_[end]->machine.next(now_));
  }
  // The answer that the packet just taken by `end` asks for.
  std::optional<Flight> answer(int end) {
    now_ += std::chrono::milliseconds(1);
    const auto out = ends_[end]->machine.answer();
    if (!out) return std::nullopt;
    return flight(end, *out);
  }
  Flight flight(int end, const Outgoing& out) const {
    Header header;
    header.life = out.life;
    header.challenge = out.challenge;
    header.response = out.response;
    header.sequence = out.sequence;
    header.sent_at_ns = now_.time_since_epoch().count();
    header.echo_ns = out.echo_ns;
    header.echo_delay_ns = out.echo_delay_ns;
    return {header, end, lives_[end], lives_[1 - end]};
  }
  Freshness deliver(const Flight& flight) {
    now_ += std::chrono::microseconds(100);
    const int to = 1 - flight.sender;
    const Freshness freshness = ends_[to]->machine.take(flight.header, now_);
    if (freshness == Freshness::Fresh) {
      // Sent to this very life of the receiver, and newer than all that counted before.
      EXPECT_EQ(flight.receiver_life, lives_[to]);
      EXPECT_GT(flight.header.sent_at_ns, newest_[to]);
      newest_[to] = flight.header.sent_at_ns;
    }
    return freshness;
  }

  // Delivers a packet and the answers that follow from it; says whether the first was fresh.
  bool exchange(Flight next, std::vector<Flight>* record = nullptr) {
    const bool fresh = deliver(next) == Freshness::Fresh;
    for (int answers = 0;; ++answers) {
      EXPECT_LT(answers, 8) << "hosts must not answer each other for ever";
      if (answers == 8) return fresh;
      const auto reply = answer(1 - next.sender);
      if (!reply) return fresh;
      if (record != nullptr) record->push_back(*reply);
      next = *reply;
      deliver(next);
    }
  }

  Random random_;
  std::unique_ptr<End> ends_[2];
  int lives_[2] = {0, 0};
  std::int64_t newest_[2] = {0, 0};  // sent-at of the newest fresh packet of the peer
  Instant now_{std::chrono::seconds(1)};
};

TEST(SessionMachine, two_hosts_believe_each_other_after_a_hello_and_its_answer) {
  Pair pair(1);
  EXPECT_EQ(pair.deliver(pair.send(0)), Freshness::Hello);
  const auto answer = pair.answer(1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(pair.deliver(*answer), Freshness::Fresh);
  EXPECT_EQ(pair.deliver(pair.send(0)), Freshness::Fresh);
  EXPECT_EQ(pair.deliver(pair.send(1)), Freshness::Fresh);
  EXPECT_TRUE(pair.ends_[0]->machine.established());
  EXPECT_GT(pair.ends_[0]->machine.round_trip(), Duration::zero());
}

TEST(SessionMachine, a_packet_counts_once) {
  Pair pair(1);
  pair.exchange(pair.send(0));
  pair.exchange(pair.send(0));
  const Flight flight = pair.send(0);
  EXPECT_EQ(pair.deliver(flight), Freshness::Fresh);
  EXPECT_EQ(pair.deliver(flight), Freshness::Replay);
}

TEST(SessionMachine, recorded_packets_of_an_old_life_cost_the_living_peer_nothing) {
  Pair pair(1);
  std::vector<Flight> recorded{pair.send(0)};
  pair.exchange(recorded[0], &recorded);
  recorded.push_back(pair.send(0));
  pair.exchange(recorded.back());
  pair.restart(0);
  pair.exchange(pair.send(0));
  for (int i = 0; i < 50; ++i) {
    for (const Flight& old : recorded) {
      if (old.sender == 0) EXPECT_FALSE(pair.exchange(old));
    }
    EXPECT_TRUE(pair.exchange(pair.send(0)));
    EXPECT_TRUE(pair.exchange(pair.send(1)));
  }
}

TEST(SessionMachine, a_restarted_peer_is_believed_again) {
  Pair pair(3);
  for (int life = 0; life < 10; ++life) {
    pair.restart(life % 2);
    bool fresh[2] = {false, false};
    for (int i = 0; i < 3; ++i) {
      for (int end = 0; end < 2; ++end) fresh[1 - end] = pair.exchange(pair.send(end));
    }
    EXPECT_TRUE(fresh[0] && fresh[1]) << life;
  }
}

// Loss, reordering, restarts of both ends, and somebody who replays everything ever sent: no packet
// counts that was not sent to this life of the receiver after all that counted before; and in quiet
// times both ends believe each other again.
TEST(SessionMachine, holds_against_random_histories_and_a_recorder) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Pair pair(seed);
    Random random(seed * 77);
    std::vector<Flight> recorded;
    for (int step = 0; step < 400; ++step) {
      const int end = static_cast<int>(random.below(2));
      switch (random.below(12)) {
        case 0:
          if (random.chance(1, 6)) pair.restart(end);
          break;
        case 1:
        case 2:
        case 3:
          if (!recorded.empty()) pair.exchange(recorded[random.below(recorded.size())], &recorded);
          break;
        default:
          recorded.push_back(pair.send(end));
          if (random.chance(3, 4)) pair.exchange(recorded.back(), &recorded);
      }
      if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    int fresh = 0;
    for (int i = 0; i < 10; ++i) {
      fresh = 0;
      for (int end = 0; end < 2; ++end) {
        fresh += pair.exchange(pair.send(end)) ? 1 : 0;
      }
    }
    EXPECT_EQ(fresh, 2) << seed;
  }
}

}  // namespace
}  // namespace aloft::heartbeat
