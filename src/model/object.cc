#include "model/object.h"

#include <fmt/format.h>

#include "model/address.h"
#include "model/check.h"
#include "model/event.h"
#include "model/host.h"
#include "model/image.h"
#include "model/limits.h"
#include "model/network.h"
#include "model/operation.h"
#include "model/text.h"
#include "model/volume.h"

namespace aloft::model {

std::string_view name_of(Technique technique) {
  switch (technique) {
    case Technique::Unspecified:
      return "";
    case Technique::Vm:
      return "vm";
    case Technique::Container:
      return "container";
  }
  return "";
}

std::string_view name_of(Architecture architecture) {
  switch (architecture) {
    case Architecture::Unspecified:
      return "";
    case Architecture::X86_64:
      return "x86_64";
    case Architecture::Aarch64:
      return "aarch64";
    case Architecture::Ppc64le:
      return "ppc64le";
    case Architecture::S390x:
      return "s390x";
    case Architecture::Ppc64:
      return "ppc64";
    case Architecture::Riscv64:
      return "riscv64";
  }
  return "";
}

Architecture architecture_of(std::string_view name) {
  for (const auto architecture :
       {Architecture::X86_64, Architecture::Aarch64, Architecture::Ppc64le, Architecture::S390x,
        Architecture::Ppc64, Architecture::Riscv64}) {
    if (name_of(architecture) == name) return architecture;
  }
  return Architecture::Unspecified;
}

std::string_view name_of(OperationState state) {
  switch (state) {
    case OperationState::Pending:
      return "pending";
    case OperationState::Running:
      return "running";
    case OperationState::Done:
      return "done";
    case OperationState::Failed:
      return "failed";
    case OperationState::Cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::Info:
      return "info";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      return "error";
  }
  return "info";
}

Result<void> validate(const Metadata& metadata) {
  return check_options("labels", metadata.labels, kMaxLabels, kMaxLabelKeyBytes,
                       kMaxLabelValueBytes);
}

Result<void> validate(const Name& /*name*/, const HostSpec& spec) {
  ALOFT_TRY(check_optional_name("zone", spec.zone));
  ALOFT_TRY(check_optional_name("site", spec.site));
  if (spec.reserved_memory.count() != 0) {
    ALOFT_TRY(check_size("reserved_memory_bytes", spec.reserved_memory, kMinMemory, kMaxMemory));
  }
  if (spec.cpu_overcommit_percent != 0) {
    ALOFT_TRY(check_number("cpu_overcommit_percent", spec.cpu_overcommit_percent, 100, 10'000));
  }
  ALOFT_TRY(check_licences(spec.licences));
  ALOFT_TRY(check_devices(spec.devices));
  ALOFT_TRY(check_number("huge_pages", spec.huge_pages, 0, kMaxHugePages));
  ALOFT_TRY(check_number("pinned_cores", spec.pinned_cores, 0, kMaxCpus));
  return check_number("network_bits_per_second", spec.network_bits_per_second, 0,
                      kMaxBitsPerSecond);
}

Result<void> validate(const Name& /*name*/, const ImageSpec& spec) {
  if (spec.source.empty()) {
    return fail(Code::InvalidArgument, "image.no_source",
                "source is empty; give a file, a directory, oci:PATH or debian:SUITE");
  }
  ALOFT_TRY(check_line("source", spec.source, kMaxPathBytes));
  ALOFT_TRY(check_line("kernel", spec.kernel, kMaxPathBytes));
  ALOFT_TRY(check_line("initrd", spec.initrd, kMaxPathBytes));
  return check_line("kernel_arguments", spec.kernel_arguments, kMaxOptionValueBytes);
}

Result<void> validate(const Name& /*name*/, const NetworkSpec& spec) {
  ALOFT_TRY(check_line("bridge", spec.bridge, kMaxBridgeNameBytes));
  if (spec.bridge.contains('/') || spec.bridge.contains(' ') || spec.bridge.starts_with('.') ||
      spec.bridge.starts_with('-')) {
    return fail(Code::InvalidArgument, "network.bridge_invalid",
                fmt::format("bridge \"{}\" is no name of a network device; give one like br0",
                            spec.bridge));
  }
  if (spec.mode == NetworkMode::Bridge && spec.bridge.empty()) {
    return fail(Code::InvalidArgument, "network.no_bridge",
                "mode is bridge but bridge is empty; name an existing bridge of the host");
  }
  if (spec.subnet.empty()) return {};
  ALOFT_ASSIGN(const auto subnet, parse_ip_prefix(spec.subnet));
  return check_number("prefix length of subnet", subnet.length, 8, subnet.v6 ? 126 : 30);
}

Result<void> validate(const Name& /*name*/, const VolumeSpec& spec) {
  ALOFT_TRY(check_optional_name("image name", spec.image));
  ALOFT_TRY(check_optional_name("guest name", spec.guest));
  if (spec.size.count() == 0 && (!spec.image.empty() || spec.kind == VolumeKind::Directory)) {
    return {};
  }
  return check_size("size_bytes", spec.size, kMinVolume, kMaxVolume);
}

Result<void> validate(const Operation& operation) {
  ALOFT_TRY(check_line("operation kind", operation.kind, kMaxNameBytes));
  ALOFT_TRY(check_line("operation subject", operation.subject, 2 * kMaxNameBytes));
  if (operation.kind.empty()) {
    return fail(Code::InvalidArgument, "operation.no_kind", "operation kind is empty; give one");
  }
  if (operation.parameters.size() > kMaxParameters) {
    return fail(Code::InvalidArgument, "options.too_many",
                fmt::format("operation {} has {} parameters; give at most {}", operation.kind,
                            operation.parameters.size(), kMaxParameters));
  }
  for (const auto& [key, value] : operation.parameters) {
    ALOFT_TRY(check_line("parameter name", key, kMaxNameBytes));
    if (value.size() > kMaxParameterBytes || !is_utf8(value)) {
      return fail(Code::InvalidArgument, "operation.parameter_invalid",
                  fmt::format("parameter {} is longer than {} bytes or not UTF-8", key,
                              kMaxParameterBytes));
    }
  }
  return {};
}

}  // namespace aloft::model
