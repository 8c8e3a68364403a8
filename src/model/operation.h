// A change that takes time: asked for through the API, run by an agent, kept after its end.
//
//   Pending --taken by an agent--> Running --> Done | Failed | Cancelled
//   Pending --cancelled before it was taken--> Cancelled
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.h"
#include "base/result.h"
#include "model/name.h"

namespace aloft::model {

enum class OperationState { Pending = 5, Running = 1, Done = 2, Failed = 3, Cancelled = 4 };
[[nodiscard]] std::string_view name_of(OperationState state);  // "running"

struct Operation {
  static constexpr std::string_view kKind = "operation";
  static constexpr std::string_view kPlural = "operations";

  std::string id{};       // a label, in order of creation; given by the records
  std::string kind{};     // "guest.restart", "image.add"
  std::string subject{};  // "guest/web1"
  OperationState state = OperationState::Pending;
  std::uint32_t progress_permille = 0;
  std::string step{};            // "copying 1.2 GiB of 4 GiB"
  std::optional<Error> error{};  // why it failed
  WallTime created_at{};
  WallTime started_at{};
  WallTime ended_at{};
  std::string actor{};  // "user:ann"
  std::string host{};   // whose agent runs it
  std::string idempotency_key{};
  bool cancel_requested = false;
  std::map<std::string, std::string> parameters{};  // of its kind: "memory_bytes" -> "536870912"
  std::uint64_t revision = 0;

  [[nodiscard]] bool ended() const {
    return state != OperationState::Pending && state != OperationState::Running;
  }
  bool operator==(const Operation&) const = default;
};

[[nodiscard]] Result<void> validate(const Operation& operation);

}  // namespace aloft::model
