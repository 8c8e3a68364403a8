#include "store/contract_test.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/election.h"
#include "store/limits.h"

namespace aloft::store {
namespace {

constexpr auto kPatience = 60s;  // for slow machines; nothing asserts how long something took

Transaction put(std::string key, std::string value, LeaseId lease = {}) {
  return {{}, {{std::move(key), std::move(value), lease}}};
}
Transaction put_if(std::string key, std::string value, Revision modified) {
  return {{{key, modified}}, {{key, std::move(value), {}}}};
}
Transaction remove(std::string key) {
  return {{}, {{std::move(key), std::nullopt, {}}}};
}

class Collector {
 public:
  WatchHandler handler() {
    return [this](Result<std::vector<Change>> changes) {
      const std::lock_guard lock(mutex_);
      if (changes) {
        changes_.insert(changes_.end(), changes->begin(), changes->end());
      } else {
        error_ = changes.error();
      }
      more_.notify_all();
    };
  }
  // The first `count` changes, or fewer when they do not come in time.
  std::vector<Change> first(std::size_t count) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, kPatience, [&] { return changes_.size() >= count; });
    return changes_;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return changes_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<Change> changes_;
  std::optional<Error> error_;
};

TEST_P(StoreContract, gives_back_what_was_written) {
  const auto first = store_->commit(put("guests/web1", "one"));
  ASSERT_TRUE(first) << first.error().message;
  const auto second = store_->commit(put("guests/web1", std::string("t\0w\xFFo", 5)));
  ASSERT_TRUE(second);
  EXPECT_GT(*second, *first);
  const auto entry = *store_->get("guests/web1");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->value, std::string("t\0w\xFFo", 5));
  EXPECT_EQ(entry->created, *first);
  EXPECT_EQ(entry->modified, *second);
  EXPECT_FALSE(*store_->get("guests/web"));
  ASSERT_TRUE(store_->commit(put("empty", "")));
  EXPECT_EQ((*store_->get("empty"))->value, "");
}

TEST_P(StoreContract, lists_by_prefix_in_order_of_bytes) {
  for (const std::string& key : {std::string("b/2"), std::string("b/10"), std::string("a/1"),
                                 std::string("b0"), std::string("b/\xC3\xBF")}) {
    ASSERT_TRUE(store_->commit(put(key, "x" + key)));
  }
  const auto listing = *store_->list("b/");
  ASSERT_EQ(listing.entries.size(), 3U);
  EXPECT_EQ(listing.entries[0].key, "b/10");
  EXPECT_EQ(listing.entries[1].key, "b/2");
  EXPECT_EQ(listing.entries[2].key, "b/\xC3\xBF");
  EXPECT_EQ(listing.entries[1].value, "xb/2");
  EXPECT_EQ(store_->list("")->entries.size(), 5U);
  EXPECT_TRUE(store_->list("c/")->entries.empty());
  EXPECT_GE(listing.revision, listing.entries[2].modified);
}

TEST_P(StoreContract, compares_before_it_writes) {
  const auto created = store_->commit(put_if("k", "1", Revision(0)));
  ASSERT_TRUE(created);
  const auto again = store_->commit(put_if("k", "2", Revision(0)));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::Aborted);
  EXPECT_EQ(again.error().reason, "store.conflict");
  EXPECT_NE(again.error().message.find("\"k\""), std::string::npos);
  ASSERT_TRUE(store_->commit(put_if("k", "3", *created)));
  EXPECT_FALSE(store_->commit(put_if("k", "4", *created)));
  EXPECT_EQ((*store_->get("k"))->value, "3");
}

TEST_P(StoreContract, applies_a_transaction_whole_or_not_at_all) {
  const auto revision = *store_->commit({{}, {{"a", "1", {}}, {"b", "1", {}}}});
  EXPECT_EQ((*store_->get("a"))->modified, revision);
  EXPECT_EQ((*store_->get("b"))->modified, revision);
  const auto refused =
      store_->commit({{{"a", revision}, {"b", Revision(0)}}, {{"a", "2", {}}, {"c", "2", {}}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ((*store_->get("a"))->value, "1");
  EXPECT_FALSE(*store_->get("c"));
  ASSERT_TRUE(store_->commit(
      {{{"a", revision}, {"b", revision}}, {{"a", std::nullopt, {}}, {"c", "2", {}}}}));
  EXPECT_FALSE(*store_->get("a"));
  EXPECT_TRUE(*store_->get("c"));
}

TEST_P(StoreContract, a_removed_key_begins_anew) {
  const auto first = *store_->commit(put("k", "1"));
  ASSERT_TRUE(store_->commit(remove("k")));
  const auto second = *store_->commit(put("k", "2"));
  EXPECT_EQ((*store_->get("k"))->created, second);
  EXPECT_GT(second, first);
  EXPECT_TRUE(store_->commit(remove("never")));
}

TEST_P(StoreContract, refuses_what_is_over_its_limits) {
  const auto refused = [&](const Transaction& transaction) {
    const auto done = store_->commit(transaction);
    return !done && done.error().code == Code::InvalidArgument;
  };
  EXPECT_TRUE(refused(put("", "x")));
  EXPECT_TRUE(refused(put(std::string(kMaxKeyBytes + 1, 'k'), "x")));
  EXPECT_TRUE(refused(put("k", std::string(kMaxValueBytes + 1, 'v'))));
  EXPECT_TRUE(refused({{}, {{"k", "1", {}}, {"k", "2", {}}}}));
  Transaction many;
  for (std::size_t i = 0; i <= kMaxWrites; ++i) {
    many.writes.push_back({"k" + std::to_string(i), "", {}});
  }
  EXPECT_TRUE(refused(many));
  EXPECT_TRUE(store_->list("")->entries.empty());
}

TEST_P(StoreContract, a_watch_gives_the_past_after_its_start_then_the_present) {
  ASSERT_TRUE(store_->commit(put("w/1", "before")));
  const auto start = store_->list("w/")->revision;
  ASSERT_TRUE(store_->commit(put("w/2", "past")));
  ASSERT_TRUE(store_->commit(put("other", "x")));
  Collector collector;
  const auto watch = store_->watch("w/", start, collector.handler());
  ASSERT_TRUE(watch) << watch.error().message;
  const auto present = *store_->commit(put("w/1", "present"));
  ASSERT_TRUE(store_->commit(remove("w/2")));
  const auto changes = collector.first(3);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].key, "w/2");
  EXPECT_EQ(changes[0].entry->value, "past");
  EXPECT_EQ(changes[1].key, "w/1");
  EXPECT_EQ(changes[1].entry->value, "present");
  EXPECT_EQ(changes[1].revision, present);
  EXPECT_EQ(changes[1].entry->modified, present);
  EXPECT_EQ(changes[2].key, "w/2");
  EXPECT_FALSE(changes[2].entry);
}

TEST_P(StoreContract, a_watch_misses_nothing_while_many_write) {
  Collector collector;
  const auto watch = store_->watch("n/", store_->list("")->revision, collector.handler());
  ASSERT_TRUE(watch);
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kWrites = 25;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kWrites; ++i) {
        EXPECT_TRUE(store_->commit(put("n/" + std::to_string(t), std::to_string(i))));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto changes = collector.first(kThreads * kWrites);
  ASSERT_EQ(changes.size(), kThreads * kWrites);
  std::map<std::string, int> last;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i > 0) EXPECT_GT(changes[i].revision, changes[i - 1].revision);
    const int value = std::stoi(changes[i].entry->value);
    EXPECT_EQ(value, last[changes[i].key]++) << changes[i].key;
  }
}

TEST_P(StoreContract, no_handler_begins_after_its_watch_is_gone) {
  for (int round = 0; round < 20; ++round) {
    auto alive = std::make_shared<std::atomic<bool>>(true);
    std::atomic<int> late = 0;
    auto watch = store_->watch("g/", store_->list("")->revision,
                               [alive, &late](const Result<std::vector<Change>>&) {
                                 if (!*alive) ++late;
                               });
    ASSERT_TRUE(watch);
    std::thread writer([&] {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(store_->commit(put("g/k", std::to_string(i))));
    });
    watch->reset();
    *alive = false;
    writer.join();
    EXPECT_EQ(late, 0);
  }
}

TEST_P(StoreContract, a_watch_from_forgotten_history_must_list_again) {
  const auto old = *store_->commit(put("k", "1"));
  ASSERT_TRUE(store_->commit(put("k", "2")));
  const auto now = *store_->commit(put("k", "3"));
  ASSERT_TRUE(store_->compact(now));
  EXPECT_EQ((*store_->get("k"))->value, "3");
  std::mutex mutex;
  std::condition_variable told;
  std::optional<Error> error;
  // The error comes from the call or through the handler: etcd learns of it later.
  const auto watch = store_->watch("k", old, [&](const Result<std::vector<Change>>& changes) {
    const std::lock_guard lock(mutex);
    if (!changes) error = changes.error();
    told.notify_all();
  });
  if (!watch) error = watch.error();
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(told.wait_for(lock, kPatience, [&] { return error.has_value(); }));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::OutOfRange);
    EXPECT_EQ(error->reason, "store.compacted");
  }
  Collector collector;
  const auto fresh = store_->watch("k", now, collector.handler());
  ASSERT_TRUE(fresh);
  ASSERT_TRUE(store_->commit(put("k", "4")));
  EXPECT_EQ(collector.first(1).size(), 1U);
}

TEST_P(StoreContract, keys_go_with_their_lease_when_it_is_revoked) {
  const auto lease = store_->grant(60s);
  ASSERT_TRUE(lease) << lease.error().message;
  ASSERT_TRUE(store_->commit(put("l/a", "1", *lease)));
  ASSERT_TRUE(store_->commit(put("l/b", "1", *lease)));
  ASSERT_TRUE(store_->commit(put("l/c", "1", *lease)));
  ASSERT_TRUE(store_->commit(put("l/c", "taken over")));  // without a lease from now on
  ASSERT_TRUE(store_->renew(*lease));
  ASSERT_TRUE(store_->revoke(*lease));
  const auto left = *store_->list("l/");
  ASSERT_EQ(left.entries.size(), 1U);
  EXPECT_EQ(left.entries[0].key, "l/c");
  const auto renewed = store_->renew(*lease);
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code, Code::NotFound);
  EXPECT_EQ(renewed.error().reason, "store.lease_ended");
  EXPECT_FALSE(store_->commit(put("l/d", "1", *lease)));
}

TEST_P(StoreContract, keys_go_when_their_lease_ends_by_itself) {
  Collector collector;
  const auto watch = store_->watch("l/", store_->list("")->revision, collector.handler());
  ASSERT_TRUE(watch);
  const auto lease = store_->grant(1s);
  ASSERT_TRUE(lease);
  ASSERT_TRUE(store_->commit(put("l/a", "1", *lease)));
  const auto changes = collector.first(2);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_FALSE(changes[1].entry);
  EXPECT_FALSE(*store_->get("l/a"));
  EXPECT_FALSE(store_->renew(*lease));
}

TEST_P(StoreContract, one_candidate_leads_at_a_time_and_another_follows_when_it_resigns) {
  Election a(*store_, "leader", "a", 60s);
  Election b(*store_, "leader", "b", 60s);
  const auto first = a.campaign();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->name, "a");
  ASSERT_TRUE(a.term());
  EXPECT_EQ(b.campaign()->name, "a");
  EXPECT_FALSE(b.term());
  EXPECT_EQ(a.campaign()->term, first->term);
  ASSERT_TRUE(store_->commit({{a.still_leading()}, {{"done-by", "a", {}}}}));
  const Compare stale = a.still_leading();
  ASSERT_TRUE(a.resign());
  EXPECT_FALSE(a.term());
  const auto second = b.campaign();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "b");
  EXPECT_GT(second->term, first->term);
  EXPECT_FALSE(store_->commit({{stale}, {{"done-by", "a", {}}}}));
}

TEST_P(StoreContract, a_candidate_takes_over_from_its_own_older_life) {
  Election old(*store_, "leader", "a", 60s);
  const auto first = *old.campaign();
  Election renewed(*store_, "leader", "a", 60s);
  const auto second = renewed.campaign();
  ASSERT_TRUE(second);
  EXPECT_GT(second->term, first.term);
  EXPECT_TRUE(renewed.term());
  ASSERT_TRUE(old.campaign());
}

TEST_P(StoreContract, leases_outside_their_limits_are_refused) {
  EXPECT_FALSE(store_->grant(0s));
  EXPECT_FALSE(store_->grant(-1s));
  EXPECT_FALSE(store_->grant(48h));
}

}  // namespace
}  // namespace aloft::store
