// Numbers and names that cannot be mixed up: a HostId is not a GuestId.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace aloft {

// A distinct integer type per Tag. Ordered, hashable, explicitly made and read.
template <class Tag, class Value = std::uint64_t>
class StrongId {
 public:
  using value_type = Value;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Value value) : value_(value) {}

  [[nodiscard]] constexpr Value value() const { return value_; }
  // The id that follows this one: generations and epochs are counted with it.
  [[nodiscard]] constexpr StrongId next() const { return StrongId(static_cast<Value>(value_ + 1)); }

  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Value value_{};
};

}  // namespace aloft

template <class Tag, class Value>
struct std::hash<aloft::StrongId<Tag, Value>> {
  std::size_t operator()(aloft::StrongId<Tag, Value> id) const noexcept {
    return std::hash<Value>{}(id.value());
  }
};
