// SQLite's handles as owned values, its error numbers as Errors. For sqlite_*.cc only.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aloft::store {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

// The error of the last call on `database`.
[[nodiscard]] Error sqlite_error(sqlite3* database, std::string_view what);

[[nodiscard]] Result<void> execute(sqlite3* database, const char* sql);

// A prepared statement; `reset` after use makes it ready for the next.
class Statement {
 public:
  static Result<Statement> prepare(sqlite3* database, std::string_view sql);

  Statement& bind(int index, std::int64_t value);
  // `bytes` must stay alive until the statement is reset.
  Statement& bind(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: a row is there; false: the end. Errors as of sqlite_error.
  Result<bool> step();
  // Runs a statement that gives no rows, and resets it.
  Result<void> run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string bytes(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Resets a statement at the end of a scope.
class ResetLater {
 public:
  explicit ResetLater(Statement& statement) : statement_(statement) {}
  ~ResetLater() { statement_.reset(); }
  ResetLater(const ResetLater&) = delete;
  ResetLater& operator=(const ResetLater&) = delete;

 private:
  Statement& statement_;
};

}  // namespace aloft::store
