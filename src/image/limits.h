// The maxima of the image room. A value above one of them is refused with words.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace aloft::image {

// What a recogniser looks at: btrfs keeps its magic number at 64 KiB + 64.
constexpr std::size_t kPrefixSize = std::size_t{72} * 1024;
constexpr Bytes kMaxVirtualSize = gib(std::uint64_t{64} * 1024);  // of a disk image
constexpr Bytes kMaxTreeSize = gib(std::uint64_t{4} * 1024);      // of all files of a root tree
constexpr std::uint64_t kMaxTreeEntries = 20'000'000;
constexpr std::uint64_t kMaxTreeDepth = 256;
constexpr std::size_t kMaxPathSize = 4096;
constexpr std::size_t kMaxComponentSize = 255;
constexpr std::size_t kMaxXattrSize = std::size_t{64} * 1024;
constexpr std::size_t kMaxLayers = 512;
constexpr Bytes kMaxOciJson = mib(4);
constexpr std::size_t kMaxUserData = std::size_t{64} * 1024;
// Space that stays free on the state directory's file system, for the guests that run on it.
constexpr Bytes kFreeReserve = mib(64);
// Users and groups of a container: as many as a range of /etc/subuid has.
constexpr std::uint32_t kIdCount = 65'536;

constexpr std::size_t kCopyBlock = std::size_t{1} << 20U;
constexpr std::chrono::milliseconds kProgressInterval{100};

// Of outside tools (qemu-img, xorriso, mmdebstrap).
constexpr Bytes kToolMemory = gib(4);  // address space
constexpr std::chrono::seconds kToolCpu{600};
constexpr std::chrono::seconds kToolTimeout{1'800};
constexpr std::chrono::seconds kToolStopTime{5};  // between SIGTERM and SIGKILL
constexpr std::chrono::seconds kToolTick{1};      // between two reports of a tool's progress
constexpr std::size_t kMaxReference = 512;        // of an image in a registry
constexpr std::size_t kMaxToolOutput = std::size_t{1} << 20U;

}  // namespace aloft::image
