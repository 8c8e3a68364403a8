// What every object of a farm is: metadata, a spec that users write, a status that agents write.
//
// An Object that exists has a valid name and a valid spec: it is made by `make`, which checks both,
// and its spec changes only through `with_spec`. Specs by themselves are plain values, free to be
// filled in step by step. Status is what was observed; nothing in it can be invalid.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/instant.h"
#include "base/result.h"
#include "model/name.h"

namespace aloft::model {

enum class Technique { Unspecified = 0, Vm = 1, Container = 2 };
enum class Architecture {
  Unspecified = 0,  // the host's own
  X86_64 = 1,
  Aarch64 = 2,
  Ppc64le = 3,
  S390x = 4,
  Ppc64 = 5,
  Riscv64 = 6,
};
[[nodiscard]] std::string_view name_of(Technique technique);        // "vm", "container", ""
[[nodiscard]] std::string_view name_of(Architecture architecture);  // "x86_64", ""
// Architecture::Unspecified for a name that is not known.
[[nodiscard]] Architecture architecture_of(std::string_view name);

struct Metadata {
  Name name;
  std::string uid{};             // UUID, given by the records at creation
  std::uint64_t generation = 0;  // raised by every change of spec
  std::uint64_t revision = 0;    // of the spec's last change: the ETag
  WallTime created_at{};
  std::optional<WallTime> deleting_since{};  // deletion was asked for
  std::map<std::string, std::string> labels{};

  bool operator==(const Metadata&) const = default;
};

[[nodiscard]] Result<void> validate(const Metadata& metadata);

// Spec has kKind ("guest"), kPlural ("guests") and `Result<void> validate(const Name&, const
// Spec&)`.
template <class SpecType, class StatusType>
class Object {
 public:
  using Spec = SpecType;
  using Status = StatusType;
  static constexpr std::string_view kKind = Spec::kKind;
  static constexpr std::string_view kPlural = Spec::kPlural;

  // Errors: InvalidArgument, naming the object, the field and what is allowed.
  static Result<Object> make(Metadata metadata, Spec spec, Status status = {}) {
    const auto context = fmt::format("{} {}", kKind, metadata.name.text());
    if (auto ok = validate(metadata); !ok) {
      return std::unexpected(with_context(std::move(ok).error(), context));
    }
    if (auto ok = validate(metadata.name, spec); !ok) {
      return std::unexpected(with_context(std::move(ok).error(), context));
    }
    return Object(std::move(metadata), std::move(spec), std::move(status));
  }

  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::string& name() const { return metadata_.name.text(); }
  [[nodiscard]] const std::string& uid() const { return metadata_.uid; }
  [[nodiscard]] const Spec& spec() const { return spec_; }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] bool deleting() const { return metadata_.deleting_since.has_value(); }

  [[nodiscard]] Result<Object> with_spec(Spec spec) const {
    return make(metadata_, std::move(spec), status_);
  }
  [[nodiscard]] Result<Object> with_metadata(Metadata metadata) const {
    return make(std::move(metadata), spec_, status_);
  }
  void set_status(Status status) { status_ = std::move(status); }

  bool operator==(const Object&) const = default;

 private:
  Object(Metadata metadata, Spec spec, Status status)
      : metadata_(std::move(metadata)), spec_(std::move(spec)), status_(std::move(status)) {}

  Metadata metadata_;
  Spec spec_;
  Status status_;
};

}  // namespace aloft::model
