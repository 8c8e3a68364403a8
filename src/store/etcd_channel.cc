#include "store/etcd_channel.h"

#include <fmt/format.h>

#include <utility>

namespace aloft::store {
namespace {

std::shared_ptr<grpc::ChannelCredentials> credentials(const EtcdTls& tls) {
  if (tls.ca_pem.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = tls.ca_pem;
  options.pem_cert_chain = tls.certificate_pem;
  options.pem_private_key = tls.key_pem;
  return grpc::SslCredentials(options);
}

grpc::ChannelArguments arguments() {
  grpc::ChannelArguments result;
  // A peer that lost its power says nothing: ask it, also while no call runs.
  result.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1000);
  result.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 1000);
  result.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  result.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  result.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  result.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  result.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  result.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  result.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  result.SetMaxReceiveMessageSize(64 << 20);
  return result;
}

}  // namespace

EtcdEndpoint::EtcdEndpoint(std::string name, std::shared_ptr<grpc::Channel> connection)
    : address(std::move(name)),
      channel(std::move(connection)),
      kv(etcdserverpb::KV::NewStub(channel)),
      watch(etcdserverpb::Watch::NewStub(channel)),
      lease(etcdserverpb::Lease::NewStub(channel)) {}

EtcdChannel::EtcdChannel(const EtcdOptions& options) : request_timeout_(options.request_timeout) {
  const auto secret = credentials(options.tls);
  for (const std::string& address : options.endpoints) {
    endpoints_.push_back(std::make_unique<EtcdEndpoint>(
        address, grpc::CreateCustomChannel(address, secret, arguments())));
  }
}

Result<EtcdEndpoint*> EtcdChannel::connected(Duration patience) {
  std::string tried;
  for (std::size_t attempt = 0; attempt < endpoints_.size(); ++attempt) {
    EtcdEndpoint* endpoint = endpoints_[current_.load() % endpoints_.size()].get();
    if (endpoint->channel->GetState(true) == GRPC_CHANNEL_READY ||
        endpoint->channel->WaitForConnected(
            std::chrono::system_clock::now() +
            std::chrono::duration_cast<std::chrono::microseconds>(patience))) {
      return endpoint;
    }
    tried += (tried.empty() ? "" : ", ") + endpoint->address;
    leave(endpoint);
  }
  return fail(Code::Unavailable, "store.unreachable",
              fmt::format("the farm's store does not answer at {}: check that etcd runs there and "
                          "that the network to it is up",
                          tried));
}

void EtcdChannel::leave(const EtcdEndpoint* endpoint) {
  std::size_t index = current_.load();
  if (endpoints_[index % endpoints_.size()].get() == endpoint) {
    current_.compare_exchange_strong(index, index + 1);
  }
}

void EtcdChannel::prepare(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::microseconds>(request_timeout_));
  context.AddMetadata("hasleader", "true");
}

CallFate EtcdChannel::fate(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      // etcd answers "no leader" before it proposes anything; every other outage may come after.
      return status.error_message() == "etcdserver: no leader" ? CallFate::NotSent
                                                               : CallFate::MayHave;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::DATA_LOSS:
      return CallFate::MayHave;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::DO_NOT_USE:
      return CallFate::Refused;
  }
  return CallFate::MayHave;
}

Error EtcdChannel::error(const grpc::Status& status, const EtcdEndpoint& endpoint,
                         std::string_view what) {
  // gRPC's sixteen codes are Aloft's, in gRPC's order after OK.
  const int number = static_cast<int>(status.error_code());
  const Code code = number >= 1 && number <= 16 ? static_cast<Code>(number - 1) : Code::Internal;
  return Error{code, code == Code::OutOfRange ? "store.compacted" : "store.refused",
               fmt::format("{} at {}: {}", what, endpoint.address, status.error_message())};
}

}  // namespace aloft::store
