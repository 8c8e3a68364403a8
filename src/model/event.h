// Something that happened, with what, why and the evidence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"

namespace aloft::model {

enum class Severity { Info = 1, Warning = 2, Error = 3 };
[[nodiscard]] std::string_view name_of(Severity severity);  // "warning"

struct Event {
  std::uint64_t sequence = 0;  // given by the records
  WallTime at{};               // given by the records when it is zero
  std::string subject{};       // "guest/web1"
  std::string kind{};          // stable, dotted: "guest.started"
  std::string message{};       // one sentence
  std::string cause{};         // why it was done
  std::vector<std::string> evidence{};
  std::string before{};
  std::string after{};
  std::string actor{};  // "agent@h1", "user:ann"
  std::string incident{};
  Severity severity = Severity::Info;
  std::string host{};

  bool operator==(const Event&) const = default;
};

}  // namespace aloft::model
