#include "store/etcd_store.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <set>
#include <utility>

#include "store/etcd_channel.h"
#include "store/etcd_watch.h"

namespace aloft::store {
namespace {

constexpr std::int64_t kRangePage = 1000;                              // keys of one range request
constexpr std::size_t kMaxTransactionOperations = 128;                 // etcd's --max-txn-ops
constexpr Duration kConnectPatience = std::chrono::milliseconds(500);  // for one endpoint

// The first key after every key that begins with `prefix`; "\0" = to the end.
std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    if (last != 0xff) {
      prefix.back() = static_cast<char>(last + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return std::string(1, '\0');
}

Revision revision_of(std::int64_t value) {
  return Revision(static_cast<std::uint64_t>(value));
}

class EtcdStore final : public Store {
 public:
  explicit EtcdStore(EtcdOptions options)
      : prefix_(options.prefix), channel_(std::make_shared<EtcdChannel>(options)) {}

  Result<std::optional<Entry>> get(std::string_view key) override {
    etcdserverpb::RangeRequest request;
    request.set_key(full(key));
    ALOFT_ASSIGN(const auto answer, range(request));
    if (answer.kvs().empty()) return std::optional<Entry>();
    return std::optional<Entry>(entry(answer.kvs(0)));
  }

  Result<Listing> list(std::string_view prefix) override {
    Listing listing;
    etcdserverpb::RangeRequest request;
    request.set_key(full(prefix));
    request.set_range_end(end_of_prefix(full(prefix)));
    request.set_limit(kRangePage);
    while (true) {
      ALOFT_ASSIGN(const auto answer, range(request));
      // All pages are read at the revision of the first one.
      if (request.revision() == 0) {
        listing.revision = revision_of(answer.header().revision());
        request.set_revision(answer.header().revision());
      }
      for (const auto& pair : answer.kvs()) listing.entries.push_back(entry(pair));
      if (!answer.more() || answer.kvs().empty()) return listing;
      request.set_key(answer.kvs(answer.kvs_size() - 1).key() + std::string(1, '\0'));
    }
  }

  Result<Revision> commit(const Transaction& transaction) override {
    ALOFT_TRY(check(transaction));
    etcdserverpb::TxnRequest request;
    for (const Compare& compare : transaction.compares) {
      auto& condition = *request.add_compare();
      condition.set_result(etcdserverpb::Compare::EQUAL);
      condition.set_target(etcdserverpb::Compare::MOD);
      condition.set_key(full(compare.key));
      condition.set_mod_revision(static_cast<std::int64_t>(compare.modified.value()));
      // When it fails, the answer shows what each compared key is at.
      request.add_failure()->mutable_request_range()->set_key(full(compare.key));
    }
    for (const Write& write : transaction.writes) {
      auto& operation = *request.add_success();
      if (write.value) {
        auto& put = *operation.mutable_request_put();
        put.set_key(full(write.key));
        put.set_value(*write.value);
        put.set_lease(static_cast<std::int64_t>(write.lease.value()));
      } else {
        operation.mutable_request_delete_range()->set_key(full(write.key));
      }
    }
    ALOFT_ASSIGN(const auto answer, send(request));
    if (answer.succeeded()) return revision_of(answer.header().revision());
    return conflict(transaction, answer);
  }

  Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after,
                                       WatchHandler handler) override {
    return std::make_unique<EtcdWatch>(channel_, full(prefix), end_of_prefix(full(prefix)),
                                       prefix_.size(), after, std::move(handler));
  }

  Result<LeaseId> grant(Duration ttl) override {
    etcdserverpb::LeaseGrantRequest request;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(ttl).count();
    request.set_ttl(seconds > 0 ? seconds : 1);
    etcdserverpb::LeaseGrantResponse answer;
    ALOFT_TRY(unary("cannot grant a lease", Retry::WhenNotSent,
                    [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                      return endpoint.lease->LeaseGrant(&context, request, &answer);
                    }));
    return LeaseId(static_cast<std::uint64_t>(answer.id()));
  }

  Result<void> renew(LeaseId lease) override {
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(static_cast<std::int64_t>(lease.value()));
    etcdserverpb::LeaseKeepAliveResponse answer;
    ALOFT_TRY(unary("cannot renew a lease", Retry::Always,
                    [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                      const auto stream = endpoint.lease->LeaseKeepAlive(&context);
                      const bool answered = stream->Write(request) && stream->Read(&answer);
                      stream->WritesDone();
                      if (answered) {
                        context.TryCancel();
                        (void)stream->Finish();
                        return grpc::Status::OK;
                      }
                      grpc::Status status = stream->Finish();
                      return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                                        "the stream ended without an answer")
                                         : status;
                    }));
    if (answer.ttl() <= 0) return lease_ended(lease);
    return {};
  }

  Result<void> revoke(LeaseId lease) override {
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(static_cast<std::int64_t>(lease.value()));
    etcdserverpb::LeaseRevokeResponse answer;
    auto done = unary("cannot revoke a lease", Retry::Always,
                      [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                        return endpoint.lease->LeaseRevoke(&context, request, &answer);
                      });
    if (!done && done.error().code == Code::NotFound) return lease_ended(lease);
    return done;
  }

  Result<void> compact(Revision revision) override {
    etcdserverpb::CompactionRequest request;
    request.set_revision(static_cast<std::int64_t>(revision.value()));
    etcdserverpb::CompactionResponse answer;
    auto done = unary("cannot compact the store", Retry::Always,
                      [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                        return endpoint.kv->Compact(&context, request, &answer);
                      });
    // Somebody, perhaps a lost try of ours, has compacted as far already.
    if (!done && done.error().message.find("has been compacted") != std::string::npos) return {};
    return done;
  }

 private:
  // Whether a call whose answer was lost may be made again: only when doing it twice is the same
  // as doing it once.
  enum class Retry { WhenNotSent, Always };

  std::string full(std::string_view key) const { return prefix_ + std::string(key); }

  Entry entry(const etcdserverpb::KeyValue& pair) const {
    return Entry{pair.key().substr(prefix_.size()), pair.value(),
                 revision_of(pair.create_revision()), revision_of(pair.mod_revision())};
  }

  template <class Call>
  Result<void> unary(std::string_view what, Retry retry, Call call) {
    Error last{Code::Unavailable, "store.unreachable", std::string(what)};
    for (std::size_t attempt = 0; attempt <= channel_->size(); ++attempt) {
      const auto endpoint = channel_->connected(kConnectPatience);
      if (!endpoint) return std::unexpected(with_context(endpoint.error(), what));
      grpc::ClientContext context;
      channel_->prepare(context);
      const grpc::Status status = call(**endpoint, context);
      if (status.ok()) return {};
      const CallFate fate = EtcdChannel::fate(status);
      last = EtcdChannel::error(status, **endpoint, what);
      if (fate == CallFate::Refused) return std::unexpected(std::move(last));
      channel_->leave(*endpoint);
      if (fate == CallFate::MayHave && retry == Retry::WhenNotSent) {
        last.code = Code::Unknown;
        last.reason = "store.unknown";
        last.message += "; it may have happened, read before you retry";
        return std::unexpected(std::move(last));
      }
    }
    last.code = Code::Unavailable;
    last.reason = "store.unavailable";
    return std::unexpected(std::move(last));
  }

  Result<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request) {
    etcdserverpb::RangeResponse answer;
    ALOFT_TRY(unary("cannot read the store", Retry::Always,
                    [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                      return endpoint.kv->Range(&context, request, &answer);
                    }));
    return answer;
  }

  Result<etcdserverpb::TxnResponse> send(const etcdserverpb::TxnRequest& request) {
    etcdserverpb::TxnResponse answer;
    ALOFT_TRY(unary("cannot change the store", Retry::WhenNotSent,
                    [&](EtcdEndpoint& endpoint, grpc::ClientContext& context) {
                      return endpoint.kv->Txn(&context, request, &answer);
                    }));
    return answer;
  }

  static Result<void> check(const Transaction& transaction) {
    std::set<std::string_view> keys;
    for (const Write& write : transaction.writes) {
      if (write.key.empty()) {
        return fail(Code::InvalidArgument, "store.empty_key", "a write names no key");
      }
      if (!keys.insert(write.key).second) {
        return fail(Code::InvalidArgument, "store.duplicate_key",
                    fmt::format("a transaction writes key '{}' twice", write.key));
      }
    }
    if (transaction.writes.size() > kMaxTransactionOperations ||
        transaction.compares.size() > kMaxTransactionOperations) {
      return fail(Code::InvalidArgument, "store.transaction_too_large",
                  fmt::format("a transaction has {} compares and {} writes: at most {} each are "
                              "allowed, split it",
                              transaction.compares.size(), transaction.writes.size(),
                              kMaxTransactionOperations));
    }
    return {};
  }

  std::unexpected<Error> conflict(const Transaction& transaction,
                                  const etcdserverpb::TxnResponse& answer) const {
    std::string_view key = "?";
    for (int i = 0; i < answer.responses_size(); ++i) {
      const auto& range = answer.responses(i).response_range();
      const std::int64_t found = range.kvs().empty() ? 0 : range.kvs(0).mod_revision();
      const Compare& compare = transaction.compares[static_cast<std::size_t>(i)];
      if (revision_of(found) != compare.modified) {
        key = compare.key;
        break;
      }
    }
    return fail(Code::Aborted, "store.conflict",
                fmt::format("key '{}' was changed by somebody else: read it again", key));
  }

  static std::unexpected<Error> lease_ended(LeaseId lease) {
    return fail(Code::NotFound, "store.lease_ended",
                fmt::format("lease {:x} has ended: its keys are gone", lease.value()));
  }

  std::string prefix_;
  std::shared_ptr<EtcdChannel> channel_;
};

}  // namespace

Result<void> validate_endpoint(std::string_view endpoint) {
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, "store.bad_endpoint",
                fmt::format("'{}' is not an endpoint of the store: write host:port, without a "
                            "scheme, like h1:2379 or [fd00::1]:2379",
                            endpoint.substr(0, 128)));
  };
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || endpoint.size() > 255) return refuse();
  const std::string_view host = endpoint.substr(0, colon);
  const std::string_view port = endpoint.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.begin(), port.end(), number);
  if (error != std::errc{} || end != port.end() || number == 0 || number > 65535) return refuse();
  const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
  for (const char character : host) {
    const bool plain = std::isalnum(static_cast<unsigned char>(character)) != 0 ||
                       character == '.' || character == '-';
    const bool in_brackets =
        bracketed && (character == ':' || character == '[' || character == ']' || character == '%');
    if (!plain && !in_brackets) return refuse();
  }
  return {};
}

Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options) {
  if (options.endpoints.empty()) {
    return fail(Code::InvalidArgument, "store.no_endpoints",
                "the farm's store has no endpoints: name at least one as host:port");
  }
  for (const std::string& endpoint : options.endpoints) ALOFT_TRY(validate_endpoint(endpoint));
  const EtcdTls& tls = options.tls;
  const bool none = tls.ca_pem.empty() && tls.certificate_pem.empty() && tls.key_pem.empty();
  const bool all = !tls.ca_pem.empty() && !tls.certificate_pem.empty() && !tls.key_pem.empty();
  if (!none && !all) {
    return fail(Code::InvalidArgument, "store.incomplete_tls",
                "the store's TLS needs all of CA, certificate and key, or none of them");
  }
  return std::make_unique<EtcdStore>(std::move(options));
}

}  // namespace aloft::store
