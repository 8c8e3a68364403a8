// Which events a client wants, and the stream of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/http.h"
#include "api/route.h"
#include "api/service.h"
#include "base/result.h"
#include "model/event.h"

namespace aloft::api {

class EventFilter {
 public:
  // Errors: InvalidArgument "api.bad_parameter" for a severity that is not known.
  static Result<EventFilter> of(const Request& request);
  static std::vector<QueryParameter> parameters();

  [[nodiscard]] bool fits(const model::Event& event) const;

 private:
  std::string subject_;
  std::string kind_;
  std::string incident_;
  std::optional<model::Severity> least_;
};

// Server-sent events: those after ?after= or Last-Event-ID, then those to come.
[[nodiscard]] Result<Response> follow_events(Service& service, const Request& request);

}  // namespace aloft::api
