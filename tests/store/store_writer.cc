// Writes numbered transactions and prints each number once the store has answered.
//   aloft_store_writer write DIRECTORY FIRST   until it is killed
//   aloft_store_writer check DIRECTORY         prints the highest number; fails when a pair is torn
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "store/sqlite_store.h"

namespace {

using aloft::store::Revision;

int failed(const aloft::Error& error) {
  std::fprintf(stderr, "%s: %s\n", error.reason.c_str(), error.message.c_str());
  return 1;
}

// Each transaction writes both counters, adds a key and removes an old one.
int write(aloft::store::Store& store, unsigned long next) {
  for (;; ++next) {
    const std::string number = std::to_string(next);
    aloft::store::Transaction transaction;
    transaction.writes.push_back({"left", number, {}});
    transaction.writes.push_back({"right", number, {}});
    transaction.writes.push_back({"log/" + number, std::string(next % 5000, 'x'), {}});
    if (next > 20) {
      transaction.writes.push_back({"log/" + std::to_string(next - 20), std::nullopt, {}});
    }
    if (const auto done = store.commit(transaction); !done) return failed(done.error());
    const std::string line = number + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
  }
}

int check(aloft::store::Store& store) {
  const auto left = store.get("left");
  const auto right = store.get("right");
  if (!left) return failed(left.error());
  if (!right) return failed(right.error());
  if (!*left) {
    std::puts("0");
    return 0;
  }
  const auto listing = store.list("log/");
  if (!listing) return failed(listing.error());
  if ((*left)->value != (*right)->value || (*left)->modified != (*right)->modified ||
      (*left)->modified != listing->revision) {
    std::fprintf(stderr, "torn: %s and %s\n", (*left)->value.c_str(), (*right)->value.c_str());
    return 1;
  }
  const unsigned long last = std::stoul((*left)->value);
  if (listing->entries.size() != (last < 20 ? last : 20)) {
    std::fprintf(stderr, "%zu log entries at %lu\n", listing->entries.size(), last);
    return 1;
  }
  const auto watch = store.watch("left", Revision(0), [](const auto&) {});
  if (!watch) return failed(watch.error());
  std::printf("%lu\n", last);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const auto store = aloft::store::open_sqlite_store(arguments[2]);
  if (!store) return failed(store.error());
  if (std::string_view(arguments[1]) == "check") return check(**store);
  return write(**store, std::stoul(count > 3 ? arguments[3] : "1"));
}
