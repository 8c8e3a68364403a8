// The API without its sockets: routes, handlers, and what they share.
//
// `handle` may be called from several threads at once; it blocks for the time of store calls.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "api/backend.h"
#include "api/http.h"
#include "api/route.h"
#include "api/tokens.h"
#include "records/records.h"

namespace aloft::api {

struct ServiceOptions {
  std::string version;
  std::string host_name;
};

class Service {
 public:
  // Requires: `records` and `backend` outlive the service.
  Service(records::Records& records, Backend& backend, ServiceOptions options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Never fails: errors are answers too.
  Response handle(const Request& request);

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  [[nodiscard]] records::Records& records() { return records_; }
  [[nodiscard]] Backend& backend() { return backend_; }
  [[nodiscard]] Tokens& tokens() { return tokens_; }
  [[nodiscard]] const ServiceOptions& options() const { return options_; }

 private:
  friend class SlowCall;
  Result<Response> dispatch(const Request& request);

  records::Records& records_;
  Backend& backend_;
  Tokens tokens_;
  ServiceOptions options_;
  std::vector<Route> routes_;
  std::atomic<std::size_t> slow_calls_ = 0;
  std::atomic<std::uint64_t> requests_ = 0;

 public:
  // Held while an operation with an idempotency key is looked up and made.
  std::mutex idempotency;
  [[nodiscard]] std::uint64_t requests() const { return requests_; }
};

// A call that may take seconds: only so many at a time, so that the workers stay free for others.
class SlowCall {
 public:
  // Errors: ResourceExhausted "api.busy".
  static Result<SlowCall> begin(Service& service);
  SlowCall(SlowCall&& other) noexcept : service_(std::exchange(other.service_, nullptr)) {}
  SlowCall& operator=(SlowCall&&) = delete;
  ~SlowCall();

 private:
  explicit SlowCall(Service* service) : service_(service) {}
  Service* service_;
};

// Each adds the routes of one part.
void add_object_routes(Service& service, std::vector<Route>& routes);
void add_guest_routes(Service& service, std::vector<Route>& routes);
void add_operation_routes(Service& service, std::vector<Route>& routes);
void add_stream_routes(Service& service, std::vector<Route>& routes);
void add_placement_routes(Service& service, std::vector<Route>& routes);
void add_admin_routes(Service& service, std::vector<Route>& routes);

// What placement has to say to Prometheus; empty when the records cannot be read.
[[nodiscard]] std::vector<Sample> placement_samples(records::Records& records);

}  // namespace aloft::api
