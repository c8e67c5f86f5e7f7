#include "router-init/choose.hpp"

#include <algorithm>

#include "router-init/netns.hpp"

namespace egress::router {
namespace {

const Link* find_link(const std::vector<Link>& links, std::string_view name) {
  const auto found =
      std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.name == name; });
  return found == links.end() ? nullptr : &*found;
}

std::string names_of(const std::vector<Link>& links) {
  std::string names;
  for (const auto& link : links) {
    if (!link.loopback) names += (names.empty() ? "" : ", ") + link.name;
  }
  return names.empty() ? "none" : names;
}

// The link of the default route with the lowest metric in one table, `except` aside; IPv4 before
// IPv6.
std::string link_of_default(const std::vector<Route>& routes, std::uint32_t table,
                            std::string_view except) {
  const Route* best = nullptr;
  for (const auto& route : routes) {
    if (route.table != table || !route.is_default() || route.leaves_by(except)) continue;
    const auto rank = [](const Route& one) { return std::pair(one.family(), one.metric); };
    if (best == nullptr || rank(route) < rank(*best)) best = &route;
  }
  return best == nullptr ? std::string() : best->next_hops[0].link;
}

class Chooser {
 public:
  Chooser(const RouterConfig& config, const HostFacts& facts, Assume assume)
      : config_(config), facts_(facts), assume_(assume) {}

  Result<LinkChoice> choose() {
    choice_.egress_name = config_.interface;
    if (auto done = choose_cluster(); !done) return done.error();
    if (auto done = check_source_is_free(); !done) return done.error();
    if (const Link* found = find_link(facts_.links, config_.interface)) {
      choice_.egress = *found;
      if (found->loopback)
        return error("link " + found->name, "is the loopback interface", "set EGRESS_INTERFACE");
      return std::move(choice_);
    }
    if (auto done = choose_creation(); !done) return done.error();
    return std::move(choice_);
  }

 private:
  static Error error(std::string object, std::string cause, std::string hint) {
    return {ExitCode::facts, std::move(object), std::move(cause), std::move(hint)};
  }

  Result<void> choose_cluster() {
    std::string name = config_.cluster_interface;
    if (name.empty() && find_link(facts_.links, kClusterLink) != nullptr) name = kClusterLink;
    // After an earlier run the default route is ours, and the cluster's stands in its own table.
    if (name.empty()) name = link_of_default(facts_.routes, kClusterTable, config_.interface);
    if (name.empty()) name = link_of_default(facts_.routes, kMainTable, config_.interface);
    const bool there = !name.empty() && find_link(facts_.links, name) != nullptr;
    if (!there && assume_ == Assume::missing) {
      if (name.empty()) name = kClusterLink;
      choice_.assumptions.push_back("the cluster interface is " + name + ", which is not here");
    } else if (!there) {
      return error(
          name.empty() ? "cluster interface" : "cluster interface " + name,
          (name.empty() ? "neither eth0 nor a default route exists in the pod, which has: "
                        : "does not exist in the pod, which has: ") +
              names_of(facts_.links),
          "set EGRESS_CLUSTER_INTERFACE to the interface by which the pod reaches the cluster");
    } else if (link_of_default(facts_.routes, kMainTable, config_.interface) != name &&
               link_of_default(facts_.routes, kClusterTable, config_.interface) != name) {
      choice_.warnings.push_back(
          name + " has no default route: only clients that its routes name get answers");
    }
    choice_.cluster_name = std::move(name);
    return {};
  }

  // Another link of the pod, or of the node that the new link would sit on, must not hold the
  // source address.
  Result<void> check_source_is_free() const {
    for (const auto& source : config_.all_sources()) {
      for (const auto& one : facts_.addresses) {
        if (one.prefix.address != source.address || one.link == config_.interface) continue;
        return held("this pod holds it on " + one.link, source.address);
      }
      if (!facts_.node) continue;
      for (const auto& one : facts_.node->addresses) {
        if (one.prefix.address == source.address)
          return held("the node holds it on " + one.link, source.address);
      }
    }
    return {};
  }

  static Error held(std::string cause, const IpAddress& address) {
    return {ExitCode::conflict, "EGRESS_SOURCE " + to_text(address), std::move(cause),
            "choose an address that nobody uses"};
  }

  Result<void> choose_creation() {
    if (!facts_.node) {
      if (assume_ == Assume::missing) {
        choice_.assumptions.push_back(config_.interface +
                                      " is put into the pod before it starts; here it is not");
        return {};
      }
      return error("link " + config_.interface,
                   "is not in this pod, which has: " + names_of(facts_.links) +
                       "; and it cannot be made: " + facts_.node_trouble,
                   "on OpenShift SDN annotate the pod with "
                   "pod.network.openshift.io/assign-macvlan: \"true\"; with "
                   "Multus attach a network and set EGRESS_INTERFACE (net1); on any other network "
                   "run the init container privileged and " +
                       std::string(kNodeNetnsHint));
    }
    auto parent = choose_parent(*facts_.node);
    if (!parent) return parent.error();
    choice_.create =
        CreateMacvlan{std::string(kTemporaryLink), (*parent)->name,      (*parent)->index,
                      facts_.node->path,           config_.macvlan_mode, (*parent)->mtu};
    return {};
  }

  Result<const Link*> choose_parent(const NodeFacts& node) const {
    std::string name = config_.parent;
    if (name.empty()) name = link_towards_gateway(node);
    if (name.empty()) name = link_of_default(node.routes, kMainTable, {});
    const Link* parent = find_link(node.links, name);
    if (parent == nullptr) {
      return error("parent " + (name.empty() ? "of " + config_.interface : name),
                   "no such interface on the node, which has: " + names_of(node.links),
                   "set EGRESS_PARENT to the node's interface on the network of EGRESS_GATEWAY");
    }
    if (!parent->up) {
      return error("parent " + name, "is down on the node",
                   "bring it up, or name another with EGRESS_PARENT");
    }
    return parent;
  }

  std::string link_towards_gateway(const NodeFacts& node) const {
    for (const Family family : kFamilies) {
      const auto& gateway = config_.gateway[family];
      if (!gateway || gateway->is_link_local()) continue;
      for (const auto& one : node.addresses) {
        const Link* link = find_link(node.links, one.link);
        if (link != nullptr && !link->loopback && one.prefix.contains(*gateway)) return one.link;
      }
    }
    return {};
  }

  const RouterConfig& config_;
  const HostFacts& facts_;
  Assume assume_;
  LinkChoice choice_;
};

}  // namespace

Result<LinkChoice> choose_links(const RouterConfig& config, const HostFacts& facts, Assume assume) {
  return Chooser(config, facts, assume).choose();
}

}  // namespace egress::router
