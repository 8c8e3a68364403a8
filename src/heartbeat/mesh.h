// The sockets of a host's heartbeats, and the thread that sends and takes them.
//
// One Mesh per host. Its thread runs with real-time priority where the system allows it (else with
// the highest nice value it can get; `realtime()` says which), with memory locked, and does nothing
// else: every `interval` one packet to each peer, and whatever arrives in between. The handlers run
// on that thread and must not block: they move bytes into and out of preallocated places.
#pragma once

#include <netinet/in.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "heartbeat/packet_codec.h"
#include "heartbeat/session_machine.h"

namespace aloft::heartbeat {

struct MeshOptions {
  std::uint64_t farm = 0;
  HostNumber self;
  Key key{};
  std::string address;  // "10.0.0.1:7701", "[::]:7701": where this host listens
  Duration interval = kDefaultInterval;
};

struct Peer {
  HostNumber number;
  std::string address;  // "10.0.0.2:7701"
};

// What has been seen of a peer; all counters since the peer was added.
struct PeerStatistics {
  std::uint64_t sent = 0;
  std::uint64_t fresh = 0;
  std::uint64_t hellos = 0;
  std::uint64_t replays = 0;
  std::optional<Instant> last_fresh;
  Duration longest_gap{};  // between two fresh packets
  Duration round_trip{};
};

struct MeshStatistics {
  std::uint64_t malformed = 0;
  std::uint64_t wrong_key = 0;
  std::uint64_t other_farm = 0;
  std::uint64_t unknown_peer = 0;
  std::uint64_t late_beats = 0;  // the thread woke more than half an interval late
  Duration latest_beat{};        // the worst lateness
};

struct MeshHandlers {
  // Fills the payload of the packet that is about to go to `peer`; gives its size in bytes.
  std::function<std::size_t(HostNumber peer, Instant now, std::span<std::uint8_t> out)> payload;
  // A fresh packet of `peer`. `echoed`: when this host sent the packet that the peer had taken
  // before it sent this one, if any: the time from which an answer to it may be counted.
  std::function<void(HostNumber peer, Instant now, std::optional<Instant> echoed,
                     std::span<const std::uint8_t> payload)>
      received;
};

class Mesh {
 public:
  // Binds and starts the thread.
  // Errors: InvalidArgument "heartbeat.bad_address"; those of the socket, naming the address.
  [[nodiscard]] static Result<std::unique_ptr<Mesh>> start(MeshOptions options,
                                                           MeshHandlers handlers);
  ~Mesh();
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  // Replaces the peers; those that stay (same number) keep their sessions.
  // Errors: InvalidArgument "heartbeat.bad_address", "heartbeat.too_many_peers"; nothing changed.
  [[nodiscard]] Result<void> set_peers(const std::vector<Peer>& peers);
  // Sends a packet to `peer` now, beside the regular ones: an answer that should not wait.
  void beat_now(HostNumber peer);

  [[nodiscard]] std::map<HostNumber, PeerStatistics> peer_statistics() const;
  [[nodiscard]] MeshStatistics statistics() const;
  [[nodiscard]] bool realtime() const { return realtime_.load(); }
  // The port that was bound, for "…:0".
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  struct State {
    explicit State(SessionMachine machine) : session(machine) {}
    SessionMachine session;
    sockaddr_storage address{};
    socklen_t address_size = 0;
    PeerStatistics statistics;
  };

  Mesh(MeshOptions options, MeshHandlers handlers);
  Result<void> open();
  void run();
  void raise_priority();
  void beat(Instant now);
  void send_to(HostNumber number, State& state, const Outgoing& outgoing, Instant now);
  void receive_all();
  void take(std::span<const std::uint8_t> bytes);

  MeshOptions options_;
  MeshHandlers handlers_;
  Life life_;
  int socket_ = -1;
  int timer_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> realtime_{false};

  mutable std::mutex mutex_;  // peers and statistics; held by the thread while it works
  std::map<HostNumber, State> peers_;
  std::vector<HostNumber> urgent_;
  MeshStatistics statistics_;
  Instant next_beat_{};
  std::array<std::uint8_t, kMaxPacketBytes> out_{};
  std::array<std::uint8_t, kMaxPayloadBytes> payload_{};
  std::thread thread_;
};

// "10.0.0.1:7701" or "[fd00::1]:7701" as a socket address; names are not looked up.
// Errors: InvalidArgument "heartbeat.bad_address".
[[nodiscard]] Result<std::pair<sockaddr_storage, socklen_t>> parse_address(std::string_view text);

}  // namespace aloft::heartbeat
