#include "store/memory_store.h"

#include <deque>
#include <map>

#include "base/assert.h"
#include "store/engine.h"
#include "store/local_store.h"

namespace aloft::store {
namespace {

class MemoryEngine final : public Engine {
 public:
  Result<EngineState> load() override { return EngineState{}; }

  Result<std::optional<Record>> get(std::string_view key) override {
    const auto found = records_.find(key);
    if (found == records_.end()) return std::nullopt;
    return found->second;
  }

  Result<std::vector<Record>> list(std::string_view prefix) override {
    std::vector<Record> records;
    for (auto at = records_.lower_bound(prefix);
         at != records_.end() && at->first.starts_with(prefix); ++at) {
      records.push_back(at->second);
    }
    return records;
  }

  Result<void> apply(Revision revision, const std::vector<Applied>& changes) override {
    for (const Applied& change : changes) {
      history_.push_back({change.key, std::nullopt, revision});
      if (change.record) {
        history_.back().entry = change.record->entry;
        records_.insert_or_assign(change.key, *change.record);
      } else {
        records_.erase(change.key);
      }
    }
    return {};
  }

  Result<std::vector<Change>> history(std::string_view prefix, Revision after) override {
    std::vector<Change> changes;
    for (const Change& change : history_) {
      if (change.revision > after && change.key.starts_with(prefix)) changes.push_back(change);
    }
    return changes;
  }

  Result<void> forget(Revision up_to) override {
    while (!history_.empty() && history_.front().revision <= up_to) history_.pop_front();
    return {};
  }

  Result<void> put_lease(LeaseId /*lease*/, Duration /*ttl*/) override { return {}; }
  Result<void> remove_lease(LeaseId /*lease*/) override { return {}; }

 private:
  std::map<std::string, Record, std::less<>> records_;
  std::deque<Change> history_;
};

}  // namespace

std::unique_ptr<Store> make_memory_store() {
  auto store = LocalStore::open(std::make_unique<MemoryEngine>());
  ALOFT_ASSERT(store.has_value());  // memory has nothing that could fail to load
  return *std::move(store);
}

}  // namespace aloft::store
