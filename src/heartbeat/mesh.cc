#include "heartbeat/mesh.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace aloft::heartbeat {
namespace {

constexpr int kRealtimePriority = 20;
constexpr int kReceiveBufferBytes = 1 << 20;

std::uint64_t random_number() {
  std::uint64_t value = 0;
  // Never short below 256 bytes once the pool is seeded (getrandom(2)).
  while (::getrandom(&value, sizeof(value), 0) != static_cast<ssize_t>(sizeof(value))) {
  }
  return value;
}

const sockaddr* generic(const sockaddr_storage& address) {
  const void* const raw = &address;
  return static_cast<const sockaddr*>(raw);
}

timespec timespec_of(Instant instant) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch());
  return {.tv_sec = seconds.count(), .tv_nsec = (instant.time_since_epoch() - seconds).count()};
}

}  // namespace

Result<std::pair<sockaddr_storage, socklen_t>> parse_address(std::string_view text) {
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, "heartbeat.bad_address",
                fmt::format("'{}' is not an address for heartbeats: write a number and a port, "
                            "like 10.0.0.1:7701 or [fd00::1]:7701",
                            text.substr(0, 64)));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse();
  std::string host(text.substr(0, colon));
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.begin(), port_text.end(), port);
  if (error != std::errc{} || end != port_text.end()) return refuse();

  sockaddr_storage storage{};
  void* const raw = &storage;
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return refuse();
    host = host.substr(1, host.size() - 2);
    auto* const address = static_cast<sockaddr_in6*>(raw);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.c_str(), &address->sin6_addr) != 1) return refuse();
    return std::pair(storage, static_cast<socklen_t>(sizeof(sockaddr_in6)));
  }
  auto* const address = static_cast<sockaddr_in*>(raw);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address->sin_addr) != 1) return refuse();
  return std::pair(storage, static_cast<socklen_t>(sizeof(sockaddr_in)));
}

Mesh::Mesh(MeshOptions options, MeshHandlers handlers)
    : options_(std::move(options)), handlers_(std::move(handlers)), life_(random_number() | 1U) {}

Result<std::unique_ptr<Mesh>> Mesh::start(MeshOptions options, MeshHandlers handlers) {
  std::unique_ptr<Mesh> mesh(new Mesh(std::move(options), std::move(handlers)));
  ALOFT_TRY(mesh->open());
  mesh->next_beat_ = boot_now();
  Mesh* const self = mesh.get();
  mesh->thread_ = std::thread([self] { self->run(); });
  return mesh;
}

Mesh::~Mesh() {
  stopping_ = true;
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof(one));
    thread_.join();
  }
  for (const int descriptor : {socket_, timer_, wake_}) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

Result<void> Mesh::open() {
  ALOFT_ASSIGN(const auto address, parse_address(options_.address));
  const std::string what = fmt::format("cannot listen for heartbeats at {}", options_.address);
  const auto refuse = [&] {
    return std::unexpected(system_error(errno, "heartbeat.socket", what));
  };
  socket_ = ::socket(address.first.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return refuse();
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof(kReceiveBufferBytes));
  // Expedited forwarding: switches that look at it let heartbeats pass a full queue (RFC 3246).
  const int expedited = 0xb8;
  ::setsockopt(socket_, IPPROTO_IP, IP_TOS, &expedited, sizeof(expedited));
  if (::bind(socket_, generic(address.first), address.second) != 0) return refuse();
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  void* const raw = &bound;
  if (::getsockname(socket_, static_cast<sockaddr*>(raw), &size) != 0) return refuse();
  port_ = ntohs(bound.ss_family == AF_INET6 ? static_cast<sockaddr_in6*>(raw)->sin6_port
                                            : static_cast<sockaddr_in*>(raw)->sin_port);
  timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (timer_ < 0 || wake_ < 0) return refuse();
  return {};
}

Result<void> Mesh::set_peers(const std::vector<Peer>& peers) {
  if (peers.size() > kMaxPeers) {
    return fail(
        Code::InvalidArgument, "heartbeat.too_many_peers",
        fmt::format("{} peers are more than the {} a host can hear", peers.size(), kMaxPeers));
  }
  std::map<HostNumber, std::pair<sockaddr_storage, socklen_t>> wanted;
  for (const Peer& peer : peers) {
    ALOFT_ASSIGN(const auto address, parse_address(peer.address));
    if (peer.number != options_.self) wanted[peer.number] = address;
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(peers_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (const auto& [number, address] : wanted) {
    const auto [place, added] =
        peers_.try_emplace(number, SessionMachine(life_, random_number(), random_number()));
    place->second.address = address.first;
    place->second.address_size = address.second;
  }
  return {};
}

void Mesh::beat_now(HostNumber peer) {
  {
    const std::lock_guard lock(mutex_);
    urgent_.push_back(peer);
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof(one));
}

std::map<HostNumber, PeerStatistics> Mesh::peer_statistics() const {
  const std::lock_guard lock(mutex_);
  std::map<HostNumber, PeerStatistics> result;
  for (const auto& [number, state] : peers_) {
    result[number] = state.statistics;
    result[number].round_trip = state.session.round_trip();
  }
  return result;
}

MeshStatistics Mesh::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void Mesh::raise_priority() {
  sched_param parameters{};
  parameters.sched_priority = kRealtimePriority;
  realtime_ =
      ::pthread_setschedparam(::pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0;
  // On Linux a nice value belongs to the thread that asks.
  if (!realtime_) ::setpriority(PRIO_PROCESS, 0, -20);
  // Pages already touched stay; a page fault under memory pressure would be a missed beat.
  ::mlock(this, sizeof(*this));
}

void Mesh::run() {
  ::pthread_setname_np(::pthread_self(), "heartbeat");
  raise_priority();
  std::array<pollfd, 3> waits{{{socket_, POLLIN, 0}, {timer_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  while (!stopping_) {
    itimerspec alarm{};
    alarm.it_value = timespec_of(next_beat_);
    if (alarm.it_value.tv_sec == 0 && alarm.it_value.tv_nsec == 0) alarm.it_value.tv_nsec = 1;
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &alarm, nullptr);
    ::poll(waits.data(), waits.size(), -1);
    std::uint64_t ignored = 0;
    (void)!::read(timer_, &ignored, sizeof(ignored));
    (void)!::read(wake_, &ignored, sizeof(ignored));

    const std::lock_guard lock(mutex_);
    // What has arrived is taken before anything is sent, so that packets echo the newest.
    receive_all();
    const Instant now = boot_now();
    if (now >= next_beat_) beat(now);
    for (const HostNumber number : urgent_) {
      const auto place = peers_.find(number);
      if (place != peers_.end()) {
        send_to(number, place->second, place->second.session.next(now), now);
      }
    }
    urgent_.clear();
  }
}

void Mesh::beat(Instant now) {
  const Duration late = now - next_beat_;
  statistics_.latest_beat = std::max(statistics_.latest_beat, late);
  if (late > options_.interval / 2) ++statistics_.late_beats;
  for (auto& [number, state] : peers_) send_to(number, state, state.session.next(now), now);
  // Beats that were missed are not made up for: they would say nothing new.
  next_beat_ += options_.interval;
  if (next_beat_ <= now) next_beat_ = now + options_.interval;
}

void Mesh::send_to(HostNumber number, State& state, const Outgoing& outgoing, Instant now) {
  const std::size_t size =
      handlers_.payload ? std::min(handlers_.payload(number, now, payload_), payload_.size()) : 0;
  const Header header{.farm = options_.farm,
                      .sender = options_.self,
                      .receiver = number,
                      .life = outgoing.life,
                      .challenge = outgoing.challenge,
                      .response = outgoing.response,
                      .sequence = outgoing.sequence,
                      .sent_at_ns = now.time_since_epoch().count(),
                      .echo_ns = outgoing.echo_ns,
                      .echo_delay_ns = outgoing.echo_delay_ns};
  const std::size_t bytes =
      encode_packet(header, std::span(payload_).first(size), options_.key, out_);
  // A packet that cannot be sent now is a lost packet; the next one comes in an interval.
  (void)!::sendto(socket_, out_.data(), bytes, MSG_DONTWAIT, generic(state.address),
                  state.address_size);
  ++state.statistics.sent;
}

void Mesh::receive_all() {
  std::array<std::uint8_t, kMaxPacketBytes + 1> buffer{};
  // Bounded, so that a flood cannot keep the thread from its beat.
  for (std::size_t taken = 0; taken < 4 * kMaxPeers; ++taken) {
    const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno != EINTR && errno != ECONNREFUSED) return;
    if (size > 0) take(std::span(buffer).first(static_cast<std::size_t>(size)));
  }
}

void Mesh::take(std::span<const std::uint8_t> bytes) {
  const auto packet = decode_packet(bytes, options_.key);
  if (!packet) {
    ++(packet.error().code == Code::Unauthenticated ? statistics_.wrong_key
                                                    : statistics_.malformed);
    return;
  }
  const Header& header = packet->header;
  if (header.farm != options_.farm || header.receiver != options_.self) {
    ++statistics_.other_farm;
    return;
  }
  const auto place = peers_.find(header.sender);
  if (place == peers_.end()) {
    ++statistics_.unknown_peer;
    return;
  }
  State& state = place->second;
  const Instant now = boot_now();
  switch (state.session.take(header, now)) {
    case Freshness::Fresh: {
      PeerStatistics& seen = state.statistics;
      if (seen.last_fresh) seen.longest_gap = std::max(seen.longest_gap, now - *seen.last_fresh);
      seen.last_fresh = now;
      ++seen.fresh;
      std::optional<Instant> echoed;
      if (header.echo_ns > 0) echoed = Instant(Duration(header.echo_ns));
      if (handlers_.received) handlers_.received(header.sender, now, echoed, packet->payload);
      return;
    }
    case Freshness::Hello:
      ++state.statistics.hellos;
      if (const auto answer = state.session.answer()) send_to(header.sender, state, *answer, now);
      return;
    case Freshness::Replay:
      ++state.statistics.replays;
      return;
  }
}

}  // namespace aloft::heartbeat
