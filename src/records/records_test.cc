#include "records/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "records/ids.h"
#include "records/limits.h"
#include "store/memory_store.h"

namespace aloft::records {
namespace {

using model::Guest;
using model::GuestSpec;
using model::GuestState;
using model::GuestStatus;
using model::Operation;
using model::OperationState;

Guest guest(std::string_view name) {
  GuestSpec spec;
  spec.image = "busybox";
  spec.memory = mib(64);
  return *Guest::make({.name = *model::Name::make("guest name", name)}, spec);
}

// Collects what a watch reports; waits with a generous deadline.
template <class T>
class Collector {
 public:
  ChangeHandler<T> handler() {
    return [this](Result<Changed<T>> changed) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(std::move(changed));
      more_.notify_all();
    };
  }
  bool wait_for(const std::function<bool(const std::vector<Result<Changed<T>>>&)>& condition) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, 60s, [&] { return condition(seen_); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<Result<Changed<T>>> seen_;
};

class RecordsTest : public ::testing::Test {
 protected:
  std::unique_ptr<store::Store> store_ = store::make_memory_store();
  Records records_{*store_};
};

TEST_F(RecordsTest, creates_reads_and_lists_objects) {
  const auto created = records_.create(guest("web1"));
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->metadata().generation, 1U);
  EXPECT_EQ(created->uid().size(), 36U);
  EXPECT_NE(created->metadata().revision, 0U);
  EXPECT_NE(created->metadata().created_at, WallTime{});
  EXPECT_EQ(*records_.get<Guest>("web1"), *created);
  ASSERT_TRUE(records_.create(guest("db1")));
  const auto page = records_.list<Guest>();
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].name(), "db1");
  EXPECT_TRUE(records_.list<model::Volume>()->items.empty());
}

TEST_F(RecordsTest, refuses_a_second_object_of_the_same_name_and_names_missing_ones) {
  ASSERT_TRUE(records_.create(guest("web1")));
  const auto second = records_.create(guest("web1"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "guest.already_exists");
  const auto missing = records_.get<Guest>("web2");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "guest.not_found");
  EXPECT_EQ(missing.error().code, Code::NotFound);
}

TEST_F(RecordsTest, raises_the_generation_with_the_spec_only) {
  const auto created = *records_.create(guest("web1"));
  model::Metadata metadata = created.metadata();
  metadata.labels = {{"tier", "front"}};
  const auto labelled =
      records_.update(*created.with_metadata(metadata), created.metadata().revision);
  ASSERT_TRUE(labelled) << labelled.error().message;
  EXPECT_EQ(labelled->metadata().generation, 1U);
  EXPECT_GT(labelled->metadata().revision, created.metadata().revision);
  GuestSpec spec = labelled->spec();
  spec.cpus = 2;
  const auto grown = records_.update(*labelled->with_spec(spec), labelled->metadata().revision);
  ASSERT_TRUE(grown);
  EXPECT_EQ(grown->metadata().generation, 2U);
  EXPECT_EQ(grown->metadata().labels.at("tier"), "front");
  const auto same = records_.update(*grown, grown->metadata().revision);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->metadata().revision, grown->metadata().revision);
}

TEST_F(RecordsTest, refuses_an_update_of_what_somebody_else_changed) {
  const auto created = *records_.create(guest("web1"));
  GuestSpec spec = created.spec();
  spec.cpus = 2;
  ASSERT_TRUE(records_.update(*created.with_spec(spec), created.metadata().revision));
  spec.cpus = 3;
  const auto late = records_.update(*created.with_spec(spec), created.metadata().revision);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::Aborted);
  EXPECT_EQ(late.error().reason, "guest.changed_meanwhile");
  EXPECT_EQ(records_.get<Guest>("web1")->spec().cpus, 2U);
}

TEST_F(RecordsTest, status_changes_leave_the_etag_alone) {
  const auto created = *records_.create(guest("web1"));
  const auto changed = records_.change_status<Guest>(
      "web1", created.uid(), [](GuestStatus& status) { status.state = GuestState::Running; });
  ASSERT_TRUE(changed) << changed.error().message;
  const auto read = *records_.get<Guest>("web1");
  EXPECT_EQ(read.status().state, GuestState::Running);
  EXPECT_EQ(read.metadata().revision, created.metadata().revision);
}

TEST_F(RecordsTest, a_status_of_an_older_object_does_not_reach_a_newer_one) {
  const auto old = *records_.create(guest("web1"));
  ASSERT_TRUE(records_.remove<Guest>("web1", old.uid()));
  const auto renewed = *records_.create(guest("web1"));
  EXPECT_NE(renewed.uid(), old.uid());
  const auto late = records_.change_status<Guest>(
      "web1", old.uid(), [](GuestStatus& status) { status.state = GuestState::Running; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::NotFound);
  EXPECT_EQ(records_.get<Guest>("web1")->status().state, GuestState::Unspecified);
  ASSERT_TRUE(records_.remove<Guest>("web1", old.uid()));
  EXPECT_TRUE(records_.get<Guest>("web1"));
}

TEST_F(RecordsTest, concurrent_changes_all_happen) {
  ASSERT_TRUE(records_.create(guest("web1")));
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kChanges = 25;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (std::uint32_t n = 0; n < kChanges; ++n) {
        // Half of them change the spec, half the status.
        if (i % 2 == 0) {
          EXPECT_TRUE(records_.change_spec<Guest>("web1", [](GuestSpec& spec) -> Result<void> {
            ++spec.priority;
            return {};
          }));
        } else {
          EXPECT_TRUE(records_.change_status<Guest>(
              "web1", "", [](GuestStatus& status) { ++status.restarts; }));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto read = *records_.get<Guest>("web1");
  EXPECT_EQ(read.spec().priority, kThreads / 2 * kChanges);
  EXPECT_EQ(read.status().restarts, kThreads / 2 * kChanges);
  EXPECT_EQ(read.metadata().generation, 1 + kThreads / 2 * kChanges);
}

TEST_F(RecordsTest, deletion_is_marked_once_and_stops_changes) {
  const auto created = *records_.create(guest("web1"));
  EXPECT_FALSE(records_.mark_deleting<Guest>("web1", created.metadata().revision + 1));
  const auto marked = records_.mark_deleting<Guest>("web1");
  ASSERT_TRUE(marked);
  EXPECT_TRUE(marked->deleting());
  EXPECT_EQ(records_.mark_deleting<Guest>("web1")->metadata(), marked->metadata());
  const auto change =
      records_.change_spec<Guest>("web1", [](GuestSpec&) -> Result<void> { return {}; });
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().reason, "guest.deleting");
  ASSERT_TRUE(records_.remove<Guest>("web1"));
  EXPECT_TRUE(records_.remove<Guest>("web1"));
  EXPECT_FALSE(records_.get<Guest>("web1"));
}

TEST_F(RecordsTest, a_change_that_gives_up_or_is_invalid_writes_nothing) {
  const auto created = *records_.create(guest("web1"));
  EXPECT_FALSE(records_.change_spec<Guest>("web1", [](GuestSpec& spec) -> Result<void> {
    spec.cpus = 0;
    return {};
  }));
  EXPECT_FALSE(records_.change_spec<Guest>("web1", [](GuestSpec& spec) -> Result<void> {
    spec.cpus = 7;
    return fail(Code::Cancelled, "test.gave_up", "no");
  }));
  EXPECT_EQ(*records_.get<Guest>("web1"), created);
}

TEST_F(RecordsTest, a_watch_reports_spec_status_and_removal) {
  Collector<Guest> collector;
  const auto start = records_.list<Guest>()->revision;
  const auto watch = records_.watch<Guest>(start, collector.handler());
  ASSERT_TRUE(watch);
  ASSERT_TRUE(records_.create(guest("web1")));
  ASSERT_TRUE(collector.wait_for([](const auto& seen) { return !seen.empty(); }));
  ASSERT_TRUE(records_.change_status<Guest>(
      "web1", "", [](GuestStatus& status) { status.state = GuestState::Running; }));
  ASSERT_TRUE(collector.wait_for([](const auto& seen) {
    return seen.back() && seen.back()->object &&
           seen.back()->object->status().state == GuestState::Running;
  }));
  ASSERT_TRUE(records_.remove<Guest>("web1"));
  ASSERT_TRUE(
      collector.wait_for([](const auto& seen) { return seen.back() && !seen.back()->object; }));
}

TEST_F(RecordsTest, operations_go_from_pending_to_done_once) {
  const auto created = records_.create_operation({.kind = "guest.start", .subject = "guest/web1"});
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->state, OperationState::Pending);
  ASSERT_TRUE(records_.take_operation(created->id, "h1"));
  const auto twice = records_.take_operation(created->id, "h2");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason, "operation.taken");
  const auto done =
      records_.change_operation(created->id, [](Operation& operation) -> Result<void> {
        operation.state = OperationState::Done;
        return {};
      });
  ASSERT_TRUE(done);
  EXPECT_EQ(done->host, "h1");
  EXPECT_EQ(done->progress_permille, 1000U);
  EXPECT_NE(done->started_at, WallTime{});
  EXPECT_NE(done->ended_at, WallTime{});
  const auto late = records_.cancel_operation(created->id);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "operation.ended");
  EXPECT_EQ(*records_.get_operation(created->id), *done);
}

TEST_F(RecordsTest, a_pending_operation_is_cancelled_at_once_and_a_running_one_is_asked) {
  const auto pending = *records_.create_operation({.kind = "image.add"});
  EXPECT_EQ(records_.cancel_operation(pending.id)->state, OperationState::Cancelled);
  const auto running = *records_.create_operation({.kind = "image.add"});
  ASSERT_TRUE(records_.take_operation(running.id, "h1"));
  const auto asked = records_.cancel_operation(running.id);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->state, OperationState::Running);
  EXPECT_TRUE(asked->cancel_requested);
}

TEST_F(RecordsTest, an_operation_is_written_together_with_its_object_or_not_at_all) {
  Operation create{.kind = "guest.create", .subject = "guest/web1"};
  const auto created = records_.create(guest("web1"), &create);
  ASSERT_TRUE(created);
  EXPECT_EQ(records_.get_operation(create.id)->parameters.at("generation"), "1");
  EXPECT_EQ(records_.get_operation(create.id)->parameters.at("uid"), created->uid());
  Operation again{.kind = "guest.create", .subject = "guest/web1"};
  EXPECT_FALSE(records_.create(guest("web1"), &again));
  Operation start{.kind = "guest.start", .subject = "guest/web1"};
  const auto same =
      records_.change_spec<Guest>("web1", [](GuestSpec&) -> Result<void> { return {}; }, &start);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->metadata(), created->metadata());
  Operation stop{.kind = "guest.stop", .subject = "guest/web1"};
  ASSERT_TRUE(records_.change_spec<Guest>(
      "web1",
      [](GuestSpec& spec) -> Result<void> {
        spec.desired = model::Desired::Stopped;
        return {};
      },
      &stop));
  EXPECT_EQ(records_.get_operation(stop.id)->parameters.at("generation"), "2");
  Operation remove{.kind = "guest.delete", .subject = "guest/web1"};
  ASSERT_TRUE(records_.mark_deleting<Guest>("web1", 0, &remove));
  EXPECT_EQ(records_.list_operations()->items.size(), 4U);
}

TEST_F(RecordsTest, old_operations_are_pruned_and_open_ones_kept) {
  const auto open = *records_.create_operation({.kind = "guest.start"});
  for (std::size_t i = 0; i < kOperationsKept + 50; ++i) {
    const auto operation = records_.create_operation({.kind = "guest.stop"});
    ASSERT_TRUE(operation);
    ASSERT_TRUE(records_.cancel_operation(operation->id));
  }
  const auto page = *records_.list_operations();
  EXPECT_LE(page.items.size(), kOperationsKept + 2);
  EXPECT_TRUE(records_.get_operation(open.id));
}

TEST_F(RecordsTest, events_are_numbered_read_in_order_and_pruned) {
  const std::uint64_t count = kEventsKept + 2 * kEventsPrunedAtOnce + 5;
  for (std::uint64_t i = 1; i <= count; ++i) {
    const auto event = records_.append_event({.subject = "guest/web1", .kind = "guest.started"});
    ASSERT_TRUE(event);
    ASSERT_EQ(event->sequence, i);
  }
  const auto all = records_.list_events(0, count);
  ASSERT_TRUE(all);
  EXPECT_LE(all->items.size(), kEventsKept + kEventsPrunedAtOnce);
  EXPECT_GE(all->items.size(), kEventsKept);
  EXPECT_EQ(all->items.back().sequence, count);
  for (std::size_t i = 1; i < all->items.size(); ++i) {
    ASSERT_EQ(all->items[i].sequence, all->items[i - 1].sequence + 1);
  }
  const auto some = records_.list_events(5000, 150);
  ASSERT_EQ(some->items.size(), 150U);
  EXPECT_EQ(some->items.front().sequence, 5001U);
  const auto latest = records_.latest_events(3);
  ASSERT_EQ(latest->items.size(), 3U);
  EXPECT_EQ(latest->items.back().sequence, count);
}

TEST_F(RecordsTest, events_can_be_followed_from_a_listing_without_a_gap) {
  ASSERT_TRUE(records_.append_event({.kind = "a"}));
  const auto page = *records_.latest_events(10);
  ASSERT_TRUE(records_.append_event({.kind = "b"}));
  Collector<model::Event> collector;
  const auto watch = records_.watch_events(page.revision, collector.handler());
  ASSERT_TRUE(watch);
  ASSERT_TRUE(records_.append_event({.kind = "c"}));
  ASSERT_TRUE(collector.wait_for([](const auto& seen) { return seen.size() == 2; }));
  EXPECT_TRUE(collector.wait_for([](const auto& seen) {
    return seen[0]->object->kind == "b" && seen[1]->object->kind == "c";
  }));
}

TEST_F(RecordsTest, damaged_values_are_named_not_hidden) {
  ASSERT_TRUE(store_->commit({{}, {{"guests/web1/spec", "\xFF\xFF", {}}}}));
  const auto read = records_.get<Guest>("web1");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, "model.damaged");
}

TEST(Ids, are_unique_and_operations_sort_by_time) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(new_uuid());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_LT(new_operation_id(WallTime(1s)), new_operation_id(WallTime(2s)));
  EXPECT_TRUE(model::Name::make("operation id", new_operation_id(wall_now())));
}

}  // namespace
}  // namespace aloft::records
