#include "heartbeat/mesh.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

namespace aloft::heartbeat {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

template <class Condition>
bool wait_until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct Host {
  explicit Host(std::uint32_t number, std::uint8_t key_byte = 1, std::uint64_t farm = 5) {
    MeshOptions options;
    options.farm = farm;
    options.self = HostNumber(number);
    options.key.fill(key_byte);
    options.address = "127.0.0.1:0";
    options.interval = std::chrono::milliseconds(5);
    MeshHandlers handlers;
    handlers.payload = [number](HostNumber peer, Instant, std::span<std::uint8_t> out) {
      out[0] = static_cast<std::uint8_t>(number);
      out[1] = static_cast<std::uint8_t>(peer.value());
      return std::size_t{2};
    };
    handlers.received = [this](HostNumber peer, Instant now, std::optional<Instant> echoed,
                               std::span<const std::uint8_t> payload) {
      const std::lock_guard lock(mutex);
      if (payload.size() == 2 && payload[0] == peer.value()) ++received[peer];
      if (echoed && *echoed <= now) ++echoes;
    };
    mesh = Mesh::start(options, handlers).value();
  }
  std::string address() const { return fmt::format("127.0.0.1:{}", mesh->port()); }
  std::uint64_t fresh_from(std::uint32_t peer) const {
    return mesh->peer_statistics()[HostNumber(peer)].fresh;
  }

  std::mutex mutex;
  std::map<HostNumber, int> received;
  int echoes = 0;
  std::unique_ptr<Mesh> mesh;
};

void join(Host& one, std::uint32_t one_number, Host& two, std::uint32_t two_number) {
  ASSERT_TRUE(one.mesh->set_peers({{HostNumber(two_number), two.address()}}));
  ASSERT_TRUE(two.mesh->set_peers({{HostNumber(one_number), one.address()}}));
}

TEST(Mesh, hosts_hear_each_other_and_their_payloads) {
  Host one(1);
  Host two(2);
  join(one, 1, two, 2);
  EXPECT_TRUE(wait_until([&] { return one.fresh_from(2) > 5 && two.fresh_from(1) > 5; }));
  const std::lock_guard lock(one.mutex);
  EXPECT_GT(one.received[HostNumber(2)], 0);
  EXPECT_GT(one.echoes, 0);
}

TEST(Mesh, a_peer_that_was_replaced_by_a_new_process_is_heard_again) {
  Host one(1);
  auto two = std::make_unique<Host>(2);
  join(one, 1, *two, 2);
  ASSERT_TRUE(wait_until([&] { return one.fresh_from(2) > 3; }));
  two = std::make_unique<Host>(2);
  join(one, 1, *two, 2);
  const auto before = one.fresh_from(2);
  EXPECT_TRUE(wait_until([&] { return one.fresh_from(2) > before + 3 && two->fresh_from(1) > 3; }));
}

TEST(Mesh, a_host_of_another_farm_is_not_heard) {
  Host one(1);
  Host stranger(2, /*key_byte=*/9);
  Host neighbour(2, /*key_byte=*/1, /*farm=*/6);
  ASSERT_TRUE(one.mesh->set_peers({{HostNumber(2), stranger.address()}}));
  ASSERT_TRUE(stranger.mesh->set_peers({{HostNumber(1), one.address()}}));
  ASSERT_TRUE(neighbour.mesh->set_peers({{HostNumber(1), one.address()}}));
  EXPECT_TRUE(wait_until([&] {
    const auto seen = one.mesh->statistics();
    return seen.wrong_key > 3 && seen.other_farm > 3;
  }));
  EXPECT_EQ(one.fresh_from(2), 0U);
}

TEST(Mesh, rubbish_is_counted_and_changes_nothing) {
  Host one(1);
  Host two(2);
  join(one, 1, two, 2);
  const auto address = parse_address(one.address()).value();
  const int descriptor = ::socket(AF_INET, SOCK_DGRAM, 0);
  const void* const raw = &address.first;
  for (const std::string& text :
       {std::string("x"), std::string(2000, 'y'), std::string("ALHB") + std::string(100, '\1')}) {
    ::sendto(descriptor, text.data(), text.size(), 0, static_cast<const sockaddr*>(raw),
             address.second);
  }
  ::close(descriptor);
  EXPECT_TRUE(wait_until([&] { return one.mesh->statistics().malformed >= 3; }));
  EXPECT_TRUE(wait_until([&] { return one.fresh_from(2) > 3; }));
}

TEST(Mesh, an_urgent_packet_goes_out_at_once) {
  MeshOptions options;
  options.self = HostNumber(1);
  options.address = "127.0.0.1:0";
  options.interval = std::chrono::hours(1);
  const auto mesh = Mesh::start(options, {}).value();
  ASSERT_TRUE(mesh->set_peers({{HostNumber(2), "127.0.0.1:9"}}));
  mesh->beat_now(HostNumber(2));
  EXPECT_TRUE(wait_until([&] { return mesh->peer_statistics()[HostNumber(2)].sent >= 1; }));
}

TEST(Mesh, wrong_addresses_are_refused_and_change_nothing) {
  for (const char* text : {"", "x", "h1:7701", "10.0.0.1", "10.0.0.1:", "10.0.0.1:70000", "[::1:77",
                           "10.0.0.1:-1", "[]:1", ":1"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().reason, "heartbeat.bad_address");
  }
  Host one(1);
  Host two(2);
  join(one, 1, two, 2);
  EXPECT_FALSE(one.mesh->set_peers({{HostNumber(3), "nowhere"}}));
  EXPECT_TRUE(one.mesh->peer_statistics().contains(HostNumber(2)));
  std::vector<Peer> many;
  for (std::uint32_t i = 0; i < 1025; ++i) many.push_back({HostNumber(i + 10), "127.0.0.1:9"});
  EXPECT_EQ(one.mesh->set_peers(many).error().reason, "heartbeat.too_many_peers");
}

}  // namespace
}  // namespace aloft::heartbeat
