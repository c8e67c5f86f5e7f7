#include <algorithm>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

constexpr std::string_view kMacvlan = "pod.network.openshift.io/assign-macvlan";
constexpr std::string_view kMultus = "k8s.v1.cni.cncf.io/networks";

bool holds(const Node& list, std::string_view what) {
  return std::any_of(list.items.begin(), list.items.end(),
                     [&](const Node* one) { return one->text() == what; });
}

bool adds_capability(const Container& container, std::string_view capability) {
  const Node& added = (*container.node)["securityContext"]["capabilities"]["add"];
  return holds(added, capability) || holds(added, "ALL") ||
         holds(added, "CAP_" + std::string(capability));
}

bool is_privileged(const Container& container) {
  return (*container.node)["securityContext"]["privileged"].text() == "true";
}

class ShapeChecker {
 public:
  ShapeChecker(const Workload& workload, const Manifests& manifests, Findings& findings)
      : workload_(workload),
        manifests_(manifests),
        findings_(findings),
        router_(workload.find(Program::router)) {}

  void check() {
    if (!workload_.is_egress()) return;
    if (router_ != nullptr) {
      router();
      interface();
    }
    for (const auto& container : workload_.containers) {
      if (container.program && *container.program != Program::router) main_container(container);
    }
  }

 private:
  void say(Level level, std::string_view id, const Place& at, std::string message) {
    findings_.add({level, id, std::move(message), at, workload_.object->title()});
  }

  static Place place_of(const Container& container, std::string_view variable) {
    const auto* const found = container.variable(variable);
    if (found == nullptr) return container.place();
    return found->value_node != nullptr ? found->value_node->place : found->name_node->place;
  }

  void router() {
    const auto& mode = router_->judgement.mode;
    const Place at = place_of(*router_, "EGRESS_ROUTER_MODE");
    const auto* const given = router_->variable("EGRESS_ROUTER_MODE");
    const bool is_known = given != nullptr ? given->value.has_value() : router_->is_wholly_known;
    if (!is_known) return;
    if (!router_->restarts && mode == "legacy") {
      say(Level::error, "router-mode", at,
          "in mode legacy, which is the default, egress-router never ends: an init container needs "
          "EGRESS_ROUTER_MODE=init, http-proxy or dns-proxy");
    } else if (router_->restarts && mode != "legacy" && mode != "unit-test") {
      say(Level::error, "router-mode", at,
          "in mode " + mode +
              " egress-router ends when it is done, and would be started again and "
              "again here: it belongs among the initContainers");
    }
    for (const auto& [program, wanted] : {std::pair{Program::http_proxy, "http-proxy"},
                                          std::pair{Program::dns_proxy, "dns-proxy"}}) {
      const bool has = workload_.find(program) != nullptr;
      if (has == (mode == wanted) || mode == "legacy") continue;
      // Both proxies in one pod: either mode leaves the way to the other open.
      if (has && (mode == "http-proxy" || mode == "dns-proxy")) continue;
      say(Level::error, "router-mode", at,
          has ? "mode " + mode + " translates connections past the " +
                    std::string(name_of(program)) + " of this pod: set EGRESS_ROUTER_MODE=" + wanted
              : "mode " + mode + " is for a pod with a container of " +
                    std::string(name_of(program)) + ", which this one has not");
    }
    if (!is_privileged(*router_) && !adds_capability(*router_, "NET_ADMIN") &&
        mode != "unit-test") {
      say(Level::error, "router-not-privileged", router_->place(),
          "egress-router needs securityContext.privileged: true: it makes interfaces, routes and "
          "rules");
    }
  }

  // By which way the pod gets its interface.
  void interface() {
    const Node& spec = *workload_.spec;
    const Node& annotations = (*workload_.metadata)["annotations"];
    if (spec["hostNetwork"].text() == "true") {
      return say(Level::error, "host-network", spec["hostNetwork"].place,
                 "with hostNetwork the routes and rules would be the node's own: leave it out");
    }
    if (const Node& macvlan = annotations[kMacvlan]) {
      if (macvlan.text() == "true") return;
      say(Level::error, "no-interface", macvlan.place,
          "found \"" + escape(macvlan.text()) +
              "\", expected \"true\": otherwise there is no interface");
      return;
    }
    if (const Node& networks = annotations[kMultus]) return multus(networks);
    const bool sees_node = spec["hostPID"].text() == "true" ||
                           router_->variable("EGRESS_HOST_NETNS") != nullptr || mounts_node_proc();
    if (sees_node) return;
    say(Level::error, "no-interface", router_->place(),
        "nothing gives this pod an interface to the outside: set hostPID: true on the pod (any "
        "network), "
        "the annotation " +
            std::string(kMacvlan) + ": \"true\" (OpenShift SDN), or " + std::string(kMultus) +
            " (Multus)");
  }

  bool mounts_node_proc() const {
    const auto& volumes = (*workload_.spec)["volumes"].items;
    return std::any_of(volumes.begin(), volumes.end(), [](const Node* volume) {
      return (*volume)["hostPath"]["path"].text().starts_with("/proc");
    });
  }

  void multus(const Node& networks) {
    const auto text = networks.text();
    const auto* const variable = router_->variable("EGRESS_INTERFACE");
    const std::string interface =
        variable != nullptr && variable->value ? *variable->value : "macvlan0";
    const bool is_named = text.find(interface) != text.npos;
    if (!is_named && !interface.starts_with("net")) {
      say(Level::warning, "multus-interface", networks.place,
          "Multus calls the first interface net1, and egress-router looks for " +
              escape(interface) + ": set EGRESS_INTERFACE=net1, or write NETWORK@" +
              escape(interface));
    }
    if (!manifests_.has("NetworkAttachmentDefinition") || text.find('[') != text.npos) return;
    auto name = text.substr(0, std::min(text.find_first_of("@,"), text.size()));
    name.remove_prefix(std::min(name.find('/') + 1, name.size()));
    if (manifests_.find("NetworkAttachmentDefinition", name, *workload_.object) != nullptr) return;
    say(Level::warning, "unknown-network", networks.place,
        "no given file has NetworkAttachmentDefinition \"" + escape(name) + "\"");
  }

  void main_container(const Container& container) {
    const std::string name(name_of(*container.program));
    if (!container.restarts) {
      say(Level::error, "router-mode", container.place(),
          name + " never ends: it belongs among the containers, not the initContainers");
    }
    if (router_ == nullptr) {
      say(Level::warning, "no-router", container.place(),
          name +
              " runs without egress-router as init container: what leaves has the pod's or the "
              "node's address");
    }
    if (is_privileged(container)) {
      say(Level::warning, "needless-privilege",
          (*container.node)["securityContext"]["privileged"].place,
          name + " needs no privilege: leave privileged out");
    }
    for (const auto& served : container.judgement.served) low_port(container, served);
  }

  void low_port(const Container& container, const ServedPorts& served) {
    if (served.ports.first >= 1024) return;
    const Node& pod = (*workload_.spec)["securityContext"];
    const Node& own = (*container.node)["securityContext"];
    const bool opened = router_ != nullptr && router_->judgement.mode == "dns-proxy";
    const auto& sysctls = pod["sysctls"].items;
    const bool by_sysctl = std::any_of(sysctls.begin(), sysctls.end(), [](const Node* one) {
      return (*one)["name"].text() == "net.ipv4.ip_unprivileged_port_start";
    });
    const Node& user = own["runAsUser"] ? own["runAsUser"] : pod["runAsUser"];
    const bool is_root = user.text() == "0" || is_privileged(container);
    if (opened || by_sysctl || is_root || adds_capability(container, "NET_BIND_SERVICE")) return;
    const Node* const table = served.line > 0 ? container.table() : nullptr;
    const Place at = table != nullptr ? place_in(*table, served.line, 1, 1) : container.place();
    say(Level::error, "low-port", at,
        "port " + to_text(served.ports) +
            " is under 1024, which this container may not listen on: take a higher one (a Service "
            "can map it), or set the sysctl net.ipv4.ip_unprivileged_port_start in the pod's "
            "securityContext");
  }

  const Workload& workload_;
  const Manifests& manifests_;
  Findings& findings_;
  const Container* const router_;
};

}  // namespace

void check_pod_shape(const Workload& workload, const Manifests& manifests, Findings& findings) {
  ShapeChecker(workload, manifests, findings).check();
}

}  // namespace egress::lint
