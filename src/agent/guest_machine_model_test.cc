// The machine against a model of a host: a driver that may lie still, lose answers, be late, and an
// aloftd that is killed between any two effects. Exhaustive to a depth, and by random walks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/guest_machine.h"
#include "base/random.h"

namespace aloft::agent {
namespace {

Wish model_wish() {
  Wish wish;
  wish.uid = "u1";
  wish.generation = 1;
  wish.size = Size{1, mib(64), 100};
  wish.restart.tries = 3;
  wish.definition = "d";
  return wish;
}

// What goes on when nobody looks: processes of the guest, calls that were begun.
struct Call {
  std::uint64_t number = 0;  // 0: its caller is dead
  CallKind kind = CallKind::Inspect;
  Size size;
};

class World {
 public:
  World() : machine_(wish_, {}) { tick(); }

  // The driver performs the call that was begun `index`th, and answers if somebody listens.
  void perform(std::size_t index) {
    const Call call = calls_.at(index);
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(index));
    answer(call.number, execute_and_tell(call));
  }
  // The call is not performed, or it is and its answer is lost.
  void lose(std::size_t index, bool performed) {
    const Call call = calls_.at(index);
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(index));
    if (performed) (void)execute_and_tell(call);
    answer(call.number, fail(performed ? Code::Unknown : Code::Unavailable, "driver.x", "lost"));
  }
  void refuse(std::size_t index) {
    const Call call = calls_.at(index);
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(index));
    answer(call.number, fail(Code::Internal, "driver.x", "refused"));
  }
  void crash_guest(guest::Change change, bool told) {
    if (!running_) return;
    running_ = false;
    if (told) feed(Event::Hinted{change, "ended"});
  }
  void late_news() { feed(Event::Hinted{guest::Change::Crashed, "of long ago"}); }
  void driver_lost() { feed(Event::DriverLost{}); }
  void driver_back() { feed(Event::DriverBack{}); }
  void grant() {
    if (machine_.wants_start()) feed(Event::Granted{});
  }
  void command(Command command) { feed(Event::Commanded{command}); }
  void want(bool running) {
    wish_.running = running;
    ++wish_.generation;
    feed(Event::Wished{wish_});
  }
  void resize() {
    wish_.size.memory = wish_.size.memory == mib(64) ? mib(128) : mib(64);
    ++wish_.generation;
    feed(Event::Wished{wish_});
  }
  void delete_guest() {
    wish_.deleting = true;
    feed(Event::Wished{wish_});
  }
  // aloftd dies; calls that it had begun may still be performed. A new one reads the records.
  void restart_daemon(bool status_written, bool reboot) {
    if (reboot) {
      running_ = false;
      calls_.clear();
    }
    for (Call& call : calls_) {
      call.number = 0;
      if (call.kind == CallKind::Resize && running_) size_ = call.size;
    }
    std::erase_if(calls_, [](const Call& call) { return call.kind == CallKind::Resize; });
    Remembered remembered;
    if (status_written) written_ = machine_.status();
    remembered.phase = written_.phase;
    remembered.reason = written_.reason;
    remembered.generation = written_.generation;
    remembered.restarts = written_.restarts;
    remembered.same_boot = !reboot;
    if (removed_) return;
    machine_ = GuestMachine(wish_, remembered);
    tick();
  }
  void tick() { feed(Event::Ticked{}); }
  void pass(Duration duration) {
    now_ += duration;
    tick();
  }
  // To the next deadline, when there is one to wait for.
  bool advance() {
    const auto next = machine_.next_deadline();
    if (!next) return false;
    if (*next > now_) now_ = *next;
    tick();
    const auto after = machine_.next_deadline();
    EXPECT_TRUE(!after || *after > now_) << "it spins: " << machine_.describe(now_);
    return true;
  }

  // No more faults: everything that was asked is answered, deadlines pass, starts are granted.
  void settle() {
    for (int i = 0; i < 200; ++i) {
      if (!calls_.empty()) {
        perform(0);
      } else if (machine_.wants_start()) {
        grant();
      } else if (!done() && !advance()) {
        return;
      } else if (done()) {
        return;
      }
    }
  }
  [[nodiscard]] bool done() const {
    if (!calls_.empty()) return false;
    const Phase phase = machine_.phase();
    if (wish_.deleting) return removed_ && phase == Phase::Gone;
    if (!wish_.running) return phase == Phase::Stopped && !running_;
    if (phase == Phase::Failed || phase == Phase::Stopped) {
      return !running_ && phase == Phase::Failed;
    }
    return phase == Phase::Running && running_ &&
           (size_ == wish_.size || machine_.status().reason == "guest.resize_failed");
  }

  [[nodiscard]] const GuestMachine& machine() const { return machine_; }
  [[nodiscard]] std::size_t calls() const { return calls_.size(); }
  [[nodiscard]] bool running() const { return running_; }
  [[nodiscard]] bool removed() const { return removed_; }
  [[nodiscard]] std::string fingerprint() const {
    std::string text = fmt::format("{} {}{} {} {}|", machine_.describe(now_), running_, removed_,
                                   size_ == wish_.size, name_of(written_.phase));
    for (const Call& call : calls_) {
      text += fmt::format("{}{},", name_of(call.kind), call.number == 0);
    }
    return text;
  }

 private:
  void feed(decltype(Event::what) what) {
    Effects effects;
    machine_.step(Event{now_, std::move(what)}, effects);
    machine_.check_invariants();
    for (const Effect& effect : effects) {
      if (const auto* call = std::get_if<Effect::Call>(&effect.what)) begin(*call);
    }
  }
  void begin(const Effect::Call& call) {
    if (call.kind == CallKind::Start) {
      // The heart of it: with no call of a dead aloftd about, a start is never ordered while the
      // guest runs, or while another call of this life could still start it.
      bool ghosts = ghost_;
      for (const Call& other : calls_) {
        ghosts = ghosts || other.number == 0;
        EXPECT_FALSE(other.number != 0 && other.kind == CallKind::Start) << "two starts at once";
      }
      if (!ghosts) {
        EXPECT_FALSE(running_) << "started twice: " << machine_.describe(now_);
      }
    }
    if (call.kind == CallKind::Remove) {
      bool ghosts = ghost_;
      for (const Call& other : calls_) ghosts = ghosts || other.number == 0;
      if (!ghosts) EXPECT_FALSE(running_) << "removed under a running guest";
    }
    calls_.push_back({call.call, call.kind, call.size});
  }
  // What a call of a dead aloftd changed, the driver reports to the living one.
  Result<std::optional<guest::Observation>> execute_and_tell(const Call& call) {
    const bool before = running_;
    auto result = execute(call);
    if (call.number == 0 && running_ != before) {
      feed(Event::Hinted{running_ ? guest::Change::Started : guest::Change::Stopped, "a ghost"});
    }
    return result;
  }
  Result<std::optional<guest::Observation>> execute(const Call& call) {
    if (call.number == 0) ghost_ = true;
    switch (call.kind) {
      case CallKind::Inspect:
        break;
      case CallKind::Start:
        // As driver.h demands: the driver itself lets no second one run.
        if (running_) return fail(Code::FailedPrecondition, "guest.already_running", "it runs");
        if (removed_) return fail(Code::NotFound, "guest.not_defined", "it is not known");
        running_ = true;
        ++instance_;
        size_ = call.size;
        break;
      case CallKind::Stop:
      case CallKind::Kill:
        running_ = false;
        return std::optional<guest::Observation>{};
      case CallKind::Resize:
        if (!running_) return fail(Code::FailedPrecondition, "guest.not_running", "it is down");
        size_ = call.size;
        break;
      case CallKind::Freeze:
      case CallKind::Thaw:
        break;
      case CallKind::Remove:
        if (running_) return fail(Code::FailedPrecondition, "guest.running", "it runs");
        removed_ = true;
        return std::optional<guest::Observation>{};
    }
    if (call.kind == CallKind::Inspect && call.number != 0) ghost_ = false;
    if (!running_) return std::optional<guest::Observation>{};
    guest::Observation seen;
    seen.name = "g";
    seen.uid = "u1";
    seen.instance = fmt::format("i{}", instance_);
    seen.state = guest::State::Running;
    seen.cpus = size_.cpus;
    seen.memory = size_.memory;
    return std::optional<guest::Observation>{seen};
  }
  void answer(std::uint64_t number, Result<std::optional<guest::Observation>> result) {
    if (number == 0) return;
    written_ = machine_.status();  // a status is written now and then
    feed(Event::Called{number, std::move(result)});
  }

  Wish wish_ = model_wish();
  Instant now_{1h};
  GuestMachine machine_;
  Status written_;
  std::vector<Call> calls_;
  bool running_ = false;
  bool removed_ = false;
  bool ghost_ = false;  // a call of a dead aloftd was performed since the last inspection
  int instance_ = 0;
  Size size_ = model_wish().size;
};

constexpr int kActions = 20;

// One of everything that can happen. False: it makes no sense now.
bool act(World& world, int action) {
  const std::size_t calls = world.calls();
  switch (action) {
    case 0:
      if (calls == 0) return false;
      world.perform(0);
      return true;
    case 1:
      if (calls < 2) return false;
      world.perform(calls - 1);
      return true;
    case 2:
      if (calls == 0) return false;
      world.lose(0, true);
      return true;
    case 3:
      if (calls == 0) return false;
      world.lose(0, false);
      return true;
    case 4:
      if (calls == 0) return false;
      world.refuse(0);
      return true;
    case 5:
      if (!world.running()) return false;
      world.crash_guest(guest::Change::Crashed, true);
      return true;
    case 6:
      if (!world.running()) return false;
      world.crash_guest(guest::Change::Stopped, true);
      return true;
    case 7:
      world.late_news();
      return true;
    case 8:
      world.driver_lost();
      return true;
    case 9:
      world.driver_back();
      return true;
    case 10:
      if (!world.machine().wants_start()) return false;
      world.grant();
      return true;
    case 11:
      world.command(Command::Restart);
      return true;
    case 12:
      world.command(Command::ForceStop);
      return true;
    case 13:
      world.want(false);
      return true;
    case 14:
      world.want(true);
      return true;
    case 15:
      world.resize();
      return true;
    case 16:
      world.delete_guest();
      return true;
    case 17:
      world.restart_daemon(true, false);
      return true;
    case 18:
      world.restart_daemon(false, true);
      return true;
    case 19:
      return world.advance();
    default:
      return false;
  }
}

TEST(GuestMachineModel, never_runs_a_guest_twice_and_converges_from_every_state_within_reach) {
  constexpr std::size_t kStates = 20'000;
  std::set<std::string> known;
  std::deque<World> open;
  open.emplace_back();
  known.insert(open.front().fingerprint());
  std::size_t visited = 0;
  while (!open.empty() && visited < kStates && !HasFailure()) {
    const World world = std::move(open.front());
    open.pop_front();
    ++visited;
    World quiet = world;
    quiet.settle();
    ASSERT_TRUE(quiet.done()) << "does not converge from " << world.fingerprint() << "\n  ends as "
                              << quiet.fingerprint();
    for (int action = 0; action < kActions; ++action) {
      World next = world;
      if (next.removed() && action >= 10) continue;
      if (!act(next, action)) continue;
      if (known.insert(next.fingerprint()).second) open.push_back(std::move(next));
    }
  }
  EXPECT_GT(visited, 1'000U);
}

TEST(GuestMachineModel, never_runs_a_guest_twice_and_converges_after_long_random_walks) {
  for (std::uint64_t seed = 1; seed <= 1'500 && !HasFailure(); ++seed) {
    Random random(seed);
    World world;
    for (int step = 0; step < 120 && !world.removed(); ++step) {
      // Work is done more often than faults happen; deletion ends the walk, so it is rare.
      int action = static_cast<int>(random.below(kActions));
      if (random.chance(1, 2)) action = static_cast<int>(random.below(2)) * 10;
      if (action == 16 && !random.chance(1, 20)) continue;
      act(world, action);
      if (random.chance(1, 8)) {
        world.pass(std::chrono::milliseconds(random.below(20'000)));
      }
    }
    world.settle();
    ASSERT_TRUE(world.done()) << "seed " << seed << ": " << world.fingerprint();
  }
}

TEST(GuestMachineModel, finds_out_that_a_guest_ended_unseen) {
  for (const bool reboot : {false, true}) {
    World world;
    world.settle();
    ASSERT_TRUE(world.running());
    world.crash_guest(guest::Change::Crashed, false);
    world.restart_daemon(true, reboot);
    world.settle();
    EXPECT_TRUE(world.running());
    EXPECT_TRUE(world.done());
  }
}

}  // namespace
}  // namespace aloft::agent
