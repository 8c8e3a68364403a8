#include "aloft/v1/host.pb.h"
#include "aloft/v1/image.pb.h"
#include "aloft/v1/network.pb.h"
#include "aloft/v1/volume.pb.h"
#include "model/codec.h"
#include "model/message.h"

namespace aloft::model {

Result<Host> from_message(const v1::Host& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Host::kKind, message.metadata()));
  const auto& wished = message.spec();
  HostSpec spec;
  spec.maintenance = wished.maintenance();
  spec.zone = wished.zone();
  spec.site = wished.site();
  spec.reserved_memory = Bytes(wished.reserved_memory_bytes());
  spec.cpu_overcommit_percent = wished.cpu_overcommit_percent();
  spec.licences.assign(wished.licences().begin(), wished.licences().end());
  spec.devices.insert(wished.devices().begin(), wished.devices().end());
  spec.huge_pages = wished.huge_pages();
  spec.pinned_cores = wished.pinned_cores();
  spec.network_bits_per_second = wished.network_bits_per_second();
  const auto& in = message.status();
  HostStatus status;
  status.machine_id = in.machine_id();
  status.boot_id = in.boot_id();
  status.version = in.version();
  status.kernel = in.kernel();
  status.architecture =
      enum_or_default(in.architecture(), v1::Architecture_IsValid, Architecture::Unspecified);
  status.cpus = in.cpus();
  status.memory = Bytes(in.memory_bytes());
  status.memory_available = Bytes(in.memory_available_bytes());
  status.disk = Bytes(in.disk_bytes());
  status.disk_free = Bytes(in.disk_free_bytes());
  for (const auto& capability : in.capabilities()) {
    status.capabilities.push_back({capability.name(), capability.available(), capability.reason()});
  }
  status.seen_at = time_from(in.seen_at());
  status.booted_at = time_from(in.booted_at());
  status.pressure = {in.pressure().cpu_permille(), in.pressure().memory_permille(),
                     in.pressure().io_permille()};
  return Host::make(std::move(metadata), std::move(spec), std::move(status));
}

v1::Host to_message(const Host& host) {
  v1::Host message;
  metadata_to(host.metadata(), *message.mutable_metadata());
  auto& wished = *message.mutable_spec();
  wished.set_maintenance(host.spec().maintenance);
  wished.set_zone(host.spec().zone);
  wished.set_site(host.spec().site);
  wished.set_reserved_memory_bytes(host.spec().reserved_memory.count());
  wished.set_cpu_overcommit_percent(host.spec().cpu_overcommit_percent);
  wished.mutable_licences()->Assign(host.spec().licences.begin(), host.spec().licences.end());
  wished.mutable_devices()->insert(host.spec().devices.begin(), host.spec().devices.end());
  wished.set_huge_pages(host.spec().huge_pages);
  wished.set_pinned_cores(host.spec().pinned_cores);
  wished.set_network_bits_per_second(host.spec().network_bits_per_second);
  const HostStatus& status = host.status();
  if (status == HostStatus{}) return message;
  auto& out = *message.mutable_status();
  out.set_machine_id(stored(status.machine_id));
  out.set_boot_id(stored(status.boot_id));
  out.set_version(stored(status.version));
  out.set_kernel(stored(status.kernel));
  out.set_architecture(static_cast<v1::Architecture>(status.architecture));
  out.set_cpus(status.cpus);
  out.set_memory_bytes(status.memory.count());
  out.set_memory_available_bytes(status.memory_available.count());
  out.set_disk_bytes(status.disk.count());
  out.set_disk_free_bytes(status.disk_free.count());
  for (const auto& capability : status.capabilities) {
    auto& added = *out.add_capabilities();
    added.set_name(stored(capability.name));
    added.set_available(capability.available);
    added.set_reason(stored(capability.reason));
  }
  if (status.seen_at != WallTime{}) *out.mutable_seen_at() = time_to(status.seen_at);
  if (status.booted_at != WallTime{}) *out.mutable_booted_at() = time_to(status.booted_at);
  if (status.pressure != Pressure{}) {
    out.mutable_pressure()->set_cpu_permille(status.pressure.cpu_permille);
    out.mutable_pressure()->set_memory_permille(status.pressure.memory_permille);
    out.mutable_pressure()->set_io_permille(status.pressure.io_permille);
  }
  return message;
}

Result<Image> from_message(const v1::Image& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Image::kKind, message.metadata()));
  ImageSpec spec;
  spec.source = message.spec().source();
  ALOFT_TRY(
      enum_from("technique", message.spec().technique(), v1::Technique_IsValid, spec.technique));
  ALOFT_TRY(enum_from("architecture", message.spec().architecture(), v1::Architecture_IsValid,
                      spec.architecture));
  spec.kernel = message.spec().kernel();
  spec.initrd = message.spec().initrd();
  spec.kernel_arguments = message.spec().kernel_arguments();
  const auto& in = message.status();
  ImageStatus status;
  status.ready = in.ready();
  status.format = in.format();
  status.size = Bytes(in.size_bytes());
  status.stored = Bytes(in.stored_bytes());
  status.sha256 = in.sha256();
  status.technique = enum_or_default(in.technique(), v1::Technique_IsValid, Technique::Unspecified);
  status.architecture =
      enum_or_default(in.architecture(), v1::Architecture_IsValid, Architecture::Unspecified);
  status.message = in.message();
  status.imported_at = time_from(in.imported_at());
  status.path = in.path();
  status.entrypoint.assign(in.entrypoint().begin(), in.entrypoint().end());
  return Image::make(std::move(metadata), std::move(spec), std::move(status));
}

v1::Image to_message(const Image& image) {
  v1::Image message;
  metadata_to(image.metadata(), *message.mutable_metadata());
  auto& spec = *message.mutable_spec();
  spec.set_source(image.spec().source);
  spec.set_technique(static_cast<v1::Technique>(image.spec().technique));
  spec.set_architecture(static_cast<v1::Architecture>(image.spec().architecture));
  spec.set_kernel(image.spec().kernel);
  spec.set_initrd(image.spec().initrd);
  spec.set_kernel_arguments(image.spec().kernel_arguments);
  const ImageStatus& status = image.status();
  if (status == ImageStatus{}) return message;
  auto& out = *message.mutable_status();
  out.set_ready(status.ready);
  out.set_format(stored(status.format));
  out.set_size_bytes(status.size.count());
  out.set_stored_bytes(status.stored.count());
  out.set_sha256(stored(status.sha256));
  out.set_technique(static_cast<v1::Technique>(status.technique));
  out.set_architecture(static_cast<v1::Architecture>(status.architecture));
  out.set_message(stored(status.message));
  if (status.imported_at != WallTime{}) *out.mutable_imported_at() = time_to(status.imported_at);
  out.set_path(stored(status.path));
  for (const auto& word : status.entrypoint) out.add_entrypoint(stored(word));
  return message;
}

Result<Network> from_message(const v1::Network& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Network::kKind, message.metadata()));
  NetworkSpec spec;
  ALOFT_TRY(enum_from("mode", message.spec().mode(), v1::NetworkSpec::Mode_IsValid, spec.mode));
  spec.bridge = message.spec().bridge();
  spec.subnet = message.spec().subnet();
  NetworkStatus status{message.status().ready(), message.status().bridge(),
                       message.status().message()};
  return Network::make(std::move(metadata), std::move(spec), std::move(status));
}

v1::Network to_message(const Network& network) {
  v1::Network message;
  metadata_to(network.metadata(), *message.mutable_metadata());
  auto& spec = *message.mutable_spec();
  spec.set_mode(static_cast<v1::NetworkSpec::Mode>(network.spec().mode));
  spec.set_bridge(network.spec().bridge);
  spec.set_subnet(network.spec().subnet);
  if (network.status() == NetworkStatus{}) return message;
  auto& out = *message.mutable_status();
  out.set_ready(network.status().ready);
  out.set_bridge(stored(network.status().bridge));
  out.set_message(stored(network.status().message));
  return message;
}

Result<Volume> from_message(const v1::Volume& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Volume::kKind, message.metadata()));
  VolumeSpec spec;
  spec.size = Bytes(message.spec().size_bytes());
  spec.image = message.spec().image();
  ALOFT_TRY(enum_from("kind", message.spec().kind(), v1::VolumeSpec::Kind_IsValid, spec.kind));
  spec.guest = message.spec().guest();
  const auto& in = message.status();
  VolumeStatus status{in.path(),  in.format(), in.clone_method(), Bytes(in.used_bytes()),
                      in.ready(), in.message()};
  return Volume::make(std::move(metadata), std::move(spec), std::move(status));
}

v1::Volume to_message(const Volume& volume) {
  v1::Volume message;
  metadata_to(volume.metadata(), *message.mutable_metadata());
  auto& spec = *message.mutable_spec();
  spec.set_size_bytes(volume.spec().size.count());
  spec.set_image(volume.spec().image);
  spec.set_kind(static_cast<v1::VolumeSpec::Kind>(volume.spec().kind));
  spec.set_guest(volume.spec().guest);
  const VolumeStatus& status = volume.status();
  if (status == VolumeStatus{}) return message;
  auto& out = *message.mutable_status();
  out.set_path(stored(status.path));
  out.set_format(stored(status.format));
  out.set_clone_method(stored(status.clone_method));
  out.set_used_bytes(status.used.count());
  out.set_ready(status.ready);
  out.set_message(stored(status.message));
  return message;
}

}  // namespace aloft::model
