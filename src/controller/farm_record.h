// What the store holds of guests, hosts and the controller, as values.
//
// A GuestRecord is one key: assignment, ownership and the members of its mirrored disk change
// together, by compare-and-swap on its revision. Who may change what:
//
//   field                        | changed by
//   -----------------------------+--------------------------------------------------------------
//   host, generation, fences +   | the controller (take-over of a lost owner, first placement),
//                                | the owner itself (hand-over after it has stopped the guest)
//   fences -, grantors, members  | the owner (grantors: those that it already asks for grants)
//   desired, move_to             | operators and the controller
//
// A *fence* is an owner whose right to run has not been shown to be over. It is over when one of
// that owner's grantors has waited out what it granted and grants no more, or when the owner itself
// says that nothing of the guest runs there (docs/design, leases).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "controller/ids.h"

namespace aloft::controller {

// A short list without allocation. Ordered as filled.
template <class T, std::size_t Capacity>
class Few {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == Capacity; }
  [[nodiscard]] const T* begin() const { return items_.data(); }
  [[nodiscard]] const T* end() const { return items_.data() + size_; }
  [[nodiscard]] T* begin() { return items_.data(); }
  [[nodiscard]] T* end() { return items_.data() + size_; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return items_[index]; }
  // Requires: not full.
  void push_back(const T& item) {
    ALOFT_ASSERT(size_ < Capacity);
    items_[size_++] = item;
  }
  void clear() { size_ = 0; }
  template <class Condition>
  void remove_if(Condition condition) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!condition(items_[i])) items_[kept++] = items_[i];
    }
    size_ = kept;
  }

 private:
  std::array<T, Capacity> items_{};
  std::size_t size_ = 0;
};

using Grantors = Few<HostId, kMaxGrantors>;

template <class List>
[[nodiscard]] bool has(const List& list, HostId host) {
  for (const HostId item : list) {
    if (item == host) return true;
  }
  return false;
}

enum class MemberState : std::uint8_t { InSync, CatchingUp, Stale };

struct Member {
  HostId host = kNoHost;
  MemberState state = MemberState::Stale;
};
using Members = Few<Member, kMaxMembers>;

struct Fence {
  HostId owner = kNoHost;
  Grantors grantors;  // that owner's, any one of them can clear it
};
using Fences = Few<Fence, kMaxFences>;

enum class Desired : std::uint8_t { Running, Stopped };

// Why the present owner was chosen; the evidence beside it names what was seen.
enum class Cause : std::uint8_t { Placed, HostLost, Drain, Crashes, Operator };

struct Evidence {
  HostId lost = kNoHost;      // the owner that is shut out
  HostId second = kNoHost;    // another voter that does not hear it either
  bool lease_gone = false;    // its host lease is gone
  bool grantor_deaf = false;  // one of its grantors does not hear it
};

struct GuestRecord {
  Revision revision;
  HostId host = kNoHost;  // owner; kNoHost: not placed
  Generation generation;
  Grantors grantors;
  Fences fences;
  Members members;            // of its mirrored disk; empty: no disk that matters
  std::uint8_t replicas = 0;  // wanted; 0: stateless
  bool pinned = false;        // only unmirrored local disks: runs on `host` or nowhere
  Desired desired = Desired::Running;
  bool failed = false;  // gave up after too many crashes
  std::uint8_t tries_elsewhere = 0;
  HostId move_to = kNoHost;    // the owner stops it and hands it over
  std::uint16_t priority = 0;  // higher first
  std::uint32_t memory_mib = 0;
  Cause cause = Cause::Placed;
  Evidence evidence;
};

[[nodiscard]] inline const Member* member_of(const GuestRecord& record, HostId host) {
  for (const Member& member : record.members) {
    if (member.host == host) return &member;
  }
  return nullptr;
}
[[nodiscard]] inline bool in_sync(const GuestRecord& record, HostId host) {
  const Member* const member = member_of(record, host);
  return member != nullptr && member->state == MemberState::InSync;
}

struct HostRecord {
  Revision revision;
  bool member = true;        // false: removed from the farm
  bool maintenance = false;  // gives its guests away, gets none
  bool voter = false;
  bool runs_guests = true;  // false: a witness
  std::uint16_t zone = 0;
  std::uint32_t memory_mib = 0;
};

struct ControllerRecord {
  Revision revision;
  HostId holder = kNoHost;
  std::uint32_t term = 0;
};

}  // namespace aloft::controller
