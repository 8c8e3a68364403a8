// The store of one host: an SQLite database in WAL mode with synchronous=FULL.
//
// Durability: a transaction that was answered survives a crash of the process, the kernel and the
// power, at any point. One process at a time: a lock beside the database names the process that
// has it. The database is checked when it is opened.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "store/store.h"

namespace aloft::store {

constexpr int kSqliteSchema = 1;

// Opens "store.db" in `directory`, which must exist; makes it (mode 0600) when it is missing.
// Errors: FailedPrecondition "store.in_use" (names the process), "store.read_only",
// "store.future_schema"; DataLoss "store.damaged"; NotFound for the directory.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(
    const std::filesystem::path& directory);

}  // namespace aloft::store
