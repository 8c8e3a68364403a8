// The contract that every implementation of store::Store keeps: one suite over all of them.
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, ::testing::Values(kMemory));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace aloft::store {

struct Implementation {
  std::string name;
  // A new, empty store; what it needs lives as long as it does.
  std::function<std::unique_ptr<Store>()> make;
};

inline void PrintTo(const Implementation& implementation, std::ostream* out) {
  *out << implementation.name;
}

class StoreContract : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    store_ = GetParam().make();
    ASSERT_NE(store_, nullptr);
  }
  std::unique_ptr<Store> store_;
};

}  // namespace aloft::store
