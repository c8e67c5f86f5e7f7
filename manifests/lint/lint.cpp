#include "manifests/lint/lint.hpp"

#include <algorithm>

#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// Without the findings that the annotation egress-router/lint-ignore of their object names. One
// about a field that is missing is at its object.
std::vector<Finding> kept(const Findings& findings, const Manifests& manifests) {
  std::vector<Finding> all = findings.sorted();
  std::erase_if(all, [&](Finding& finding) {
    const auto& objects = manifests.objects();
    const auto of_finding = [&](const Object& object) { return object.title() == finding.object; };
    const auto object = std::find_if(objects.begin(), objects.end(), of_finding);
    if (finding.place.text == nullptr && object != objects.end()) finding.place = object->place();
    if (finding.place.text == nullptr) finding.place.text = manifests.texts().front().get();
    return std::any_of(objects.begin(), objects.end(), [&](const Object& one) {
      return of_finding(one) && one.ignores(finding.id);
    });
  });
  return all;
}

// What one deployment has; `manifests` must outlive the findings. Whether it has an egress router.
bool lint_deployment(Deployment files, Manifests& manifests, std::vector<Finding>& all) {
  Findings findings;
  for (auto& file : files) manifests.read(std::move(file.name), std::move(file.text), findings);
  const auto workloads = find_workloads(manifests, findings);
  check_objects(manifests, workloads, findings);
  check_references(workloads, manifests, findings);
  for (const auto& workload : workloads) {
    check_pod_shape(workload, findings);
    check_containers(workload, findings);
    check_permissions(workload, manifests, findings);
  }
  check_addresses(workloads, manifests, findings);
  check_services(workloads, manifests, findings);
  check_policies(workloads, manifests, findings);
  const auto found = kept(findings, manifests);
  all.insert(all.end(), found.begin(), found.end());
  return manifests.has("EgressRouter") ||
         std::any_of(workloads.begin(), workloads.end(),
                     [](const Workload& one) { return one.is_egress(); });
}

bool has_errors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& one) { return one.level == Level::error; });
}

}  // namespace

Report lint(std::vector<Deployment> deployments, const Options& options) {
  std::vector<Manifests> manifests(deployments.size());
  std::vector<Finding> findings;
  bool is_any_egress = false;
  for (std::size_t at = 0; at < deployments.size(); ++at) {
    if (lint_deployment(std::move(deployments[at]), manifests[at], findings)) is_any_egress = true;
  }
  const auto first = std::find_if(manifests.begin(), manifests.end(), [](const Manifests& one) {
    return std::any_of(one.objects().begin(), one.objects().end(),
                       [](const Object& object) { return !object.kind.empty(); });
  });
  if (first != manifests.end() && !is_any_egress && !has_errors(findings)) {
    findings.push_back({Level::error,
                        "nothing-to-lint",
                        "no egress router in the given files",
                        {first->objects().front().root->place.text},
                        ""});
  }
  if (options.is_strict) {
    for (auto& one : findings) {
      if (one.level == Level::warning) one.level = Level::error;
    }
  }
  return {format_findings(findings, options.format), has_errors(findings),
          first != manifests.end()};
}

}  // namespace egress::lint
