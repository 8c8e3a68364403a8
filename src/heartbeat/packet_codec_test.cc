#include "heartbeat/packet_codec.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace aloft::heartbeat {
namespace {

Key key_of(std::uint8_t first) {
  Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(first + i);
  return key;
}

const Header kHeader{.farm = 0x1122334455667788,
                     .sender = HostNumber(2),
                     .receiver = HostNumber(3),
                     .life = Life(7),
                     .challenge = Challenge(8),
                     .response = Challenge(9),
                     .sequence = 42,
                     .sent_at_ns = 1'000'000'000,
                     .echo_ns = 999'000'000,
                     .echo_delay_ns = 500'000};
const std::vector<std::uint8_t> kPayload{1, 2, 3, 4, 5};

std::vector<std::uint8_t> example() {
  std::vector<std::uint8_t> bytes(kMaxPacketBytes);
  bytes.resize(encode_packet(kHeader, kPayload, key_of(1), bytes));
  return bytes;
}

TEST(PacketCodec, reads_what_it_wrote) {
  const auto bytes = example();
  EXPECT_EQ(bytes.size(), kHeaderBytes + kPayload.size() + kTagBytes);
  const auto packet = decode_packet(bytes, key_of(1));
  ASSERT_TRUE(packet) << packet.error().message;
  EXPECT_EQ(packet->header, kHeader);
  EXPECT_EQ(std::vector<std::uint8_t>(packet->payload.begin(), packet->payload.end()), kPayload);
}

TEST(PacketCodec, keeps_the_layout_of_its_page) {
  const auto bytes = example();
  EXPECT_EQ(std::vector<std::uint8_t>(bytes.begin(), bytes.begin() + 24),
            (std::vector<std::uint8_t>{'A',  'L',  'H',  'B',  1, 0, 5, 0, 0x88, 0x77, 0x66, 0x55,
                                       0x44, 0x33, 0x22, 0x11, 2, 0, 0, 0, 3,    0,    0,    0}));
}

TEST(PacketCodec, refuses_another_key) {
  EXPECT_EQ(decode_packet(example(), key_of(2)).error().reason, "heartbeat.wrong_key");
}

TEST(PacketCodec, refuses_every_changed_bit_and_every_cut) {
  const auto bytes = example();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(decode_packet(damaged, key_of(1))) << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_packet(std::span(bytes).first(size), key_of(1))) << size;
  }
}

TEST(PacketCodec, names_a_version_it_does_not_speak) {
  auto bytes = example();
  bytes[4] = 2;
  EXPECT_EQ(decode_packet(bytes, key_of(1)).error().reason, "heartbeat.version");
}

TEST(PacketCodec, bears_random_bytes) {
  Random random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> bytes(random.below(kMaxPacketBytes + 50));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
    if (bytes.size() > 5 && random.chance(1, 2)) {
      bytes[0] = 'A', bytes[1] = 'L', bytes[2] = 'H', bytes[3] = 'B', bytes[4] = 1;
    }
    EXPECT_FALSE(decode_packet(bytes, key_of(1)));
  }
}

}  // namespace
}  // namespace aloft::heartbeat
