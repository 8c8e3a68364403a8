#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "store/contract_test.h"
#include "store/limits.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace aloft::store {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string path = fs::temp_directory_path() / "aloft-store-XXXXXX";
    path_ = ::mkdtemp(path.data()) == nullptr ? "" : path;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A store in a folder of its own, which goes with it.
class OwnedStore final : public Store {
 public:
  explicit OwnedStore(std::unique_ptr<Folder> folder)
      : folder_(std::move(folder)), store_(*open_sqlite_store(folder_->path())) {}
  Result<std::optional<Entry>> get(std::string_view key) override { return store_->get(key); }
  Result<Listing> list(std::string_view prefix) override { return store_->list(prefix); }
  Result<Revision> commit(const Transaction& t) override { return store_->commit(t); }
  Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after,
                                       WatchHandler handler) override {
    return store_->watch(prefix, after, std::move(handler));
  }
  Result<LeaseId> grant(Duration ttl) override { return store_->grant(ttl); }
  Result<void> renew(LeaseId lease) override { return store_->renew(lease); }
  Result<void> revoke(LeaseId lease) override { return store_->revoke(lease); }
  Result<void> compact(Revision revision) override { return store_->compact(revision); }

 private:
  std::unique_ptr<Folder> folder_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract,
                         ::testing::Values(Implementation{"memory", make_memory_store}));
INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         ::testing::Values(Implementation{"sqlite", []() -> std::unique_ptr<Store> {
                                                            return std::make_unique<OwnedStore>(
                                                                std::make_unique<Folder>());
                                                          }}));

Transaction put(std::string key, std::string value, LeaseId lease = {}) {
  return {{}, {{std::move(key), std::move(value), lease}}};
}

void run_sql(const fs::path& folder, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "store.db").c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
}

TEST(SqliteStore, keeps_values_history_and_revision_over_a_restart) {
  const Folder folder;
  Revision first;
  Revision last;
  {
    const auto store = *open_sqlite_store(folder.path());
    first = *store->commit(put("k", "1"));
    last = *store->commit(put("k", "2"));
  }
  const auto store = *open_sqlite_store(folder.path());
  EXPECT_EQ((*store->get("k"))->value, "2");
  EXPECT_EQ((*store->get("k"))->created, first);
  EXPECT_EQ(store->list("")->revision, last);
  std::promise<std::vector<Change>> seen;
  auto future = seen.get_future();
  auto watch = store->watch("k", first, [&](Result<std::vector<Change>> changes) {
    seen.set_value(*std::move(changes));
  });
  ASSERT_TRUE(watch);
  ASSERT_EQ(future.wait_for(60s), std::future_status::ready);
  const auto changes = future.get();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].entry->value, "2");
  watch->reset();
  EXPECT_GT(*store->commit(put("k", "3")), last);
}

TEST(SqliteStore, leases_of_before_a_restart_still_end) {
  const Folder folder;
  {
    const auto store = *open_sqlite_store(folder.path());
    const auto lease = *store->grant(1s);
    ASSERT_TRUE(store->commit(put("k", "1", lease)));
  }
  const auto store = *open_sqlite_store(folder.path());
  const auto revision = store->list("")->revision;
  std::promise<void> gone;
  const auto watch = store->watch("k", revision, [&](const Result<std::vector<Change>>& changes) {
    if (changes && !changes->front().entry) gone.set_value();
  });
  if (*store->get("k")) {
    EXPECT_EQ(gone.get_future().wait_for(60s), std::future_status::ready);
  }
  EXPECT_FALSE(*store->get("k"));
}

TEST(SqliteStore, refuses_a_second_daemon_and_names_the_first) {
  const Folder folder;
  const auto first = open_sqlite_store(folder.path());
  ASSERT_TRUE(first);
  const auto second = open_sqlite_store(folder.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "store.in_use");
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos)
      << second.error().message;
}

TEST(SqliteStore, refuses_a_schema_of_the_future) {
  const Folder folder;
  ASSERT_TRUE(open_sqlite_store(folder.path()));
  run_sql(folder.path(), "PRAGMA user_version = 999");
  const auto store = open_sqlite_store(folder.path());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store.future_schema");
}

TEST(SqliteStore, refuses_a_database_of_another_program) {
  const Folder folder;
  run_sql(folder.path(), "CREATE TABLE songs (title TEXT)");
  const auto store = open_sqlite_store(folder.path());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store.foreign");
}

TEST(SqliteStore, refuses_a_file_that_is_no_database) {
  const Folder folder;
  std::ofstream(folder.path() / "store.db") << std::string(8192, 'x');
  const auto store = open_sqlite_store(folder.path());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store.damaged");
  EXPECT_EQ(store.error().code, Code::DataLoss);
  EXPECT_NE(store.error().message.find("store.db"), std::string::npos);
}

TEST(SqliteStore, notices_damage_inside_the_database) {
  const Folder folder;
  {
    const auto store = *open_sqlite_store(folder.path());
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store->commit(put("key" + std::to_string(i), std::string(500, 'v'))));
    }
  }
  run_sql(folder.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
  const auto size = fs::file_size(folder.path() / "store.db");
  ASSERT_GT(size, 40'960U);
  std::fstream file(folder.path() / "store.db", std::ios::in | std::ios::out | std::ios::binary);
  for (std::streamoff at = 8192; at < static_cast<std::streamoff>(size); at += 4096) {
    file.seekp(at);
    file << std::string(64, '\x7F');
  }
  file.close();
  const auto store = open_sqlite_store(folder.path());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store.damaged") << store.error().message;
}

TEST(SqliteStore, refuses_a_missing_directory) {
  const auto store = open_sqlite_store("/nonexistent/aloft");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::NotFound);
}

// Runs `body` in a child without root's rights; gives what it returned.
int as_nobody(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(SqliteStore, says_so_when_its_file_cannot_be_written) {
  const Folder folder;
  ASSERT_TRUE(open_sqlite_store(folder.path()));
  fs::permissions(folder.path(), fs::perms(0755));
  fs::permissions(folder.path() / "store.lock", fs::perms(0666));
  fs::permissions(folder.path() / "store.db", fs::perms(0444));
  EXPECT_EQ(as_nobody([&] {
              const auto store = open_sqlite_store(folder.path());
              return !store && store.error().reason == "store.read_only" &&
                             store.error().message.contains("store.db")
                         ? 0
                         : 1;
            }),
            0);
  fs::permissions(folder.path() / "store.lock", fs::perms(0444));
  EXPECT_EQ(as_nobody([&] {
              const auto store = open_sqlite_store(folder.path());
              return !store && store.error().reason == "store.read_only" ? 0 : 1;
            }),
            0);
}

TEST(SqliteStore, is_readable_by_its_owner_only) {
  const Folder folder;
  ASSERT_TRUE(open_sqlite_store(folder.path()));
  EXPECT_EQ(fs::status(folder.path() / "store.db").permissions() & fs::perms(0777),
            fs::perms(0600));
}

TEST(LocalStore, forgets_old_history_by_itself_and_bounds_slow_watchers) {
  const auto store = make_memory_store();
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::promise<Error> told;
  auto ended = told.get_future();
  const auto slow = store->watch("", Revision(0), [&](const Result<std::vector<Change>>& changes) {
    if (!changes) {
      told.set_value(changes.error());
    } else {
      released.wait();
    }
  });
  ASSERT_TRUE(slow);
  for (std::size_t i = 0; i < 2 * kMaxWatchBacklog + 2; ++i) {
    ASSERT_TRUE(store->commit(put("k", "v")));
  }
  release.set_value();
  ASSERT_EQ(ended.wait_for(60s), std::future_status::ready);
  EXPECT_EQ(ended.get().reason, "store.compacted");
  const auto old = store->watch("", Revision(1), [](const Result<std::vector<Change>>&) {});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().reason, "store.compacted");
}

}  // namespace
}  // namespace aloft::store
