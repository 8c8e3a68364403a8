// aloft image
#include <algorithm>
#include <filesystem>

#include "aloft/v1/image.pb.h"
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

using Kind = ObjectKind<v1::Image, v1::ImageList>;

v1::Technique technique_of(const v1::Image& image) {
  return image.status().technique() != v1::TECHNIQUE_UNSPECIFIED ? image.status().technique()
                                                                 : image.spec().technique();
}

std::vector<Cell> row(const v1::Image& image, WallTime now) {
  return {{image.metadata().name()},
          ready_cell(image.metadata(), image.status().ready(), image.status().message()),
          {technique_text(technique_of(image))},
          {image.status().format()},
          {size_text(image.status().size_bytes())},
          {size_text(image.status().stored_bytes())},
          {image.spec().source()},
          {age_text(model::time_from(image.metadata().created_at()), now)}};
}

std::vector<Cell> wide_row(const v1::Image& image) {
  return {{architecture_text(image.status().architecture())},
          {image.status().sha256().substr(0, 12)},
          {labels_text(image.metadata())}};
}

void describe(const v1::Image& image, Fields& fields) {
  const auto& status = image.status();
  const Cell state = ready_cell(image.metadata(), status.ready(), status.message());
  fields.add("State", state.text, state.style);
  fields.add("Technique", technique_text(technique_of(image)));
  fields.add("Architecture", architecture_text(status.architecture()));
  fields.add("Source", image.spec().source());
  fields.add("Format", status.format());
  fields.add("Size", size_text(status.size_bytes()));
  fields.add("Stored", size_text(status.stored_bytes()));
  fields.add("SHA-256", status.sha256());
  fields.add("Kernel", image.spec().kernel());
  fields.add("Initrd", image.spec().initrd());
  fields.add("Path", status.path());
  if (status.has_imported_at()) {
    fields.add("Imported", time_text(model::time_from(status.imported_at())) + " UTC");
  }
}

const Kind& kind() {
  static const Kind image = {
      .kind = "image",
      .titles = {"NAME", "STATE", "TECHNIQUE", "FORMAT", ">SIZE", ">STORED", "SOURCE", ">AGE"},
      .wide = {"ARCHITECTURE", "SHA-256", "LABELS"},
      .row = row,
      .wide_row = wide_row,
      .describe = describe};
  return image;
}

// A path as aloftd will find it: its working directory is not ours.
std::string absolute(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error).lexically_normal();
  return error ? path : whole.string();
}

std::string source_of(const std::string& given) {
  if (given.starts_with("debian:")) return given;
  if (given.starts_with("oci:")) return "oci:" + absolute(given.substr(4));
  return absolute(given);
}

Result<int> add(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("image", name));
  if (!words.has("--from") || words.text("--from").empty()) {
    return fail(Code::InvalidArgument, "cli.usage",
                fmt::format("image {}: say where it comes from; give --from FILE, DIRECTORY, "
                            "oci:PATH or debian:SUITE",
                            name));
  }
  v1::Image image;
  image.mutable_metadata()->set_name(name);
  v1::ImageSpec& spec = *image.mutable_spec();
  spec.set_source(source_of(words.text("--from")));
  const std::string technique = words.text("--technique");
  if (technique == "vm") spec.set_technique(v1::TECHNIQUE_VM);
  if (technique == "container") spec.set_technique(v1::TECHNIQUE_CONTAINER);
  spec.set_architecture(
      static_cast<v1::Architecture>(model::architecture_of(words.text("--architecture"))));
  spec.set_kernel(absolute(words.text("--kernel")));
  spec.set_initrd(absolute(words.text("--initrd")));
  spec.set_kernel_arguments(words.text("--kernel-arguments"));
  return carry_out(context, words, {name}, [&](const std::string&) {
    return ask(context, words, "POST", "/v1/images", {}, &image);
  });
}

}  // namespace

void add_image_commands(std::vector<Command>& table) {
  add_object_commands(table, kind());
  table.push_back(
      {.noun = "image",
       .verb = "add",
       .summary = "Import an image",
       .arguments = {{"NAME", "Name of the new image"}},
       .options = operation_options(
           {{.name = "--from",
             .value = "SOURCE",
             .meaning = "A disk image, root tarball or directory of the host, oci:PATH[:TAG] or "
                        "debian:SUITE",
             .completes = "file"},
            {.name = "--technique",
             .value = "TECHNIQUE",
             .meaning = "By content when not given",
             .choices = {"vm", "container"}},
            {.name = "--architecture",
             .value = "ARCH",
             .meaning = "The host's own when not given",
             .choices = {"x86_64", "aarch64", "ppc64le", "s390x", "ppc64", "riscv64"}},
            {.name = "--kernel",
             .value = "FILE",
             .meaning = "Kernel to boot directly",
             .completes = "file"},
            {.name = "--initrd", .value = "FILE", .meaning = "Its initrd", .completes = "file"},
            {.name = "--kernel-arguments", .value = "TEXT", .meaning = "Its command line"}}),
       .examples = {"aloft image add debian-12 --from debian:bookworm",
                    "aloft image add web --from ./web.qcow2",
                    "aloft image add tools --from oci:./tools:latest --technique container"},
       .details = "The format is recognised by content. Paths are those of the host that imports.",
       .run = add});
  add_delete_command(table, "image", false);
}

}  // namespace aloft::cli
