#include "api/placement_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace aloft::api {
namespace {

using model::Guest;
using model::Rule;

template <class Object>
Result<std::vector<Object>> all(records::Records& records) {
  ALOFT_ASSIGN(auto page, records.list<Object>());
  return std::move(page.items);
}

bool hosts_are_known(const FarmRecords& farm) {
  return std::ranges::any_of(
      farm.hosts, [](const model::Host& host) { return host.status().memory.count() != 0; });
}

template <class Object>
void put(std::vector<Object>& objects, const Object& object) {
  const auto found = std::ranges::find(objects, object.name(), &Object::name);
  if (found == objects.end()) {
    objects.push_back(object);
  } else {
    *found = object;
  }
}

std::unexpected<Error> not_tolerated(const PlacementView& farm,
                                     const placement::Tolerance& tolerance,
                                     const placement::Verdict& verdict, std::string_view guest) {
  return fail(Code::ResourceExhausted, "placement.not_tolerated",
              fmt::format("guest {}: {}; make it smaller, add a host, lower what the farm "
                          "tolerates, or force it",
                          guest, placement::explain(farm.state, tolerance, verdict)));
}

// A guest that runs keeps its host: only its needs may have grown.
Result<void> admit_on_its_host(PlacementView& farm, const placement::Tolerance& tolerance,
                               placement::GuestIndex guest, placement::HostIndex host) {
  using placement::Proof;
  const placement::Amounts needs = farm.state.running_needs(guest);
  farm.state.take(guest);
  if (!needs.fits_in(farm.state.free(host))) {
    placement::Eligibility eligibility(farm.state);
    eligibility.prepare(guest);
    return fail(
        Code::ResourceExhausted, "placement.no_room",
        fmt::format("guest {}: {}; give it less or move guests away", farm.state.guest(guest).name,
                    placement::to_string(farm.state, eligibility.refusal(host))));
  }
  if (tolerance.count == 0) return {};
  placement::Admission admission(farm.state, tolerance);
  const bool promised = admission.prove().proof != Proof::Refuted;
  admission.put(guest, host);
  const auto verdict = admission.prove();
  if (!promised || verdict.proof != Proof::Refuted) return {};
  return not_tolerated(farm, tolerance, verdict, farm.state.guest(guest).name);
}

}  // namespace

Result<model::FarmSpec> farm_settings(records::Records& records) {
  const auto farm = records.get<model::Farm>(model::kFarmName);
  if (farm) return farm->spec();
  if (farm.error().code == Code::NotFound) return model::FarmSpec{};
  return std::unexpected(farm.error());
}

Result<FarmRecords> read_farm(records::Records& records) {
  FarmRecords farm;
  ALOFT_ASSIGN(farm.hosts, all<model::Host>(records));
  ALOFT_ASSIGN(farm.rules, all<Rule>(records));
  ALOFT_ASSIGN(farm.images, all<model::Image>(records));
  ALOFT_ASSIGN(farm.volumes, all<model::Volume>(records));
  ALOFT_ASSIGN(farm.settings, farm_settings(records));
  ALOFT_ASSIGN(auto guests, records.list<Guest>());
  farm.guests = std::move(guests.items);
  farm.revision = guests.revision;
  return farm;
}

Result<PlacementView> view_farm(const FarmRecords& farm) {
  ALOFT_ASSIGN(auto view, placement::view_of({farm.hosts, farm.guests, farm.rules, farm.images,
                                              farm.volumes, farm.settings, wall_now()}));
  placement::Farm copy = view.farm;
  ALOFT_ASSIGN(auto state, placement::State::make(std::move(copy)));
  return PlacementView{std::move(view), std::move(state), farm.revision};
}

Result<void> admit_placement(records::Records& records, const Guest& guest) {
  if (guest.spec().desired != model::Desired::Running || guest.deleting()) return {};
  ALOFT_ASSIGN(auto farm, read_farm(records));
  if (!hosts_are_known(farm)) return {};
  put(farm.guests, guest);
  ALOFT_ASSIGN(auto seen, view_farm(farm));
  const auto index = seen.view.guest(guest.name());
  const placement::Tolerance tolerance = seen.view.tolerance;
  if (const auto host = seen.state.guest(*index).host) {
    return admit_on_its_host(seen, tolerance, *index, *host);
  }
  placement::Admission admission(seen.state, tolerance);
  // Guests that were accepted a moment ago and have no host yet take theirs first.
  for (std::uint32_t g = 0; g < seen.state.guest_count(); ++g) {
    const placement::GuestIndex other(g);
    if (other == *index || seen.state.guest(other).host) continue;
    // One that finds no room waits for it, and takes none from this guest.
    (void)admission.place(other, placement::Force::Yes);
  }
  const auto place = admission.place(*index);
  if (!place) return std::unexpected(place.error());
  if (tolerance.count < 2) return {};
  // Single losses are kept proved by place(); sets of several are planned here.
  const auto verdict = admission.prove();
  if (verdict.proof != placement::Proof::Refuted) return {};
  admission.take(*index);
  const bool promised = admission.prove().proof != placement::Proof::Refuted;
  if (!promised) return {};
  return not_tolerated(seen, tolerance, verdict, guest.name());
}

Result<void> admit_rule(records::Records& records, const Rule& rule) {
  ALOFT_ASSIGN(auto farm, read_farm(records));
  for (const auto& name : rule.spec().guests) {
    if (std::ranges::count(farm.guests, name, &Guest::name) > 0) continue;
    return fail(Code::FailedPrecondition, "rule.guest_missing",
                fmt::format("rule {}: there is no guest called \"{}\"; make it first (aloft guest "
                            "list shows those there are)",
                            rule.name(), name));
  }
  if (!hosts_are_known(farm)) return {};
  // A rule is judged for the guests as if all of them should run.
  for (auto& guest : farm.guests) {
    model::GuestSpec spec = guest.spec();
    spec.desired = model::Desired::Running;
    ALOFT_ASSIGN(guest, guest.with_spec(std::move(spec)));
  }
  ALOFT_ASSIGN(const auto before, view_farm(farm));
  put(farm.rules, rule);
  ALOFT_ASSIGN(const auto after, view_farm(farm));
  const auto contradiction = placement::check_rules(after.state.farm());
  if (contradiction || !placement::check_rules(before.state.farm())) return {};
  return std::unexpected(with_context(contradiction.error(), "rule " + rule.name()));
}

}  // namespace aloft::api
