// The gRPC connections of one EtcdStore: an endpoint in use, the next when it fails, and the
// meaning of a failed call. Thread-safe. Internal to the store room.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "etcd/rpc.grpc.pb.h"
#include "store/etcd_store.h"

namespace aloft::store {

// The stubs of one endpoint.
struct EtcdEndpoint {
  EtcdEndpoint(std::string name, std::shared_ptr<grpc::Channel> connection);

  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease;
};

// What a failed call says about the request.
enum class CallFate {
  NotSent,  // it cannot have happened: try the next endpoint
  Refused,  // the server looked at it and said no
  MayHave,  // the answer was lost
};

class EtcdChannel {
 public:
  explicit EtcdChannel(const EtcdOptions& options);

  // The endpoint in use, connected or connecting; waits up to `patience` for a connection and goes
  // round the endpoints once. Errors: Unavailable "store.unreachable" naming all of them.
  [[nodiscard]] Result<EtcdEndpoint*> connected(Duration patience);
  // Leaves `endpoint` for the next one, unless another thread did already.
  void leave(const EtcdEndpoint* endpoint);

  [[nodiscard]] std::size_t size() const { return endpoints_.size(); }
  [[nodiscard]] Duration request_timeout() const { return request_timeout_; }

  // Sets the deadline of one call and asks etcd to refuse it while it has no leader.
  void prepare(grpc::ClientContext& context) const;

  [[nodiscard]] static CallFate fate(const grpc::Status& status);
  [[nodiscard]] static Error error(const grpc::Status& status, const EtcdEndpoint& endpoint,
                                   std::string_view what);

 private:
  std::vector<std::unique_ptr<EtcdEndpoint>> endpoints_;
  std::atomic<std::size_t> current_{0};
  Duration request_timeout_;
};

}  // namespace aloft::store
