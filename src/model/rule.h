// A rule: guests that belong on one host, rack or site, or that must never meet there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/object.h"
#include "model/placement.h"

namespace aloft::model {

enum class RuleKind { Unspecified = 0, KeepTogether = 1, KeepApart = 2 };
enum class RuleStrength { Required = 1, Preferred = 2 };

struct RuleSpec {
  static constexpr std::string_view kKind = "rule";
  static constexpr std::string_view kPlural = "rules";

  RuleKind kind = RuleKind::Unspecified;
  RuleStrength strength = RuleStrength::Required;
  Level level = Level::Host;
  std::uint32_t weight = 0;           // of a preferred rule; 0 = 100
  std::vector<std::string> guests{};  // by name
  std::string label{};                // and those with it: KEY or KEY=VALUE

  bool operator==(const RuleSpec&) const = default;
};

struct RuleStatus {
  bool operator==(const RuleStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const RuleSpec& spec);

using Rule = Object<RuleSpec, RuleStatus>;

// Whether the labels hold KEY, or KEY with VALUE, of "KEY" or "KEY=VALUE".
[[nodiscard]] bool has_label(const Metadata& metadata, std::string_view filter);

}  // namespace aloft::model
