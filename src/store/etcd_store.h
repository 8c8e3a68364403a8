// The log of truth of a farm: etcd's v3 API over gRPC.
//
// One EtcdStore per process. It talks to one endpoint at a time and goes to the next when that one
// does not answer; reads are linearizable (etcd's quorum reads). Keys live under `prefix`, so that
// an existing etcd cluster can be shared. Watches resume from the revision after the last change
// they gave; each has a thread of its own.
//
// A commit whose answer is lost gives Unknown "store.unknown": it may have happened. A commit that
// surely never left this process gives Unavailable.
// Source: etcd API reference v3.4 (KV, Watch, Lease); api/etcd/rpc.proto.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace aloft::store {

// PEM texts, not paths: whoever makes them decides where they live. All empty: clear text, for
// loopback only.
struct EtcdTls {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

struct EtcdOptions {
  std::vector<std::string> endpoints;  // "host:port", tried in this order first
  EtcdTls tls;
  std::string prefix = "aloft/";
  Duration request_timeout = std::chrono::seconds(2);  // of one request at one endpoint
};

// Makes the client; connects when first used.
// Errors: InvalidArgument "store.no_endpoints", "store.bad_endpoint", "store.incomplete_tls".
[[nodiscard]] Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options);

// Checks "host:port", "[::1]:2379"; refuses schemes, paths and empty hosts.
[[nodiscard]] Result<void> validate_endpoint(std::string_view endpoint);

}  // namespace aloft::store
