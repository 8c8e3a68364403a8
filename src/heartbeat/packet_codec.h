// The bytes of one heartbeat. All numbers little-endian; the page docs/reference/heartbeat.md has a
// worked example.
//
//   offset size
//        0    4  magic "ALHB"
//        4    1  version, 1
//        5    1  flags, 0
//        6    2  payload size in bytes, at most 1200
//        8    8  farm: the farm's number
//       16    4  sender's host number
//       20    4  receiver's host number
//       24    8  life: the sender's number for this run of its process, not 0
//       32    8  challenge that the sender made for the receiver
//       40    8  response: the receiver's challenge as the sender heard it, 0 = never
//       48    8  sequence within this life and session, from 1
//       56    8  sent at, nanoseconds on the sender's boot clock
//       64    8  echo: `sent at` of the receiver's newest packet that the sender took, 0 = none
//       72    8  echo delay: nanoseconds between taking that packet and sending this one
//       80    n  payload
//     80+n   16  HMAC-SHA-256 of everything before, truncated to 16 bytes (RFC 2104, RFC 4868)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instant.h"
#include "base/result.h"
#include "base/strong_id.h"
#include "heartbeat/limits.h"

namespace aloft::heartbeat {

using HostNumber = StrongId<struct HostNumberTag, std::uint32_t>;
using Life = StrongId<struct LifeTag>;
using Challenge = StrongId<struct ChallengeTag>;
using Key = std::array<std::uint8_t, 32>;

constexpr std::size_t kHeaderBytes = 80;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kMaxPacketBytes = kHeaderBytes + kMaxPayloadBytes + kTagBytes;

struct Header {
  std::uint64_t farm = 0;
  HostNumber sender;
  HostNumber receiver;
  Life life;
  Challenge challenge;
  Challenge response;
  std::uint64_t sequence = 0;
  std::int64_t sent_at_ns = 0;
  std::int64_t echo_ns = 0;
  std::int64_t echo_delay_ns = 0;

  bool operator==(const Header&) const = default;
};

struct Packet {
  Header header;
  std::span<const std::uint8_t> payload;  // points into the decoded bytes
};

// Writes a packet with its tag into `out`; gives its size in bytes.
// Requires: payload at most kMaxPayloadBytes, out at least kMaxPacketBytes.
[[nodiscard]] std::size_t encode_packet(const Header& header, std::span<const std::uint8_t> payload,
                                        const Key& key, std::span<std::uint8_t> out);

// Reads a packet and checks its tag in constant time.
// Errors: InvalidArgument "heartbeat.malformed", "heartbeat.version"; Unauthenticated
// "heartbeat.wrong_key".
[[nodiscard]] Result<Packet> decode_packet(std::span<const std::uint8_t> bytes, const Key& key);

}  // namespace aloft::heartbeat
