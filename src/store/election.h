// Who leads: one holder of a key at a time, for as long as its lease lasts.
//
// A candidate that wins writes its name under the key with its lease; when it dies the lease ends
// and the key goes. Being elected says nothing about what an older leader still does: whoever
// acts compares `term` (the revision of the key) in its own transactions. Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "store/store.h"

namespace aloft::store {

struct Leader {
  std::string name;
  Revision term;
};

class Election {
 public:
  // Requires: `store` outlives this object.
  Election(Store& store, std::string key, std::string candidate, Duration ttl)
      : store_(store), key_(std::move(key)), candidate_(std::move(candidate)), ttl_(ttl) {}

  // Renews the leadership, or tries to win it when nobody has it; gives who leads now. Call it at
  // least three times per `ttl`. Errors: those of the store; the leadership is then not certain.
  Result<Leader> campaign();
  // Gives the leadership back, so that another need not wait for the lease.
  Result<void> resign();

  // The term while this candidate leads as of the last `campaign`.
  [[nodiscard]] std::optional<Revision> term() const { return term_; }
  // A condition for transactions: holds while this candidate still leads. Requires: term().
  [[nodiscard]] Compare still_leading() const { return {key_, *term_}; }

 private:
  Result<void> ensure_lease();
  Result<std::optional<Leader>> claim(Revision present);

  Store& store_;
  std::string key_;
  std::string candidate_;
  Duration ttl_;
  std::optional<LeaseId> lease_;
  Revision won_;  // of the key when this candidate last wrote it
  std::optional<Revision> term_;
};

}  // namespace aloft::store
