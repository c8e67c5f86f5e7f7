// Sends our nftables table to the kernel and reads back what it says of it. Each call opens its own
// socket.
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

// Replaces our table by this ruleset in one transaction; every acknowledgement of the batch is
// read. On error nothing has changed. Other tables are never touched.
Result<void> load_ruleset(const Ruleset& ruleset);

// Deletes our table; none being there is no error.
Result<void> delete_ruleset();

// The fingerprint that our table carries as its comment; empty text where it carries none, nothing
// where there is no table. A kernel without nf_tables, and a reader without CAP_NET_ADMIN, are
// errors.
Result<std::optional<std::string>> read_fingerprint();

}  // namespace egress::router
