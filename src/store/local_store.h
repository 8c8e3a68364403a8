// The store of one process over an Engine: conditions, limits, watches, leases.
//
// One lock orders all calls. A thread of its own ends leases when their time on the boot clock is
// over; leases that an engine remembers from before start anew with their whole time.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "store/engine.h"
#include "store/store.h"
#include "store/watch_hub.h"

namespace aloft::store {

class LocalStore final : public Store {
 public:
  static Result<std::unique_ptr<LocalStore>> open(std::unique_ptr<Engine> engine);
  ~LocalStore() override;

  Result<std::optional<Entry>> get(std::string_view key) override;
  Result<Listing> list(std::string_view prefix) override;
  Result<Revision> commit(const Transaction& transaction) override;
  Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after,
                                       WatchHandler handler) override;
  Result<LeaseId> grant(Duration ttl) override;
  Result<void> renew(LeaseId lease) override;
  Result<void> revoke(LeaseId lease) override;
  Result<void> compact(Revision revision) override;

 private:
  struct Lease {
    Duration ttl;
    Instant ends;
    std::set<std::string> keys;
  };

  explicit LocalStore(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
  Result<Revision> commit_locked(const Transaction& transaction);
  Result<std::vector<Applied>> prepare(const Transaction& transaction, Revision next);
  void note_leases(const std::vector<Applied>& applied);
  Result<void> end_lease_locked(LeaseId lease);
  void run_leases();

  std::mutex mutex_;
  std::unique_ptr<Engine> engine_;
  Revision revision_;
  Revision forgotten_;
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, LeaseId, std::less<>> lease_of_key_;
  LeaseId last_lease_;
  std::condition_variable leases_changed_;
  bool stopping_ = false;
  WatchHub hub_;
  std::thread lease_thread_;
};

}  // namespace aloft::store
