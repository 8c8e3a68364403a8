// The named maxima of what a farm is made of. Everything over one is refused with its name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace aloft::model {

constexpr std::size_t kMaxNameBytes = 63;  // RFC 1123 label
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelKeyBytes = 63;
constexpr std::size_t kMaxLabelValueBytes = 255;

constexpr std::uint32_t kMaxCpus = 1024;
constexpr std::uint32_t kMaxCpuShares = 10'000;
constexpr std::uint32_t kMaxPriority = 1'000;
constexpr Bytes kMinMemory = mib(1);
constexpr Bytes kMaxMemory = gib(64ULL << 10U);
constexpr Bytes kMinVolume = kib(4);
constexpr Bytes kMaxVolume = gib(256ULL << 10U);
constexpr std::size_t kMaxDisks = 32;
constexpr std::size_t kMaxNics = 16;
constexpr std::size_t kMaxDependencies = 32;
constexpr std::size_t kMaxHealthChecks = 16;
constexpr std::size_t kMaxCloudInitBytes = 64U << 10U;
constexpr std::size_t kMaxDriverOptions = 64;
constexpr std::size_t kMaxOptionValueBytes = 4096;
constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kMaxArguments = 64;        // of an exec probe or an exec call
constexpr std::size_t kMaxArgumentBytes = 4096;  // each
constexpr std::uint32_t kMaxIntervalMs = 86'400'000;
constexpr std::uint32_t kMaxThreshold = 1'000;
constexpr std::uint32_t kMaxRestartTries = 1'000'000;
constexpr std::size_t kMaxBridgeNameBytes = 15;  // IFNAMSIZ - 1

constexpr std::size_t kMaxNamedHosts = 1'000;  // of one guest's wishes
constexpr std::int32_t kMaxPreference = 1'000;
constexpr std::size_t kMaxNeededCapabilities = 32;
constexpr std::size_t kMaxLicences = 32;
constexpr std::size_t kMaxDeviceClasses = 32;
constexpr std::uint32_t kMaxDevices = 1'024;  // of one class
constexpr std::uint64_t kMaxBitsPerSecond = 1'000'000'000'000'000;
constexpr std::uint64_t kMaxHugePages = 1ULL << 32U;
constexpr std::size_t kMaxRuleGuests = 10'000;
constexpr std::uint32_t kMaxRuleWeight = 10'000;
constexpr std::uint32_t kMaxTolerated = 8;

constexpr std::size_t kMaxTextBytes = 4096;  // of a message or evidence; longer is cut
constexpr std::size_t kMaxEvidence = 64;
constexpr std::size_t kMaxParameters = 64;
constexpr std::size_t kMaxParameterBytes = 64U << 10U;

}  // namespace aloft::model
