// What handlers of several parts share. Shows protobuf: for .cc files only.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <string>
#include <string_view>

#include "api/http.h"
#include "api/route.h"
#include "api/service.h"
#include "base/result.h"
#include "model/operation.h"

namespace aloft::api {

// JSON, or binary when the client accepts application/x-protobuf.
[[nodiscard]] Response answer(const Request& request, const google::protobuf::Message& message,
                              int status = 200);

// Errors: InvalidArgument "api.media_type" for a body that does not say it is JSON.
[[nodiscard]] Result<void> check_json(const Request& request);

// The revision that the client expects (If-Match); 0: any.
// Errors: InvalidArgument "api.bad_if_match".
[[nodiscard]] Result<std::uint64_t> expected_revision(const Request& request);

// A new operation of this request: `begin` fills in and writes it (with the record it is about).
// With an Idempotency-Key that was used before, the operation of then is answered instead; with
// dryRun=true `begin` gets true and must write nothing.
// Errors: FailedPrecondition "api.idempotency_key_reused"; those of `begin`.
[[nodiscard]] Result<Response> answer_operation(
    Service& service, const Request& request, std::string_view kind, std::string_view subject,
    const std::function<Result<void>(model::Operation&, bool dry_run)>& begin);

// Records who did what; a change is done whether or not this succeeds.
void note_event(Service& service, const Request& request, std::string_view kind,
                std::string_view subject, std::string message);

// dryRun, for the tables of parameters.
[[nodiscard]] const QueryParameter& dry_run_parameter();

}  // namespace aloft::api
