// The named maxima of the API.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace aloft::api {

constexpr std::size_t kMaxHeaderBytes = 16U << 10U;
constexpr std::size_t kMaxTargetBytes = 4096;
constexpr std::size_t kMaxQueryParameters = 32;
constexpr std::uint64_t kMaxBodyBytes = 1U << 20U;
constexpr std::size_t kMaxConnections = 512;
constexpr std::size_t kMaxStreams = 128;           // of events, watches and consoles
constexpr std::size_t kMaxStreamBacklog = 10'000;  // events; a slower client is cut off
constexpr std::size_t kMaxSlowCalls = 4;           // commands in guests at one time
constexpr std::size_t kWorkerThreads = 8;
constexpr std::uint32_t kDefaultPage = 1'000;
constexpr std::uint32_t kMaxPage = 5'000;
constexpr std::size_t kMaxTokens = 1'000;
constexpr std::size_t kMaxIdempotencyKeyBytes = 128;
constexpr std::size_t kMaxRequestIdBytes = 64;
constexpr std::uint32_t kMaxPlannedMoves = 10'000;
constexpr std::size_t kMaxProblems = 100;  // named in one placement report
constexpr std::size_t kMaxLogBytes = 1U << 20U;

constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::chrono::seconds kIdleTimeout{60};     // between requests
constexpr std::chrono::seconds kRequestTimeout{30};  // from first to last byte of a request
constexpr std::chrono::seconds kWriteTimeout{30};
constexpr std::chrono::seconds kLingerTimeout{5};  // for a client that still sends what was refused
constexpr std::chrono::seconds kHeartbeat{15};     // of event streams
constexpr std::chrono::milliseconds kDefaultExecTimeout{10'000};
constexpr std::chrono::milliseconds kMaxExecTimeout{60'000};
constexpr std::chrono::hours kDefaultTokenLifetime{24 * 30};
constexpr std::chrono::hours kMaxTokenLifetime{24 * 3660};

}  // namespace aloft::api
