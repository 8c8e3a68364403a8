// Which host hears which. One-way links that are up, down, or lossy; and since when a pair was
// well.
#pragma once

#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "controller/ids.h"

namespace aloft::sim {

class NetworkModel {
 public:
  explicit NetworkModel(std::size_t hosts) : hosts_(hosts), links_(hosts * hosts) {}

  struct Link {
    std::uint16_t cuts = 0;   // faults that hold it down now
    std::uint16_t lossy = 0;  // faults that lose its packets now
    Instant well_since = Instant::min();
  };

  [[nodiscard]] const Link& link(std::size_t from, std::size_t to) const {
    return links_[from * hosts_ + to];
  }
  [[nodiscard]] bool up(std::size_t from, std::size_t to) const {
    return from == to || link(from, to).cuts == 0;
  }
  [[nodiscard]] bool both_ways(std::size_t a, std::size_t b) const { return up(a, b) && up(b, a); }
  [[nodiscard]] bool lossy(std::size_t from, std::size_t to) const {
    return link(from, to).lossy > 0;
  }
  // Since when both directions are up and lose nothing; kNever when they are not.
  [[nodiscard]] Instant well_since(std::size_t a, std::size_t b) const {
    if (a == b) return Instant::min();
    const Link& there = link(a, b);
    const Link& back = link(b, a);
    if (there.cuts + there.lossy + back.cuts + back.lossy > 0) return kNever;
    return there.well_since > back.well_since ? there.well_since : back.well_since;
  }
  void cut(std::size_t from, std::size_t to) { ++at(from, to).cuts; }
  void mend(std::size_t from, std::size_t to, Instant now) {
    if (at(from, to).cuts > 0) --at(from, to).cuts;
    at(from, to).well_since = now;
  }
  void make_lossy(std::size_t from, std::size_t to) { ++at(from, to).lossy; }
  void make_clean(std::size_t from, std::size_t to, Instant now) {
    if (at(from, to).lossy > 0) --at(from, to).lossy;
    at(from, to).well_since = now;
  }
  void heal_all(Instant now) {
    for (Link& each : links_) {
      if (each.cuts + each.lossy > 0) each = Link{.cuts = 0, .lossy = 0, .well_since = now};
    }
  }

 private:
  Link& at(std::size_t from, std::size_t to) { return links_[from * hosts_ + to]; }

  std::size_t hosts_;
  std::vector<Link> links_;
};

}  // namespace aloft::sim
