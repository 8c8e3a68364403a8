// Named maxima and times of the controller room. The times are the protocol's defaults.
#pragma once

#include <cstddef>

#include "base/instant.h"

namespace aloft::controller {

constexpr std::size_t kMaxHosts = 1024;
constexpr std::size_t kMaxMembers = 3;   // replicas of a volume
constexpr std::size_t kMaxGrantors = 2;  // beside the owner itself
constexpr std::size_t kMaxFences = 4;    // owners not yet shut out, one after another

struct Timing {
  Duration beat = std::chrono::milliseconds(100);      // between heartbeats
  Duration silence = std::chrono::milliseconds(800);   // without one: silent
  Duration silence_maximum = std::chrono::seconds(3);  // however much jitter is seen
  Duration grant = std::chrono::seconds(1);            // Tr, counted by the grantor
  // What the holder deducts from Tr: drift of clocks, the freezer, the watchdog's last bite.
  Duration margin = std::chrono::milliseconds(200);
  Duration watchdog = std::chrono::milliseconds(700);  // without food; less than grant - margin
  Duration retry = std::chrono::milliseconds(250);     // of requests between hosts and to the store
  Duration host_lease = std::chrono::seconds(3);       // T, the slow second opinion
  Duration repair = std::chrono::seconds(1);  // between looks for missing grantors, replicas
  Duration replace_after = std::chrono::seconds(60);  // a lost host's replicas go elsewhere
  Duration disk_patience = std::chrono::seconds(5);   // a disk that has not failed again works
  Duration backoff = std::chrono::milliseconds(500);  // after the first crash of a guest, doubled
  Duration backoff_maximum = std::chrono::seconds(30);
  Duration crash_window = std::chrono::minutes(10);  // crashes before do not count any more
};

constexpr std::uint32_t kTriesHere = 3;       // starts on one host before another is asked for
constexpr std::uint32_t kTriesElsewhere = 2;  // hosts asked for before the guest is failed
constexpr std::size_t kDrainAtOnce = 4;       // guests that leave a draining host at the same time

}  // namespace aloft::controller
