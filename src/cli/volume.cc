// aloft volume
#include <nlohmann/json.hpp>

#include "aloft/v1/service.pb.h"
#include "aloft/v1/volume.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

using Kind = ObjectKind<v1::Volume, v1::VolumeList>;

std::string kind_text(const v1::Volume& volume) {
  return volume.spec().kind() == v1::VolumeSpec::KIND_DIRECTORY ? "directory" : "block";
}

std::vector<Cell> row(const v1::Volume& volume, WallTime now) {
  return {{volume.metadata().name()},
          ready_cell(volume.metadata(), volume.status().ready(), volume.status().message()),
          {kind_text(volume)},
          {size_text(volume.spec().size_bytes())},
          {size_text(volume.status().used_bytes())},
          {volume.spec().guest()},
          {volume.spec().image()},
          {age_text(model::time_from(volume.metadata().created_at()), now)}};
}

std::vector<Cell> wide_row(const v1::Volume& volume) {
  return {{volume.status().format()},
          {volume.status().clone_method()},
          {volume.status().path()},
          {labels_text(volume.metadata())}};
}

void describe(const v1::Volume& volume, Fields& fields) {
  const auto& status = volume.status();
  const Cell state = ready_cell(volume.metadata(), status.ready(), status.message());
  fields.add("State", state.text, state.style);
  fields.add("Kind", kind_text(volume));
  fields.add("Size", size_text(volume.spec().size_bytes()));
  fields.add("Used", size_text(status.used_bytes()));
  fields.add("Guest", volume.spec().guest());
  fields.add("Image", volume.spec().image());
  fields.add("Format", status.format());
  fields.add("Cloned by", status.clone_method());
  fields.add("Path", status.path());
}

const Kind& kind() {
  static const Kind volume = {
      .kind = "volume",
      .titles = {"NAME", "STATE", "KIND", ">SIZE", ">USED", "GUEST", "IMAGE", ">AGE"},
      .wide = {"FORMAT", "CLONED BY", "PATH", "LABELS"},
      .row = row,
      .wide_row = wide_row,
      .describe = describe};
  return volume;
}

Result<int> create(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("volume", name));
  ALOFT_ASSIGN(const auto size, words.size("--size"));
  if (!size && !words.has("--image")) {
    return fail(Code::InvalidArgument, "cli.usage",
                fmt::format("volume {}: give its --size, or an --image to clone", name));
  }
  v1::Volume volume;
  volume.mutable_metadata()->set_name(name);
  v1::VolumeSpec& spec = *volume.mutable_spec();
  spec.set_size_bytes(size.value_or(Bytes()).count());
  spec.set_image(words.text("--image"));
  spec.set_guest(words.text("--guest"));
  if (words.text("--kind") == "directory") spec.set_kind(v1::VolumeSpec::KIND_DIRECTORY);
  return carry_out(context, words, {name}, [&](const std::string&) {
    return ask(context, words, "POST", "/v1/volumes", {}, &volume);
  });
}

Result<int> grow(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto size, words.size("SIZE"));
  const nlohmann::json patch = {
      {"spec", {{"sizeBytes", std::to_string(size.value_or(Bytes()).count())}}}};
  return patch_object<v1::Volume>(context, words, "volume", words.at("NAME"), patch.dump(),
                                  fmt::format("grows to {}", to_string(size.value_or(Bytes()))));
}

}  // namespace

void add_volume_commands(std::vector<Command>& table) {
  add_object_commands(table, kind());
  table.push_back(
      {.noun = "volume",
       .verb = "create",
       .summary = "Make a volume",
       .arguments = {{"NAME", "Name of the new volume"}},
       .options = operation_options(
           {{.name = "--size", .value = "SIZE", .meaning = "Like 20GiB"},
            {.name = "--image",
             .value = "IMAGE",
             .meaning = "Clone this image; blank when not given",
             .completes = "image"},
            {.name = "--guest",
             .value = "GUEST",
             .meaning = "Delete it with this guest",
             .completes = "guest"},
            {.name = "--kind",
             .value = "KIND",
             .meaning = "Block device, or directory for a container's root; block when not given",
             .choices = {"block", "directory"}}}),
       .examples = {"aloft volume create data1 --size 100GiB",
                    "aloft volume create root2 --image debian-12"},
       .run = create});
  table.push_back({.noun = "volume",
                   .verb = "grow",
                   .summary = "Give a volume a larger size",
                   .arguments = {{"NAME", "Name of the volume", Count::One, "volume"},
                                 {"SIZE", "The new size, like 200GiB"}},
                   .options = {dry_run_option()},
                   .examples = {"aloft volume grow data1 200GiB"},
                   .run = grow});
  add_delete_command(table, "volume", false);
}

}  // namespace aloft::cli
