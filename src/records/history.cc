// Operations and events: the parts of Records that only grow and are pruned.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "model/codec.h"
#include "records/ids.h"
#include "records/limits.h"
#include "records/records.h"
#include "store/limits.h"

namespace aloft::records {
namespace {

using model::Event;
using model::Operation;
using model::OperationState;

constexpr std::string_view kOperations = "operations/";
constexpr std::string_view kEvents = "events/";
// "<next sequence> <oldest sequence kept>"
constexpr std::string_view kEventCounter = "counters/events";

std::string operation_key(std::string_view id) {
  return fmt::format("{}{}", kOperations, id);
}
std::string event_key(std::uint64_t sequence) {
  return fmt::format("{}{:020}", kEvents, sequence);
}

bool is_conflict(const Error& error) {
  return error.code == Code::Aborted && error.reason == "store.conflict";
}

template <class T, class Attempt>
Result<T> retry(const Attempt& attempt) {
  for (int tries = 1;; ++tries) {
    Result<T> done = attempt();
    if (done || !is_conflict(done.error()) || tries == kMaxConflictRetries) return done;
  }
}

Result<Operation> read_operation(const store::Entry& entry) {
  ALOFT_ASSIGN(auto operation, model::from_bytes<Operation>(entry.value));
  operation.revision = entry.modified.value();
  return operation;
}

template <class T, class Read>
store::WatchHandler reporting(std::string_view prefix, ChangeHandler<T> handler, Read read) {
  return [prefix, handler = std::move(handler), read](Result<std::vector<store::Change>> changes) {
    if (!changes) {
      handler(std::unexpected(std::move(changes).error()));
      return;
    }
    for (std::size_t i = 0; i < changes->size(); ++i) {
      const store::Change& change = (*changes)[i];
      // Only the last change of a transaction carries its revision: who resumes misses nothing.
      const bool last = i + 1 == changes->size() || (*changes)[i + 1].revision != change.revision;
      Changed<T> changed;
      changed.name = change.key.substr(prefix.size());
      changed.revision = last ? change.revision : store::Revision(change.revision.value() - 1);
      if (change.entry) {
        auto value = read(*change.entry);
        if (!value) {
          handler(std::unexpected(std::move(value).error()));
          continue;
        }
        changed.object = *std::move(value);
      }
      handler(std::move(changed));
    }
  };
}

struct EventCounter {
  std::uint64_t next = 1;
  std::uint64_t oldest = 1;
  store::Revision revision;
};

Result<EventCounter> read_counter(store::Store& store) {
  ALOFT_ASSIGN(const auto entry, store.get(kEventCounter));
  EventCounter counter;
  if (!entry) return counter;
  counter.revision = entry->modified;
  const std::string& text = entry->value;
  const char* end = text.data() + text.size();
  const auto next = std::from_chars(text.data(), end, counter.next);
  if (next.ec == std::errc{} && next.ptr != end && *next.ptr == ' ') {
    const auto oldest = std::from_chars(next.ptr + 1, end, counter.oldest);
    if (oldest.ec == std::errc{} && oldest.ptr == end && counter.oldest <= counter.next) {
      return counter;
    }
  }
  return fail(Code::DataLoss, "model.damaged",
              fmt::format("key {} cannot be read; restore the store from a backup", kEventCounter));
}

// Ended operations above the number kept, the oldest first.
Result<std::vector<std::string>> superfluous(const std::vector<store::Entry>& entries) {
  std::vector<std::string> ended;
  std::size_t open = 0;
  for (const auto& entry : entries) {
    ALOFT_ASSIGN(const auto operation, read_operation(entry));
    if (operation.ended()) {
      ended.push_back(operation.id);
    } else {
      ++open;
    }
  }
  if (open >= kOperationsOpen) {
    return fail(Code::ResourceExhausted, "operation.too_many",
                fmt::format("{} operations are open, the maximum; wait until some have ended",
                            kOperationsOpen));
  }
  const std::size_t extra = ended.size() > kOperationsKept ? ended.size() - kOperationsKept : 0;
  ended.resize(std::min(extra, store::kMaxWrites / 2));
  return ended;
}

}  // namespace

Result<void> Records::stage_operation(Operation& operation, store::Transaction& transaction) {
  operation.created_at = wall_now();
  operation.id = new_operation_id(operation.created_at);
  if (operation.state == OperationState::Running) operation.started_at = operation.created_at;
  ALOFT_TRY(model::validate(operation));
  ALOFT_ASSIGN(const auto listing, store_.list(kOperations));
  if (listing.entries.size() >= kOperationsKept) {
    ALOFT_ASSIGN(const auto extra, superfluous(listing.entries));
    for (const auto& id : extra) {
      transaction.writes.push_back({operation_key(id), std::nullopt, {}});
    }
  }
  transaction.compares.push_back({operation_key(operation.id), store::Revision(0)});
  transaction.writes.push_back({operation_key(operation.id), model::to_bytes(operation), {}});
  return {};
}

Result<Operation> Records::create_operation(const Operation& operation) {
  Operation created = operation;
  store::Transaction transaction;
  ALOFT_TRY(stage_operation(created, transaction));
  ALOFT_ASSIGN(const auto revision, store_.commit(transaction));
  created.revision = revision.value();
  return created;
}

Result<Operation> Records::get_operation(std::string_view id) {
  ALOFT_ASSIGN(const auto entry, store_.get(operation_key(id)));
  if (!entry) {
    return fail(Code::NotFound, "operation.not_found",
                fmt::format("there is no operation \"{}\"; ended ones are kept for a while only, "
                            "see: aloft operation list",
                            id));
  }
  return read_operation(*entry);
}

Result<Page<Operation>> Records::list_operations() {
  ALOFT_ASSIGN(const auto listing, store_.list(kOperations));
  Page<Operation> page;
  page.revision = listing.revision;
  page.items.reserve(listing.entries.size());
  for (const auto& entry : listing.entries) {
    ALOFT_ASSIGN(auto operation, read_operation(entry));
    page.items.push_back(std::move(operation));
  }
  return page;
}

Result<std::unique_ptr<store::Watch>> Records::watch_operations(store::Revision after,
                                                                ChangeHandler<Operation> handler) {
  return store_.watch(kOperations, after,
                      reporting<Operation>(kOperations, std::move(handler), read_operation));
}

Result<Operation> Records::change_operation(std::string_view id,
                                            const std::function<Result<void>(Operation&)>& change) {
  return retry<Operation>([&]() -> Result<Operation> {
    ALOFT_ASSIGN(const auto present, get_operation(id));
    if (present.ended()) {
      return fail(
          Code::FailedPrecondition, "operation.ended",
          fmt::format("operation {} has ended already ({})", id, model::name_of(present.state)));
    }
    Operation next = present;
    ALOFT_TRY(change(next));
    if (next == present) return present;
    next.id = present.id;
    if (next.state == OperationState::Running && present.state == OperationState::Pending) {
      next.started_at = wall_now();
    }
    if (next.ended()) next.ended_at = wall_now();
    if (next.state == OperationState::Done) next.progress_permille = 1000;
    ALOFT_TRY(model::validate(next));
    store::Transaction transaction;
    transaction.compares.push_back({operation_key(id), store::Revision(present.revision)});
    transaction.writes.push_back({operation_key(id), model::to_bytes(next), {}});
    ALOFT_ASSIGN(const auto revision, store_.commit(transaction));
    next.revision = revision.value();
    return next;
  });
}

Result<Operation> Records::take_operation(std::string_view id, std::string_view host) {
  return change_operation(id, [&](Operation& operation) -> Result<void> {
    if (operation.state != OperationState::Pending) {
      return fail(Code::FailedPrecondition, "operation.taken",
                  fmt::format("operation {} is run by host {} already", id, operation.host));
    }
    operation.state = OperationState::Running;
    operation.host = host;
    return {};
  });
}

Result<Operation> Records::cancel_operation(std::string_view id) {
  return change_operation(id, [](Operation& operation) -> Result<void> {
    operation.cancel_requested = true;
    if (operation.state == OperationState::Pending) operation.state = OperationState::Cancelled;
    return {};
  });
}

Result<Event> Records::append_event(const Event& event) {
  return retry<Event>([&]() -> Result<Event> {
    ALOFT_ASSIGN(auto counter, read_counter(store_));
    Event appended = event;
    appended.sequence = counter.next++;
    if (appended.at == WallTime{}) appended.at = wall_now();
    store::Transaction transaction;
    transaction.writes.push_back({event_key(appended.sequence), model::to_bytes(appended), {}});
    if (counter.next - counter.oldest > kEventsKept + kEventsPrunedAtOnce) {
      for (std::uint64_t i = 0; i < kEventsPrunedAtOnce; ++i) {
        transaction.writes.push_back({event_key(counter.oldest++), std::nullopt, {}});
      }
    }
    transaction.compares.push_back({std::string(kEventCounter), counter.revision});
    transaction.writes.push_back(
        {std::string(kEventCounter), fmt::format("{} {}", counter.next, counter.oldest), {}});
    ALOFT_TRY(store_.commit(transaction));
    return appended;
  });
}

Result<Page<Event>> Records::list_events(std::uint64_t after, std::size_t limit) {
  ALOFT_ASSIGN(const auto counter, read_counter(store_));
  Page<Event> page;
  page.revision = counter.revision;
  // A hundred events share all but the last two digits of their keys: one read for each hundred.
  for (std::uint64_t at = std::max(after + 1, counter.oldest);
       at < counter.next && page.items.size() < limit; at = (at / 100 + 1) * 100) {
    const std::string key = event_key(at);
    ALOFT_ASSIGN(const auto listing, store_.list(std::string_view(key).substr(0, key.size() - 2)));
    for (const auto& entry : listing.entries) {
      if (entry.key < key || page.items.size() >= limit) continue;
      ALOFT_ASSIGN(auto event, model::from_bytes<Event>(entry.value));
      // Appended after the counter was read: the watch from page.revision reports it.
      if (event.sequence >= counter.next) break;
      page.items.push_back(std::move(event));
    }
  }
  return page;
}

Result<Page<Event>> Records::latest_events(std::size_t limit) {
  ALOFT_ASSIGN(const auto counter, read_counter(store_));
  const std::uint64_t last = counter.next - 1;
  return list_events(last > limit ? last - limit : 0, limit);
}

Result<std::unique_ptr<store::Watch>> Records::watch_events(store::Revision after,
                                                            ChangeHandler<Event> handler) {
  return store_.watch(kEvents, after,
                      reporting<Event>(kEvents, std::move(handler), [](const store::Entry& entry) {
                        return model::from_bytes<Event>(entry.value);
                      }));
}

}  // namespace aloft::records
