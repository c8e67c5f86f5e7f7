// Sends our nftables table to the kernel and reads back what the kernel holds of it. Each call
// opens its own socket.
#pragma once

#include <optional>

#include "common/result.hpp"
#include "router-init/nft_state.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

// Replaces our table by this ruleset in one transaction; every acknowledgement of the batch is
// read. On error nothing has changed. Other tables are never touched.
Result<void> load_ruleset(const Ruleset& ruleset);

// Deletes our table; none being there is no error.
Result<void> delete_ruleset();

// Our table with all that is in it; nothing where there is no table. A kernel without nf_tables,
// and a reader without CAP_NET_ADMIN, are errors.
Result<std::optional<TableState>> read_table();

}  // namespace egress::router
