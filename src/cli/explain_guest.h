// Why a guest is in its state. Pure but for the reads.
#pragma once

#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "cli/api_client.h"

namespace aloft::v1 {
class Guest;
}

namespace aloft::cli {

[[nodiscard]] Result<std::vector<std::string>> explain_guest(ApiClient& api,
                                                             const std::string& name, WallTime now);
// State, cause, what follows and what to do next, a sentence each.
[[nodiscard]] std::vector<std::string> guest_sentences(const v1::Guest& guest, WallTime now);

}  // namespace aloft::cli
