// The conntrack entries of this namespace, over ctnetlink: reads them, and deletes the stale ones.
// The next packet of such a flow is looked up anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/result.hpp"
#include "router-init/netlink_message.hpp"
#include "router-init/stale_conntrack.hpp"

namespace egress::router {

// A flow, and by what the kernel knows its entry again. Looks into the message that it was decoded
// from.
struct TrackedFlow {
  Flow flow;
  Bytes tuple;                           // the attributes in CTA_TUPLE_ORIG
  std::optional<std::uint32_t> id_be;    // CTA_ID: another flow with the same tuple has another one
  std::optional<std::uint16_t> zone_be;  // CTA_ZONE
};

// IPCTNL_MSG_CT_NEW. None for any other message, and where one of the two tuples is missing or cut
// short.
std::optional<TrackedFlow> decode_flow(const nlmsghdr& message);

// Appends an IPCTNL_MSG_CT_DELETE of that entry and no other, which asks to be acknowledged.
void append_delete(MessageWriter& batch, const TrackedFlow& tracked, std::uint32_t sequence);

// Deletes every stale entry; the number of them. All other flows live on untouched. A kernel
// without ctnetlink (nf_conntrack_netlink), and a caller without CAP_NET_ADMIN, are errors; a flow
// that ends by itself meanwhile is none.
Result<std::size_t> delete_stale_conntrack(const StaleConntrack& stale);

}  // namespace egress::router
