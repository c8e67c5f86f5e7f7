// Works out the variables of a container: from `env`, `envFrom`, ConfigMaps, the downward API, and
// files that a NAME_FILE names in a mounted ConfigMap.
#pragma once

#include <string_view>

#include "common/environment.hpp"
#include "manifests/lint/workload.hpp"

namespace egress::lint {

// Fills container.variables, and returns those that are known; a NAME_FILE whose content is known
// stands there as NAME. `findings` may be null: said already, of another replica.
Environment resolve_variables(Container& container, const Workload& workload,
                              std::string_view pod_name, std::size_t replica,
                              const Manifests& manifests, Findings* findings);

}  // namespace egress::lint
