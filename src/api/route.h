// One table of routes: the router, the OpenAPI document and docs/reference/api.md all come of it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/identity.h"
#include "base/result.h"

namespace aloft::api {

struct Call {
  const Request& request;
  std::string name;  // the {name} or {id} of the path
};
using Handler = std::function<Result<Response>(const Call&)>;

struct QueryParameter {
  std::string name;
  std::string meaning;
};

struct Route {
  Method method = Method::Get;
  std::string path;  // "/v1/guests/{name}:start"; at most one {..}, a whole segment
  Role role = Role::Viewer;
  std::string summary;  // one line, without a final period
  std::string body;     // name of the request's message; "" = none
  std::string answer;   // name of the answer's message, or a media type
  int status = 200;
  std::vector<QueryParameter> query;
  Handler handler;
};

struct Match {
  const Route* route = nullptr;
  std::string name;
};

// Errors: NotFound "api.no_such_path"; Unimplemented "api.method" when the path has other methods.
[[nodiscard]] Result<Match> match(const std::vector<Route>& routes, Method method,
                                  const Target& target);

// The OpenAPI 3.0 document of the routes and of the messages they name.
[[nodiscard]] std::string openapi_document(const std::vector<Route>& routes,
                                           std::string_view version);
// docs/reference/api.md.
[[nodiscard]] std::string reference_page(const std::vector<Route>& routes);

}  // namespace aloft::api
