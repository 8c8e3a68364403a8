#include "store/etcd_watch.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace aloft::store {
namespace {

constexpr Duration kPauseAfterBreak = std::chrono::milliseconds(100);

Entry entry_of(const etcdserverpb::KeyValue& pair, std::size_t prefix_size) {
  return Entry{pair.key().substr(prefix_size), pair.value(),
               Revision(static_cast<std::uint64_t>(pair.create_revision())),
               Revision(static_cast<std::uint64_t>(pair.mod_revision()))};
}

}  // namespace

EtcdWatch::EtcdWatch(std::shared_ptr<EtcdChannel> channel, std::string begin, std::string end,
                     std::size_t prefix_size, Revision after, WatchHandler handler)
    : channel_(std::move(channel)),
      begin_(std::move(begin)),
      end_(std::move(end)),
      prefix_size_(prefix_size),
      next_revision_(static_cast<std::int64_t>(after.value()) + 1),
      handler_(std::move(handler)),
      thread_([this] { run(); }) {}

EtcdWatch::~EtcdWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  stopped_.notify_all();
  thread_.join();
}

void EtcdWatch::pause(Duration time) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, time, [this] { return stopping_; });
}

void EtcdWatch::run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    // Short patience: the destructor waits for this.
    const auto endpoint = channel_->connected(std::chrono::milliseconds(300));
    if (endpoint) {
      if (read_stream(**endpoint) == Outcome::Ended) return;
      channel_->leave(*endpoint);
    }
    pause(kPauseAfterBreak);
  }
}

EtcdWatch::Outcome EtcdWatch::read_stream(EtcdEndpoint& endpoint) {
  grpc::ClientContext context;
  // A member that lost its leader breaks the stream off instead of staying silent.
  context.AddMetadata("hasleader", "true");
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Outcome::Ended;
    context_ = &context;
  }
  Outcome outcome = Outcome::Again;
  {
    const auto stream = endpoint.watch->Watch(&context);
    etcdserverpb::WatchRequest request;
    auto& create = *request.mutable_create_request();
    create.set_key(begin_);
    create.set_range_end(end_);
    create.set_start_revision(next_revision_);
    create.set_progress_notify(true);
    if (stream->Write(request)) {
      etcdserverpb::WatchResponse response;
      while (outcome == Outcome::Again && stream->Read(&response)) {
        outcome = take(response);
        if (response.canceled()) break;
      }
    }
    context.TryCancel();
    (void)stream->Finish();
  }
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
  return stopping_ ? Outcome::Ended : outcome;
}

EtcdWatch::Outcome EtcdWatch::take(const etcdserverpb::WatchResponse& response) {
  if (response.canceled() && response.compact_revision() > 0) {
    handler_(fail(Code::OutOfRange, "store.compacted",
                  fmt::format("the store has forgotten the changes between revisions {} and {}: "
                              "list again and watch from there",
                              next_revision_, response.compact_revision())));
    return Outcome::Ended;
  }
  if (response.canceled()) return Outcome::Again;

  std::vector<Change> changes;
  for (const etcdserverpb::WatchEvent& event : response.events()) {
    Change change;
    change.key = event.kv().key().substr(prefix_size_);
    change.revision = Revision(static_cast<std::uint64_t>(event.kv().mod_revision()));
    if (event.type() == etcdserverpb::WatchEvent::PUT) {
      change.entry = entry_of(event.kv(), prefix_size_);
    }
    next_revision_ = event.kv().mod_revision() + 1;
    changes.push_back(std::move(change));
  }
  if (changes.empty()) {
    // Progress: everything up to this revision has been seen, so a resume need not ask for it, and
    // a compaction up to here does not end the watch.
    if (!response.created() && response.header().revision() >= next_revision_) {
      next_revision_ = response.header().revision() + 1;
    }
    return Outcome::Again;
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Outcome::Ended;
  }
  handler_(std::move(changes));
  return Outcome::Again;
}

}  // namespace aloft::store
