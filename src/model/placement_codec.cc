#include "model/placement_codec.h"

#include "aloft/v1/farm.pb.h"
#include "aloft/v1/rule.pb.h"
#include "model/codec.h"
#include "model/message.h"

namespace aloft::model {
namespace {

void assign(const std::vector<std::string>& from,
            google::protobuf::RepeatedPtrField<std::string>& to) {
  to.Assign(from.begin(), from.end());
}

}  // namespace

Placement placement_from(const v1::Placement& message) {
  Placement placement;
  placement.allowed_hosts.assign(message.allowed_hosts().begin(), message.allowed_hosts().end());
  placement.forbidden_hosts.assign(message.forbidden_hosts().begin(),
                                   message.forbidden_hosts().end());
  for (const auto& preference : message.preferences()) {
    placement.preferences.push_back({preference.host(), preference.weight()});
  }
  placement.capabilities.assign(message.capabilities().begin(), message.capabilities().end());
  placement.licences.assign(message.licences().begin(), message.licences().end());
  placement.devices.insert(message.devices().begin(), message.devices().end());
  placement.huge_pages = message.huge_pages();
  placement.pinned_cpus = message.pinned_cpus();
  placement.network_bits_per_second = message.network_bits_per_second();
  return placement;
}

void placement_to(const Placement& placement, v1::Placement& message) {
  assign(placement.allowed_hosts, *message.mutable_allowed_hosts());
  assign(placement.forbidden_hosts, *message.mutable_forbidden_hosts());
  for (const auto& [host, weight] : placement.preferences) {
    auto& out = *message.add_preferences();
    out.set_host(host);
    out.set_weight(weight);
  }
  assign(placement.capabilities, *message.mutable_capabilities());
  assign(placement.licences, *message.mutable_licences());
  message.mutable_devices()->insert(placement.devices.begin(), placement.devices.end());
  message.set_huge_pages(placement.huge_pages);
  message.set_pinned_cpus(placement.pinned_cpus);
  message.set_network_bits_per_second(placement.network_bits_per_second);
}

Load load_from(const v1::Load& message) {
  return {message.cpu_millis(), Bytes(message.memory_bytes()), message.disk_bytes_per_second(),
          message.network_bits_per_second(), time_from(message.measured_at())};
}

void load_to(const Load& load, v1::Load& message) {
  message.set_cpu_millis(load.cpu_millis);
  message.set_memory_bytes(load.memory.count());
  message.set_disk_bytes_per_second(load.disk_bytes_per_second);
  message.set_network_bits_per_second(load.network_bits_per_second);
  *message.mutable_measured_at() = time_to(load.measured_at);
}

Result<Rule> from_message(const v1::Rule& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Rule::kKind, message.metadata()));
  const auto& in = message.spec();
  RuleSpec spec;
  ALOFT_TRY(enum_from("kind", in.kind(), v1::RuleSpec::Kind_IsValid, spec.kind));
  ALOFT_TRY(enum_from("strength", in.strength(), v1::RuleSpec::Strength_IsValid, spec.strength));
  ALOFT_TRY(enum_from("level", in.level(), v1::Level_IsValid, spec.level));
  spec.weight = in.weight();
  spec.guests.assign(in.guests().begin(), in.guests().end());
  spec.label = in.label();
  return Rule::make(std::move(metadata), std::move(spec));
}

v1::Rule to_message(const Rule& rule) {
  v1::Rule message;
  metadata_to(rule.metadata(), *message.mutable_metadata());
  auto& out = *message.mutable_spec();
  out.set_kind(static_cast<v1::RuleSpec::Kind>(rule.spec().kind));
  out.set_strength(static_cast<v1::RuleSpec::Strength>(rule.spec().strength));
  out.set_level(static_cast<v1::Level>(rule.spec().level));
  out.set_weight(rule.spec().weight);
  assign(rule.spec().guests, *out.mutable_guests());
  out.set_label(rule.spec().label);
  return message;
}

Result<Farm> from_message(const v1::Farm& message) {
  ALOFT_ASSIGN(auto metadata, metadata_from(Farm::kKind, message.metadata()));
  const auto& in = message.spec();
  FarmSpec spec;
  ALOFT_TRY(
      enum_from("tolerate level", in.tolerate().level(), v1::Level_IsValid, spec.tolerate.level));
  spec.tolerate.count = in.tolerate().count();
  spec.cpu_overcommit_percent = in.cpu_overcommit_percent();
  spec.memory_overcommit_percent = in.memory_overcommit_percent();
  spec.disk_overcommit_percent = in.disk_overcommit_percent();
  return Farm::make(std::move(metadata), spec);
}

v1::Farm to_message(const Farm& farm) {
  v1::Farm message;
  metadata_to(farm.metadata(), *message.mutable_metadata());
  auto& out = *message.mutable_spec();
  out.mutable_tolerate()->set_level(static_cast<v1::Level>(farm.spec().tolerate.level));
  out.mutable_tolerate()->set_count(farm.spec().tolerate.count);
  out.set_cpu_overcommit_percent(farm.spec().cpu_overcommit_percent);
  out.set_memory_overcommit_percent(farm.spec().memory_overcommit_percent);
  out.set_disk_overcommit_percent(farm.spec().disk_overcommit_percent);
  return message;
}

}  // namespace aloft::model
