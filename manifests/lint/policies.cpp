#include <algorithm>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

bool is_one_of(const Node& list, std::string_view value) {
  return std::any_of(list.items.begin(), list.items.end(),
                     [&](const Node* one) { return one->text() == value; });
}

// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
bool matches(const Node& selector, const Node& labels) {
  for (const auto& [key, value] : selector["matchLabels"].members) {
    if (labels[key->text()].text() != value->text()) return false;
  }
  for (const Node* one : selector["matchExpressions"].items) {
    const Node& value = labels[(*one)["key"].text()];
    const auto op = (*one)["operator"].text();
    const bool is_listed = is_one_of((*one)["values"], value.text());
    if ((op == "In" && !(value && is_listed)) || (op == "NotIn" && value && is_listed) ||
        (op == "Exists" && !value) || (op == "DoesNotExist" && value))
      return false;
  }
  return true;
}

Protocol protocol_of(const Node& port) {
  const auto text = port["protocol"].text();
  return text == "UDP" ? Protocol::udp : text == "SCTP" ? Protocol::sctp : Protocol::tcp;
}

class PolicyChecker {
 public:
  PolicyChecker(const std::vector<Workload>& workloads, const Manifests& manifests,
                Findings& findings)
      : workloads_(workloads), manifests_(manifests), findings_(findings) {}

  void check() {
    for (const auto& object : manifests_.objects()) {
      const bool is_policy = object.kind == "NetworkPolicy";
      if (!is_policy && object.kind != "PodDisruptionBudget") continue;
      const Node& selector = object["spec"][is_policy ? "podSelector" : "selector"];
      const auto pods = selected(object, selector);
      if (pods.empty()) {
        selects_nothing(object, selector);
      } else if (is_policy) {
        egress(object, pods);
      } else {
        budget(object, pods);
      }
    }
    for (const auto& workload : workloads_) {
      if (workload.is_egress()) ingress(workload);
    }
  }

 private:
  using Pods = std::vector<const Workload*>;

  void say(Level level, std::string_view id, const Object& object, const Node& at,
           std::string message) {
    findings_.add({level, id, std::move(message),
                   at.place.text != nullptr ? at.place : object.place(), object.title()});
  }

  bool selects(const Object& object, const Node& selector, const Workload& workload) const {
    return object.shares_namespace_with(*workload.object) &&
           matches(selector, (*workload.metadata)["labels"]);
  }

  Pods selected(const Object& object, const Node& selector) const {
    Pods pods;
    for (const auto& workload : workloads_) {
      if (selects(object, selector, workload)) pods.push_back(&workload);
    }
    return pods;
  }

  void selects_nothing(const Object& object, const Node& selector) {
    const bool is_any = std::any_of(workloads_.begin(), workloads_.end(), [&](const Workload& one) {
      return one.is_egress() && one.object->shares_namespace_with(object);
    });
    if (!is_any) return;
    say(Level::warning, "policy-selects-nothing", object, selector,
        "no pod of the given files has these labels");
  }

  // What the router's own pods send by the cluster's network, such as DNS questions.
  void egress(const Object& policy, const Pods& pods) {
    const Node& spec = policy["spec"];
    const bool is_router =
        std::any_of(pods.begin(), pods.end(), [](const Workload* one) { return one->is_egress(); });
    if (!is_router || !is_one_of(spec["policyTypes"], "Egress") || !spec["egress"].items.empty())
      return;
    say(Level::warning, "policy-ports", policy, spec["policyTypes"],
        "policyTypes has Egress without a rule: the pod cannot resolve names or reach its "
        "gateway's "
        "cluster side");
  }

  void budget(const Object& object, const Pods& pods) {
    const Node& spec = object["spec"];
    const Node& most = spec["maxUnavailable"];
    const Node& least = spec["minAvailable"];
    const bool is_router =
        std::any_of(pods.begin(), pods.end(), [](const Workload* one) { return one->is_egress(); });
    if (!is_router) return;
    if (most && least) {
      return say(Level::error, "disruption-budget", object, least,
                 "maxUnavailable and minAvailable exclude each other");
    }
    std::size_t replicas = 0;
    for (const auto* one : pods) replicas += one->replicas;
    const bool is_all = least.text() == "100%" || least.text() == std::to_string(replicas);
    if (most.text() != "0" && most.text() != "0%" && !is_all) return;
    say(Level::warning, "disruption-budget", object, most ? most : least,
        "no pod may ever be evicted: the drain of a node waits for ever. Set maxUnavailable: 1");
  }

  struct Opening {
    const Object* policy;
    const Node* rule;
  };

  // A port of a container by its number.
  static std::optional<std::uint16_t> number_of(const Node& port, const Workload& workload) {
    if (const auto number = parse_port(port.text())) return number;
    for (const auto& container : workload.containers) {
      for (const Node* named : (*container.node)["ports"].items) {
        if ((*named)["name"].text() == port.text())
          return parse_port((*named)["containerPort"].text());
      }
    }
    return std::nullopt;
  }

  static bool opens(const Node& rule, const Workload& workload, Protocol protocol,
                    PortRange ports) {
    if (rule["ports"].items.empty()) return true;
    return std::any_of(
        rule["ports"].items.begin(), rule["ports"].items.end(), [&](const Node* one) {
          if (protocol_of(*one) != protocol) return false;
          if (!(*one)["port"]) return true;
          const auto first = number_of((*one)["port"], workload);
          const auto last = parse_port((*one)["endPort"].text());
          return first && *first <= ports.first && ports.last <= last.value_or(*first);
        });
  }

  void ingress(const Workload& workload) {
    std::vector<Opening> openings;
    bool is_closed = false;  // to all that no rule opens
    for (const auto& policy : manifests_.objects()) {
      const Node& spec = policy["spec"];
      if (policy.kind != "NetworkPolicy" || !selects(policy, spec["podSelector"], workload) ||
          (spec["policyTypes"] && !is_one_of(spec["policyTypes"], "Ingress")))
        continue;
      is_closed = true;
      for (const Node* rule : spec["ingress"].items) openings.push_back({&policy, rule});
    }
    if (!is_closed) return;
    for (const auto& container : workload.containers) {
      if (!container.is_wholly_known || container.has_errors) continue;
      for (const auto& served : container.judgement.served)
        port(workload, container, served, openings);
    }
  }

  void port(const Workload& workload, const Container& container, const ServedPorts& served,
            const std::vector<Opening>& openings) {
    const bool is_open = std::any_of(openings.begin(), openings.end(), [&](const Opening& one) {
      return opens(*one.rule, workload, served.protocol, served.ports);
    });
    if (served.for_clients && !is_open) {
      const Node* const table = served.line > 0 ? container.table() : nullptr;
      findings_.add({Level::warning, "policy-ports",
                     "no NetworkPolicy of the given files opens " +
                         std::string(to_text(served.protocol)) + " port " + to_text(served.ports) +
                         " of " + workload.object->title(),
                     table != nullptr ? place_in(*table, served.line, 1, 1) : container.place(),
                     workload.object->title()});
    }
    if (served.for_clients) return;
    for (const auto& [policy, rule] : openings) {
      if (!(*rule)["ports"].items.empty()) continue;
      say(Level::warning, "policy-ports", *policy, *rule,
          "a rule without ports opens the administrator's port " + to_text(served.ports) +
              " too: name the ports of clients");
    }
  }

  const std::vector<Workload>& workloads_;
  const Manifests& manifests_;
  Findings& findings_;
};

}  // namespace

void check_policies(const std::vector<Workload>& workloads, const Manifests& manifests,
                    Findings& findings) {
  PolicyChecker(workloads, manifests, findings).check();
}

}  // namespace egress::lint
