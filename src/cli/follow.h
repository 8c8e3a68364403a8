// Asking for operations and waiting for their end. Shows protobuf: for .cc files only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "aloft/v1/operation.pb.h"
#include "base/result.h"
#include "cli/context.h"

namespace aloft::cli {

// A request that the API answers with an operation; --dry-run of `words` becomes dryRun.
// The request is sent again under its idempotency key when its answer was lost.
[[nodiscard]] Result<v1::Operation> ask(Context& context, const Words& words,
                                        std::string_view method, std::string_view path,
                                        Query query = {},
                                        const google::protobuf::Message* body = nullptr);

// Calls `begin` for each name, then waits for all (unless --no-wait or --dry-run) and shows how
// each ended. One that fails does not keep the others from going on; the exit code is that of the
// first failure. Ctrl-C and the end of --timeout leave the operations running and say how to follow
// or cancel them.
[[nodiscard]] Result<int> carry_out(
    Context& context, const Words& words, const std::vector<std::string>& names,
    const std::function<Result<v1::Operation>(const std::string&)>& begin);

// The same for operations that run already.
[[nodiscard]] Result<int> wait_for(Context& context, std::vector<v1::Operation> operations);

}  // namespace aloft::cli
