// Where guests run, could run and should run: reports and plans, which change nothing.
#include <fmt/format.h>

#include <algorithm>

#include "aloft/v1/placement.pb.h"
#include "api/answer.h"
#include "api/limits.h"
#include "api/placement_view.h"
#include "api/service.h"
#include "placement/balance.h"
#include "placement/evacuate.h"

namespace aloft::api {
namespace {

using placement::GuestIndex;
using placement::HostIndex;
using placement::Resource;

std::string_view name_of(Resource resource) {
  switch (resource) {
    case Resource::Cpu:
      return "cpu";
    case Resource::Memory:
      return "memory";
    case Resource::Disk:
      return "disk";
    case Resource::Network:
      return "network";
    case Resource::HugePages:
      return "huge-pages";
    case Resource::PinnedCores:
      return "pinned-cores";
  }
  return "";
}

std::string_view name_of(placement::HostState state) {
  switch (state) {
    case placement::HostState::Up:
      return "up";
    case placement::HostState::Maintenance:
      return "maintenance";
    case placement::HostState::Lost:
      return "lost";
  }
  return "";
}

std::string_view name_of(placement::Purpose purpose) {
  switch (purpose) {
    case placement::Purpose::MakeRoom:
      return "make-room";
    case placement::Purpose::Balance:
      return "balance";
    case placement::Purpose::Rules:
      return "rules";
    case placement::Purpose::Evacuate:
      return "evacuate";
    case placement::Purpose::Consolidate:
      return "consolidate";
    case placement::Purpose::Repair:
      return "repair";
    case placement::Purpose::EvenOut:
      return "even-out";
  }
  return "";
}

v1::PlacementReport::Proof proof_of(placement::Proof proof) {
  switch (proof) {
    case placement::Proof::Proved:
      return v1::PlacementReport::PROOF_PROVED;
    case placement::Proof::Refuted:
      return v1::PlacementReport::PROOF_REFUTED;
    case placement::Proof::Unproven:
      return v1::PlacementReport::PROOF_UNPROVEN;
  }
  return v1::PlacementReport::PROOF_UNSPECIFIED;
}

Result<PlacementView> seen_now(Service& service) {
  ALOFT_ASSIGN(const auto farm, read_farm(service.records()));
  return view_farm(farm);
}

void add_room(const placement::State& state, const placement::Admission& admission, HostIndex host,
              v1::HostRoom& room) {
  room.set_host(state.host(host).name);
  room.set_state(std::string(name_of(state.host(host).state)));
  room.set_guests(static_cast<std::uint32_t>(state.guests_on(host).size()));
  for (const Resource resource : placement::kResources) {
    const std::int64_t capacity = state.capacity(host)[resource];
    const std::int64_t free = state.free(host)[resource];
    if (capacity == 0 && free == 0) continue;
    const std::int64_t reserved = admission.reserve(host)[resource];
    auto& out = *room.add_resources();
    out.set_resource(std::string(name_of(resource)));
    out.set_capacity(capacity);
    out.set_used(capacity - free);
    out.set_reserved(reserved);
    out.set_free(std::max<std::int64_t>(free - reserved, 0));
  }
}

// Guests that run where a required rule or wish forbids them.
void add_breaches(const placement::State& state, v1::PlacementReport& report) {
  placement::Eligibility eligibility(state);
  for (std::uint32_t g = 0; g < state.guest_count(); ++g) {
    const auto host = state.guest(GuestIndex(g)).host;
    if (!host || !state.up(*host)) continue;
    if (static_cast<std::size_t>(report.problems_size()) >= kMaxProblems) return;
    eligibility.prepare(GuestIndex(g));
    if (eligibility.allows(*host)) continue;
    report.add_problems(fmt::format("guest {} runs where it should not: {}",
                                    state.guest(GuestIndex(g)).name,
                                    placement::to_string(state, eligibility.refusal(*host))));
  }
}

Result<Response> check(Service& service, const Call& call) {
  ALOFT_ASSIGN(auto farm, seen_now(service));
  const placement::Tolerance tolerance = farm.view.tolerance;
  placement::Admission admission(farm.state, tolerance);
  v1::PlacementReport report;
  report.mutable_tolerate()->set_level(
      static_cast<v1::Level>(static_cast<int>(tolerance.level) + 1));
  report.mutable_tolerate()->set_count(tolerance.count);
  if (tolerance.count == 0) {
    report.set_explanation("nothing is promised; set what the farm shall tolerate");
  } else {
    const auto verdict = admission.prove();
    report.set_proof(proof_of(verdict.proof));
    report.set_explanation(placement::explain(farm.state, tolerance, verdict));
    for (const HostIndex host : verdict.lost) report.add_lost(farm.state.host(host).name);
    if (verdict.no_room) report.set_guest(farm.state.guest(verdict.no_room->guest).name);
  }
  report.set_score(placement::Score(farm.state, {}).value());
  for (std::uint32_t h = 0; h < farm.state.host_count(); ++h) {
    add_room(farm.state, admission, HostIndex(h), *report.add_hosts());
  }
  for (const auto& problem : farm.view.problems) {
    if (static_cast<std::size_t>(report.problems_size()) < kMaxProblems) {
      report.add_problems(problem);
    }
  }
  if (const auto rules = placement::check_rules(farm.state.farm()); !rules) {
    report.add_problems(rules.error().message);
  }
  add_breaches(farm.state, report);
  report.set_revision(farm.revision.value());
  return answer(call.request, report);
}

void add_moves(const placement::State& state, const std::vector<placement::Move>& moves,
               v1::PlacementPlan& plan) {
  for (const auto& move : moves) {
    auto& out = *plan.add_moves();
    out.set_guest(state.guest(move.guest).name);
    out.set_from(state.host(move.from).name);
    out.set_to(state.host(move.to).name);
    out.set_purpose(std::string(name_of(move.purpose)));
    out.set_gain(move.gain);
    out.set_explanation(placement::explain(state, move));
  }
}

void add_unplaced(const placement::State& state, const std::vector<placement::NoRoom>& unplaced,
                  v1::PlacementPlan& plan) {
  for (const auto& no_room : unplaced) {
    auto& out = *plan.add_unplaced();
    out.set_guest(state.guest(no_room.guest).name);
    out.set_explanation(placement::explain(state, no_room));
  }
}

Result<Response> answer_plan(const Request& request, const PlacementView& farm,
                             v1::PlacementPlan& plan) {
  plan.set_revision(farm.revision.value());
  return answer(request, plan);
}

Result<Response> balance(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto max_moves, call.request.number("maxMoves", 100, kMaxPlannedMoves));
  ALOFT_ASSIGN(auto farm, seen_now(service));
  placement::Admission admission(farm.state, farm.view.tolerance);
  placement::BalanceOptions options;
  options.max_moves = max_moves;
  const auto planned = placement::balance(farm.state, options, &admission);
  v1::PlacementPlan plan;
  add_moves(farm.state, planned.moves, plan);
  plan.set_score_before(planned.score_before);
  plan.set_score_after(planned.score_after);
  return answer_plan(call.request, farm, plan);
}

// Hosts by name, comma-separated.
Result<std::vector<HostIndex>> hosts_named(const placement::View& view, std::string_view parameter,
                                           std::string_view text) {
  std::vector<HostIndex> hosts;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    const auto host = view.host(name);
    if (!host) {
      return fail(Code::InvalidArgument, "placement.unknown_host",
                  fmt::format("{} names \"{}\", which is no host of the farm; give names of aloft "
                              "host list, with commas between them",
                              parameter, name));
    }
    if (std::ranges::count(hosts, *host) == 0) hosts.push_back(*host);
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return hosts;
}

Result<Response> recovery(Service& service, const Call& call) {
  ALOFT_ASSIGN(auto farm, seen_now(service));
  ALOFT_ASSIGN(const auto lost, hosts_named(farm.view, "lost", call.request.query("lost")));
  placement::Admission admission(farm.state, farm.view.tolerance);
  const auto planned = admission.recover(lost);
  v1::PlacementPlan plan;
  add_moves(farm.state, planned.moves, plan);
  for (const auto& start : planned.starts) {
    auto& out = *plan.add_starts();
    out.set_guest(farm.state.guest(start.guest).name);
    out.set_host(farm.state.host(start.host).name);
    out.set_wave(start.wave);
    out.set_needs_moves(start.needs_moves);
  }
  add_unplaced(farm.state, planned.unplaced, plan);
  return answer_plan(call.request, farm, plan);
}

Result<Response> evacuation(Service& service, const Call& call) {
  ALOFT_ASSIGN(const bool replicas, call.request.flag("replicas"));
  ALOFT_ASSIGN(auto farm, seen_now(service));
  ALOFT_ASSIGN(const auto hosts, hosts_named(farm.view, "hosts", call.request.query("hosts")));
  const auto planned = placement::evacuate(
      farm.state, hosts, replicas ? placement::Leave::GuestsAndReplicas : placement::Leave::Guests);
  v1::PlacementPlan plan;
  add_moves(farm.state, planned.moves, plan);
  add_unplaced(farm.state, planned.unplaced, plan);
  return answer_plan(call.request, farm, plan);
}

Result<Response> consolidation(Service& service, const Call& call) {
  ALOFT_ASSIGN(const auto max_hosts, call.request.number("maxHosts", 1, kMaxPlannedMoves));
  ALOFT_ASSIGN(auto farm, seen_now(service));
  const auto planned = placement::consolidate(farm.state, farm.view.tolerance,
                                              static_cast<std::uint32_t>(max_hosts));
  v1::PlacementPlan plan;
  add_moves(farm.state, planned.moves, plan);
  for (const HostIndex host : planned.emptied) plan.add_emptied(farm.state.host(host).name);
  return answer_plan(call.request, farm, plan);
}

Result<Response> explain_guest(Service& service, const Call& call) {
  ALOFT_TRY(service.records().get<model::Guest>(call.name));
  ALOFT_ASSIGN(auto farm, seen_now(service));
  const auto guest = farm.view.guest(call.name);
  if (!guest) {
    return fail(Code::FailedPrecondition, "placement.guest_stopped",
                fmt::format("guest {} shall not run, so it has no place; start it first (aloft "
                            "guest start {})",
                            call.name, call.name));
  }
  placement::Admission admission(farm.state, farm.view.tolerance);
  v1::GuestPlacement report;
  report.set_guest(call.name);
  const auto host = farm.state.guest(*guest).host;
  if (host) report.set_host(farm.state.host(*host).name);
  if (const auto refuge = admission.refuge(*guest)) {
    report.set_refuge(farm.state.host(*refuge).name);
  }
  if (host) farm.state.take(*guest);
  placement::Eligibility eligibility(farm.state);
  eligibility.prepare(*guest);
  for (std::uint32_t h = 0; h < farm.state.host_count(); ++h) {
    auto& verdict = *report.add_hosts();
    verdict.set_host(farm.state.host(HostIndex(h)).name);
    verdict.set_fits(eligibility.allows(HostIndex(h)) && eligibility.has_room(HostIndex(h)));
    if (verdict.fits()) {
      verdict.set_penalty(eligibility.penalty(HostIndex(h)));
    } else {
      verdict.set_refusal(placement::to_string(farm.state, eligibility.refusal(HostIndex(h))));
    }
  }
  return answer(call.request, report);
}

}  // namespace

std::vector<Sample> placement_samples(records::Records& records) {
  const auto read = read_farm(records);
  if (!read) return {};
  auto farm = view_farm(*read);
  if (!farm) return {};
  const placement::Tolerance tolerance = farm->view.tolerance;
  placement::Admission admission(farm->state, tolerance);
  std::vector<Sample> samples;
  samples.push_back({.name = "aloft_placement_score",
                     .help = "How unevenly the farm is loaded; 0 is perfectly even.",
                     .value = placement::Score(farm->state, {}).value()});
  samples.push_back({.name = "aloft_placement_tolerate_count",
                     .help = "Losses at once that the farm has promised to tolerate.",
                     .value = static_cast<double>(tolerance.count)});
  if (tolerance.count > 0) {
    // Of single losses: sets of several are proved when a launch or a report asks.
    samples.push_back(
        {.name = "aloft_placement_tolerated",
         .help = "1 when every guest can restart after the loss of any one host or zone.",
         .value = admission.verdict().proof == placement::Proof::Proved ? 1.0 : 0.0});
  }
  for (std::uint32_t h = 0; h < farm->state.host_count(); ++h) {
    const HostIndex host(h);
    const auto add = [&](std::string name, std::string help, std::int64_t bytes) {
      samples.push_back({.name = std::move(name),
                         .help = std::move(help),
                         .labels = {{"host", farm->state.host(host).name}},
                         .value = static_cast<double>(bytes)});
    };
    add("aloft_placement_memory_capacity_bytes", "Memory of the host that guests may use.",
        farm->state.capacity(host)[Resource::Memory]);
    add("aloft_placement_memory_free_bytes", "Memory that no guest has been given.",
        farm->state.free(host)[Resource::Memory]);
    add("aloft_placement_memory_reserved_bytes", "Memory kept for restarts after a loss.",
        admission.reserve(host)[Resource::Memory]);
  }
  return samples;
}

void add_placement_routes(Service& service, std::vector<Route>& routes) {
  const auto add = [&](std::string path, std::string summary, std::string answer_name,
                       std::vector<QueryParameter> query,
                       Result<Response> (*handler)(Service&, const Call&)) {
    routes.push_back({Method::Get, "/v1/placement" + path, Role::Viewer, std::move(summary), "",
                      std::move(answer_name), 200, std::move(query),
                      [&service, handler](const Call& call) { return handler(service, call); }});
  };
  add("", "Says whether every guest can restart after a loss, and what room there is",
      "PlacementReport", {}, check);
  add("/balance", "Plans moves that even the farm out", "PlacementPlan",
      {{"maxMoves", "at most so many; 100 when not given"}}, balance);
  add("/recovery", "Plans the restart of all guests of lost hosts", "PlacementPlan",
      {{"lost", "the hosts, with commas between them"}}, recovery);
  add("/evacuation", "Plans how hosts are emptied", "PlacementPlan",
      {{"hosts", "the hosts, with commas between them"}, {"replicas", "their replicas go too"}},
      evacuation);
  add("/consolidation", "Plans how the least used hosts are emptied", "PlacementPlan",
      {{"maxHosts", "at most so many; 1 when not given"}}, consolidation);
  add("/guests/{name}", "Says for each host whether the guest fits there, and why not",
      "GuestPlacement", {}, explain_guest);
}

}  // namespace aloft::api
