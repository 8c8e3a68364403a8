// Tokens, health, metrics and the document of the API itself.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "aloft/v1/service.pb.h"
#include "api/answer.h"
#include "api/limits.h"
#include "api/metrics.h"
#include "api/service.h"
#include "model/codec.h"
#include "model/message.h"

namespace aloft::api {
namespace {

v1::Token to_message(const Token& token) {
  v1::Token message;
  message.set_name(token.name);
  message.set_role(static_cast<v1::Role>(token.role));
  *message.mutable_created_at() = model::time_to(token.created_at);
  *message.mutable_expires_at() = model::time_to(token.expires_at);
  message.set_created_by(token.created_by);
  return message;
}

Result<Response> create_token(Service& service, const Request& request) {
  v1::TokenRequest wanted;
  ALOFT_TRY(model::message_from_json("token request", request.body, wanted));
  if (!v1::Role_IsValid(wanted.role())) {
    return fail(Code::InvalidArgument, "token.no_role",
                "the token's role is not known; give ROLE_VIEWER, ROLE_OPERATOR or ROLE_ADMIN");
  }
  if (wanted.lifetime_s() >
      static_cast<std::uint64_t>(std::chrono::seconds(kMaxTokenLifetime).count())) {
    return fail(Code::InvalidArgument, "token.lifetime",
                fmt::format("lifetimeS is {}; give at most {}", wanted.lifetime_s(),
                            std::chrono::seconds(kMaxTokenLifetime).count()));
  }
  const auto lifetime = wanted.lifetime_s() == 0 ? std::chrono::seconds(kDefaultTokenLifetime)
                                                 : std::chrono::seconds(wanted.lifetime_s());
  ALOFT_ASSIGN(const auto made,
               service.tokens().create(wanted.name(), static_cast<Role>(wanted.role()), lifetime,
                                       request.identity.name, wall_now()));
  note_event(service, request, "token.created", "token/" + made.token.name,
             fmt::format("{} made token {} with the role {}.", request.identity.name,
                         made.token.name, name_of(made.token.role)));
  v1::Token message = to_message(made.token);
  message.set_secret(made.secret);
  Response response = answer(request, message, 201);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<Response> list_tokens(Service& service, const Request& request) {
  ALOFT_ASSIGN(const auto tokens, service.tokens().list());
  v1::TokenList list;
  for (const Token& token : tokens) *list.add_items() = to_message(token);
  return answer(request, list);
}

Result<Response> metrics(Service& service) {
  std::vector<Sample> samples = service.backend().samples();
  std::ranges::move(placement_samples(service.records()), std::back_inserter(samples));
  samples.push_back({.name = "aloft_api_requests_total",
                     .type = Sample::Type::Counter,
                     .help = "Requests that the API of this host has answered.",
                     .value = static_cast<double>(service.requests())});
  samples.push_back(
      {.name = "aloft_build_info",
       .help = "1, with the version of aloftd.",
       .labels = {{"version", service.options().version}, {"host", service.options().host_name}},
       .value = 1});
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = prometheus_text(samples);
  return response;
}

// Healthy: the store answers.
Result<Response> health(Service& service) {
  ALOFT_TRY(service.records().store().get("counters/events"));
  Response response;
  response.content_type = "text/plain";
  response.body = "ok\n";
  return response;
}

}  // namespace

void add_admin_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({Method::Get,
                    "/v1/tokens",
                    Role::Admin,
                    "Lists bearer tokens, not their secrets",
                    "",
                    "TokenList",
                    200,
                    {},
                    [&service](const Call& call) { return list_tokens(service, call.request); }});
  routes.push_back({Method::Post,
                    "/v1/tokens",
                    Role::Admin,
                    "Makes a bearer token; its secret is shown this once",
                    "TokenRequest",
                    "Token",
                    201,
                    {},
                    [&service](const Call& call) { return create_token(service, call.request); }});
  routes.push_back(
      {Method::Delete,
       "/v1/tokens/{name}",
       Role::Admin,
       "Revokes a bearer token",
       "",
       "",
       204,
       {},
       [&service](const Call& call) -> Result<Response> {
         ALOFT_TRY(service.tokens().remove(call.name));
         note_event(service, call.request, "token.revoked", "token/" + call.name,
                    fmt::format("{} revoked token {}.", call.request.identity.name, call.name));
         Response response;
         response.status = 204;
         response.content_type.clear();
         return response;
       }});
  routes.push_back({Method::Get,
                    "/metrics",
                    Role::Viewer,
                    "Measurements of the host and its guests for Prometheus",
                    "",
                    "text/plain",
                    200,
                    {},
                    [&service](const Call&) { return metrics(service); }});
  routes.push_back({Method::Get,
                    "/healthz",
                    Role::None,
                    "Says whether the API and its store work",
                    "",
                    "text/plain",
                    200,
                    {},
                    [&service](const Call&) { return health(service); }});
  routes.push_back({Method::Get,
                    "/openapi.json",
                    Role::None,
                    "This API as an OpenAPI document",
                    "",
                    "application/json",
                    200,
                    {},
                    [&service](const Call&) -> Result<Response> {
                      Response response;
                      response.body = openapi_document(service.routes(), service.options().version);
                      return response;
                    }});
}

}  // namespace aloft::api
