// What holds for the whole farm; there is one, called "farm".
#pragma once

#include <cstdint>
#include <string_view>

#include "model/object.h"
#include "model/placement.h"

namespace aloft::model {

// Every accepted guest can restart after the loss of any `count` of these at once; 0: no promise.
struct Tolerate {
  Level level = Level::Host;
  std::uint32_t count = 0;

  bool operator==(const Tolerate&) const = default;
};

struct FarmSpec {
  static constexpr std::string_view kKind = "farm";
  static constexpr std::string_view kPlural = "farms";

  Tolerate tolerate{};
  std::uint32_t cpu_overcommit_percent = 0;     // 0 = 400
  std::uint32_t memory_overcommit_percent = 0;  // 0 = 100
  std::uint32_t disk_overcommit_percent = 0;    // 0 = 100

  bool operator==(const FarmSpec&) const = default;
};

struct FarmStatus {
  bool operator==(const FarmStatus&) const = default;
};

inline constexpr std::string_view kFarmName = "farm";

[[nodiscard]] Result<void> validate(const Name& name, const FarmSpec& spec);

using Farm = Object<FarmSpec, FarmStatus>;

}  // namespace aloft::model
