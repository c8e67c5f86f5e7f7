// Turns OpenShift's EgressRouter (network.operator.openshift.io/v1, of egress-router-cni) into a
// kustomization on top of this project's manifests.
#pragma once

#include <string>

#include "manifests/lint/inputs.hpp"

namespace egress::lint {

struct Conversion {
  std::string text;    // a kustomization for each EgressRouter
  std::string errors;  // one line each; then `text` lacks those routers
};

Conversion from_egressrouter(std::vector<Deployment> deployments);

}  // namespace egress::lint
