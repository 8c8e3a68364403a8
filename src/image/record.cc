#include "image/record.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace aloft::image {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<Format, std::string_view>, 4> kFormats{
    {{Format::Qcow2, "qcow2"},
     {Format::Raw, "raw"},
     {Format::Directory, "directory"},
     {Format::None, "none"}}};
constexpr std::array<std::pair<CloneMethod, std::string_view>, 4> kMethods{
    {{CloneMethod::Reflink, "reflink"},
     {CloneMethod::Overlay, "overlay"},
     {CloneMethod::Copy, "copy"},
     {CloneMethod::Blank, "blank"}}};

template <class Enum, std::size_t kSize>
std::string_view name_in(const std::array<std::pair<Enum, std::string_view>, kSize>& table,
                         Enum value) {
  for (const auto& [entry, name] : table) {
    if (entry == value) return name;
  }
  return {};
}
template <class Enum, std::size_t kSize>
std::optional<Enum> value_in(const std::array<std::pair<Enum, std::string_view>, kSize>& table,
                             std::string_view text) {
  for (const auto& [entry, name] : table) {
    if (name == text) return entry;
  }
  return std::nullopt;
}

// Reads members and remembers whether any was not what it must be.
class Reader {
 public:
  explicit Reader(std::string_view text)
      : json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)), good_(json_.is_object()) {}

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr || !value->is_string()) {
      good_ = false;
      return {};
    }
    return value->get<std::string>();
  }
  std::uint64_t number(const char* key) {
    const Json* value = find(key);
    if (value == nullptr || !value->is_number_unsigned()) {
      good_ = false;
      return 0;
    }
    return value->get<std::uint64_t>();
  }
  bool flag(const char* key) {
    const Json* value = find(key);
    if (value == nullptr || !value->is_boolean()) {
      good_ = false;
      return false;
    }
    return value->get<bool>();
  }
  std::vector<std::string> texts(const char* key) {
    const Json* value = find(key);
    std::vector<std::string> texts;
    if (value == nullptr || !value->is_array()) {
      good_ = false;
      return texts;
    }
    for (const Json& item : *value) {
      if (item.is_string()) {
        texts.push_back(item.get<std::string>());
      } else {
        good_ = false;
      }
    }
    return texts;
  }
  void spoil() { good_ = false; }
  [[nodiscard]] bool good() const { return good_; }

 private:
  const Json* find(const char* key) {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  Json json_;
  bool good_;
};

Error damaged(const std::string& directory) {
  return Error{Code::DataLoss, "image.record_damaged",
               fmt::format("the record in {} is damaged; remove the directory by hand when nothing "
                           "in it is needed",
                           directory)};
}

std::string path_of(const std::string& directory, Format format, std::string_view tree) {
  switch (format) {
    case Format::Qcow2:
    case Format::Raw:
      return fmt::format("{}/{}", directory, disk_file(format));
    case Format::Directory:
      return fmt::format("{}/{}", directory, tree);
    case Format::None:
      return {};
  }
  return {};
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string_view format_name(Format format) {
  return name_in(kFormats, format);
}
std::string_view method_name(CloneMethod method) {
  return name_in(kMethods, method);
}

std::string_view disk_file(Format format) {
  return format == Format::Qcow2 ? "disk.qcow2" : "disk.raw";
}

std::string encode(const Info& info) {
  const auto at =
      std::chrono::duration_cast<std::chrono::microseconds>(info.imported_at.time_since_epoch());
  return dump(Json{{"name", info.name},
                   {"source", info.source},
                   {"technique", info.technique == Technique::Vm ? "vm" : "container"},
                   {"format", format_name(info.format)},
                   {"sizeBytes", info.size.count()},
                   {"storedBytes", info.stored.count()},
                   {"sha256", info.sha256},
                   {"architecture", info.architecture},
                   {"kernel", !info.kernel.empty() ? "kernel" : ""},
                   {"initrd", !info.initrd.empty() ? "initrd" : ""},
                   {"kernelArguments", info.kernel_arguments},
                   {"entrypoint", info.entrypoint},
                   {"environment", info.environment},
                   {"workingDirectory", info.working_directory},
                   {"notes", info.notes},
                   {"importedAtUs", static_cast<std::uint64_t>(at.count())}});
}

std::string encode(const Volume& volume) {
  return dump(Json{{"name", volume.name},
                   {"image", volume.image},
                   {"format", format_name(volume.format)},
                   {"method", method_name(volume.method)},
                   {"privileged", volume.privileged},
                   {"sizeBytes", volume.size.count()}});
}

Result<Info> decode_info(std::string_view json, const std::string& directory) {
  Reader reader(json);
  Info info;
  info.name = reader.text("name");
  info.source = reader.text("source");
  info.technique = reader.text("technique") == "vm" ? Technique::Vm : Technique::Container;
  const auto format = value_in(kFormats, reader.text("format"));
  if (!format) reader.spoil();
  info.format = format.value_or(Format::None);
  info.size = Bytes(reader.number("sizeBytes"));
  info.stored = Bytes(reader.number("storedBytes"));
  info.sha256 = reader.text("sha256");
  info.architecture = reader.text("architecture");
  if (!reader.text("kernel").empty()) info.kernel = directory + "/kernel";
  if (!reader.text("initrd").empty()) info.initrd = directory + "/initrd";
  info.kernel_arguments = reader.text("kernelArguments");
  info.entrypoint = reader.texts("entrypoint");
  info.environment = reader.texts("environment");
  info.working_directory = reader.text("workingDirectory");
  info.notes = reader.texts("notes");
  info.imported_at =
      WallTime(std::chrono::microseconds(static_cast<std::int64_t>(reader.number("importedAtUs"))));
  info.path = path_of(directory, info.format, "tree");
  if (!reader.good()) return std::unexpected(damaged(directory));
  return info;
}

Result<Volume> decode_volume(std::string_view json, const std::string& directory) {
  Reader reader(json);
  Volume volume;
  volume.name = reader.text("name");
  volume.image = reader.text("image");
  const auto format = value_in(kFormats, reader.text("format"));
  const auto method = value_in(kMethods, reader.text("method"));
  if (!format || !method) reader.spoil();
  volume.format = format.value_or(Format::Raw);
  volume.method = method.value_or(CloneMethod::Copy);
  volume.size = Bytes(reader.number("sizeBytes"));
  volume.privileged = reader.flag("privileged");
  volume.path = path_of(directory, volume.format, "root");
  if (!reader.good()) return std::unexpected(damaged(directory));
  return volume;
}

}  // namespace aloft::image
