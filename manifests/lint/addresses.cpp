#include <map>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// As many pods as may be there at once by what scales them.
std::size_t most_replicas(const Workload& workload, const Manifests& manifests, Place& where) {
  if (const Node& replicas = (*workload.object)["spec"]["replicas"]) where = replicas.place;
  std::size_t most = workload.replicas;
  for (const auto& scaler : manifests.objects()) {
    const Node& target = scaler["spec"]["scaleTargetRef"];
    if (scaler.kind != "HorizontalPodAutoscaler" ||
        target["name"].text() != workload.object->name ||
        target["kind"].text() != workload.object->kind ||
        !scaler.shares_namespace_with(*workload.object))
      continue;
    if (scaler["spec"]["maxReplicas"].text() == "1") continue;
    where = scaler["spec"]["maxReplicas"].place;
    most = std::max(most, std::size_t{2});
  }
  return most;
}

void check_replicas(const Workload& workload, const Container& router, const Manifests& manifests,
                    Findings& findings) {
  const bool is_numbered = router.text_of("EGRESS_SOURCE_ASSIGN") == "ordinal";
  if (is_numbered && workload.object->kind == "StatefulSet")
    return;  // judged by the program itself
  const std::string source = escape(router.text_of("EGRESS_SOURCE"));
  Place where = router.place_of("EGRESS_SOURCE");
  if (workload.object->kind == "DaemonSet") {
    findings.add({Level::error, "single-address-replicas",
                  "a DaemonSet has a pod on every node, and all of them would take " + source,
                  where, workload.object->title()});
  } else if (most_replicas(workload, manifests, where) > 1) {
    findings.add(
        {Level::error, "single-address-replicas",
         "more than one pod would take " + source +
             ": an address is one pod's alone. Set replicas: 1; or make it a StatefulSet, with "
             "an address for each replica in EGRESS_SOURCE and EGRESS_SOURCE_ASSIGN=ordinal",
         where, workload.object->title()});
  }
}

// A Deployment starts the new pod before the old one has ended, unless it is told not to.
void check_strategy(const Workload& workload, Findings& findings) {
  if (workload.object->kind != "Deployment" && workload.object->kind != "DeploymentConfig") return;
  const Node& strategy = (*workload.object)["spec"]["strategy"];
  const Node& rolling =
      strategy[workload.object->kind == "Deployment" ? "rollingUpdate" : "rollingParams"];
  const auto surge = rolling["maxSurge"].text();
  if (strategy["type"].text() == "Recreate" || surge == "0" || surge == "0%") return;
  findings.add(
      {Level::error, "overlapping-update",
       "an update starts the new pod while the old one still holds the address, and the new "
       "one refuses to take it: set strategy.type: Recreate",
       strategy ? strategy.place : workload.object->place(), workload.object->title()});
}

}  // namespace

void check_addresses(const std::vector<Workload>& workloads, const Manifests& manifests,
                     Findings& findings) {
  std::map<IpAddress, const Workload*> holders;
  for (const auto& workload : workloads) {
    const Container* const router = workload.find(Program::router);
    if (router == nullptr || router->judgement.mode == "unit-test") continue;
    if (router->variable("EGRESS_SOURCE") != nullptr)
      check_replicas(workload, *router, manifests, findings);
    check_strategy(workload, findings);
    for (const auto& source : router->judgement.sources) {
      const auto [holder, is_new] = holders.emplace(source, &workload);
      if (is_new || holder->second == &workload) continue;
      const Object& other = *holder->second->object;
      if (other.title() == workload.object->title() &&
          other.name_space == workload.object->name_space)
        continue;  // one router, given twice: duplicate-object reports it
      const Place at = other.place();
      findings.add({Level::error, "address-in-two-workloads",
                    to_text(source) + " is also an address of " + other.title() + " (" +
                        escape(at.text->name()) + ":" + std::to_string(at.line) + ")",
                    router->place_of("EGRESS_SOURCE"), workload.object->title()});
    }
  }
}

}  // namespace egress::lint
