// The named maxima of the store.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/instant.h"

namespace aloft::store {

constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::size_t kMaxValueBytes = 1U << 20U;  // etcd refuses requests over 1.5 MiB
constexpr std::size_t kMaxCompares = 128;          // etcd's default is 128 operations
constexpr std::size_t kMaxWrites = 128;
constexpr std::size_t kMaxTransactionBytes = 1U << 20U;
constexpr std::uint64_t kRevisionsKept = 10'000;      // of history, for watches that come back
constexpr std::uint64_t kRevisionsPerForget = 1'000;  // history is cut this often
constexpr std::size_t kMaxWatches = 1'024;
constexpr std::size_t kMaxWatchBacklog = 50'000;  // changes; a slower watcher must list again
constexpr std::size_t kMaxLeases = 100'000;
constexpr Duration kMinLease = 100ms;
constexpr Duration kMaxLease = 24h;

}  // namespace aloft::store
