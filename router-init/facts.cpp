#include "router-init/facts.hpp"

#include <algorithm>

#include "common/fields.hpp"

namespace egress::router {
namespace {

// Every name below net/<family>/conf/LINK that a plan may set, or that the kernel changes together
// with one that it sets.
constexpr std::array<std::string_view, 9> kLinkKeys4{
    "rp_filter",        "arp_ignore",          "arp_announce", "arp_notify",     "proxy_arp",
    "accept_redirects", "accept_source_route", "forwarding",   "proxy_arp_pvlan"};
constexpr std::array<std::string_view, 8> kLinkKeys6{
    "disable_ipv6", "accept_ra",    "accept_ra_defrtr", "accept_redirects",
    "autoconf",     "ndisc_notify", "forwarding",       "proxy_ndp"};

}  // namespace

std::string link_key(Family family, std::string_view link, std::string_view name) {
  const std::string_view directory = family == Family::v4 ? "net/ipv4/conf/" : "net/ipv6/conf/";
  return std::string(directory) + std::string(link) + "/" + std::string(name);
}

std::vector<std::string> sysctls_of_interest(const std::vector<Link>& links) {
  std::vector<std::string> keys{"net/ipv4/ip_forward", "net/ipv4/fwmark_reflect",
                                "net/ipv4/ip_unprivileged_port_start", "net/ipv6/fwmark_reflect"};
  for (const Family family : kFamilies) {
    keys.push_back(link_key(family, "all", "forwarding"));
    keys.push_back(link_key(family, "default", "forwarding"));
  }
  keys.push_back(link_key(Family::v4, "all", "accept_redirects"));
  keys.push_back(link_key(Family::v4, "all", "proxy_arp"));
  keys.push_back(link_key(Family::v6, "all", "proxy_ndp"));
  for (const auto& link : links) {
    for (const auto name : kLinkKeys4) keys.push_back(link_key(Family::v4, link.name, name));
    for (const auto name : kLinkKeys6) keys.push_back(link_key(Family::v6, link.name, name));
  }
  return keys;
}

std::vector<IpAddress> parse_nameservers(std::string_view resolv_conf) {
  std::vector<IpAddress> nameservers;
  LineScanner scanner(resolv_conf);
  while (const Line* line = scanner.next()) {
    // glibc accepts a keyword only where it begins the line.
    const bool keyword = line->fields[0].text == "nameserver" && line->fields[0].column == 1;
    if (!keyword || line->fields.size() < 2) continue;
    const auto address = parse_ip_address(line->fields[1].text);
    if (!address) continue;
    const bool known =
        std::find(nameservers.begin(), nameservers.end(), *address) != nameservers.end();
    if (!known) nameservers.push_back(*address);
  }
  return nameservers;
}

}  // namespace egress::router
