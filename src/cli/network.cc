// aloft network
#include "aloft/v1/network.pb.h"
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

using Kind = ObjectKind<v1::Network, v1::NetworkList>;

std::string mode_text(const v1::Network& network) {
  if (network.spec().mode() == v1::NetworkSpec::MODE_BRIDGE) return "bridge";
  return network.spec().mode() == v1::NetworkSpec::MODE_ISOLATED ? "isolated" : "nat";
}

std::string bridge_text(const v1::Network& network) {
  return network.status().bridge().empty() ? network.spec().bridge() : network.status().bridge();
}

std::vector<Cell> row(const v1::Network& network, WallTime now) {
  return {{network.metadata().name()},
          ready_cell(network.metadata(), network.status().ready(), network.status().message()),
          {mode_text(network)},
          {network.spec().subnet()},
          {bridge_text(network)},
          {age_text(model::time_from(network.metadata().created_at()), now)}};
}

std::vector<Cell> wide_row(const v1::Network& network) {
  return {{labels_text(network.metadata())}};
}

void describe(const v1::Network& network, Fields& fields) {
  const auto& status = network.status();
  const Cell state = ready_cell(network.metadata(), status.ready(), status.message());
  fields.add("State", state.text, state.style);
  fields.add("Mode", mode_text(network));
  fields.add("Subnet", network.spec().subnet());
  fields.add("Bridge", bridge_text(network));
}

const Kind& kind() {
  static const Kind network = {.kind = "network",
                               .titles = {"NAME", "STATE", "MODE", "SUBNET", "BRIDGE", ">AGE"},
                               .wide = {"LABELS"},
                               .row = row,
                               .wide_row = wide_row,
                               .describe = describe};
  return network;
}

Result<int> create(Context& context, const Words& words) {
  const std::string& name = words.at("NAME");
  ALOFT_TRY(check_name("network", name));
  v1::Network network;
  network.mutable_metadata()->set_name(name);
  v1::NetworkSpec& spec = *network.mutable_spec();
  const std::string mode = words.text("--mode");
  if (mode == "nat") spec.set_mode(v1::NetworkSpec::MODE_NAT);
  if (mode == "bridge") spec.set_mode(v1::NetworkSpec::MODE_BRIDGE);
  if (mode == "isolated") spec.set_mode(v1::NetworkSpec::MODE_ISOLATED);
  spec.set_bridge(words.text("--bridge"));
  spec.set_subnet(words.text("--subnet"));
  return carry_out(context, words, {name}, [&](const std::string&) {
    return ask(context, words, "POST", "/v1/networks", {}, &network);
  });
}

}  // namespace

void add_network_commands(std::vector<Command>& table) {
  add_object_commands(table, kind());
  table.push_back(
      {.noun = "network",
       .verb = "create",
       .summary = "Make a network",
       .arguments = {{"NAME", "Name of the new network"}},
       .options = operation_options(
           {{.name = "--mode",
             .value = "MODE",
             .meaning =
                 "Own bridge with a way out (nat, usual), a bridge of the host, or no way out",
             .choices = {"nat", "bridge", "isolated"}},
            {.name = "--bridge",
             .value = "BRIDGE",
             .meaning = "Bridge of the host; made from the name when not given"},
            {.name = "--subnet",
             .value = "SUBNET",
             .meaning = "Like 10.77.0.0/24; chosen when not given"}}),
       .examples = {"aloft network create lan --subnet 10.77.0.0/24",
                    "aloft network create office --mode bridge --bridge br0"},
       .run = create});
  add_delete_command(table, "network", false);
}

}  // namespace aloft::cli
