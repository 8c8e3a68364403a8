// What a new or changed object must fulfil beyond being valid: what it refers to exists, no host is
// promised more than it has, nothing that reaches into a host comes from less than an admin, and
// what cannot change stays.
#pragma once

#include "api/identity.h"
#include "base/result.h"
#include "records/records.h"

namespace aloft::api {

// Errors: FailedPrecondition "guest.image_missing", "guest.network_missing",
// "guest.volume_missing", "guest.memory_exceeds_hosts", ...; PermissionDenied "api.forbidden".
[[nodiscard]] Result<void> admit_new(records::Records& records, const Identity& who,
                                     const model::Guest& guest);
[[nodiscard]] Result<void> admit_new(records::Records& records, const Identity& who,
                                     const model::Image& image);
[[nodiscard]] Result<void> admit_new(records::Records& records, const Identity& who,
                                     const model::Network& network);
[[nodiscard]] Result<void> admit_new(records::Records& records, const Identity& who,
                                     const model::Volume& volume);

// Errors: as above; FailedPrecondition "<kind>.immutable".
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Guest& before, const model::Guest& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Host& before, const model::Host& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Image& before, const model::Image& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Network& before, const model::Network& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Volume& before, const model::Volume& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Rule& before, const model::Rule& after);
[[nodiscard]] Result<void> admit_change(records::Records& records, const Identity& who,
                                        const model::Farm& before, const model::Farm& after);

// Errors: FailedPrecondition "<kind>.in_use", naming who uses it.
[[nodiscard]] Result<void> admit_deletion(records::Records& records, const model::Guest& guest);
[[nodiscard]] Result<void> admit_deletion(records::Records& records, const model::Image& image);
[[nodiscard]] Result<void> admit_deletion(records::Records& records, const model::Network& network);
[[nodiscard]] Result<void> admit_deletion(records::Records& records, const model::Volume& volume);

}  // namespace aloft::api
