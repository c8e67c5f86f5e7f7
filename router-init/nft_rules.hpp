// From a ruleset to the nftables table that carries it out. Pure.
#pragma once

#include "router-init/nft_table.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

nft::Table make_table(const Ruleset& ruleset);

}  // namespace egress::router
