#include "cli/console.h"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace aloft::cli {
namespace {

constexpr char kEscape = '\x1d';  // Ctrl-]
constexpr Duration kWriteTime = std::chrono::seconds(30);

class RawTerminal {
 public:
  explicit RawTerminal(int descriptor) : descriptor_(descriptor) {
    if (::isatty(descriptor) != 1 || ::tcgetattr(descriptor, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(descriptor, TCSAFLUSH, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) ::tcsetattr(descriptor_, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  [[nodiscard]] bool active() const { return active_; }

 private:
  int descriptor_;
  bool active_ = false;
  termios before_{};
};

class Joined {
 public:
  Joined(Context& context, Connection& connection, Instant deadline, bool raw)
      : context_(context), connection_(connection), deadline_(deadline), raw_(raw) {}

  Result<void> run() {
    while (!left_) {
      std::array<pollfd, 2> polls{
          {{connection_.descriptor(), POLLIN, 0}, {input_open_ ? STDIN_FILENO : -1, POLLIN, 0}}};
      const bool waits = connection_.input_waits();
      const int ready = ::poll(polls.data(), polls.size(), waits ? 0 : milliseconds_left());
      if (ready < 0 && errno != EINTR) {
        return std::unexpected(system_error(errno, "cli.poll", "poll"));
      }
      if (ready == 0 && !waits && boot_now() >= deadline_) return {};
      if (ready > 0 && polls[1].revents != 0) ALOFT_TRY(take_input());
      if (waits || (ready > 0 && polls[0].revents != 0)) {
        ALOFT_ASSIGN(const bool open, take_output());
        if (!open) return {};
      }
    }
    return {};
  }

  [[nodiscard]] bool left() const { return left_; }

 private:
  [[nodiscard]] int milliseconds_left() const {
    if (deadline_ == kNever) return -1;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - boot_now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 3'600'000));
  }

  Result<void> take_input() {
    std::array<char, 4096> bytes{};
    const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (count <= 0) {
      input_open_ = false;
      left_ = raw_;
      return {};
    }
    std::string_view text(bytes.data(), static_cast<std::size_t>(count));
    const std::size_t escape = raw_ ? text.find(kEscape) : std::string_view::npos;
    if (escape != std::string_view::npos) {
      left_ = true;
      text = text.substr(0, escape);
    }
    return connection_.write_all(text, boot_now() + kWriteTime);
  }

  // False: the console has closed.
  Result<bool> take_output() {
    std::array<char, 16'384> bytes{};
    const auto count = connection_.read_some(bytes, boot_now() + kWriteTime);
    if (!count) {
      if (count.error().reason == "cli.connection_lost") return false;
      return std::unexpected(count.error());
    }
    if (*count == 0) return false;
    context_.out().print(std::string_view(bytes.data(), *count));
    ALOFT_TRY(context_.out().flush());
    return true;
  }

  Context& context_;
  Connection& connection_;
  Instant deadline_;
  bool raw_;
  bool input_open_ = true;
  bool left_ = false;
};

}  // namespace

Result<int> join_console(Context& context, const std::string& guest, Upgraded upgraded) {
  Instant deadline = kNever;
  if (context.has_timeout()) {
    ALOFT_ASSIGN(deadline, context.deadline());
  }
  Output& out = context.out();
  bool terminal = false;
  bool left = false;
  {
    const RawTerminal raw(STDIN_FILENO);
    terminal = raw.active() && !out.quiet();
    // Told once keys count: a raw terminal needs its own carriage returns.
    if (terminal) out.complain(fmt::format("at the console of {}; Ctrl-] leaves it\r\n", guest));
    out.print(upgraded.early);
    ALOFT_TRY(out.flush());
    Joined joined(context, *upgraded.connection, deadline, raw.active());
    ALOFT_TRY(joined.run());
    left = joined.left();
  }
  if (terminal)
    out.complain(fmt::format("\n{} the console of {}\n", left ? "left" : "closed:", guest));
  return 0;
}

}  // namespace aloft::cli
