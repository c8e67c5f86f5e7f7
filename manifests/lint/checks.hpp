// What is checked beyond the programs' own checks. Each check has an id, under which docs/linter.md
// explains it.
#pragma once

#include <string_view>
#include <vector>

#include "manifests/lint/workload.hpp"

namespace egress::lint {

// checks.cpp: whether a check of this id exists.
bool is_check(std::string_view id);

// objects.cpp: kinds, versions and names of objects, and objects by themselves.
void check_objects(const Manifests& manifests, const std::vector<Workload>& workloads,
                   Findings& findings);

// fields.cpp: fields and values that Kubernetes drops or rejects, in one object.
void check_fields(const Object& object, Findings& findings);

// schema_check.cpp: misspelled fields, and values of another type than the field has.
void check_schema(const Object& object, Findings& findings);

// pod_shape.cpp: containers, modes, privileges and the interface of one pod.
void check_pod_shape(const Workload& workload, Findings& findings);

// containers.cpp: images, users, resources, mounts and probes of one pod's containers.
void check_containers(const Workload& workload, Findings& findings);

// probes.cpp: probes against the administrator's endpoint of the container.
void check_probes(const Workload& workload, const Container& container, Findings& findings);

// permissions.cpp: ServiceAccounts, SecurityContextConstraints, Roles and pod security levels.
void check_permissions(const Workload& workload, const Manifests& manifests, Findings& findings);

// addresses.cpp: that no two pods hold one address at any time.
void check_addresses(const std::vector<Workload>& workloads, const Manifests& manifests,
                     Findings& findings);

// services.cpp: Services against what the pods behind them serve.
void check_services(const std::vector<Workload>& workloads, const Manifests& manifests,
                    Findings& findings);

// references.cpp: names of ConfigMaps, ServiceAccounts and the like that no given file has.
void check_references(const std::vector<Workload>& workloads, const Manifests& manifests,
                      Findings& findings);

// policies.cpp: NetworkPolicies and PodDisruptionBudgets against the pods that they select.
void check_policies(const std::vector<Workload>& workloads, const Manifests& manifests,
                    Findings& findings);

}  // namespace egress::lint
