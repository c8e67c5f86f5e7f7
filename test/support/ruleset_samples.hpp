// Rulesets to test with: a few that are worth reading, corner cases, and as many random ones as
// wanted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "router-init/ruleset.hpp"

namespace egress::router::test {

struct Sample {
  std::string name;  // also of its files: unit/goldens/NAME.nft, wire/goldens/nft_NAME.txt
  Ruleset ruleset;
};

// Every rule and every kind of map stands in one of them.
const std::vector<Sample>& readable_samples();

// What is at the edge of what nf_tables or nft take.
const std::vector<Sample>& corner_samples();

// Sound as a parsed configuration would be: mappings disjoint, sources for each family that is
// used. The same for the same seed.
Ruleset random_ruleset(std::uint32_t seed);

}  // namespace egress::router::test
