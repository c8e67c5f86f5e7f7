#include <algorithm>
#include <set>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

bool selects(const Object& service, const Workload& workload) {
  const auto& selector = service["spec"]["selector"].members;
  const Node& labels = (*workload.metadata)["labels"];
  return !selector.empty() && service.shares_namespace_with(*workload.object) &&
         std::all_of(selector.begin(), selector.end(), [&](const auto& member) {
           return labels[member.first->text()].text() == member.second->text();
         });
}

// Whether all that the pod serves is known, so that what is not there is not served.
bool is_known(const Workload& workload) {
  return std::all_of(workload.containers.begin(), workload.containers.end(),
                     [](const Container& one) {
                       return !one.program || (one.is_wholly_known && !one.has_errors);
                     });
}

struct Port {
  Protocol protocol = Protocol::tcp;
  std::uint16_t number = 0;
};

Protocol protocol_of(const Node& port) {
  const auto text = port["protocol"].text();
  return text == "UDP" ? Protocol::udp : text == "SCTP" ? Protocol::sctp : Protocol::tcp;
}

// The pod's port that a Service's port leads to: by number, by name, or the same as its own.
// Nothing where no container has a port of that name.
std::optional<Port> target_of(const Node& port, const Workload& workload) {
  const Node& target = port["targetPort"] ? port["targetPort"] : port["port"];
  if (const auto number = parse_port(target.text())) return Port{protocol_of(port), *number};
  for (const auto& container : workload.containers) {
    for (const Node* named : (*container.node)["ports"].items) {
      const auto number = parse_port((*named)["containerPort"].text());
      if ((*named)["name"].text() == target.text() && number)
        return Port{protocol_of(*named), *number};
    }
  }
  return std::nullopt;
}

bool serves(const Workload& workload, const Port& port) {
  return std::any_of(workload.containers.begin(), workload.containers.end(),
                     [&](const Container& one) {
                       if (!one.program)
                         return !one.is_init;  // another's program may serve anything
                       const auto& [program, judgement] = std::tie(one.program, one.judgement);
                       return judgement.serves_all_ports ||
                              std::any_of(judgement.served.begin(), judgement.served.end(),
                                          [&](const ServedPorts& served) {
                                            return served.protocol == port.protocol &&
                                                   served.ports.contains(port.number);
                                          });
                     });
}

// A pause image holds the pod open and serves nothing.
bool has_only_ours(const Workload& workload) {
  return std::all_of(
      workload.containers.begin(), workload.containers.end(), [](const Container& one) {
        const auto image = (*one.node)["image"].text();
        return one.program || one.is_init || image.find("pause") != image.npos ||
               image.find("origin-pod") != image.npos || image.find("ose-pod") != image.npos;
      });
}

// How far beyond the cluster a Service reaches, and whom it shows the administrator's port.
void check_exposure(const Object& service, const Workload& workload, Findings& findings) {
  const Node& type = service["spec"]["type"];
  if (type.text() == "LoadBalancer" || type.text() == "NodePort") {
    findings.add({Level::warning, "exposed-service",
                  "hosts outside the cluster can use the router: expected ClusterIP, which is the "
                  "default",
                  type.place, service.title()});
  }
  const Node* admin = nullptr;
  bool is_for_clients = false;
  for (const Node* port : service["spec"]["ports"].items) {
    const auto found = target_of(*port, workload);
    if (!found) continue;
    for (const auto& container : workload.containers) {
      for (const auto& served : container.judgement.served) {
        if (served.protocol != found->protocol || !served.ports.contains(found->number)) continue;
        if (served.for_clients) is_for_clients = true;
        if (!served.for_clients) admin = port;
      }
    }
  }
  if (admin == nullptr || !is_for_clients) return;
  findings.add({Level::warning, "admin-in-service",
                "clients of this Service reach the administrator's port too: give monitoring a "
                "Service of its own",
                admin->place, service.title()});
}

void check_ports(const Object& service, const Workload& workload, std::vector<Port>& reached,
                 Findings& findings) {
  for (const Node* port : service["spec"]["ports"].items) {
    const Node& target = (*port)["targetPort"] ? (*port)["targetPort"] : (*port)["port"];
    if (!target) continue;  // the cluster refuses it
    const auto found = target_of(*port, workload);
    if (found) reached.push_back(*found);
    if (!is_known(workload)) continue;
    if (!found) {
      findings.add({Level::error, "service-port-unserved",
                    "no container of " + workload.object->title() + " has a port named \"" +
                        escape(target.text()) + "\"",
                    target.place, service.title()});
    } else if (!serves(workload, *found) && has_only_ours(workload)) {
      findings.add({Level::error, "service-port-unserved",
                    workload.object->title() + " serves no " +
                        std::string(to_text(found->protocol)) + " port " +
                        std::to_string(found->number) +
                        ": connections to this port of the Service would be refused",
                    target.place, service.title()});
    }
  }
}

void check_entries(const Workload& workload, const std::vector<Port>& reached, Findings& findings) {
  for (const auto& container : workload.containers) {
    for (const auto& served : container.judgement.served) {
      if (!served.for_clients) continue;
      const bool is_reached = std::any_of(reached.begin(), reached.end(), [&](const Port& port) {
        return port.protocol == served.protocol && served.ports.contains(port.number);
      });
      if (is_reached) continue;
      const Node* const table = served.line > 0 ? container.table() : nullptr;
      findings.add({Level::warning, "unreachable-entry",
                    "no Service leads to " + std::string(to_text(served.protocol)) + " port " +
                        to_text(served.ports) + " of " + workload.object->title(),
                    table != nullptr ? place_in(*table, served.line, 1, 1) : container.place(),
                    workload.object->title()});
    }
  }
}

}  // namespace

void check_services(const std::vector<Workload>& workloads, const Manifests& manifests,
                    Findings& findings) {
  std::set<const Object*> used;
  bool is_any_unreached = false;
  for (const auto& workload : workloads) {
    std::vector<Port> reached;
    bool is_reached = false;
    bool by_address = false;  // a headless Service leads to the pod, so to all of its ports
    for (const auto& service : manifests.objects()) {
      if (service.kind != "Service" || !selects(service, workload)) continue;
      used.insert(&service);
      if (!workload.is_egress()) continue;
      is_reached = true;
      by_address = by_address || service["spec"]["clusterIP"].text() == "None";
      check_ports(service, workload, reached, findings);
      check_exposure(service, workload, findings);
    }
    if (is_reached && !by_address && is_known(workload)) check_entries(workload, reached, findings);
    is_any_unreached = is_any_unreached || (workload.is_egress() && !is_reached);
  }
  for (const auto& service : manifests.objects()) {
    const Node& selector = service["spec"]["selector"];
    if (service.kind != "Service" || !is_any_unreached || !selector || used.contains(&service))
      continue;
    findings.add({Level::error, "service-selects-nothing",
                  "no pod of the given files has these labels, and a router has no Service",
                  selector.place, service.title()});
  }
}

}  // namespace egress::lint
