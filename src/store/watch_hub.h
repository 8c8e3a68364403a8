// Hands changes to watchers, in order, on one thread of its own.
//
// Owned by a LocalStore, which publishes under its lock; the queue of each watcher is bounded
// (kMaxWatchBacklog), a watcher that falls behind is told to list again. A handler may call the
// store; it must not destroy its own Watch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/store.h"

namespace aloft::store {

class WatchHub {
 public:
  WatchHub();
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // `backlog` is delivered first. Errors: ResourceExhausted "store.too_many_watches".
  Result<std::unique_ptr<Watch>> add(std::string_view prefix, std::vector<Change> backlog,
                                     WatchHandler handler);
  // The changes of one transaction.
  void publish(const std::vector<Change>& changes);

 private:
  struct Watcher;
  struct Shared;
  class Handle;
  static void run(Shared& shared);

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace aloft::store
