#include "store/sqlite_statement.h"

#include <fmt/format.h>

namespace aloft::store {

Error sqlite_error(sqlite3* database, std::string_view what) {
  const int extended = sqlite3_extended_errcode(database);
  const std::string file = [&] {
    const char* name = sqlite3_db_filename(database, "main");
    return std::string(name == nullptr ? "" : name);
  }();
  const std::string detail = fmt::format("store {}: {}: {}", file, what, sqlite3_errmsg(database));
  switch (extended & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::DataLoss, "store.damaged",
              detail + "; stop aloftd and restore the file from a backup"};
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return {Code::FailedPrecondition, "store.read_only",
              detail + "; make the file and its directory writable for aloftd"};
    case SQLITE_FULL:
      return {Code::ResourceExhausted, "store.disk_full",
              detail + "; nothing was changed, free space on this file system"};
    case SQLITE_NOMEM:
      return {Code::ResourceExhausted, "store.no_memory", detail};
    case SQLITE_IOERR:
      return {Code::Unknown, "store.unknown",
              detail + "; it may have happened, read before you retry and look at the disk"};
    default:
      return {Code::Internal, "store.sqlite", detail};
  }
}

Result<void> execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(sqlite_error(database, sql));
}

Result<Statement> Statement::prepare(sqlite3* database, std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
    return std::unexpected(sqlite_error(database, sql));
  }
  Statement statement;
  statement.statement_.reset(raw);
  return statement;
}

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view bytes) {
  // A null pointer would bind NULL instead of an empty blob.
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  sqlite3_bind_blob64(statement_.get(), index, data, bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_.get(), index);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(
      sqlite_error(sqlite3_db_handle(statement_.get()), sqlite3_sql(statement_.get())));
}

Result<void> Statement::run() {
  const auto done = step();
  reset();
  ALOFT_TRY(done);
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

}  // namespace aloft::store
