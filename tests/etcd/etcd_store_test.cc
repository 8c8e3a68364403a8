// What only a real etcd shows: members that die, freeze and come back, histories that are compacted
// away, leases that end on the servers' clocks.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "etcd_cluster.h"
#include "store/etcd_store.h"

namespace aloft::store {
namespace {

using testing::EtcdCluster;

constexpr auto kPatience = std::chrono::seconds(60);

std::unique_ptr<Store> open(const EtcdCluster& cluster, const std::string& prefix) {
  EtcdOptions options;
  options.endpoints = cluster.endpoints();
  options.prefix = prefix;
  auto store = make_etcd_store(std::move(options));
  EXPECT_TRUE(store) << store.error().message;
  return std::move(*store);
}

Transaction put(std::string key, std::string value, LeaseId lease = LeaseId(0)) {
  return Transaction{.compares = {}, .writes = {{std::move(key), std::move(value), lease}}};
}

// Repeats `attempt` until it succeeds: for times in which members come and go.
template <class Attempt>
auto eventually(Attempt attempt) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  auto result = attempt();
  while (!result && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    result = attempt();
  }
  return result;
}

// What a watch gave, and the wait for it.
class Seen {
 public:
  WatchHandler handler() {
    return [this](Result<std::vector<Change>> changes) {
      const std::lock_guard lock(mutex_);
      if (!changes) {
        error_ = changes.error();
      } else {
        for (Change& change : *changes) {
          ordered_ = ordered_ && change.revision >= last_;
          last_ = change.revision;
          values_[change.key].push_back(change.entry ? change.entry->value : "<gone>");
        }
      }
      changed_.notify_all();
    };
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return condition(*this); });
  }

  std::map<std::string, std::vector<std::string>> values_;
  std::optional<Error> error_;
  Revision last_;
  bool ordered_ = true;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class Etcd : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new EtcdCluster(3); }
  static void TearDownTestSuite() { delete cluster_; }
  void SetUp() override {
    ASSERT_TRUE(cluster_->ok()) << "etcd of three members did not start";
    prefix_ = std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + "/";
    store_ = open(*cluster_, prefix_);
  }

  static inline EtcdCluster* cluster_ = nullptr;
  std::string prefix_;
  std::unique_ptr<Store> store_;
};

TEST_F(Etcd, a_transaction_happens_only_when_what_it_compares_still_holds) {
  const auto made = store_->commit({{{"a", Revision(0)}}, {{"a", "1", {}}, {"b", "2", {}}}});
  ASSERT_TRUE(made) << made.error().message;
  const auto entry = store_->get("a").value();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->value, "1");
  EXPECT_EQ(entry->modified, *made);
  EXPECT_EQ(entry->created, *made);

  const auto again = store_->commit({{{"b", *made}, {"a", Revision(0)}}, {{"b", "3", {}}}});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::Aborted);
  EXPECT_EQ(again.error().reason, "store.conflict");
  EXPECT_NE(again.error().message.find("'a'"), std::string::npos) << again.error().message;
  EXPECT_EQ(store_->get("b").value()->value, "2");

  ASSERT_TRUE(store_->commit({{{"b", *made}}, {{"a", std::nullopt, {}}}}));
  EXPECT_FALSE(store_->get("a").value().has_value());
}

TEST_F(Etcd, lists_more_keys_than_fit_one_answer_at_one_revision) {
  constexpr int kKeys = 2500;
  Transaction transaction;
  for (int i = 0; i < kKeys; ++i) {
    transaction.writes.push_back({"many/" + std::to_string(i), std::to_string(i), {}});
    if (transaction.writes.size() == 100) {
      ASSERT_TRUE(store_->commit(transaction));
      transaction.writes.clear();
    }
  }
  ASSERT_TRUE(store_->commit(put("mane", "beside")));
  const auto listing = store_->list("many/").value();
  EXPECT_EQ(listing.entries.size(), static_cast<std::size_t>(kKeys));
  EXPECT_TRUE(std::ranges::is_sorted(listing.entries, {}, &Entry::key));
  EXPECT_GT(listing.revision, Revision(0));
}

TEST_F(Etcd, refuses_what_is_wrong_before_it_is_sent) {
  EXPECT_EQ(store_->commit({{}, {{"a", "1", {}}, {"a", "2", {}}}}).error().reason,
            "store.duplicate_key");
  EXPECT_EQ(store_->commit(put("", "1")).error().reason, "store.empty_key");
  Transaction large;
  for (int i = 0; i < 129; ++i) large.writes.push_back({std::to_string(i), "", {}});
  EXPECT_EQ(store_->commit(large).error().reason, "store.transaction_too_large");
  EXPECT_TRUE(store_->list("").value().entries.empty());
}

TEST_F(Etcd, a_watch_gives_every_change_in_order_while_members_are_killed) {
  Seen seen;
  const auto watch = store_->watch("w/", store_->list("w/").value().revision, seen.handler());
  ASSERT_TRUE(watch);
  constexpr int kWrites = 60;
  for (int i = 0; i < kWrites; ++i) {
    if (i % 20 == 10) {
      const int victim = (i / 20) % 3;
      cluster_->kill(victim);
      ASSERT_TRUE(eventually([&] { return store_->commit(put("w/n", "v" + std::to_string(i))); }));
      cluster_->restart(victim);
      continue;
    }
    ASSERT_TRUE(eventually([&] { return store_->commit(put("w/n", "v" + std::to_string(i))); }));
  }
  ASSERT_TRUE(cluster_->ok());
  const std::string last = "v" + std::to_string(kWrites - 1);
  EXPECT_TRUE(seen.wait(
      [&](Seen& s) { return !s.values_["w/n"].empty() && s.values_["w/n"].back() == last; }));
  EXPECT_TRUE(seen.ordered_);
  EXPECT_FALSE(seen.error_);
  // A write whose answer was lost may stand twice in the history; none may be missing.
  std::vector<std::string> distinct;
  for (const std::string& value : seen.values_["w/n"]) {
    if (distinct.empty() || distinct.back() != value) distinct.push_back(value);
  }
  EXPECT_EQ(distinct.size(), static_cast<std::size_t>(kWrites));
}

TEST_F(Etcd, a_watch_from_before_a_compaction_says_so) {
  const Revision first = store_->commit(put("c", "1")).value();
  ASSERT_TRUE(store_->commit(put("c", "2")));
  const Revision third = store_->commit(put("c", "3")).value();
  ASSERT_TRUE(store_->compact(third));
  ASSERT_TRUE(store_->compact(third)) << "compacting twice is no error";
  Seen seen;
  const auto watch = store_->watch("c", first, seen.handler());
  ASSERT_TRUE(watch);
  ASSERT_TRUE(seen.wait([](Seen& s) { return s.error_.has_value(); }));
  EXPECT_EQ(seen.error_->reason, "store.compacted");
  EXPECT_EQ(seen.error_->code, Code::OutOfRange);
}

TEST_F(Etcd, a_lease_that_is_not_renewed_takes_its_keys_along) {
  const LeaseId lease = store_->grant(std::chrono::seconds(1)).value();
  ASSERT_TRUE(store_->commit(put("l/held", "x", lease)));
  ASSERT_TRUE(store_->renew(lease));
  Seen seen;
  const auto watch = store_->watch("l/", store_->list("l/").value().revision, seen.handler());
  EXPECT_TRUE(seen.wait([](Seen& s) { return !s.values_["l/held"].empty(); }));
  EXPECT_EQ(seen.values_["l/held"].back(), "<gone>");
  EXPECT_EQ(store_->renew(lease).error().reason, "store.lease_ended");
  EXPECT_EQ(store_->revoke(lease).error().reason, "store.lease_ended");
}

TEST_F(Etcd, a_revoked_lease_takes_its_keys_along_at_once) {
  const LeaseId lease = store_->grant(std::chrono::seconds(60)).value();
  ASSERT_TRUE(store_->commit(put("held", "x", lease)));
  ASSERT_TRUE(store_->revoke(lease));
  EXPECT_FALSE(store_->get("held").value().has_value());
}

TEST_F(Etcd, a_frozen_leader_is_left_and_no_write_is_lost) {
  ASSERT_TRUE(store_->commit(put("count", "0")));
  const int leader = cluster_->leader();
  ASSERT_GE(leader, 0);
  cluster_->pause(leader);
  for (int i = 1; i <= 10; ++i) {
    // As every caller must: an answer that may have happened is resolved by reading.
    const auto done = eventually([&]() -> Result<void> {
      ALOFT_ASSIGN(const auto entry, store_->get("count"));
      if (entry->value == std::to_string(i)) return {};
      const auto answer =
          store_->commit({{{"count", entry->modified}}, {{"count", std::to_string(i), {}}}});
      if (!answer) return std::unexpected(answer.error());
      return {};
    });
    ASSERT_TRUE(done) << done.error().message;
  }
  cluster_->resume(leader);
  EXPECT_EQ(store_->get("count").value()->value, "10");
}

TEST_F(Etcd, without_a_majority_nothing_happens_and_reads_say_unavailable) {
  ASSERT_TRUE(store_->commit(put("k", "before")));
  cluster_->kill(0);
  cluster_->kill(1);
  const auto write = store_->commit(put("k", "during"));
  ASSERT_FALSE(write);
  EXPECT_TRUE(write.error().code == Code::Unknown || write.error().code == Code::Unavailable)
      << write.error().message;
  const auto read = store_->get("k");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::Unavailable) << read.error().message;
  cluster_->restart(0);
  cluster_->restart(1);
  const auto value = eventually([&] { return store_->get("k"); });
  ASSERT_TRUE(value);
  const std::string& found = (*value)->value;
  // The lost write may still have happened, exactly as its answer said.
  EXPECT_TRUE(found == "before" || found == "during") << found;
}

TEST_F(Etcd, counters_of_many_writers_lose_no_increment) {
  ASSERT_TRUE(store_->commit(put("n", "0")));
  constexpr int kWriters = 4;
  constexpr int kIncrements = 25;
  std::vector<std::jthread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&] {
      const auto mine = open(*cluster_, prefix_);
      for (int done = 0; done < kIncrements;) {
        const auto entry = mine->get("n");
        if (!entry) continue;
        const int value = std::stoi((*entry)->value);
        if (mine->commit({{{"n", (*entry)->modified}}, {{"n", std::to_string(value + 1), {}}}}))
          ++done;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(store_->get("n").value()->value, std::to_string(kWriters * kIncrements));
}

TEST(EtcdOptions, endpoints_that_are_none_are_refused) {
  for (const char* text : {"", ":2379", "h1", "h1:", "h1:0", "h1:65536", "http://h1:2379",
                           "h 1:2379", "h1:2379/path", "[::1:2379x", "h1:-1"}) {
    const auto valid = validate_endpoint(text);
    ASSERT_FALSE(valid) << text;
    EXPECT_EQ(valid.error().reason, "store.bad_endpoint");
  }
  for (const char* text : {"h1:2379", "10.0.0.1:2379", "[::1]:2379", "[fe80::1%eth0]:2379"}) {
    EXPECT_TRUE(validate_endpoint(text)) << text;
  }
  EXPECT_EQ(make_etcd_store({}).error().reason, "store.no_endpoints");
  EtcdOptions half{.endpoints = {"h1:2379"},
                   .tls = {.ca_pem = "x", .certificate_pem = "", .key_pem = ""}};
  EXPECT_EQ(make_etcd_store(half).error().reason, "store.incomplete_tls");
}

TEST(EtcdOptions, a_store_that_is_not_there_is_unavailable_with_its_name) {
  EtcdOptions options;
  options.endpoints = {"127.0.0.1:1"};
  const auto store = make_etcd_store(options).value();
  const auto read = store->get("k");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::Unavailable);
  EXPECT_EQ(read.error().reason, "store.unreachable");
  EXPECT_NE(read.error().message.find("127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace aloft::store
