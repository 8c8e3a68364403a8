#include "cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "cli/yaml.h"

namespace aloft::cli {
namespace {

std::string json_of(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string json;
  // Fails only for strings that are not UTF-8; protobuf has refused those when it read them.
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : "{}\n";
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Format format_of(std::string_view name) {
  if (name == "wide") return Format::Wide;
  if (name == "json") return Format::Json;
  if (name == "yaml") return Format::Yaml;
  if (name == "name") return Format::Name;
  return Format::Table;
}

void Output::print(const google::protobuf::Message& message) {
  const std::string json = json_of(message);
  if (options_.format == Format::Yaml) {
    pending_ += yaml_from_json(json);
  } else {
    ALOFT_ASSERT(options_.format == Format::Json);
    pending_ += json;
  }
}

void Output::print(const std::vector<const google::protobuf::Message*>& messages) {
  if (messages.size() == 1) return print(*messages.front());
  std::string json = "{\"items\": [";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (i > 0) json += ",";
    json += json_of(*messages[i]);
  }
  json += "]}";
  pending_ += options_.format == Format::Yaml ? yaml_from_json(json) : pretty_json(json);
}

Result<void> Output::flush() {
  const std::string bytes = std::exchange(pending_, {});
  if (write_all(options_.standard_output, bytes)) return {};
  if (errno == EPIPE) {
    return fail(Code::Cancelled, "cli.output_closed", "nobody reads the output any more");
  }
  return fail(Code::ResourceExhausted, "cli.output",
              std::string("standard output: ") + std::strerror(errno) +
                  "; make room, or send the output elsewhere");
}

void Output::note(std::string_view line) const {
  if (options_.quiet) return;
  (void)write_all(options_.standard_error, std::string(line) + "\n");
}

void Output::complain(std::string_view bytes) const {
  (void)write_all(options_.standard_error, bytes);
}

}  // namespace aloft::cli
