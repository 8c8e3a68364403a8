#include "api/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "aloft/v1/operation.pb.h"
#include "api/answer.h"
#include "api/limits.h"
#include "base/log.h"
#include "model/codec.h"
#include "model/text.h"
#include "pki/token.h"

namespace aloft::api {
namespace {

// What makes a request the same as an earlier one with its idempotency key.
std::string fingerprint(const Request& request) {
  std::string text = fmt::format("{}\n", name_of(request.method));
  for (const auto& segment : request.target.segments) text += segment + "/";
  text += ":" + request.target.verb + "\n";
  for (const auto& [name, value] : request.target.query) text += name + "=" + value + "\n";
  return pki::hash_token(text + "\n" + request.body);
}

Result<void> check_query(const Route& route, const Request& request) {
  for (const auto& [name, value] : request.target.query) {
    if (std::ranges::any_of(route.query,
                            [&](const QueryParameter& known) { return known.name == name; })) {
      continue;
    }
    return fail(Code::InvalidArgument, "api.unknown_parameter",
                fmt::format("{} {} has no parameter \"{}\"; see /openapi.json",
                            name_of(route.method), route.path, name));
  }
  return {};
}

// A browser sends its user's certificate along for any page that asks it to.
Result<void> check_same_site(const Request& request) {
  const std::string_view site = request.header("sec-fetch-site");
  if (request.method == Method::Get || site.empty() || site == "same-origin" || site == "none") {
    return {};
  }
  return fail(Code::PermissionDenied, "api.cross_site",
              "a page of another site sent this change; open the console of this host itself");
}

}  // namespace

Service::Service(records::Records& records, Backend& backend, ServiceOptions options)
    : records_(records), backend_(backend), tokens_(records.store()), options_(std::move(options)) {
  add_object_routes(*this, routes_);
  add_guest_routes(*this, routes_);
  add_operation_routes(*this, routes_);
  add_stream_routes(*this, routes_);
  add_placement_routes(*this, routes_);
  add_admin_routes(*this, routes_);
}

Result<Response> Service::dispatch(const Request& request) {
  ALOFT_ASSIGN(const auto found, match(routes_, request.method, request.target));
  ALOFT_TRY(authorize(request.identity, found.route->role));
  ALOFT_TRY(check_same_site(request));
  ALOFT_TRY(check_query(*found.route, request));
  if (!request.body.empty()) {
    if (found.route->body.empty()) {
      return fail(Code::InvalidArgument, "api.unexpected_body",
                  fmt::format("{} {} takes no body", name_of(request.method), found.route->path));
    }
    ALOFT_TRY(check_json(request));
  }
  return found.route->handler(Call{request, found.name});
}

Response Service::handle(const Request& request) {
  ++requests_;
  auto done = dispatch(request);
  if (!done) {
    if (done.error().code == Code::Internal || done.error().code == Code::DataLoss) {
      log::error("api", "request {}: {}", request.id, done.error().message);
    }
    return error_response(done.error());
  }
  return *std::move(done);
}

Result<SlowCall> SlowCall::begin(Service& service) {
  if (service.slow_calls_.fetch_add(1) >= kMaxSlowCalls) {
    --service.slow_calls_;
    return fail(Code::ResourceExhausted, "api.busy",
                fmt::format("{} commands run in guests already, the maximum; try again later",
                            kMaxSlowCalls));
  }
  return SlowCall(&service);
}

SlowCall::~SlowCall() {
  if (service_ != nullptr) --service_->slow_calls_;
}

Response answer(const Request& request, const google::protobuf::Message& message, int status) {
  Response response;
  response.status = status;
  if (request.header("accept").contains("application/x-protobuf")) {
    response.content_type = "application/x-protobuf";
    response.body = message.SerializeAsString();
  } else {
    response.body = model::message_to_json(message);
  }
  return response;
}

Result<void> check_json(const Request& request) {
  const std::string_view type = request.header("content-type");
  const std::string_view media = type.substr(0, type.find(';'));
  // curl -d says "form" when nobody tells it better; from afar it may be a page in a browser.
  const bool local = request.identity.name.starts_with("unix:");
  if (media.empty() || media == "application/json" || media == "application/merge-patch+json" ||
      (media == "application/x-www-form-urlencoded" && local)) {
    return {};
  }
  return fail(Code::InvalidArgument, "api.media_type",
              fmt::format("the body is \"{}\"; send application/json", media));
}

Result<std::uint64_t> expected_revision(const Request& request) {
  std::string_view text = request.header("if-match");
  if (text.empty() || text == "*") return 0;
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() > 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size() && value != 0) return value;
  }
  return fail(Code::InvalidArgument, "api.bad_if_match",
              "If-Match is none of our ETags; send the one that GET gave, with its quotes");
}

void note_event(Service& service, const Request& request, std::string_view kind,
                std::string_view subject, std::string message) {
  model::Event event;
  event.kind = kind;
  event.subject = subject;
  event.message = std::move(message);
  event.cause = fmt::format("request {}", request.id);
  event.actor = request.identity.name;
  event.host = service.options().host_name;
  if (const auto done = service.records().append_event(event); !done) {
    log::warning("api", "no event of {} {}: {}", kind, subject, done.error().message);
  }
}

const QueryParameter& dry_run_parameter() {
  static const QueryParameter parameter{"dryRun", "check everything, change nothing"};
  return parameter;
}

Result<Response> answer_operation(
    Service& service, const Request& request, std::string_view kind, std::string_view subject,
    const std::function<Result<void>(model::Operation&, bool dry_run)>& begin) {
  ALOFT_ASSIGN(const bool dry_run, request.flag("dryRun"));
  model::Operation operation;
  operation.kind = kind;
  operation.subject = subject;
  operation.actor = request.identity.name;
  operation.idempotency_key = request.header("idempotency-key");
  if (dry_run) {
    ALOFT_TRY(begin(operation, true));
    operation.id = "op-dry-run";
    return answer(request, model::to_message(operation));
  }
  std::unique_lock lock(service.idempotency, std::defer_lock);
  if (!operation.idempotency_key.empty()) {
    ALOFT_TRY(
        model::check_line("Idempotency-Key", operation.idempotency_key, kMaxIdempotencyKeyBytes));
    operation.parameters["request"] = fingerprint(request);
    lock.lock();
    ALOFT_ASSIGN(const auto present, service.records().list_operations());
    for (const auto& other : present.items) {
      if (other.idempotency_key != operation.idempotency_key || other.actor != operation.actor) {
        continue;
      }
      const auto hash = other.parameters.find("request");
      if (hash != other.parameters.end() && hash->second == operation.parameters["request"]) {
        Response again = answer(request, model::to_message(other), 202);
        again.headers.emplace_back("Location", "/v1/operations/" + other.id);
        return again;
      }
      return fail(Code::FailedPrecondition, "api.idempotency_key_reused",
                  fmt::format("the idempotency key belongs to operation {} of another request; "
                              "choose a new key",
                              other.id));
    }
  }
  ALOFT_TRY(begin(operation, false));
  note_event(service, request, "operation.asked", subject,
             fmt::format("{} asked for {} of {} (operation {}).", request.identity.name, kind,
                         subject, operation.id));
  Response response = answer(request, model::to_message(operation), 202);
  response.headers.emplace_back("Location", "/v1/operations/" + operation.id);
  return response;
}

}  // namespace aloft::api
