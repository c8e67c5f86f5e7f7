#include <algorithm>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

constexpr std::string_view kMacvlan = "pod.network.openshift.io/assign-macvlan";
constexpr std::string_view kMultus = "k8s.v1.cni.cncf.io/networks";

class ShapeChecker {
 public:
  ShapeChecker(const Workload& workload, Findings& findings)
      : workload_(workload), findings_(findings), router_(workload.find(Program::router)) {}

  void check() {
    if (!workload_.is_egress()) return;
    if (router_ != nullptr) interface();
    for (const auto& container : workload_.containers) {
      if (container.program == Program::router) {
        router(container);
      } else if (container.program) {
        main_container(container);
      }
    }
  }

 private:
  void say(Level level, std::string_view id, const Place& at, std::string message) {
    findings_.add({level, id, std::move(message), at, workload_.object->title()});
  }

  void router(const Container& container) {
    const auto& mode = container.judgement.mode;
    const Place at = container.place_of("EGRESS_ROUTER_MODE");
    const auto* const given = container.variable("EGRESS_ROUTER_MODE");
    const bool is_known = given != nullptr ? given->value.has_value() : container.is_wholly_known;
    if (!is_known) return;
    if (!container.restarts && mode == "legacy") {
      say(Level::error, "router-mode", at,
          "in mode legacy, which is the default, egress-router never ends: an init container needs "
          "EGRESS_ROUTER_MODE=init, http-proxy or dns-proxy");
    } else if (container.restarts && mode != "legacy" && mode != "unit-test") {
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
    if (!container.is_privileged() && !container.adds_capability("NET_ADMIN") &&
        mode != "unit-test") {
      say(Level::error, "router-not-privileged", container.place(),
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
    if (spec["hostPID"].text() == "true") return;
    const auto netns = router_->text_of("EGRESS_HOST_NETNS");
    if (!netns.empty() && router_->mount_of(netns) == nullptr) {
      return say(Level::error, "no-interface", router_->place_of("EGRESS_HOST_NETNS"),
                 "nothing is mounted in this container at " + escape(netns));
    }
    if (router_->variable("EGRESS_HOST_NETNS") != nullptr || mounts_node_proc()) return;
    say(Level::error, "no-interface", router_->place(),
        "nothing gives this pod an interface on the external network: mount the node's /proc at "
        "/host/proc and set EGRESS_HOST_NETNS=/host/proc/1/ns/net (any network plugin), or set the "
        "annotation " +
            std::string(kMacvlan) + ": \"true\" (OpenShift SDN) or " + std::string(kMultus) +
            " (Multus)");
  }

  // Where egress-router looks for it without EGRESS_HOST_NETNS.
  bool mounts_node_proc() const {
    const Node* const mount = router_->mount_of("/host/proc");
    return mount != nullptr && workload_.volume((*mount)["name"].text()) != nullptr;
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
    if (container.is_privileged()) {
      say(Level::warning, "needless-privilege", container.security()["privileged"].place,
          name + " needs no privilege: leave privileged out");
    }
    for (const auto& served : container.judgement.served) {
      low_port(container, served);
      if (!served.for_clients) admin_port(container, served.ports.first);
    }
  }

  // A default destination takes every port that the init container does not know to be the pod's.
  void admin_port(const Container& container, std::uint16_t port) {
    if (router_ == nullptr || !router_->judgement.serves_all_ports) return;
    const auto& kept = router_->judgement.kept_ports;
    if (std::find(kept.begin(), kept.end(), port) != kept.end()) return;
    say(Level::error, "admin-port-redirected", container.place_of("EGRESS_ADMIN_LISTEN"),
        "the default destination takes port " + std::to_string(port) +
            ", so that an external host answers the probes: set EGRESS_ADMIN_LISTEN on " +
            escape(router_->name()) + " too");
  }

  void low_port(const Container& container, const ServedPorts& served) {
    if (served.ports.first >= 1024) return;
    const Node& pod = (*workload_.spec)["securityContext"];
    const bool opened = router_ != nullptr && router_->judgement.mode == "dns-proxy";
    const auto& sysctls = pod["sysctls"].items;
    const bool by_sysctl = std::any_of(sysctls.begin(), sysctls.end(), [](const Node* one) {
      return (*one)["name"].text() == "net.ipv4.ip_unprivileged_port_start";
    });
    const bool is_root = workload_.security(container, "runAsUser").text() == "0";
    const bool may_bind =
        container.is_privileged() || container.adds_capability("NET_BIND_SERVICE");
    if (opened || by_sysctl || is_root || may_bind) return;
    const Node* const table = served.line > 0 ? container.table() : nullptr;
    const Place at = table != nullptr ? place_in(*table, served.line, 1, 1) : container.place();
    say(Level::error, "low-port", at,
        "port " + to_text(served.ports) +
            " is under 1024, which this container may not listen on: take a higher one (a Service "
            "can map it), or set the sysctl net.ipv4.ip_unprivileged_port_start in the pod's "
            "securityContext");
  }

  const Workload& workload_;
  Findings& findings_;
  const Container* const router_;
};

}  // namespace

void check_pod_shape(const Workload& workload, Findings& findings) {
  ShapeChecker(workload, findings).check();
}

}  // namespace egress::lint
