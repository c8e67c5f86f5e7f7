// The flows that the kernel tracks in this namespace, over ctnetlink: reads them, and forgets those
// that the table sends elsewhere now. The next packet of such a flow is looked up anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "router-init/moved_flows.hpp"

struct nlmsghdr;

namespace egress::router {

// A flow, and by what the kernel knows it again. Looks into the message that it was decoded from.
struct TrackedFlow {
  Flow flow;
  std::span<const std::uint8_t> tuple;   // the attributes in CTA_TUPLE_ORIG
  std::optional<std::uint32_t> id_be;    // CTA_ID: another flow with the same tuple has another one
  std::optional<std::uint16_t> zone_be;  // CTA_ZONE
};

// IPCTNL_MSG_CT_NEW. None for any other message, and where one of the two tuples is missing or cut
// short.
std::optional<TrackedFlow> decode_flow(const nlmsghdr& message);

// Appends an IPCTNL_MSG_CT_DELETE of that flow and no other, which asks to be acknowledged.
void append_delete(std::vector<char>& batch, const TrackedFlow& tracked, std::uint32_t sequence);

// Ends every flow that the judge says has moved; the number of them. All others live on untouched.
// A kernel without ctnetlink (nf_conntrack_netlink), and a caller without CAP_NET_ADMIN, are
// errors; a flow that ends by itself meanwhile is none.
Result<std::size_t> end_moved_flows(const FlowJudge& judge);

}  // namespace egress::router
