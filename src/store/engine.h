// Where a LocalStore keeps its bytes: memory or SQLite. An engine only stores; conditions, limits,
// leases and watches are LocalStore's. Calls come one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "store/store.h"

namespace aloft::store {

struct Record {
  Entry entry;
  LeaseId lease;  // 0: none
};

// One write of a transaction, complete with its revisions; no record: the key is removed.
struct Applied {
  std::string key;
  std::optional<Record> record;
};

struct EngineState {
  Revision revision;   // of the last transaction
  Revision forgotten;  // changes up to here are not in the history any more
  std::vector<std::pair<LeaseId, Duration>> leases;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual Result<EngineState> load() = 0;
  virtual Result<std::optional<Record>> get(std::string_view key) = 0;
  // By key, bytewise ascending.
  virtual Result<std::vector<Record>> list(std::string_view prefix) = 0;
  // All of `changes`, the revision and the history, or nothing. Durable when it returns.
  virtual Result<void> apply(Revision revision, const std::vector<Applied>& changes) = 0;
  // Changes under `prefix` after `after`, oldest first.
  virtual Result<std::vector<Change>> history(std::string_view prefix, Revision after) = 0;
  virtual Result<void> forget(Revision up_to) = 0;
  virtual Result<void> put_lease(LeaseId lease, Duration ttl) = 0;
  virtual Result<void> remove_lease(LeaseId lease) = 0;
};

}  // namespace aloft::store
