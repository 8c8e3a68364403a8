#include "store/watch_hub.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "store/limits.h"

namespace aloft::store {

struct WatchHub::Watcher {
  std::string prefix;
  WatchHandler handler;
  std::vector<Change> queue;
  bool overflowed = false;
};

struct WatchHub::Shared {
  std::mutex mutex;
  std::condition_variable changed;  // work came, a handler returned, or the end
  std::map<std::uint64_t, Watcher> watchers;
  std::uint64_t next_id = 1;
  std::uint64_t running = 0;  // watcher whose handler runs now
  std::thread::id thread;
  bool stopping = false;
};

class WatchHub::Handle : public Watch {
 public:
  Handle(std::shared_ptr<Shared> shared, std::uint64_t id) : shared_(std::move(shared)), id_(id) {}
  ~Handle() override {
    std::unique_lock lock(shared_->mutex);
    // Its handler is destroyed after the lock is released.
    const auto node = shared_->watchers.extract(id_);
    if (std::this_thread::get_id() != shared_->thread) {
      shared_->changed.wait(lock, [&] { return shared_->running != id_; });
    }
    lock.unlock();
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::uint64_t id_;
};

WatchHub::WatchHub() : shared_(std::make_shared<Shared>()) {
  thread_ = std::thread([shared = shared_] { run(*shared); });
}

WatchHub::~WatchHub() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
  thread_.join();
}

Result<std::unique_ptr<Watch>> WatchHub::add(std::string_view prefix, std::vector<Change> backlog,
                                             WatchHandler handler) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->watchers.size() >= kMaxWatches) {
      return fail(Code::ResourceExhausted, "store.too_many_watches",
                  fmt::format("watch of \"{}\": {} watches are open, the maximum; end one", prefix,
                              kMaxWatches));
    }
    id = shared_->next_id++;
    shared_->watchers.emplace(id,
                              Watcher{std::string(prefix), std::move(handler), std::move(backlog)});
  }
  shared_->changed.notify_all();
  return std::make_unique<Handle>(shared_, id);
}

void WatchHub::publish(const std::vector<Change>& changes) {
  {
    const std::lock_guard lock(shared_->mutex);
    for (auto& [id, watcher] : shared_->watchers) {
      if (watcher.overflowed) continue;
      for (const Change& change : changes) {
        if (change.key.starts_with(watcher.prefix)) watcher.queue.push_back(change);
      }
      if (watcher.queue.size() > kMaxWatchBacklog) {
        watcher.overflowed = true;
        watcher.queue.clear();
      }
    }
  }
  shared_->changed.notify_all();
}

void WatchHub::run(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  shared.thread = std::this_thread::get_id();
  while (!shared.stopping) {
    bool worked = false;
    // The map may change while a handler runs: go on from the id, not from an iterator.
    for (auto at = shared.watchers.begin(); at != shared.watchers.end() && !shared.stopping;) {
      const std::uint64_t id = at->first;
      Watcher& watcher = at->second;
      if (!watcher.queue.empty() || watcher.overflowed) {
        worked = true;
        const WatchHandler handler = watcher.handler;
        Result<std::vector<Change>> changes = std::exchange(watcher.queue, {});
        if (watcher.overflowed) {
          changes = fail(Code::OutOfRange, "store.compacted",
                         fmt::format("watch of \"{}\" fell behind by more than {} changes; list "
                                     "again and watch from there",
                                     watcher.prefix, kMaxWatchBacklog));
          shared.watchers.erase(at);
        }
        shared.running = id;
        lock.unlock();
        handler(std::move(changes));
        lock.lock();
        shared.running = 0;
        shared.changed.notify_all();
      }
      at = shared.watchers.upper_bound(id);
    }
    if (!worked) {
      shared.changed.wait(lock, [&] {
        if (shared.stopping) return true;
        for (const auto& [id, watcher] : shared.watchers) {
          if (!watcher.queue.empty() || watcher.overflowed) return true;
        }
        return false;
      });
    }
  }
}

}  // namespace aloft::store
