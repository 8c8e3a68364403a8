#include "cli/profile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "cli/limits.h"
#include "cli/text.h"
#include "model/text.h"

namespace aloft::cli {
namespace {

using Settings = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kDefaultSocket = "/run/aloft/api.sock";
constexpr std::uint16_t kDefaultPort = 8443;
constexpr std::array<std::string_view, 6> kKeys = {"host",        "socket", "ca",
                                                   "certificate", "key",    "token-file"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

Result<Settings> parse_profile(const std::filesystem::path& path, std::string_view text) {
  const auto bad = [&](std::size_t line, std::string_view why) {
    return fail(Code::InvalidArgument, "cli.bad_profile",
                fmt::format("profile {}, line {}: {}; lines are \"key = value\" with host, socket, "
                            "ca, certificate, key, token-file",
                            path.string(), line, why));
  };
  if (!model::is_utf8(text)) return bad(1, "the file is not UTF-8");
  Settings settings;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    std::string_view content = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (content.empty() || content.starts_with('#')) continue;
    const std::size_t equal = content.find('=');
    if (equal == std::string_view::npos) return bad(line, "there is no '='");
    const std::string_view key = trimmed(content.substr(0, equal));
    const std::string_view value = trimmed(content.substr(equal + 1));
    if (std::ranges::find(kKeys, key) == kKeys.end()) {
      return bad(line, fmt::format("\"{}\" is not known", shortened(printable(key), 40)));
    }
    if (value.empty()) return bad(line, fmt::format("{} is empty", key));
    std::string full(value);
    if (key != "host" && !value.starts_with('/')) full = (path.parent_path() / full).string();
    if (!settings.emplace(key, full).second) return bad(line, fmt::format("{} again", key));
  }
  return settings;
}

Result<Settings> profile_settings(const Words& global, const Environment& environment) {
  std::string name = global.text("--profile");
  if (name.empty()) name = environment("ALOFT_PROFILE").value_or("");
  const bool wished = !name.empty();
  if (!wished) name = "default";
  if (name.contains('/') || name.starts_with('.')) {
    return fail(Code::InvalidArgument, "cli.bad_profile",
                fmt::format("profile \"{}\" is a path; give the NAME of "
                            "~/.config/aloft/NAME.profile",
                            printable(name)));
  }
  std::filesystem::path folder;
  if (const auto config = environment("XDG_CONFIG_HOME"); config && config->starts_with('/')) {
    folder = std::filesystem::path(*config) / "aloft";
  } else if (const auto home = environment("HOME"); home && home->starts_with('/')) {
    folder = std::filesystem::path(*home) / ".config/aloft";
  }
  const auto path = folder / (name + ".profile");
  std::error_code ignored;
  if (folder.empty() || !std::filesystem::exists(path, ignored)) {
    if (!wished) return Settings{};
    return fail(
        Code::NotFound, "cli.no_profile",
        fmt::format("there is no profile {}; make the file {}", printable(name), path.string()));
  }
  ALOFT_ASSIGN(const std::string text, read_file("profile", path.string()));
  return parse_profile(path, text);
}

Result<std::string> read_token(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Code::PermissionDenied, "cli.token_exposed",
                fmt::format("token file {} is open to others; chmod 600 it, and make a new token "
                            "if others were there",
                            path));
  }
  ALOFT_ASSIGN(const std::string text, read_file("token file", path));
  std::string_view token = text;
  while (token.ends_with('\n') || token.ends_with('\r') || token.ends_with(' ')) {
    token.remove_suffix(1);
  }
  for (const char c : token) {
    if (c <= ' ' || c > '~') token = {};
    if (token.empty()) break;
  }
  if (!token.empty()) return std::string(token);
  return fail(
      Code::InvalidArgument, "cli.bad_token",
      fmt::format("token file {} holds no token; put in it what aloft token create showed", path));
}

}  // namespace

Result<std::string> read_file(std::string_view what, const std::string& path) {
  const bool standard_input = path == "-";
  const int descriptor =
      standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) {
    const Error error = system_error(errno, "cli.no_file", fmt::format("{} {}", what, path));
    return std::unexpected(error);
  }
  std::string text;
  std::array<char, 65'536> chunk;
  ssize_t count = 0;
  int failure = 0;
  while (text.size() <= kMaxFileBytes) {
    count = ::read(descriptor, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failure = errno;
    if (count <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  if (!standard_input) ::close(descriptor);
  if (failure != 0) {
    return std::unexpected(system_error(failure, "cli.no_file", fmt::format("{} {}", what, path)));
  }
  if (text.size() > kMaxFileBytes) {
    return fail(
        Code::InvalidArgument, "cli.file_too_large",
        fmt::format("{} {} has more than {} bytes, the maximum", what, path, kMaxFileBytes));
  }
  return text;
}

Result<Endpoint> parse_host(std::string_view url) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::InvalidArgument, "cli.bad_host",
                fmt::format("the host \"{}\" {}; give https://HOST:PORT",
                            shortened(printable(url), 80), why));
  };
  std::string_view rest = url;
  if (rest.starts_with("http://")) return bad("would send everything in the clear");
  if (!rest.starts_with("https://")) return bad("does not begin with https://");
  rest.remove_prefix(8);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.contains('@')) return bad("has a user or a secret in it, which other users can read");
  Endpoint endpoint;
  endpoint.port = kDefaultPort;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return bad("has no ']'");
    endpoint.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const std::size_t colon = rest.find(':');
    endpoint.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  for (const char c : endpoint.host) {
    const bool allowed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == ':' || c == '%';
    if (!allowed) return bad("has characters that no host name has");
  }
  if (endpoint.host.empty()) return bad("has no name in it");
  if (port.empty()) return endpoint;
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size() || endpoint.port == 0) {
    return bad("has no port of 1 to 65535");
  }
  return endpoint;
}

Result<Login> find_login(const Words& global, const Environment& environment) {
  std::string host = global.text("--host");
  std::string socket = global.text("--socket");
  if (!host.empty() && !socket.empty()) {
    return fail(Code::InvalidArgument, "cli.usage",
                "--host and --socket both say where the API is; give one of them");
  }
  // A variable yields to any option that says where; a profile to both.
  const bool chosen = !host.empty() || !socket.empty();
  if (!chosen && !global.has("--profile")) {
    host = environment("ALOFT_HOST").value_or("");
    if (host.empty()) socket = environment("ALOFT_SOCKET").value_or("");
  }
  Settings settings;
  if ((host.empty() && socket.empty()) || global.has("--profile")) {
    ALOFT_ASSIGN(settings, profile_settings(global, environment));
  }
  const auto setting = [&](std::string_view key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  const auto either = [&](std::string_view option, std::string_view variable) {
    if (global.has(option)) return global.text(option);
    if (auto value = environment(variable); value && !value->empty()) return *value;
    return setting(option.substr(2));
  };
  if (host.empty() && socket.empty()) {
    host = setting("host");
    socket = setting("socket");
  }
  Login login;
  if (host.empty()) {
    login.endpoint.socket = socket.empty() ? std::string(kDefaultSocket) : socket;
    return login;
  }
  ALOFT_ASSIGN(login.endpoint, parse_host(host));
  login.endpoint.ca_file = either("--ca", "ALOFT_CA");
  login.endpoint.certificate_file = either("--certificate", "ALOFT_CERTIFICATE");
  login.endpoint.key_file = either("--key", "ALOFT_KEY");
  if (login.endpoint.certificate_file.empty() != login.endpoint.key_file.empty()) {
    return fail(Code::InvalidArgument, "cli.usage",
                "a client certificate needs its key; give both --certificate and --key");
  }
  const std::string token_file = either("--token-file", "ALOFT_TOKEN_FILE");
  if (!token_file.empty()) {
    ALOFT_ASSIGN(login.token, read_token(token_file));
  }
  return login;
}

}  // namespace aloft::cli
