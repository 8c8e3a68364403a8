// The farm of the records as placement sees it.
//
// Guests that should run count, whether they run just now or not; stopped ones and those that are
// being deleted do not. A host without a status (its agent never spoke) has no room. What only some
// hosts can do - an architecture, natively or emulated, a driver, a named capability - becomes a
// feature bit, given to the names that guests ask for.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/farm.h"
#include "model/guest.h"
#include "model/host.h"
#include "model/image.h"
#include "model/rule.h"
#include "model/volume.h"
#include "placement/admission.h"
#include "placement/farm.h"

namespace aloft::placement {

// Everything that was read at one revision. Images and volumes give the sizes of disks.
struct Records {
  std::span<const model::Host> hosts;
  std::span<const model::Guest> guests;
  std::span<const model::Rule> rules;
  std::span<const model::Image> images;
  std::span<const model::Volume> volumes;
  model::FarmSpec settings;
  WallTime now;  // loads measured more than kLoadLifetime ago do not count
};

inline constexpr auto kLoadLifetime = std::chrono::minutes(50);

struct View {
  Farm farm;
  Tolerance tolerance;
  // Names that guests and rules give and nobody has; such guests and rules count without them.
  std::vector<std::string> problems;

  [[nodiscard]] std::optional<HostIndex> host(std::string_view name) const;
  [[nodiscard]] std::optional<GuestIndex> guest(std::string_view name) const;
};

// The guests of `records` that should run.
// Errors: ResourceExhausted "placement.too_many_names" when guests ask for more than 64 different
// capabilities or licence groups.
[[nodiscard]] Result<View> view_of(const Records& records);

// Memory that guests of the host may use, huge pages apart and overcommit not counted.
[[nodiscard]] Bytes memory_for_guests(const model::Host& host);

}  // namespace aloft::placement
