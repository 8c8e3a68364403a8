// The log of truth: a small ordered key-value store with revisions.
//
// One interface, three implementations: SQLite (one host), memory (simulations and tests), etcd
// (a farm). Every change is a transaction that compares what was read; nobody acts on what it has
// not read from here. Keys are UTF-8 paths ("guests/web1"), values bytes. The store counts one
// revision for every transaction that changes something; a key remembers the revision of its
// creation and of its last change.
//
// Thread-safe: every function may be called from any thread and may block for the time of a disk
// flush or a network round trip. Durability: a transaction that was answered is on disk (SQLite
// in WAL mode with synchronous=FULL) or on a majority of voters (etcd).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace aloft::store {

using Revision = StrongId<struct RevisionTag>;
using LeaseId = StrongId<struct LeaseTag>;

struct Entry {
  std::string key;
  std::string value;
  Revision created;   // revision of the transaction that made the key
  Revision modified;  // revision of its last change

  bool operator==(const Entry&) const = default;
};

struct Listing {
  std::vector<Entry> entries;  // by key, bytewise ascending
  Revision revision;           // of the store at the time of the read
};

// A condition on one key: its last change was at `modified`; Revision(0) = the key does not exist.
struct Compare {
  std::string key;
  Revision modified;
};

struct Write {
  std::string key;
  std::optional<std::string> value;  // nullopt removes the key
  LeaseId lease;                     // LeaseId(0): none; else the key goes when the lease ends
};

struct Transaction {
  std::vector<Compare> compares;  // all must hold
  std::vector<Write> writes;      // all happen or none; a key at most once
};

struct Change {
  std::string key;
  std::optional<Entry> entry;  // nullopt: removed
  Revision revision;
};

// Ends the watch when destroyed; no call of the handler begins after the destructor has returned.
class Watch {
 public:
  virtual ~Watch() = default;
};

// Called in order of revision, from a thread of the store; must not block for long, and must not
// destroy its own Watch. An Error ends the watch: OutOfRange "store.compacted" means that
// revisions after the start are gone: list again and watch from the listing's revision.
using WatchHandler = std::function<void(Result<std::vector<Change>>)>;

class Store {
 public:
  virtual ~Store() = default;

  // The entry, or nullopt when there is none. Linearizable.
  virtual Result<std::optional<Entry>> get(std::string_view key) = 0;
  // All keys that begin with `prefix`. Linearizable.
  virtual Result<Listing> list(std::string_view prefix) = 0;

  // Applies `transaction` when all its compares hold; gives the revision after it.
  // Errors: Aborted "store.conflict" (names the first key that does not hold; nothing happened),
  // InvalidArgument (limits.h), Unavailable (nothing happened), Unknown "store.unknown" (the answer
  // was lost: it may have happened, read before you retry).
  virtual Result<Revision> commit(const Transaction& transaction) = 0;

  // Every change of keys under `prefix` with a revision greater than `after`, then those to come.
  virtual Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after,
                                               WatchHandler handler) = 0;

  // A lease that ends `ttl` after its last renewal; its keys go with it.
  virtual Result<LeaseId> grant(Duration ttl) = 0;
  // Errors: NotFound "store.lease_ended".
  virtual Result<void> renew(LeaseId lease) = 0;
  virtual Result<void> revoke(LeaseId lease) = 0;

  // Forgets the history of changes up to `revision`; the present state stays.
  virtual Result<void> compact(Revision revision) = 0;
};

}  // namespace aloft::store
