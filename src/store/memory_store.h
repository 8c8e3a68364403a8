// A store that lives in memory: tests, simulations, a daemon that must leave nothing behind.
#pragma once

#include <memory>

#include "store/store.h"

namespace aloft::store {

[[nodiscard]] std::unique_ptr<Store> make_memory_store();

}  // namespace aloft::store
