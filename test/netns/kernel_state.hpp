// What the tests of rtnetlink requests share: a pair of links, sending one request, and the state
// before and after it, as we read it and as ip shows it.
#pragma once

#include <net/if.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "router-init/host_facts.hpp"
#include "router-init/rtnl_encode.hpp"
#include "router-init/rtnl_socket.hpp"
#include "test/support/netns.hpp"
#include "test/support/parse.hpp"

namespace egress::router::test {

// Without link-local addresses, which come at a time of their own.
inline constexpr const char* kMakePair =
    "sysctl -qw net.ipv6.conf.default.addr_gen_mode=1;"
    "ip link add eth0 type veth peer name peer0 && ip link set peer0 up && ip link set eth0 up;"
    // The kernel sets IPv6 up on a link once it has seen the carrier, a moment later.
    "for i in $(seq 500); do [ $(ip -6 route show table all | grep -c ff00::/8) = 2 ] && break; "
    "sleep 0.01; done";

inline int index_of(const std::string& link) {
  return static_cast<int>(::if_nametoindex(link.c_str()));
}

inline LinkIndexes indexes() { return {{"eth0", index_of("eth0")}, {"peer0", index_of("peer0")}}; }

inline Result<void> send(Result<NlMessage> message) {
  auto socket = RtnlSocket::open();
  if (!socket) return socket.error();
  if (!message) return message.error();
  return socket->send(std::move(*message), ExitCode::route, "the change");
}

inline void must(Result<NlMessage> message) {
  const auto sent = send(std::move(message));
  if (!sent) throw std::runtime_error(to_text(sent.error()));
}

inline HostFacts facts(const std::string& interface = "eth0") {
  auto read = read_host_facts(interface, {});
  if (!read) throw std::runtime_error(to_text(read.error()));
  return *read;
}

// All that a request can change, as ip shows it; what only time changes is left out, and what the
// kernel derives from the carrier later.
inline std::string state() {
  return egress::test::run(
      "ip -details address | sed 's/valid_lft.*//; s/NO-CARRIER,//; s/,LOWER_UP//; s/qdisc [a-z]* "
      "//; "
      "s/state [A-Z]* //'; ip route show table all | sort; "
      "ip -6 route show table all | sort; ip rule; ip -6 rule");
}

template <class Value>
bool holds(const std::vector<Value>& list, const Value& value) {
  return std::count(list.begin(), list.end(), value) == 1;
}

inline Route on_link(const std::string& to, const std::string& link) {
  Route route;
  route.destination = egress::test::prefix(to);
  route.next_hops = {{link, {}, false}};
  if (route.family() == Family::v4) route.scope = RouteScope::link;
  return route;
}

// By eth0.
inline Route via(const std::string& to, const std::string& gateway) {
  Route route = on_link(to, "eth0");
  route.next_hops[0].gateway = egress::test::ip(gateway);
  route.scope = RouteScope::global;
  if (route.family() == Family::v6) route.metric = 1024;
  return route;
}

// The route of the main table that somebody else made, as we read it.
inline Route route_there(const std::string& to, std::uint32_t metric) {
  for (const auto& route : facts().routes) {
    const bool same = route.destination == egress::test::prefix(to) && route.metric == metric;
    if (same && route.table == kMainTable) return route;
  }
  throw std::runtime_error("no route to " + to + " with metric " + std::to_string(metric));
}

}  // namespace egress::router::test
