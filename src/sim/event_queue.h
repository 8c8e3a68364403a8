// Events of a simulation in order of time, and of their making among equals. A binary heap of small
// values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/instant.h"

namespace aloft::sim {

template <class Event>
class EventQueue {
 public:
  void push(Instant at, const Event& event) {
    heap_.push_back({at, ++made_, event});
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] Instant next() const { return heap_.front().at; }
  // Requires: not empty.
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    const Event event = heap_.back().event;
    heap_.pop_back();
    return event;
  }

 private:
  struct Item {
    Instant at;
    std::uint64_t made;
    Event event;
  };
  struct Later {
    bool operator()(const Item& left, const Item& right) const {
      return left.at != right.at ? left.at > right.at : left.made > right.made;
    }
  };

  std::vector<Item> heap_;
  std::uint64_t made_ = 0;
};

}  // namespace aloft::sim
