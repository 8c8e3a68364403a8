// The model's objects in the store: typed get, list, watch and change.
//
// Keys: "guests/NAME/spec" holds metadata and spec, "guests/NAME/status" the status, and the same
// for hosts, images, networks and volumes: users and agents never overwrite each other, and one
// read or watch of "guests/" sees both. "operations/ID" and "events/SEQUENCE" hold what ran and
// what happened (docs/reference/store.md). Every change compares what it read; a lost race is
// retried here where the caller gave no expected revision, and answered Aborted where it did.
//
// Thread-safe; blocks for the time of a store call. The functions exist for Object = model::Guest,
// Host, Image, Network, Volume, Rule and Farm.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "model/farm.h"
#include "model/guest.h"
#include "model/host.h"
#include "model/image.h"
#include "model/network.h"
#include "model/operation.h"
#include "model/rule.h"
#include "model/volume.h"
#include "store/store.h"

namespace aloft::records {

template <class T>
struct Page {
  std::vector<T> items;      // by name; operations and events in order of creation
  store::Revision revision;  // of the store at the time of the read; watch from here
};

// One object after a change; `object` is empty when it is gone.
template <class T>
struct Changed {
  std::string name;
  std::optional<T> object;
  store::Revision revision;
};

// Called in order of revision from a thread of the store; must not block for long. An Error ends
// the watch ("store.compacted": list again and watch from the listing's revision).
template <class T>
using ChangeHandler = std::function<void(Result<Changed<T>>)>;

class Records {
 public:
  // Requires: `store` outlives this object.
  explicit Records(store::Store& store) : store_(store) {}

  // Errors of all: those of the store; DataLoss "model.damaged" for a value that cannot be read;
  // NotFound "<kind>.not_found".
  template <class Object>
  Result<Object> get(std::string_view name);
  template <class Object>
  Result<Page<Object>> list();
  template <class Object>
  Result<std::unique_ptr<store::Watch>> watch(store::Revision after, ChangeHandler<Object> handler);

  // Where the three functions below take `with`: that operation is written in the same transaction,
  // with "generation" and "uid" of the object among its parameters; on success it has its id.

  // Gives it uid, generation 1, creation time and revision; its status is stored too.
  // Errors: AlreadyExists "<kind>.already_exists".
  template <class Object>
  Result<Object> create(const Object& object, model::Operation* with = nullptr);

  // Replaces labels and spec; the generation rises when the spec differs. `expected`: the revision
  // that the caller read (Metadata::revision). Errors: Aborted "<kind>.changed_meanwhile";
  // FailedPrecondition "<kind>.deleting".
  template <class Object>
  Result<Object> update(const Object& object, std::uint64_t expected);

  // Reads, changes and writes the spec, again when somebody else was faster. `change` may be called
  // more than once and gives an Error to give up. The spec is not written when nothing differs.
  template <class Object>
  Result<Object> change_spec(std::string_view name,
                             const std::function<Result<void>(typename Object::Spec&)>& change,
                             model::Operation* with = nullptr);

  // The same for the status. `uid` (when not empty): NotFound for a newer object of that name.
  template <class Object>
  Result<Object> change_status(std::string_view name, std::string_view uid,
                               const std::function<void(typename Object::Status&)>& change);

  // Marks the object as going away; its agent removes it when its remains are gone. Idempotent.
  // `expected`: 0 = any. Errors: Aborted "<kind>.changed_meanwhile".
  template <class Object>
  Result<Object> mark_deleting(std::string_view name, std::uint64_t expected = 0,
                               model::Operation* with = nullptr);

  // Removes spec and status at once. Success when there is none (of that uid, when not empty).
  template <class Object>
  Result<void> remove(std::string_view name, std::string_view uid = {});

  // Gives it an id and creation time; state Pending (or Running when `operation` says so). Old
  // operations that ended are pruned (limits.h). Errors: ResourceExhausted "operation.too_many".
  Result<model::Operation> create_operation(const model::Operation& operation);
  Result<model::Operation> get_operation(std::string_view id);
  Result<Page<model::Operation>> list_operations();
  Result<std::unique_ptr<store::Watch>> watch_operations(store::Revision after,
                                                         ChangeHandler<model::Operation> handler);
  // Reads, changes and writes; started_at and ended_at are set when the state changes. Errors:
  // FailedPrecondition "operation.ended" when it had ended before; errors of `change`.
  Result<model::Operation> change_operation(
      std::string_view id, const std::function<Result<void>(model::Operation&)>& change);
  // Takes a pending operation for `host`: state Running. Errors: FailedPrecondition
  // "operation.taken" when it is not pending any more.
  Result<model::Operation> take_operation(std::string_view id, std::string_view host);
  // Asks for its end; a pending operation is cancelled at once.
  Result<model::Operation> cancel_operation(std::string_view id);

  // Gives it a sequence (and a time when it has none); the oldest events are pruned (limits.h).
  Result<model::Event> append_event(const model::Event& event);
  // Events with a sequence greater than `after`, at most `limit`, oldest first.
  Result<Page<model::Event>> list_events(std::uint64_t after, std::size_t limit);
  // The newest `limit` events, oldest first.
  Result<Page<model::Event>> latest_events(std::size_t limit);
  Result<std::unique_ptr<store::Watch>> watch_events(store::Revision after,
                                                     ChangeHandler<model::Event> handler);

  [[nodiscard]] store::Store& store() { return store_; }

 private:
  template <class Object>
  Result<Object> write_spec(const store::Entry& entry, const Object& present, const Object& next,
                            model::Operation* with);
  // Gives `operation` its id and adds its writes (and those of pruning) to `transaction`.
  Result<void> stage_operation(model::Operation& operation, store::Transaction& transaction);

  store::Store& store_;
};

}  // namespace aloft::records
