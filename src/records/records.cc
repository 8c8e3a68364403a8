#include "records/records.h"

#include <fmt/format.h>

#include <map>

#include "model/codec.h"
#include "records/ids.h"
#include "records/limits.h"

namespace aloft::records {
namespace {

template <class Object>
std::string spec_key(std::string_view name) {
  return fmt::format("{}/{}/spec", Object::kPlural, name);
}
template <class Object>
std::string status_key(std::string_view name) {
  return fmt::format("{}/{}/status", Object::kPlural, name);
}

template <class Object>
std::unexpected<Error> not_found(std::string_view name) {
  return fail(Code::NotFound, fmt::format("{}.not_found", Object::kKind),
              fmt::format("there is no {} called \"{}\"; list them with: aloft {} list",
                          Object::kKind, name, Object::kKind));
}

template <class Object>
std::unexpected<Error> changed_meanwhile(std::string_view name, std::uint64_t expected,
                                         std::uint64_t present) {
  return fail(
      Code::Aborted, fmt::format("{}.changed_meanwhile", Object::kKind),
      fmt::format("{} {} is at revision {}, not {}: somebody else changed it; read it again "
                  "and repeat your change",
                  Object::kKind, name, present, expected));
}

bool is_conflict(const Error& error) {
  return error.code == Code::Aborted && error.reason == "store.conflict";
}

// Spec and status of one object as they lie in the store.
struct Pair {
  std::optional<store::Entry> spec;
  std::optional<store::Entry> status;

  [[nodiscard]] store::Revision status_revision() const {
    return status ? status->modified : store::Revision(0);
  }
};

template <class Object>
Result<Object> join(const Pair& pair) {
  return model::from_stored<Object>(pair.spec->value,
                                    pair.status ? std::string_view(pair.status->value) : "",
                                    pair.spec->modified.value());
}

template <class Object>
Result<Pair> read_pair(store::Store& store, std::string_view name) {
  const std::string prefix = fmt::format("{}/{}/", Object::kPlural, name);
  ALOFT_ASSIGN(auto listing, store.list(prefix));
  Pair pair;
  for (auto& entry : listing.entries) {
    if (entry.key == prefix + "spec") pair.spec = std::move(entry);
    if (entry.key == prefix + "status") pair.status = std::move(entry);
  }
  if (!pair.spec) return not_found<Object>(name);
  return pair;
}

// Which state of which object the operation is about.
template <class Object>
void note_object(const Object& object, model::Operation& operation) {
  operation.parameters["generation"] = std::to_string(object.metadata().generation);
  operation.parameters["uid"] = object.uid();
}

// Tries `attempt` again while somebody else is faster.
template <class T, class Attempt>
Result<T> retry(const Attempt& attempt) {
  for (int tries = 1;; ++tries) {
    Result<T> done = attempt();
    if (done || !is_conflict(done.error()) || tries == kMaxConflictRetries) return done;
  }
}

}  // namespace

template <class Object>
Result<Object> Records::get(std::string_view name) {
  ALOFT_ASSIGN(const auto pair, read_pair<Object>(store_, name));
  return join<Object>(pair);
}

template <class Object>
Result<Page<Object>> Records::list() {
  const std::string prefix = fmt::format("{}/", Object::kPlural);
  ALOFT_ASSIGN(auto listing, store_.list(prefix));
  std::map<std::string, Pair> pairs;
  for (auto& entry : listing.entries) {
    const std::string_view rest = std::string_view(entry.key).substr(prefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) continue;
    const std::string_view part = rest.substr(slash + 1);
    Pair& pair = pairs[std::string(rest.substr(0, slash))];
    if (part == "spec") {
      pair.spec = std::move(entry);
    } else if (part == "status") {
      pair.status = std::move(entry);
    }
  }
  Page<Object> page;
  page.revision = listing.revision;
  page.items.reserve(pairs.size());
  for (const auto& [name, pair] : pairs) {
    if (!pair.spec) continue;
    ALOFT_ASSIGN(auto object, join<Object>(pair));
    page.items.push_back(std::move(object));
  }
  return page;
}

template <class Object>
Result<std::unique_ptr<store::Watch>> Records::watch(store::Revision after,
                                                     ChangeHandler<Object> handler) {
  const std::string prefix = fmt::format("{}/", Object::kPlural);
  return store_.watch(
      prefix, after,
      [this, prefix, handler = std::move(handler)](Result<std::vector<store::Change>> changes) {
        if (!changes) {
          handler(std::unexpected(std::move(changes).error()));
          return;
        }
        // One report for each object, as it is now: what it was in between is gone.
        std::map<std::string, store::Revision, std::less<>> touched;
        store::Revision newest;
        for (const auto& change : *changes) {
          const std::string_view rest = std::string_view(change.key).substr(prefix.size());
          touched.insert_or_assign(std::string(rest.substr(0, rest.find('/'))), change.revision);
          newest = change.revision;
        }
        std::size_t left = touched.size();
        for (const auto& [name, revision] : touched) {
          // Who resumes from a reported revision must not miss the rest of this batch.
          const store::Revision safe =
              --left == 0 ? newest : store::Revision(changes->front().revision.value() - 1);
          auto object = get<Object>(name);
          if (object) {
            handler(Changed<Object>{name, *std::move(object), safe});
          } else if (object.error().code == Code::NotFound) {
            handler(Changed<Object>{name, std::nullopt, safe});
          } else {
            handler(std::unexpected(std::move(object).error()));
          }
        }
      });
}

template <class Object>
Result<Object> Records::create(const Object& object, model::Operation* with) {
  model::Metadata metadata = object.metadata();
  metadata.uid = new_uuid();
  metadata.generation = 1;
  metadata.revision = 0;
  metadata.created_at = wall_now();
  metadata.deleting_since.reset();
  ALOFT_ASSIGN(const auto created, object.with_metadata(metadata));
  store::Transaction transaction;
  transaction.compares.push_back({spec_key<Object>(object.name()), store::Revision(0)});
  transaction.writes.push_back(
      {spec_key<Object>(object.name()), model::spec_to_bytes(created), {}});
  if (created.status() != typename Object::Status{}) {
    transaction.writes.push_back(
        {status_key<Object>(object.name()), model::status_to_bytes(created), {}});
  } else {
    transaction.writes.push_back({status_key<Object>(object.name()), std::nullopt, {}});
  }
  if (with != nullptr) {
    note_object(created, *with);
    ALOFT_TRY(stage_operation(*with, transaction));
  }
  const auto revision = store_.commit(transaction);
  if (!revision && is_conflict(revision.error())) {
    return fail(Code::AlreadyExists, fmt::format("{}.already_exists", Object::kKind),
                fmt::format("{} {} exists already; choose another name or remove it first",
                            Object::kKind, object.name()));
  }
  ALOFT_TRY(revision);
  metadata.revision = revision->value();
  if (with != nullptr) with->revision = revision->value();
  return created.with_metadata(std::move(metadata));
}

namespace {

template <class Object>
Result<void> check_not_deleting(const Object& object) {
  if (!object.deleting()) return {};
  return fail(Code::FailedPrecondition, fmt::format("{}.deleting", Object::kKind),
              fmt::format("{} {} is being deleted; wait until it is gone and make a new one",
                          Object::kKind, object.name()));
}

}  // namespace

// Writes `next` over the spec that lies in `entry`, with generation and revision set.
template <class Object>
Result<Object> Records::write_spec(const store::Entry& entry, const Object& present,
                                   const Object& next, model::Operation* with) {
  model::Metadata metadata = present.metadata();
  metadata.labels = next.metadata().labels;
  metadata.deleting_since = next.metadata().deleting_since;
  if (next.spec() != present.spec()) ++metadata.generation;
  const bool differs = metadata != present.metadata();
  if (!differs && with == nullptr) return present;
  ALOFT_ASSIGN(const auto written, next.with_metadata(metadata));
  store::Transaction transaction;
  transaction.compares.push_back({entry.key, entry.modified});
  if (differs) transaction.writes.push_back({entry.key, model::spec_to_bytes(written), {}});
  if (with != nullptr) {
    note_object(written, *with);
    ALOFT_TRY(stage_operation(*with, transaction));
  }
  ALOFT_ASSIGN(const auto revision, store_.commit(transaction));
  if (with != nullptr) with->revision = revision.value();
  if (differs) metadata.revision = revision.value();
  ALOFT_ASSIGN(auto done, written.with_metadata(std::move(metadata)));
  done.set_status(present.status());
  return done;
}

template <class Object>
Result<Object> Records::update(const Object& object, std::uint64_t expected) {
  ALOFT_ASSIGN(const auto pair, read_pair<Object>(store_, object.name()));
  ALOFT_ASSIGN(const auto present, join<Object>(pair));
  if (present.metadata().revision != expected) {
    return changed_meanwhile<Object>(object.name(), expected, present.metadata().revision);
  }
  ALOFT_TRY(check_not_deleting(present));
  model::Metadata metadata = present.metadata();
  metadata.labels = object.metadata().labels;
  ALOFT_ASSIGN(const auto next, object.with_metadata(std::move(metadata)));
  auto done = write_spec(*pair.spec, present, next, nullptr);
  if (!done && is_conflict(done.error())) {
    return fail(Code::Aborted, fmt::format("{}.changed_meanwhile", Object::kKind),
                fmt::format("{} {} was changed by somebody else; read it again and repeat your "
                            "change",
                            Object::kKind, object.name()));
  }
  return done;
}

template <class Object>
Result<Object> Records::change_spec(
    std::string_view name, const std::function<Result<void>(typename Object::Spec&)>& change,
    model::Operation* with) {
  return retry<Object>([&]() -> Result<Object> {
    ALOFT_ASSIGN(const auto pair, read_pair<Object>(store_, name));
    ALOFT_ASSIGN(const auto present, join<Object>(pair));
    ALOFT_TRY(check_not_deleting(present));
    typename Object::Spec spec = present.spec();
    ALOFT_TRY(change(spec));
    ALOFT_ASSIGN(const auto next, present.with_spec(std::move(spec)));
    return write_spec(*pair.spec, present, next, with);
  });
}

template <class Object>
Result<Object> Records::change_status(std::string_view name, std::string_view uid,
                                      const std::function<void(typename Object::Status&)>& change) {
  return retry<Object>([&]() -> Result<Object> {
    ALOFT_ASSIGN(const auto pair, read_pair<Object>(store_, name));
    ALOFT_ASSIGN(auto object, join<Object>(pair));
    if (!uid.empty() && object.uid() != uid) return not_found<Object>(name);
    typename Object::Status status = object.status();
    change(status);
    if (status == object.status()) return object;
    object.set_status(std::move(status));
    store::Transaction transaction;
    transaction.compares.push_back({pair.spec->key, pair.spec->modified});
    transaction.compares.push_back({status_key<Object>(name), pair.status_revision()});
    transaction.writes.push_back({status_key<Object>(name), model::status_to_bytes(object), {}});
    ALOFT_TRY(store_.commit(transaction));
    return object;
  });
}

template <class Object>
Result<Object> Records::mark_deleting(std::string_view name, std::uint64_t expected,
                                      model::Operation* with) {
  const auto attempt = [&]() -> Result<Object> {
    ALOFT_ASSIGN(const auto pair, read_pair<Object>(store_, name));
    ALOFT_ASSIGN(const auto present, join<Object>(pair));
    if (expected != 0 && present.metadata().revision != expected) {
      return changed_meanwhile<Object>(name, expected, present.metadata().revision);
    }
    model::Metadata metadata = present.metadata();
    if (!present.deleting()) metadata.deleting_since = wall_now();
    ALOFT_ASSIGN(const auto next, present.with_metadata(std::move(metadata)));
    return write_spec(*pair.spec, present, next, with);
  };
  return retry<Object>(attempt);
}

template <class Object>
Result<void> Records::remove(std::string_view name, std::string_view uid) {
  return retry<void>([&]() -> Result<void> {
    const auto pair = read_pair<Object>(store_, name);
    if (!pair && pair.error().code == Code::NotFound) return {};
    ALOFT_TRY(pair);
    ALOFT_ASSIGN(const auto object, join<Object>(*pair));
    if (!uid.empty() && object.uid() != uid) return {};
    store::Transaction transaction;
    transaction.compares.push_back({pair->spec->key, pair->spec->modified});
    transaction.writes.push_back({spec_key<Object>(name), std::nullopt, {}});
    transaction.writes.push_back({status_key<Object>(name), std::nullopt, {}});
    ALOFT_TRY(store_.commit(transaction));
    return {};
  });
}

#define ALOFT_INSTANTIATE(Object)                                                               \
  template Result<Object> Records::get<Object>(std::string_view);                               \
  template Result<Page<Object>> Records::list<Object>();                                        \
  template Result<std::unique_ptr<store::Watch>> Records::watch<Object>(store::Revision,        \
                                                                        ChangeHandler<Object>); \
  template Result<Object> Records::create<Object>(const Object&, model::Operation*);            \
  template Result<Object> Records::update<Object>(const Object&, std::uint64_t);                \
  template Result<Object> Records::change_spec<Object>(                                         \
      std::string_view, const std::function<Result<void>(Object::Spec&)>&, model::Operation*);  \
  template Result<Object> Records::change_status<Object>(                                       \
      std::string_view, std::string_view, const std::function<void(Object::Status&)>&);         \
  template Result<Object> Records::mark_deleting<Object>(std::string_view, std::uint64_t,       \
                                                         model::Operation*);                    \
  template Result<void> Records::remove<Object>(std::string_view, std::string_view);
ALOFT_INSTANTIATE(model::Guest)
ALOFT_INSTANTIATE(model::Host)
ALOFT_INSTANTIATE(model::Image)
ALOFT_INSTANTIATE(model::Network)
ALOFT_INSTANTIATE(model::Volume)
ALOFT_INSTANTIATE(model::Rule)
ALOFT_INSTANTIATE(model::Farm)
#undef ALOFT_INSTANTIATE

}  // namespace aloft::records
