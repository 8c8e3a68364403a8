// Every bound of this room.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/bytes.h"

namespace aloft::guest {

using namespace std::chrono_literals;

constexpr std::size_t kMaxRecordBytes = 1U << 20U;  // a definition or run record on disk
constexpr std::size_t kMaxExecOutputBytes = 1U << 20U;
constexpr std::size_t kMaxCommandWords = 256;
constexpr std::size_t kMaxFileBytes = 4U << 20U;  // of /proc, cgroup files and logs that are read
constexpr std::size_t kMaxDisks = 32;
constexpr std::size_t kMaxNics = 32;
constexpr std::size_t kMaxOptions = 64;

// Containers.
constexpr auto kLxcStartTimeout = 30s;     // lxc-start, until the container's init runs
constexpr auto kMonitorGoneTimeout = 10s;  // from the end of init to the end of its monitor
constexpr auto kKillTimeout = 20s;         // SIGKILL of init until every process is gone
constexpr auto kStartLockTimeout = 60s;    // another process starts the same container
constexpr auto kRebootTimeout = 10s;       // a container that reboots itself has a new init
constexpr unsigned kIdRangeSize = 65536;   // user ids of one container
constexpr unsigned kMaxIdRanges = 8192;    // of one aloft instance
constexpr unsigned kDefaultPidsMax = 8192;

// Virtual machines.
constexpr auto kReconnectFirst = 100ms;  // to a libvirtd that went away
constexpr auto kReconnectLongest = 2s;
constexpr int kKeepaliveSeconds = 5;
constexpr unsigned kKeepaliveCount = 3;
constexpr auto kEventGrace = 2s;  // QEMU ended; libvirt tells why within this
constexpr auto kVmKillTimeout = 20s;
constexpr auto kProbeRungTimeout = 8s;  // one attempt to run a tiny guest under KVM
constexpr std::size_t kMaxConsoleLogBytes = 1U << 20U;

}  // namespace aloft::guest
