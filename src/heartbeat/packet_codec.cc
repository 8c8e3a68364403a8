#include "heartbeat/packet_codec.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "base/assert.h"

namespace aloft::heartbeat {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'A', 'L', 'H', 'B'};
constexpr std::uint8_t kVersion = 1;

template <class Number>
void put(std::span<std::uint8_t> out, std::size_t offset, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out[offset + i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
}

template <class Number>
Number take(std::span<const std::uint8_t> bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    value |= static_cast<std::uint64_t>(bytes[offset + i]) << (8 * i);
  }
  return static_cast<Number>(value);
}

std::array<std::uint8_t, kTagBytes> tag_of(std::span<const std::uint8_t> bytes, const Key& key) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const unsigned char* const done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                         bytes.data(), bytes.size(), digest.data(), &size);
  ALOFT_ASSERT(done != nullptr && size >= kTagBytes);
  std::array<std::uint8_t, kTagBytes> tag{};
  std::memcpy(tag.data(), digest.data(), tag.size());
  return tag;
}

}  // namespace

std::size_t encode_packet(const Header& header, std::span<const std::uint8_t> payload,
                          const Key& key, std::span<std::uint8_t> out) {
  ALOFT_ASSERT(payload.size() <= kMaxPayloadBytes && out.size() >= kMaxPacketBytes);
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  out[4] = kVersion;
  out[5] = 0;
  put(out, 6, static_cast<std::uint16_t>(payload.size()));
  put(out, 8, header.farm);
  put(out, 16, header.sender.value());
  put(out, 20, header.receiver.value());
  put(out, 24, header.life.value());
  put(out, 32, header.challenge.value());
  put(out, 40, header.response.value());
  put(out, 48, header.sequence);
  put(out, 56, header.sent_at_ns);
  put(out, 64, header.echo_ns);
  put(out, 72, header.echo_delay_ns);
  if (!payload.empty()) std::memcpy(&out[kHeaderBytes], payload.data(), payload.size());
  const std::size_t signed_bytes = kHeaderBytes + payload.size();
  const auto tag = tag_of(out.first(signed_bytes), key);
  std::memcpy(&out[signed_bytes], tag.data(), tag.size());
  return signed_bytes + tag.size();
}

Result<Packet> decode_packet(std::span<const std::uint8_t> bytes, const Key& key) {
  if (bytes.size() < kHeaderBytes + kTagBytes || bytes.size() > kMaxPacketBytes ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return fail(Code::InvalidArgument, "heartbeat.malformed",
                fmt::format("a datagram of {} bytes is no heartbeat", bytes.size()));
  }
  if (bytes[4] != kVersion) {
    return fail(Code::InvalidArgument, "heartbeat.version",
                fmt::format("a heartbeat of version {} cannot be read, this host speaks {}: "
                            "upgrade the older of the two",
                            bytes[4], kVersion));
  }
  const std::size_t payload_bytes = take<std::uint16_t>(bytes, 6);
  if (kHeaderBytes + payload_bytes + kTagBytes != bytes.size()) {
    return fail(Code::InvalidArgument, "heartbeat.malformed",
                fmt::format("a heartbeat of {} bytes claims a payload of {} bytes", bytes.size(),
                            payload_bytes));
  }
  const auto tag = tag_of(bytes.first(bytes.size() - kTagBytes), key);
  if (CRYPTO_memcmp(tag.data(), &bytes[bytes.size() - kTagBytes], kTagBytes) != 0) {
    return fail(Code::Unauthenticated, "heartbeat.wrong_key",
                "a heartbeat is not signed with this farm's key: it was damaged on its way, or "
                "comes from a host of another farm");
  }
  Packet packet;
  packet.header = {.farm = take<std::uint64_t>(bytes, 8),
                   .sender = HostNumber(take<std::uint32_t>(bytes, 16)),
                   .receiver = HostNumber(take<std::uint32_t>(bytes, 20)),
                   .life = Life(take<std::uint64_t>(bytes, 24)),
                   .challenge = Challenge(take<std::uint64_t>(bytes, 32)),
                   .response = Challenge(take<std::uint64_t>(bytes, 40)),
                   .sequence = take<std::uint64_t>(bytes, 48),
                   .sent_at_ns = take<std::int64_t>(bytes, 56),
                   .echo_ns = take<std::int64_t>(bytes, 64),
                   .echo_delay_ns = take<std::int64_t>(bytes, 72)};
  packet.payload = bytes.subspan(kHeaderBytes, payload_bytes);
  return packet;
}

}  // namespace aloft::heartbeat
