// Packs a ruleset for the kernel: the same table as to_nft_text prints, as one transaction. No
// socket here.
#pragma once

#include "router-init/nft_batch.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

// Adds the table if it is not there, deletes it, and defines it anew.
NftBatch encode_ruleset(const Ruleset& ruleset);

// Adds the table if it is not there, and deletes it.
NftBatch encode_delete_table();

}  // namespace egress::router
