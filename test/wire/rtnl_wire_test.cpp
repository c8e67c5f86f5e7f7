// Each rtnetlink request against the one that ip(8) sends for the same change; the goldens are made
// by capture_ip_goldens.py. Where the plan prints that very command, the printed one is held
// against it too, so that what a plan prints is what is sent.
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "router-init/plan_text.hpp"
#include "router-init/rtnl_encode.hpp"
#include "test/support/netlink_tree.hpp"
#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using egress::test::prefix;

constexpr int kEth0 = 2;
constexpr int kEns3 = 4;
constexpr int kMacvlan0 = 7;
const LinkIndexes kIndexes{{"eth0", kEth0}, {"ens3", kEns3}, {"macvlan0", kMacvlan0}};

struct Golden {
  std::string command;
  std::vector<std::uint8_t> message;
};

std::filesystem::path goldens() { return std::filesystem::path(EGRESS_TEST_DIR) / "wire/goldens"; }

Golden read_golden(const std::string& name) {
  std::ifstream file(goldens() / ("ip_" + name + ".txt"));
  std::string line;
  std::getline(file, line);
  if (!line.starts_with("# ")) throw std::runtime_error("no golden " + name);
  Golden golden{line.substr(2), {}};
  for (unsigned byte = 0; file >> std::hex >> byte;) {
    golden.message.push_back(static_cast<std::uint8_t>(byte));
  }
  return golden;
}

std::string tree_of(const Result<NlMessage>& message) {
  REQUIRE(message.has_value());
  const nlmsghdr* header = ::nlmsg_hdr(message->get());
  return egress::test::netlink_tree(
      {reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len});
}

Result<NlMessage> encode(const Action& action) {
  if (const auto* one = std::get_if<CreateMacvlan>(&action)) return encode_create_macvlan(*one, 9);
  if (std::get_if<DeleteLink>(&action) != nullptr) return encode_delete_link(kMacvlan0);
  if (const auto* one = std::get_if<SetLinkUp>(&action))
    return encode_set_link_up(kMacvlan0, one->up);
  if (const auto* one = std::get_if<RenameLink>(&action))
    return encode_rename_link(kIndexes.at(one->from), one->to);
  if (const auto* one = std::get_if<AddAddress>(&action)) {
    return encode_add_address(one->address, kMacvlan0);
  }
  if (const auto* one = std::get_if<DeleteAddress>(&action)) {
    return encode_delete_address(one->address, kMacvlan0);
  }
  if (const auto* one = std::get_if<PutRoute>(&action))
    return encode_put_route(one->route, kIndexes);
  if (const auto* one = std::get_if<DeleteRoute>(&action)) {
    return encode_delete_route(one->route, kIndexes);
  }
  if (const auto* one = std::get_if<AddRule>(&action)) return encode_add_rule(one->rule);
  return encode_delete_rule(std::get<DeleteRule>(action).rule);
}

LinkAddress address(const std::string& text, bool link_scope = false) {
  return {"macvlan0", prefix(text), link_scope};
}

Route on_link(const std::string& to, const std::string& link) {
  Route route;
  route.destination = prefix(to);
  route.next_hops = {{link, {}, false}};
  if (route.family() == Family::v4) route.scope = RouteScope::link;
  return route;
}

Route via(const std::string& to, const std::string& gateway, const std::string& link) {
  Route route = on_link(to, link);
  route.next_hops[0].gateway = ip(gateway);
  route.scope = RouteScope::global;
  return route;
}

// A copy with one member set.
template <class Object, class Member, class Value>
Object with(Object object, Member member, Value value) {
  object.*member = value;
  return object;
}

Route host_route() {
  return with(on_link("10.42.253.1/32", "macvlan0"), &Route::source, ip("10.42.253.46"));
}

Route copied_route() {
  Route route = on_link("10.128.0.0/14", "eth0");
  route.table = kClusterTable;
  route.source = ip("10.128.0.5");
  route.metric = 100;
  route.metrics = {{RTAX_MTU, 1400}};
  return route;
}

const decltype(Route::metrics) kNoMetrics;

Route calico_default() {
  Route route = with(via("0.0.0.0/0", "169.254.1.1", "eth0"), &Route::table, kClusterTable);
  route.next_hops[0].onlink = true;
  return route;
}

Route multipath4() {
  Route route = via("172.30.0.0/16", "10.128.0.1", "eth0");
  route.next_hops.push_back({"macvlan0", ip("10.128.0.2"), true});
  route.table = kClusterTable;
  route.metrics = {{RTAX_MTU, 1400}};
  return route;
}

Route multipath6() {
  Route route = via("fd00:10::/32", "fd00::1", "eth0");
  route.next_hops.push_back({"eth0", ip("fd00::2"), false});
  route.metric = 1024;
  return route;
}

Route measured6() {
  Route route = via("::/0", "fe80::1", "eth0");
  route.metric = 1024;
  route.preference = 1;
  route.metrics = {
      {RTAX_LOCK, 1U << RTAX_MTU}, {RTAX_MTU, 1400}, {RTAX_ADVMSS, 1340}, {RTAX_INITCWND, 20}};
  return route;
}

Route default6() { return with(via("::/0", "fe80::1", "eth0"), &Route::metric, 1024U); }

Rule rule(Family family, std::uint32_t priority) {
  Rule one;
  one.family = family;
  one.priority = priority;
  one.table = kClusterTable;
  return one;
}

Rule rule_to() {
  Rule one = with(rule(Family::v4, 3182), &Rule::input_link, "lo");
  one.to = prefix("172.30.0.10/32");
  return one;
}

Rule rule_mark(Family family) {
  Rule one = with(rule(family, 3183), &Rule::input_link, "lo");
  one.mark = kClusterMark;
  one.mark_mask = kClusterMark;
  return one;
}

Rule rule_main() {
  Rule one = with(rule(Family::v4, 100), &Rule::from, prefix("10.0.0.0/8"));
  one.table = kMainTable;
  return one;
}

// Whether the plan prints the golden's command, but for the protocol of routes: others need words
// that only say what is sent, such as the scope of a route that is deleted.
enum class Printed { same, other };

struct Case {
  std::string golden;
  Action action;
  Printed printed = Printed::same;
};

std::vector<Case> cases() {
  const CreateMacvlan macvlan{"macvlan0", "ens3", kEns3, "/proc/1/ns/net", MacvlanMode::private_,
                              1500};
  CreateMacvlan bridge = with(macvlan, &CreateMacvlan::name, "net1");
  bridge.mode = MacvlanMode::bridge;
  bridge.mtu = 9000;
  return {
      {"create_macvlan", macvlan, Printed::other},
      {"create_macvlan_bridge", bridge, Printed::other},
      {"delete_link", DeleteLink{"macvlan0"}},
      {"set_link_up", SetLinkUp{"macvlan0", true}},
      {"set_link_down", SetLinkUp{"macvlan0", false}},
      {"rename_link", RenameLink{"eth0", "net1"}},
      {"add_address4", AddAddress{address("10.42.253.46/24")}},
      {"add_address4_host", AddAddress{address("10.42.253.46/32")}},
      {"add_address6", AddAddress{address("2001:db8:42::46/64")}},
      {"add_address4_link_scope", AddAddress{address("169.254.7.7/16", true)}, Printed::other},
      {"delete_address4", DeleteAddress{address("10.42.253.46/24")}},
      {"delete_address6", DeleteAddress{address("2001:db8:42::46/64")}},
      {"put_route4_host", PutRoute{host_route()}},
      {"put_route4_default", PutRoute{via("0.0.0.0/0", "10.42.253.1", "macvlan0")}},
      {"put_route4_table", PutRoute{copied_route()}},
      {"put_route4_onlink", PutRoute{calico_default()}},
      {"put_route4_multipath", PutRoute{multipath4()}},
      {"put_route4_via6", PutRoute{via("0.0.0.0/0", "fe80::1", "eth0")}, Printed::other},
      {"put_route6_default", PutRoute{with(default6(), &Route::table, kClusterTable)}},
      {"put_route6_onlink",
       PutRoute{with(on_link("2001:db8:42::/64", "macvlan0"), &Route::metric, 256U)}},
      {"put_route6_metrics", PutRoute{measured6()}},
      {"put_route6_multipath", PutRoute{multipath6()}},
      {"delete_route4",
       DeleteRoute{with(via("0.0.0.0/0", "10.128.0.1", "eth0"), &Route::metric, 100U)},
       Printed::other},
      {"delete_route4_link",
       DeleteRoute{with(with(copied_route(), &Route::metric, 0U), &Route::metrics, kNoMetrics)},
       Printed::other},
      {"delete_route6", DeleteRoute{default6()}, Printed::other},
      {"add_rule4_iif", AddRule{with(rule(Family::v4, 3180), &Rule::input_link, "macvlan0")}},
      {"add_rule4_from",
       AddRule{with(rule(Family::v4, 3181), &Rule::from, prefix("10.128.0.5/32"))}},
      {"add_rule4_to", AddRule{rule_to()}},
      {"add_rule4_mark", AddRule{rule_mark(Family::v4)}},
      {"add_rule4_main", AddRule{rule_main()}},
      {"add_rule6_from",
       AddRule{with(rule(Family::v6, 3181), &Rule::from, prefix("fd00:10:128::5/128"))}},
      {"delete_rule4", DeleteRule{rule_to()}},
      {"delete_rule6", DeleteRule{rule_mark(Family::v6)}},
  };
}

std::string without(std::string text, const std::string& part) {
  if (const auto at = text.find(part); at != text.npos) text.erase(at, part.size());
  return text;
}

TEST_CASE("a request is the one that ip sends") {
  for (const auto& one : cases()) {
    const Golden golden = read_golden(one.golden);
    INFO(golden.command);
    CHECK(tree_of(encode(one.action)) == egress::test::netlink_tree(golden.message));
  }
}

TEST_CASE("the command that a plan prints is the one whose request is sent") {
  for (const auto& one : cases()) {
    if (one.printed == Printed::other) continue;
    const Golden golden = read_golden(one.golden);
    CHECK(to_command(one.action) == without(golden.command, " proto static"));
  }
}

TEST_CASE("each golden has its request") {
  std::set<std::string> known;
  for (const auto& one : cases()) known.insert("ip_" + one.golden + ".txt");
  std::set<std::string> there;
  for (const auto& file : std::filesystem::directory_iterator(goldens())) {
    const std::string name = file.path().filename();
    if (name.starts_with("ip_")) there.insert(name);
  }
  CHECK(there == known);
}

TEST_CASE("a route by a link that is gone is refused, by its name") {
  const auto message = encode_put_route(via("0.0.0.0/0", "10.0.0.1", "gone0"), kIndexes);
  REQUIRE(message.has_error());
  CHECK(message.error() == Error{ExitCode::route, "link gone0", "is not there", ""});
}

TEST_CASE("the number of the namespace's descriptor is passed on") {
  const CreateMacvlan macvlan{"macvlan0", "ens3", kEns3, "", MacvlanMode::private_, 1500};
  const auto message = encode_create_macvlan(macvlan, 1234);
  REQUIRE(message.has_value());
  const auto* descriptor =
      ::nlmsg_find_attr(::nlmsg_hdr(message->get()), sizeof(ifinfomsg), IFLA_NET_NS_FD);
  REQUIRE(descriptor != nullptr);
  CHECK(::nla_get_u32(descriptor) == 1234);
}

}  // namespace
}  // namespace egress::router
