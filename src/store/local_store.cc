#include "store/local_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "store/limits.h"

namespace aloft::store {
namespace {

std::unexpected<Error> refused(std::string message) {
  return fail(Code::InvalidArgument, "store.invalid", std::move(message));
}

Result<void> check_limits(const Transaction& transaction) {
  if (transaction.compares.size() > kMaxCompares || transaction.writes.size() > kMaxWrites) {
    return refused(fmt::format("a transaction of {} compares and {} writes; at most {} and {}",
                               transaction.compares.size(), transaction.writes.size(), kMaxCompares,
                               kMaxWrites));
  }
  std::set<std::string_view> keys;
  std::size_t bytes = 0;
  for (const Write& write : transaction.writes) {
    if (write.key.empty() || write.key.size() > kMaxKeyBytes) {
      return refused(fmt::format("a key of {} bytes; 1 to {}", write.key.size(), kMaxKeyBytes));
    }
    if (!keys.insert(write.key).second) {
      return refused(fmt::format("key \"{}\" is written twice in one transaction", write.key));
    }
    const std::size_t size = write.value ? write.value->size() : 0;
    if (size > kMaxValueBytes) {
      return refused(fmt::format("key \"{}\": a value of {} bytes; at most {}", write.key, size,
                                 kMaxValueBytes));
    }
    bytes += size;
  }
  if (bytes > kMaxTransactionBytes) {
    return refused(
        fmt::format("a transaction of {} bytes; at most {}", bytes, kMaxTransactionBytes));
  }
  return {};
}

std::unexpected<Error> lease_ended(LeaseId lease) {
  return fail(Code::NotFound, "store.lease_ended",
              fmt::format("lease {} has ended; grant a new one", lease.value()));
}

}  // namespace

Result<std::unique_ptr<LocalStore>> LocalStore::open(std::unique_ptr<Engine> engine) {
  std::unique_ptr<LocalStore> store(new LocalStore(std::move(engine)));
  ALOFT_ASSIGN(const auto state, store->engine_->load());
  store->revision_ = state.revision;
  store->forgotten_ = state.forgotten;
  const Instant now = boot_now();
  for (const auto& [lease, ttl] : state.leases) {
    store->leases_.emplace(lease, Lease{ttl, now + ttl, {}});
    store->last_lease_ = std::max(store->last_lease_, lease);
  }
  if (!state.leases.empty()) {
    ALOFT_ASSIGN(const auto records, store->engine_->list(""));
    for (const Record& record : records) {
      const auto lease = store->leases_.find(record.lease);
      if (lease == store->leases_.end()) continue;
      lease->second.keys.insert(record.entry.key);
      store->lease_of_key_.emplace(record.entry.key, record.lease);
    }
  }
  store->lease_thread_ = std::thread([raw = store.get()] { raw->run_leases(); });
  return store;
}

LocalStore::~LocalStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  leases_changed_.notify_all();
  if (lease_thread_.joinable()) lease_thread_.join();
}

Result<std::optional<Entry>> LocalStore::get(std::string_view key) {
  const std::lock_guard lock(mutex_);
  ALOFT_ASSIGN(auto record, engine_->get(key));
  if (!record) return std::nullopt;
  return std::move(record->entry);
}

Result<Listing> LocalStore::list(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  ALOFT_ASSIGN(auto records, engine_->list(prefix));
  Listing listing;
  listing.revision = revision_;
  listing.entries.reserve(records.size());
  for (Record& record : records) listing.entries.push_back(std::move(record.entry));
  return listing;
}

Result<Revision> LocalStore::commit(const Transaction& transaction) {
  ALOFT_TRY(check_limits(transaction));
  const std::lock_guard lock(mutex_);
  return commit_locked(transaction);
}

// Checks the conditions and fills in the revisions; changes nothing.
Result<std::vector<Applied>> LocalStore::prepare(const Transaction& transaction, Revision next) {
  for (const Compare& compare : transaction.compares) {
    ALOFT_ASSIGN(const auto record, engine_->get(compare.key));
    const Revision present = record ? record->entry.modified : Revision(0);
    if (present != compare.modified) {
      return fail(Code::Aborted, "store.conflict",
                  fmt::format("key \"{}\" is at revision {}, not {}: a concurrent change won; read "
                              "again and retry",
                              compare.key, present.value(), compare.modified.value()));
    }
  }
  std::vector<Applied> applied;
  for (const Write& write : transaction.writes) {
    if (write.value && write.lease != LeaseId(0) && !leases_.contains(write.lease)) {
      return lease_ended(write.lease);
    }
    ALOFT_ASSIGN(const auto record, engine_->get(write.key));
    if (!write.value) {
      if (record) applied.push_back({write.key, std::nullopt});
      continue;
    }
    const Revision created = record ? record->entry.created : next;
    applied.push_back(
        {write.key, Record{Entry{write.key, *write.value, created, next}, write.lease}});
  }
  return applied;
}

Result<Revision> LocalStore::commit_locked(const Transaction& transaction) {
  const Revision next = revision_.next();
  ALOFT_ASSIGN(const auto applied, prepare(transaction, next));
  if (applied.empty()) return revision_;
  ALOFT_TRY(engine_->apply(next, applied));
  revision_ = next;
  note_leases(applied);

  std::vector<Change> changes;
  changes.reserve(applied.size());
  for (const Applied& one : applied) {
    changes.push_back({one.key, std::nullopt, next});
    if (one.record) changes.back().entry = one.record->entry;
  }
  hub_.publish(changes);

  if (next.value() % kRevisionsPerForget == 0 && next.value() > kRevisionsKept) {
    const Revision up_to(next.value() - kRevisionsKept);
    // The transaction is done whatever becomes of the history.
    if (auto forgot = engine_->forget(up_to)) {
      forgotten_ = std::max(forgotten_, up_to);
    } else {
      log::warning("store", "old history stays: {}", forgot.error().message);
    }
  }
  return next;
}

void LocalStore::note_leases(const std::vector<Applied>& applied) {
  for (const Applied& one : applied) {
    if (const auto old = lease_of_key_.find(one.key); old != lease_of_key_.end()) {
      if (const auto lease = leases_.find(old->second); lease != leases_.end()) {
        lease->second.keys.erase(one.key);
      }
      lease_of_key_.erase(old);
    }
    if (one.record && one.record->lease != LeaseId(0)) {
      leases_.at(one.record->lease).keys.insert(one.key);
      lease_of_key_.emplace(one.key, one.record->lease);
    }
  }
}

Result<std::unique_ptr<Watch>> LocalStore::watch(std::string_view prefix, Revision after,
                                                 WatchHandler handler) {
  const std::lock_guard lock(mutex_);
  if (after > revision_) {
    return fail(Code::OutOfRange, "store.future_revision",
                fmt::format("watch of \"{}\" from revision {}, but the store is at {}; list again",
                            prefix, after.value(), revision_.value()));
  }
  if (after < forgotten_) {
    return fail(Code::OutOfRange, "store.compacted",
                fmt::format("watch of \"{}\" from revision {}, but changes up to {} are forgotten; "
                            "list again and watch from there",
                            prefix, after.value(), forgotten_.value()));
  }
  ALOFT_ASSIGN(auto backlog, engine_->history(prefix, after));
  return hub_.add(prefix, std::move(backlog), std::move(handler));
}

Result<LeaseId> LocalStore::grant(Duration ttl) {
  if (ttl < kMinLease || ttl > kMaxLease) {
    return refused("a lease shorter than 100 ms or longer than 24 h");
  }
  const std::lock_guard lock(mutex_);
  if (leases_.size() >= kMaxLeases) {
    return fail(Code::ResourceExhausted, "store.too_many_leases",
                fmt::format("{} leases are open, the maximum; revoke one", kMaxLeases));
  }
  const LeaseId lease = last_lease_.next();
  ALOFT_TRY(engine_->put_lease(lease, ttl));
  last_lease_ = lease;
  leases_.emplace(lease, Lease{ttl, boot_now() + ttl, {}});
  leases_changed_.notify_all();
  return lease;
}

Result<void> LocalStore::renew(LeaseId lease) {
  const std::lock_guard lock(mutex_);
  const auto found = leases_.find(lease);
  const Instant now = boot_now();
  if (found == leases_.end() || found->second.ends <= now) return lease_ended(lease);
  found->second.ends = now + found->second.ttl;
  return {};
}

Result<void> LocalStore::revoke(LeaseId lease) {
  const std::lock_guard lock(mutex_);
  if (!leases_.contains(lease)) return lease_ended(lease);
  return end_lease_locked(lease);
}

Result<void> LocalStore::compact(Revision revision) {
  const std::lock_guard lock(mutex_);
  if (revision > revision_) {
    return fail(Code::OutOfRange, "store.future_revision",
                fmt::format("compaction up to revision {}, but the store is at {}",
                            revision.value(), revision_.value()));
  }
  if (revision <= forgotten_) return {};
  ALOFT_TRY(engine_->forget(revision));
  forgotten_ = revision;
  return {};
}

// Its keys go first: an engine that fails in between still knows the lease and tries again.
Result<void> LocalStore::end_lease_locked(LeaseId lease) {
  const auto keys = leases_.at(lease).keys;
  Transaction transaction;
  for (const auto& key : keys) {
    transaction.writes.push_back({key, std::nullopt, LeaseId(0)});
  }
  ALOFT_TRY(commit_locked(transaction));
  ALOFT_TRY(engine_->remove_lease(lease));
  leases_.erase(lease);
  return {};
}

void LocalStore::run_leases() {
  // Waits are short, because condition variables know no clock that runs while a machine sleeps.
  constexpr Duration kLongestWait = 1s;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Instant now = boot_now();
    Duration wait = leases_.empty() ? Duration(1h) : kLongestWait;
    std::vector<LeaseId> ended;
    for (const auto& [id, lease] : leases_) {
      if (lease.ends <= now) {
        ended.push_back(id);
      } else {
        wait = std::min(wait, lease.ends - now);
      }
    }
    for (const LeaseId id : ended) {
      if (auto done = end_lease_locked(id); !done) {
        log::warning("store", "lease {} cannot be ended now: {}", id.value(), done.error().message);
        wait = std::min(wait, kLongestWait);
      }
    }
    leases_changed_.wait_for(lock, wait);
  }
}

}  // namespace aloft::store
