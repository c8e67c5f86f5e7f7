// What is judged beyond the programs' own checks. Each check has an id, under which docs/linter.md
// explains it.
#pragma once

#include <vector>

#include "manifests/lint/workload.hpp"

namespace egress::lint {

// fields.cpp: fields and values that Kubernetes drops or refuses, in one object.
void check_fields(const Object& object, Findings& findings);

// pod_shape.cpp: containers, modes, privileges and the interface of one pod.
void check_pod_shape(const Workload& workload, const Manifests& manifests, Findings& findings);

// permissions.cpp: ServiceAccounts and SecurityContextConstraints.
void check_permissions(const Workload& workload, const Manifests& manifests, Findings& findings);

// addresses.cpp: that no two pods hold one address, at no time.
void check_addresses(const std::vector<Workload>& workloads, const Manifests& manifests,
                     Findings& findings);

// services.cpp: Services against what the pods behind them serve.
void check_services(const std::vector<Workload>& workloads, const Manifests& manifests,
                    Findings& findings);

}  // namespace egress::lint
