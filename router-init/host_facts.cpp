#include "router-init/host_facts.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <new>
#include <sstream>

#include "router-init/netns.hpp"
#include "router-init/nft_socket.hpp"
#include "router-init/rtnl_decode.hpp"
#include "router-init/rtnl_socket.hpp"

namespace egress::router {
namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";
// A node where pods come and go changes often, but hardly ten times within the milliseconds of a
// dump.
constexpr int kDumpAttempts = 10;

// The request for all objects of one kind, of both families.
template <class Header>
NlMessage make_dump_request(int type) {
  Header header{};
  NlMessage request(::nlmsg_alloc_simple(type, NLM_F_DUMP));
  if (!request || ::nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0) {
    throw std::bad_alloc();
  }
  return request;
}

// What to ask for: a message type, and what to call the answers in an error.
struct Question {
  int type;
  std::string object;
};

// All values that `decode` makes of a dump's answers.
template <class Header, class Value, class Decode>
Result<void> read_all(RtnlSocket& socket, const Question& question, std::vector<Value>& values,
                      Decode decode) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    values.clear();
    const auto end = socket.dump(make_dump_request<Header>(question.type), question.object,
                                 [&](const nlmsghdr& message) {
                                   if (auto value = decode(message)) values.push_back(*value);
                                 });
    if (!end) return end.error();
    if (*end == DumpEnd::consistent) return {};
  }
  return Error{ExitCode::facts, question.object, "they change faster than they can be read", {}};
}

bool is_of_interest(const Route& route) {
  return route.table != RT_TABLE_LOCAL && !route.destination.address.is_multicast();
}
bool is_in_used_table(const Route& route) {
  return route.table == kMainTable || route.table == kClusterTable;
}

// Leaves in `routes` those of the tables that a plan uses, and returns the others.
std::vector<Route> split_off_others(std::vector<Route>& routes) {
  const auto others = std::stable_partition(routes.begin(), routes.end(), is_in_used_table);
  std::vector<Route> result(std::make_move_iterator(others), std::make_move_iterator(routes.end()));
  routes.erase(others, routes.end());
  return result;
}

// The part that is asked of a pod's and of a node's namespace alike.
template <class Facts>
Result<void> read_network(RtnlSocket& socket, Facts& facts) {
  auto read = read_all<ifinfomsg>(socket, {RTM_GETLINK, "links"}, facts.links, decode_link);
  if (!read) return read;
  LinkNames names;
  for (const auto& link : facts.links) names.emplace(link.index, link.name);
  read =
      read_all<ifaddrmsg>(socket, {RTM_GETADDR, "addresses"}, facts.addresses,
                          [&](const nlmsghdr& message) { return decode_address(message, names); });
  if (!read) return read;
  return read_all<rtmsg>(socket, {RTM_GETROUTE, "routes"}, facts.routes,
                         [&](const nlmsghdr& message) {
                           auto route = decode_route(message, names);
                           return route && is_of_interest(*route) ? route : std::nullopt;
                         });
}

Result<void> read_own_rules(RtnlSocket& socket, std::vector<Rule>& rules) {
  return read_all<fib_rule_hdr>(socket, {RTM_GETRULE, "policy rules"}, rules,
                                [](const nlmsghdr& message) {
                                  auto rule = decode_rule(message);
                                  return rule && rule->table == kClusterTable ? rule : std::nullopt;
                                });
}

std::vector<IpAddress> read_nameservers() {
  std::ostringstream text;
  if (std::ifstream file(kResolvConf); file) text << file.rdbuf();
  return parse_nameservers(text.str());
}

std::map<std::string, std::string> read_sysctls(const std::vector<Link>& links) {
  std::map<std::string, std::string> values;
  for (const auto& key : sysctls_of_interest(links)) {
    if (auto value = read_sysctl(key)) values.emplace(key, std::move(*value));
  }
  return values;
}

// A reader without CAP_NET_ADMIN, who can only print a plan, sees no table.
Result<std::optional<TableState>> read_own_table() {
  auto table = read_table();
  if (table || table.error().errno_value != EPERM) return table;
  return std::optional<TableState>();
}

Result<NodeFacts> read_node_facts(const std::string& configured_netns) {
  auto path = find_node_netns(configured_netns);
  if (!path) return path.error();
  auto socket = RtnlSocket::open_in(*path);
  if (!socket) return socket.error();
  NodeFacts facts;
  facts.path = *path;
  if (auto read = read_network(*socket, facts); !read) return read.error();
  split_off_others(facts.routes);
  return facts;
}

bool has_link(const HostFacts& facts, const std::string& name) {
  return std::any_of(facts.links.begin(), facts.links.end(),
                     [&](const Link& link) { return link.name == name; });
}

}  // namespace

std::optional<std::string> read_sysctl(const std::string& key) {
  std::ifstream file("/proc/sys/" + key);
  if (!file) return std::nullopt;
  std::string value;
  std::getline(file, value);
  if (file.bad()) return std::nullopt;
  return value;
}

Result<HostFacts> read_host_facts(const std::string& egress_interface,
                                  const std::string& host_netns) {
  HostFacts facts;
  auto socket = RtnlSocket::open();
  if (!socket) return socket.error();
  if (auto read = read_network(*socket, facts); !read) return read.error();
  facts.other_routes = split_off_others(facts.routes);
  if (auto read = read_own_rules(*socket, facts.rules); !read) return read.error();
  const auto table = read_own_table();
  if (!table) return table.error();
  facts.ruleset = *table;
  facts.nameservers = read_nameservers();
  facts.sysctls = read_sysctls(facts.links);
  if (has_link(facts, egress_interface)) return facts;
  if (const auto node = read_node_facts(host_netns)) {
    facts.node = *node;
  } else {
    facts.node_trouble = node.error().object + ": " + node.error().cause;
  }
  return facts;
}

}  // namespace egress::router
