// A layer-2 network of guests on a host.
#pragma once

#include <string>
#include <string_view>

#include "model/object.h"

namespace aloft::model {

enum class NetworkMode {
  Nat = 1,       // own bridge and addresses, the host routes and masquerades
  Bridge = 2,    // an existing bridge of the host
  Isolated = 3,  // own bridge, no way out
};

struct NetworkSpec {
  static constexpr std::string_view kKind = "network";
  static constexpr std::string_view kPlural = "networks";

  NetworkMode mode = NetworkMode::Nat;
  std::string bridge{};  // name on the host; empty: made from the network's name
  std::string subnet{};  // "10.77.0.0/24"; the host has its first address; empty: chosen

  bool operator==(const NetworkSpec&) const = default;
};

struct NetworkStatus {
  bool ready = false;
  std::string bridge{};
  std::string message{};

  bool operator==(const NetworkStatus&) const = default;
};

[[nodiscard]] Result<void> validate(const Name& name, const NetworkSpec& spec);

using Network = Object<NetworkSpec, NetworkStatus>;

}  // namespace aloft::model
