// What is there before anything is decided, as plain values: host_facts reads them, plan decides on
// them. Includes neither configuration nor sockets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router-init/network.hpp"
#include "router-init/nft_state.hpp"

namespace egress::router {

// The routing table that holds the pod's routes by the cluster interface. Policy rules of the
// priorities kRulePriority and up lead to it.
inline constexpr std::uint32_t kClusterTable = 3180;
inline constexpr std::uint32_t kRulePriority = 3180;

// The node's network namespace, where it can be entered.
struct NodeFacts {
  std::string path;  // of the namespace
  std::vector<Link> links;
  std::vector<LinkAddress> addresses;
  std::vector<Route> routes;
};

struct HostFacts {
  std::vector<Link> links;
  std::vector<LinkAddress> addresses;
  std::vector<Route> routes;                   // unicast, of the main table and of kClusterTable
  std::vector<Route> other_routes;             // of other tables, for a rollback
  std::vector<Rule> rules;                     // those that lead to kClusterTable
  std::vector<IpAddress> nameservers;          // of resolv.conf
  std::map<std::string, std::string> sysctls;  // "net/ipv4/ip_forward" -> "0"; those that exist
  std::optional<TableState> ruleset;           // our nftables table; none: there is none
  std::optional<NodeFacts> node;               // read only where the egress interface is missing
  std::string node_trouble;                    // why `node` is missing, for people
};

// "net/ipv4/conf/macvlan0/rp_filter".
std::string link_key(Family family, std::string_view link, std::string_view name);

// The sysctls that a plan may set, or that the kernel changes together with one of them, for these
// links: keys below /proc/sys.
std::vector<std::string> sysctls_of_interest(const std::vector<Link>& links);

// The nameservers of a resolv.conf(5): in their order, each once; as glibc reads them, without its
// limit of three, which other resolvers do not have. An address with a zone (fe80::1%eth0) is left
// out, for the zone names its link already, and so is what is no address.
std::vector<IpAddress> parse_nameservers(std::string_view resolv_conf);

}  // namespace egress::router
