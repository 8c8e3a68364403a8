// Ganeti's text backend: the file that hbal, hail, hspace and hcheck read with -t and write with
// -S.
//
// Only what the comparison needs: one node group, mirrored instances (drbd: primary and secondary).
// Sizes are MiB. What is not understood is kept and written back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "placement/farm.h"

namespace aloft::bench {

struct GanetiCluster {
  std::string group;                     // the line of the one group
  std::vector<std::string> node_lines;   // as read; memory and disk are counted again
  std::vector<std::string> after_nodes;  // tags and policies, to the end of the file
  placement::Farm farm;
};

// Errors: InvalidArgument "bench.bad_text", with the line's number and the field.
[[nodiscard]] Result<GanetiCluster> read_cluster(std::string_view text);
[[nodiscard]] std::string write_cluster(const GanetiCluster& cluster, const placement::Farm& farm);

// `nodes` equal nodes with `guests_per_node` mirrored guests each, put down unevenly.
[[nodiscard]] std::string generate_cluster(std::uint32_t nodes, std::uint32_t guests_per_node,
                                           double memory_use, std::uint64_t seed);

}  // namespace aloft::bench
