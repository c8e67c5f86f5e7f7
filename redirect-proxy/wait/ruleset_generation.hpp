// The number of transactions that changed the pod's nftables ruleset, by which one that a killed
// child began is told from one that it finished.
#pragma once

#include <cstdint>
#include <optional>

namespace egress::wait {

// NFTA_GEN_ID of NFT_MSG_GETGEN, which each transaction increments. None where the kernel does not
// say: without CAP_NET_ADMIN, or without nf_tables.
std::optional<std::uint32_t> read_ruleset_generation();

}  // namespace egress::wait
