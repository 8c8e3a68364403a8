#include "store/election.h"

#include <utility>

namespace aloft::store {

Result<void> Election::ensure_lease() {
  if (lease_) {
    const auto renewed = store_.renew(*lease_);
    if (renewed) return {};
    if (renewed.error().code != Code::NotFound) return std::unexpected(renewed.error());
    lease_.reset();
  }
  ALOFT_ASSIGN(lease_, store_.grant(ttl_));
  return {};
}

// Writes the candidate under the key; nullopt when somebody else was faster.
Result<std::optional<Leader>> Election::claim(Revision present) {
  Transaction transaction;
  transaction.compares.push_back({key_, present});
  transaction.writes.push_back({key_, candidate_, *lease_});
  const auto won = store_.commit(transaction);
  if (!won && won.error().code == Code::Aborted) return std::nullopt;
  ALOFT_TRY(won);
  won_ = *won;
  term_ = *won;
  return Leader{candidate_, *won};
}

Result<Leader> Election::campaign() {
  term_.reset();
  ALOFT_TRY(ensure_lease());
  ALOFT_ASSIGN(auto present, store_.get(key_));
  // A key of this name but of another life of this process is not renewed by this lease.
  const bool of_older_life = present && present->value == candidate_ && present->modified != won_;
  if (!present || of_older_life) {
    ALOFT_ASSIGN(const auto won, claim(present ? present->modified : Revision(0)));
    if (won) return *won;
    ALOFT_ASSIGN(present, store_.get(key_));
  }
  if (!present) {
    return fail(Code::Unavailable, "store.no_leader", "the leader changed meanwhile; try again");
  }
  if (present->value == candidate_ && present->modified == won_) term_ = won_;
  return Leader{std::move(present->value), present->modified};
}

Result<void> Election::resign() {
  term_.reset();
  if (!lease_) return {};
  const LeaseId lease = *std::exchange(lease_, std::nullopt);
  return store_.revoke(lease);
}

}  // namespace aloft::store
