#include "store/sqlite_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "store/engine.h"
#include "store/local_store.h"
#include "store/process_lock.h"
#include "store/sqlite_statement.h"

namespace aloft::store {
namespace {

constexpr std::int64_t kApplicationId = 0x414C4F46;  // "ALOF"

// Rows of the table "counters".
constexpr std::int64_t kRevisionCounter = 1;
constexpr std::int64_t kForgottenCounter = 2;

constexpr const char* kSchema = R"sql(
  CREATE TABLE counters (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO counters VALUES (1, 0), (2, 0);
  CREATE TABLE entries (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, created INTEGER NOT NULL,
    modified INTEGER NOT NULL, lease INTEGER NOT NULL) STRICT;
  CREATE TABLE history (revision INTEGER NOT NULL, key BLOB NOT NULL, value BLOB,
    created INTEGER NOT NULL) STRICT;
  CREATE INDEX history_by_revision ON history (revision);
  CREATE TABLE leases (id INTEGER PRIMARY KEY, ttl_ns INTEGER NOT NULL) STRICT;
)sql";

std::int64_t signed_of(Revision revision) {
  return static_cast<std::int64_t>(revision.value());
}
Revision revision_of(std::int64_t value) {
  return Revision(static_cast<std::uint64_t>(value));
}

// The smallest key after all that begin with `prefix`; empty: there is no end.
std::string end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

Result<std::int64_t> pragma(sqlite3* database, std::string_view name) {
  ALOFT_ASSIGN(auto statement, Statement::prepare(database, fmt::format("PRAGMA {}", name)));
  ALOFT_ASSIGN(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<void> check_integrity(sqlite3* database, const std::string& file) {
  ALOFT_ASSIGN(auto statement, Statement::prepare(database, "PRAGMA quick_check(1)"));
  ALOFT_ASSIGN(const bool row, statement.step());
  const std::string verdict = row ? statement.bytes(0) : "no answer";
  if (verdict == "ok") return {};
  return fail(
      Code::DataLoss, "store.damaged",
      fmt::format("store {}: {}; stop aloftd and restore the file from a backup", file, verdict));
}

Result<void> ensure_schema(sqlite3* database, const std::string& file) {
  ALOFT_ASSIGN(const auto version, pragma(database, "user_version"));
  if (version > kSqliteSchema) {
    return fail(
        Code::FailedPrecondition, "store.future_schema",
        fmt::format("store {} was written by a newer aloftd (schema {}, this one knows {}); "
                    "start the newer aloftd or restore a backup made before its upgrade",
                    file, version, kSqliteSchema));
  }
  if (version == kSqliteSchema) {
    ALOFT_ASSIGN(const auto application, pragma(database, "application_id"));
    if (application == kApplicationId) return {};
    return fail(
        Code::DataLoss, "store.foreign",
        fmt::format("{} is a database of another program; give aloftd its own directory", file));
  }
  ALOFT_ASSIGN(auto tables, Statement::prepare(database, "SELECT count(*) FROM sqlite_schema"));
  ALOFT_TRY(tables.step());
  if (tables.integer(0) != 0) {
    return fail(
        Code::DataLoss, "store.foreign",
        fmt::format("{} is a database of another program; give aloftd its own directory", file));
  }
  tables.reset();
  const std::string sql = fmt::format(
      "BEGIN IMMEDIATE; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;", kSchema,
      kApplicationId, kSqliteSchema);
  return execute(database, sql.c_str());
}

// The whole text of one table's statements, prepared once.
struct Statements {
  Statement get, list, list_all, put, remove, add_history, history, history_all, forget;
  Statement set_counter, put_lease, remove_lease, begin, commit, rollback;

  static Result<Statements> prepare(sqlite3* db) {
    Statements s;
    const auto make = [db](Statement& statement, std::string_view sql) -> Result<void> {
      ALOFT_ASSIGN(statement, Statement::prepare(db, sql));
      return {};
    };
    ALOFT_TRY(
        make(s.get, "SELECT key, value, created, modified, lease FROM entries WHERE key = ?1"));
    ALOFT_TRY(make(s.list,
                   "SELECT key, value, created, modified, lease FROM entries "
                   "WHERE key >= ?1 AND key < ?2 ORDER BY key"));
    ALOFT_TRY(make(s.list_all,
                   "SELECT key, value, created, modified, lease FROM entries "
                   "WHERE key >= ?1 ORDER BY key"));
    ALOFT_TRY(make(s.put,
                   "INSERT INTO entries (key, value, created, modified, lease) "
                   "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE SET value = ?2, "
                   "created = ?3, modified = ?4, lease = ?5"));
    ALOFT_TRY(make(s.remove, "DELETE FROM entries WHERE key = ?1"));
    ALOFT_TRY(make(s.add_history,
                   "INSERT INTO history (revision, key, value, created) VALUES (?1, ?2, ?3, ?4)"));
    ALOFT_TRY(make(s.history,
                   "SELECT revision, key, value, created FROM history "
                   "WHERE revision > ?1 AND key >= ?2 AND key < ?3 ORDER BY revision, rowid"));
    ALOFT_TRY(make(s.history_all,
                   "SELECT revision, key, value, created FROM history "
                   "WHERE revision > ?1 AND key >= ?2 ORDER BY revision, rowid"));
    ALOFT_TRY(make(s.forget, "DELETE FROM history WHERE revision <= ?1"));
    ALOFT_TRY(make(s.set_counter, "UPDATE counters SET value = ?2 WHERE id = ?1"));
    ALOFT_TRY(make(s.put_lease, "INSERT OR REPLACE INTO leases (id, ttl_ns) VALUES (?1, ?2)"));
    ALOFT_TRY(make(s.remove_lease, "DELETE FROM leases WHERE id = ?1"));
    ALOFT_TRY(make(s.begin, "BEGIN IMMEDIATE"));
    ALOFT_TRY(make(s.commit, "COMMIT"));
    ALOFT_TRY(make(s.rollback, "ROLLBACK"));
    return s;
  }
};

class SqliteEngine final : public Engine {
 public:
  SqliteEngine(ProcessLock lock, Database database, Statements statements)
      : lock_(std::move(lock)), database_(std::move(database)), sql_(std::move(statements)) {}

  Result<EngineState> load() override {
    EngineState state;
    ALOFT_ASSIGN(auto counters,
                 Statement::prepare(database_.get(), "SELECT id, value FROM counters"));
    for (;;) {
      ALOFT_ASSIGN(const bool row, counters.step());
      if (!row) break;
      Revision& into = counters.integer(0) == kRevisionCounter ? state.revision : state.forgotten;
      into = revision_of(counters.integer(1));
    }
    ALOFT_ASSIGN(auto leases, Statement::prepare(database_.get(), "SELECT id, ttl_ns FROM leases"));
    for (;;) {
      ALOFT_ASSIGN(const bool row, leases.step());
      if (!row) break;
      state.leases.emplace_back(LeaseId(static_cast<std::uint64_t>(leases.integer(0))),
                                Duration(leases.integer(1)));
    }
    return state;
  }

  Result<std::optional<Record>> get(std::string_view key) override {
    const ResetLater reset(sql_.get);
    ALOFT_ASSIGN(const bool row, sql_.get.bind(1, key).step());
    if (!row) return std::nullopt;
    return read(sql_.get);
  }

  Result<std::vector<Record>> list(std::string_view prefix) override {
    const std::string end = end_of(prefix);
    Statement& statement = end.empty() ? sql_.list_all : sql_.list;
    const ResetLater reset(statement);
    statement.bind(1, prefix);
    if (!end.empty()) statement.bind(2, std::string_view(end));
    std::vector<Record> records;
    for (;;) {
      ALOFT_ASSIGN(const bool row, statement.step());
      if (!row) return records;
      records.push_back(read(statement));
    }
  }

  Result<void> apply(Revision revision, const std::vector<Applied>& changes) override {
    return transact([&]() -> Result<void> {
      for (const Applied& change : changes) {
        if (change.record) {
          const Entry& entry = change.record->entry;
          ALOFT_TRY(sql_.put.bind(1, entry.key)
                        .bind(2, entry.value)
                        .bind(3, signed_of(entry.created))
                        .bind(4, signed_of(entry.modified))
                        .bind(5, static_cast<std::int64_t>(change.record->lease.value()))
                        .run());
          sql_.add_history.bind(3, entry.value).bind(4, signed_of(entry.created));
        } else {
          ALOFT_TRY(sql_.remove.bind(1, change.key).run());
          sql_.add_history.bind_null(3).bind(4, std::int64_t{0});
        }
        ALOFT_TRY(sql_.add_history.bind(1, signed_of(revision)).bind(2, change.key).run());
      }
      return set_counter(kRevisionCounter, revision);
    });
  }

  Result<std::vector<Change>> history(std::string_view prefix, Revision after) override {
    const std::string end = end_of(prefix);
    Statement& statement = end.empty() ? sql_.history_all : sql_.history;
    const ResetLater reset(statement);
    statement.bind(1, signed_of(after)).bind(2, prefix);
    if (!end.empty()) statement.bind(3, std::string_view(end));
    std::vector<Change> changes;
    for (;;) {
      ALOFT_ASSIGN(const bool row, statement.step());
      if (!row) return changes;
      const Revision revision = revision_of(statement.integer(0));
      changes.push_back({statement.bytes(1), std::nullopt, revision});
      if (!statement.is_null(2)) {
        changes.back().entry = Entry{changes.back().key, statement.bytes(2),
                                     revision_of(statement.integer(3)), revision};
      }
    }
  }

  Result<void> forget(Revision up_to) override {
    return transact([&]() -> Result<void> {
      ALOFT_TRY(sql_.forget.bind(1, signed_of(up_to)).run());
      return set_counter(kForgottenCounter, up_to);
    });
  }

  Result<void> put_lease(LeaseId lease, Duration ttl) override {
    return sql_.put_lease.bind(1, static_cast<std::int64_t>(lease.value()))
        .bind(2, std::int64_t{ttl.count()})
        .run();
  }

  Result<void> remove_lease(LeaseId lease) override {
    return sql_.remove_lease.bind(1, static_cast<std::int64_t>(lease.value())).run();
  }

 private:
  static Record read(const Statement& row) {
    return {
        Entry{row.bytes(0), row.bytes(1), revision_of(row.integer(2)), revision_of(row.integer(3))},
        LeaseId(static_cast<std::uint64_t>(row.integer(4)))};
  }

  Result<void> set_counter(std::int64_t counter, Revision value) {
    return sql_.set_counter.bind(1, counter).bind(2, signed_of(value)).run();
  }

  template <class Body>
  Result<void> transact(const Body& body) {
    ALOFT_TRY(sql_.begin.run());
    auto done = body();
    if (done) done = sql_.commit.run();
    // SQLite ends some failed transactions by itself.
    if (!done && sqlite3_get_autocommit(database_.get()) == 0) (void)sql_.rollback.run();
    return done;
  }

  ProcessLock lock_;  // released last
  Database database_;
  Statements sql_;  // finalised before the database is closed
};

Result<Database> open_database(const std::string& file) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      file.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    if (raw == nullptr) return fail(Code::ResourceExhausted, "store.no_memory", "out of memory");
    return std::unexpected(sqlite_error(raw, "open"));
  }
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 5'000);
  if (sqlite3_db_readonly(raw, "main") == 1) {
    return fail(Code::FailedPrecondition, "store.read_only",
                fmt::format("store {} cannot be written; make the file and its directory writable "
                            "for aloftd",
                            file));
  }
  return database;
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    return fail(
        Code::NotFound, "store.no_directory",
        fmt::format("state directory {} does not exist; make it first", directory.string()));
  }
  ALOFT_ASSIGN(auto lock, ProcessLock::acquire(directory / "store.lock"));
  const std::string file = directory / "store.db";
  const mode_t old_mask = ::umask(0077);
  auto opened = open_database(file);
  ::umask(old_mask);
  if (!opened) return std::unexpected(std::move(opened).error());
  Database database = *std::move(opened);
  ALOFT_TRY(execute(database.get(),
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                    "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF"));
  ALOFT_TRY(check_integrity(database.get(), file));
  ALOFT_TRY(ensure_schema(database.get(), file));
  ALOFT_ASSIGN(auto statements, Statements::prepare(database.get()));
  ALOFT_ASSIGN(auto store, LocalStore::open(std::make_unique<SqliteEngine>(
                               std::move(lock), std::move(database), std::move(statements))));
  return store;
}

}  // namespace aloft::store
