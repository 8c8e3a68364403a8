// Mistakes that can be switched on in the machines of this room, one at a time, by a test: the
// simulation must find each of them. In a product they are all off; a switch costs a compare.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace aloft::controller {

enum class Defect : std::uint8_t {
  None,
  StartBeforeGrantRanOut,     // clears a fence at once instead of waiting out what it granted
  RenewAfterAgreeing,         // goes on granting an owner whose take-over it has agreed to
  ForgetAgreementAtRestart,   // an agreement is not made durable before it is told
  ForgetGrantsAtRestart,      // a restarted grantor clears at once, as if it had granted nothing
  CountDeadlineFromAnswer,    // the holder counts its permission from the answer, not the sending
  NoMargin,                   // and deducts nothing for clocks and freezing
  IgnoreOneGrantor,           // permission by any grantor instead of every one
  ThawBeforeStoreAnswers,     // thaws when the exclusion was sent, not when it is in the store
  ExcludeWithoutStore,        // treats a lost answer of the store as success
  PromoteStale,               // takes a member that is not in sync for the new owner's disk
  StartWithoutClearing,       // starts a guest whose fences stand
  SkipGenerationCompare,      // an old record that comes late replaces a newer one
  AddGrantorBeforeAsking,     // names a grantor in the store before asking it for grants
  InSyncWithoutGrant,         // calls a member in sync that does not grant yet
  KeepRunningWhenMoved,       // goes on running a guest whose generation has moved
  BmcSuccessClearsFences,     // believes a BMC that says "off"
  SilenceAloneIsLoss,         // one deaf voter is enough to take guests over
  TakeOverHeardOwner,         // takes guests of an owner that all its grantors hear
  HandOverWhileRunning,       // hands over before the guest has stopped
  FeedWatchdogAlways,         // feeds the watchdog though grants will run out before it bites
  AssumePermissionAtRestart,  // a restarted agent believes in the grants of its last life
  NoRetryAfterConflict,       // forgets a guest whose compare-and-swap lost
  ForgetWaitingGuests,        // never looks again for a host for guests that found none
};

struct DefectName {
  Defect defect;
  std::string_view name;
};

// All defects but None, with the names that tools print and read.
inline constexpr std::array<DefectName, 23> kDefects{{
    {Defect::StartBeforeGrantRanOut, "start-before-grant-ran-out"},
    {Defect::RenewAfterAgreeing, "renew-after-agreeing"},
    {Defect::ForgetAgreementAtRestart, "forget-agreement-at-restart"},
    {Defect::ForgetGrantsAtRestart, "forget-grants-at-restart"},
    {Defect::CountDeadlineFromAnswer, "count-deadline-from-answer"},
    {Defect::NoMargin, "no-margin"},
    {Defect::IgnoreOneGrantor, "ignore-one-grantor"},
    {Defect::ThawBeforeStoreAnswers, "thaw-before-store-answers"},
    {Defect::ExcludeWithoutStore, "exclude-without-store"},
    {Defect::PromoteStale, "promote-stale"},
    {Defect::StartWithoutClearing, "start-without-clearing"},
    {Defect::SkipGenerationCompare, "skip-generation-compare"},
    {Defect::AddGrantorBeforeAsking, "add-grantor-before-asking"},
    {Defect::InSyncWithoutGrant, "in-sync-without-grant"},
    {Defect::KeepRunningWhenMoved, "keep-running-when-moved"},
    {Defect::BmcSuccessClearsFences, "bmc-success-clears-fences"},
    {Defect::SilenceAloneIsLoss, "silence-alone-is-loss"},
    {Defect::TakeOverHeardOwner, "take-over-heard-owner"},
    {Defect::HandOverWhileRunning, "hand-over-while-running"},
    {Defect::FeedWatchdogAlways, "feed-watchdog-always"},
    {Defect::AssumePermissionAtRestart, "assume-permission-at-restart"},
    {Defect::NoRetryAfterConflict, "no-retry-after-conflict"},
    {Defect::ForgetWaitingGuests, "forget-waiting-guests"},
}};

}  // namespace aloft::controller
