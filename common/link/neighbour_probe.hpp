// Talks ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861, RFC 4862) on one link through a
// packet socket: asks who holds an address, and announces one. Each call opens its own socket and
// closes it. Needs CAP_NET_RAW.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/ip.hpp"
#include "common/result.hpp"

namespace egress::link {

// Asks whether another host holds `address`, or probes for it at this moment (RFC 5227 §2.1.1, RFC
// 4862 §5.4). Probes are spread over `time`, and the answer comes at the end of it, or at once with
// the MAC address of the holder. The link is up and does not hold the address.
Result<std::optional<MacAddress>> find_holder(const std::string& link, const IpAddress& address,
                                              std::chrono::milliseconds time);

// The MAC address of `target`, asked for in the name of `source`, which the link holds. None where
// nobody answered in `time`.
Result<std::optional<MacAddress>> resolve_neighbour(const std::string& link,
                                                    const IpAddress& source,
                                                    const IpAddress& target,
                                                    std::chrono::milliseconds time);

// Tells the whole link that `address` is here: an ARP announcement (RFC 5227 §2.3), or an
// unsolicited neighbour advertisement with the override flag (RFC 4861 §7.2.6).
Result<void> announce_address(const std::string& link, const IpAddress& address);

// RFC 5227 §1.1: ANNOUNCE_NUM announcements, ANNOUNCE_INTERVAL apart.
inline constexpr std::chrono::seconds kAnnounceInterval{2};

}  // namespace egress::link
