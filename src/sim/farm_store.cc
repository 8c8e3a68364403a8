// The store of a simulated farm: linearizable, on the voters, with elections, outages, answers that
// are lost and changes that come true after they were given up.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "sim/farm_parts.h"
#include "sim/farm_trace.h"

namespace aloft::sim {

using controller::GuestId;
using controller::GuestRecord;
using controller::HostId;
using controller::MemberState;
using controller::Revision;
using controller::StoreAnswer;

namespace {

constexpr Duration kGivenUp = std::chrono::seconds(1);
constexpr Duration kRefusedAtOnce = std::chrono::milliseconds(300);

}  // namespace

void Farm::elect() {
  const auto works = [&](std::size_t host) {
    return host_records_[host].voter && host_records_[host].member &&
           hosts_[host]->power == Power::On;
  };
  std::size_t voters = 0;
  for (const auto& record : host_records_) voters += record.voter && record.member ? 1 : 0;
  const auto leads = [&](std::size_t host) {
    if (host >= hosts_.size() || !works(host)) return false;
    std::size_t followers = 0;
    for (std::size_t other = 0; other < hosts_.size(); ++other) {
      if (works(other) && network_.both_ways(host, other)) ++followers;
    }
    return followers * 2 > voters;
  };
  if (leads(leader_)) return;
  const std::size_t before = std::exchange(leader_, SIZE_MAX);
  for (std::size_t host = 0; host < hosts_.size() && leader_ == SIZE_MAX; ++host) {
    if (leads(host)) leader_ = host;
  }
  if (before != SIZE_MAX || leader_ != SIZE_MAX) store_well_since_ = now_;
  if (leader_ == SIZE_MAX) return;
  ++leader_term_;
  leader_ready_ = now_;
  if (before != SIZE_MAX || now_ > Instant{}) {
    leader_ready_ += std::chrono::milliseconds(random_.between(300, 600));
    queue_.push(leader_ready_, {Kind::LeaderReady, 0, 0, leader_term_});
  }
}

bool Farm::reaches_store(std::size_t host) const {
  if (!store_answers_ || leader_ == SIZE_MAX || now_ < leader_ready_) return false;
  if (hosts_[host]->power != Power::On || !hosts_[host]->store_link) return false;
  for (std::size_t voter = 0; voter < hosts_.size(); ++voter) {
    if (!host_records_[voter].voter || hosts_[voter]->power != Power::On) continue;
    if (network_.both_ways(host, voter) && network_.both_ways(voter, leader_)) return true;
  }
  return false;
}

void Farm::update_leases() {
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    Host& host = *hosts_[i];
    const bool renews = host.reaches && beats(i);
    if (renews && (host.lease_ending || !host.lease_held)) {
      ++host.lease_token;
      host.lease_ending = false;
      if (host.lease_held) continue;
      host.lease_held = true;
      for (std::uint32_t to = 0; to < hosts_.size(); ++to) {
        Letter letter;
        letter.kind = LetterKind::LeaseChanged;
        letter.owner = HostId(i);
        letter.to = to;
        letter.run = hosts_[to]->run;
        queue_.push(now_ + kHop, {Kind::Deliver, keep(letter)});
      }
    } else if (!renews && host.lease_held && !host.lease_ending) {
      host.lease_ending = true;
      ++host.lease_token;
      queue_.push(now_ + options_.timing.host_lease, {Kind::LeaseEnds, i, 0, host.lease_token});
    }
  }
}

void Farm::ask_store(std::size_t from, Letter letter) {
  letter.from = static_cast<std::uint32_t>(from);
  letter.to = letter.from;
  letter.run = hosts_[from]->run;
  if (!hosts_[from]->reaches) {
    letter.kind = letter.for_controller || letter.kind == LetterKind::CasController
                      ? LetterKind::ControllerAnswer
                      : LetterKind::GuestAnswer;
    letter.for_controller =
        letter.for_controller && letter.controller.holder == controller::kNoHost;
    letter.answer = StoreAnswer::Unavailable;
    queue_.push(now_ + kRefusedAtOnce, {Kind::Deliver, keep(letter)});
    return;
  }
  Duration after = std::chrono::microseconds(random_.between(300, 2000));
  if (store_trouble_) after += std::chrono::milliseconds(random_.between(0, 300));
  queue_.push(now_ + after, {Kind::StoreExecutes, keep(letter)});
}

void Farm::store_executes(std::uint32_t index) {
  Letter letter = letters_[index];
  free_letters_.push_back(index);
  const bool is_guest = letter.kind != LetterKind::CasController;
  Letter answer = letter;
  answer.kind =
      letter.for_controller || !is_guest ? LetterKind::ControllerAnswer : LetterKind::GuestAnswer;
  answer.for_controller = letter.for_controller && is_guest;
  const auto reply = [&](Duration after, StoreAnswer what) {
    answer.answer = what;
    if (!letter.answered) queue_.push(now_ + after, {Kind::Deliver, keep(answer)});
  };
  if (!reaches_store(letter.from)) {
    const bool surely_not = random_.chance(1, 2);
    return reply(kGivenUp, surely_not ? StoreAnswer::Unavailable : StoreAnswer::Unknown);
  }
  if (store_trouble_ && !letter.answered) {
    const std::uint64_t luck = random_.below(10);
    if (luck == 0) return reply(kGivenUp, StoreAnswer::Unknown);  // the request was lost
    if (luck == 1) {
      // It comes true long after whoever asked has given it up.
      reply(kGivenUp, StoreAnswer::Unknown);
      letter.answered = true;
      queue_.push(now_ + std::chrono::milliseconds(random_.between(1000, 4000)),
                  {Kind::StoreExecutes, keep(letter)});
      return;
    }
  }
  StoreAnswer what = StoreAnswer::Done;
  if (letter.kind == LetterKind::CasController) {
    if (letter.controller.revision == controller_.revision) {
      controller_ = letter.controller;
      controller_.revision = Revision(++revision_);
      tell("host {} is the controller, term {}", controller_.holder.value(), controller_.term);
      for (std::uint32_t to = 0; to < hosts_.size(); ++to) {
        Letter news;
        news.kind = LetterKind::ControllerChanged;
        news.to = to;
        news.run = hosts_[to]->run;
        news.controller = controller_;
        queue_.push(now_ + std::chrono::microseconds(random_.between(300, 2000)),
                    {Kind::Deliver, keep(news)});
      }
    } else {
      what = StoreAnswer::Conflict;
    }
    answer.controller = controller_;
  } else {
    const std::uint32_t g = letter.guest.value();
    if (letter.kind == LetterKind::CasGuest && !commit(letter.record, g)) {
      what = StoreAnswer::Conflict;
    }
    answer.record = guests_[g];
  }
  if (store_trouble_ && random_.chance(1, 8)) return reply(kGivenUp, StoreAnswer::Unknown);
  reply(std::chrono::microseconds(random_.between(300, 2000)), what);
}

bool Farm::commit(const GuestRecord& record, std::size_t g) {
  GuestRecord& known = guests_[g];
  if (record.revision != known.revision) return false;
  const GuestId guest(static_cast<std::uint32_t>(g));
  if (record.host != known.host) {
    write_everywhere();
    bool well = false;
    bool now_well = false;
    if (known.host != controller::kNoHost) {
      const std::size_t owner = known.host.value();
      const Instant long_ago = now_ - options_.timing.host_lease - kSettled;
      well = beats(owner) && hosts_[owner]->well_since <= long_ago && hosts_[owner]->lease_held &&
             store_well_since_ <= long_ago;
      now_well = beats(owner) && hosts_[owner]->lease_held;
      for (std::size_t other = 0; other < hosts_.size(); ++other) {
        well = well && network_.well_since(owner, other) <= long_ago;
        now_well = now_well && network_.well_since(owner, other) != kNever;
      }
    }
    // Nobody knew of the broken disk when the guest came here; now it is a cause.
    if (known.host != controller::kNoHost && !hosts_[known.host.value()]->disk_ok) {
      checker_.disturbed(now_);
    }
    checker_.moved(guest, known, record, well, now_well, now_);
    ++statistics_.take_overs;
    tell("guest {} goes from host {} to host {} at generation {}", g,
         static_cast<std::int32_t>(known.host.value()),
         static_cast<std::int32_t>(record.host.value()), record.generation.value());
  }
  for (const controller::Member& member : record.members) {
    const controller::Member* const before = controller::member_of(known, member.host);
    const bool joins = member.state == MemberState::InSync &&
                       (before == nullptr || before->state != MemberState::InSync);
    const std::uint32_t has = hosts_[member.host.value()]->versions[g];
    if (joins && has < checker_.acknowledged_version(guest)) {
      checker_.violate(
          "S3",
          fmt::format("the replica of guest {} on host {} is called in sync at write "
                      "{}, {} were acknowledged",
                      g, member.host.value(), has, checker_.acknowledged_version(guest)),
          now_);
    }
  }
  if (options_.record) {
    std::string members;
    for (const controller::Member& member : record.members) {
      static constexpr std::array<std::string_view, 3> kWords{"in sync", "catching up", "stale"};
      members += fmt::format(", {} {} at {}", member.host.value(),
                             kWords[static_cast<std::size_t>(member.state)],
                             hosts_[member.host.value()]->versions[g]);
    }
    tell("the record of guest {} changes: owner {}, {} grantors, {} fences{}", g,
         static_cast<std::int32_t>(record.host.value()), record.grantors.size(),
         record.fences.size(), members);
  }
  known = record;
  known.revision = Revision(++revision_);
  note(300, g, known.generation.value());
  tell_watchers(g);
  return true;
}

void Farm::tell_watchers(std::size_t g) {
  for (std::uint32_t to = 0; to < hosts_.size(); ++to) {
    if (!hosts_[to]->reaches) continue;
    Letter news;
    news.kind = LetterKind::GuestChanged;
    news.to = to;
    news.run = hosts_[to]->run;
    news.guest = GuestId(static_cast<std::uint32_t>(g));
    news.record = guests_[g];
    Duration after = std::chrono::microseconds(random_.between(300, 2000));
    if (store_trouble_ && random_.chance(1, 4)) {
      after += std::chrono::milliseconds(random_.between(0, 3000));
    }
    queue_.push(now_ + after, {Kind::Deliver, keep(news)});
  }
}

void Farm::read_all(std::size_t index) {
  Host& host = *hosts_[index];
  const Instant now = local(index, now_);
  host.agent.on_hosts(host_records_);
  for (std::uint32_t g = 0; g < guests_.size(); ++g) {
    if (guests_[g].revision == Revision(0)) continue;
    host.agent.on_record(GuestId(g), guests_[g], now, host_effects_);
    if (host_records_[index].voter) host.controller.on_guest(GuestId(g), guests_[g], now);
  }
  if (!host_records_[index].voter) return;
  host.controller.on_hosts(host_records_, now);
  host.controller.on_controller(controller_, now);
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    host.controller.on_lease(HostId(i), hosts_[i]->lease_held, now);
  }
}

}  // namespace aloft::sim
