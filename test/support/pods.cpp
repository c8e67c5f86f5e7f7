#include "test/support/pods.hpp"

#include <stdexcept>

#include "test/support/parse.hpp"

namespace egress::router::test {
namespace {

using egress::test::ip;
using egress::test::prefix;

Link link(int index, const std::string& name, bool up) {
  return {index, name, {}, up, up, name == "lo", name == "lo" ? 65536U : 1450U, {}};
}

Route route(const std::string& to, const std::string& device) {
  Route one;
  one.destination = prefix(to);
  one.next_hops = {{device, {}, false}};
  if (one.family() == Family::v4) one.scope = RouteScope::link;
  return one;
}

Route route_via(const std::string& to, const std::string& gateway, const std::string& device) {
  Route one = route(to, device);
  one.next_hops[0].gateway = ip(gateway);
  one.scope = RouteScope::global;
  if (one.family() == Family::v6) one.metric = 1024;
  return one;
}

void add_sysctls(HostFacts& facts) {
  for (const auto& key : sysctls_of_interest(facts.links)) facts.sysctls[key] = "0";
  facts.sysctls["net/ipv4/conf/all/accept_redirects"] = "1";
  facts.sysctls["net/ipv4/ip_unprivileged_port_start"] = "1024";
}

void add_node(HostFacts& facts) {
  NodeFacts node;
  node.path = "/proc/1/ns/net";
  node.links = {link(1, "lo", true), link(2, "ens3", true), link(3, "ens4", true)};
  node.links[1].mtu = 1500;
  node.addresses = {{"ens3", prefix("10.42.253.10/24"), false},
                    {"ens4", prefix("192.0.2.10/24"), false}};
  node.routes = {route_via("0.0.0.0/0", "192.0.2.1", "ens4")};
  facts.node = node;
}

HostFacts cluster_pod(const std::string& address) {
  HostFacts facts;
  facts.links = {link(1, "lo", true), link(2, "eth0", true)};
  facts.addresses = {{"lo", prefix("127.0.0.1/8"), false},
                     {"eth0", prefix(address), false},
                     {"eth0", prefix("fd00:10:128::5/64"), false},
                     {"eth0", prefix("fe80::5/64"), true}};
  facts.nameservers = {ip("172.30.0.10")};
  return facts;
}

RouterConfig config(const std::string& mode, const std::string& source, const std::string& gateway,
                    const std::string& table) {
  Diagnostics diagnostics;
  auto parsed = parse_config(egress::test::environment({{"EGRESS_SOURCE", source},
                                                        {"EGRESS_GATEWAY", gateway},
                                                        {"EGRESS_ROUTER_MODE", mode},
                                                        {"EGRESS_DESTINATION", table}}),
                             diagnostics);
  if (diagnostics.has_errors()) throw std::logic_error(diagnostics.to_text(Severity::error));
  return parsed;
}

constexpr const char* kTable =
    "80 tcp 203.0.113.25\n8080 tcp 203.0.113.26 80\n8443 tcp 203.0.113.26 443\n203.0.113.27\n";

}  // namespace

HostFacts openshift_sdn_pod() {
  HostFacts facts = cluster_pod("10.128.0.5/23");
  facts.links.push_back(link(3, "macvlan0", false));
  facts.routes = {route("10.128.0.0/23", "eth0"), route("10.128.0.0/14", "eth0"),
                  route_via("0.0.0.0/0", "10.128.0.1", "eth0"), route("fd00:10:128::/64", "eth0"),
                  route_via("::/0", "fd00:10:128::1", "eth0")};
  add_sysctls(facts);
  return facts;
}

HostFacts ovn_kubernetes_pod() {
  HostFacts facts = cluster_pod("10.128.0.5/23");
  facts.routes = {route_via("0.0.0.0/0", "10.128.0.1", "eth0"),
                  route_via("10.128.0.0/14", "10.128.0.1", "eth0"),
                  route_via("172.30.0.0/16", "10.128.0.1", "eth0"),
                  route("10.128.0.0/23", "eth0"),
                  route_via("::/0", "fd00:10:128::1", "eth0"),
                  route("fd00:10:128::/64", "eth0")};
  add_sysctls(facts);
  add_node(facts);
  return facts;
}

HostFacts calico_pod() {
  HostFacts facts = cluster_pod("10.244.1.5/32");
  facts.routes = {route_via("0.0.0.0/0", "169.254.1.1", "eth0"), route("169.254.1.1/32", "eth0"),
                  route_via("::/0", "fe80::ecee:eeff:feee:eeee", "eth0")};
  add_sysctls(facts);
  add_node(facts);
  return facts;
}

RouterConfig reference_config(const std::string& mode) {
  return config(mode, "10.42.253.46", "10.42.253.1", kTable);
}

RouterConfig dual_stack_config(const std::string& mode) {
  return config(mode, "10.42.253.46/24,2001:db8:42::46/64", "10.42.253.1,2001:db8:42::1",
                std::string("80 tcp 2001:db8:113::25\n") + kTable + "2001:db8:113::27\n");
}

}  // namespace egress::router::test
