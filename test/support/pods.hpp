// The pods that the tests plan for: what host_facts reads on three network plugins.
#pragma once

#include <string>

#include "router-init/config.hpp"
#include "router-init/plan.hpp"

namespace egress::router::test {

// OpenShift SDN: macvlan0 is there, down; the cluster's routes are explicit.
HostFacts openshift_sdn_pod();
// OVN-Kubernetes: explicit routes by a gateway; macvlan0 has to be made on the node's ens3.
HostFacts ovn_kubernetes_pod();
// Calico: an address without a network, and one default route by a link-local gateway.
HostFacts calico_pod();

// The reference configuration in `mode`, both families where `dual_stack` says so in its name.
RouterConfig reference_config(const std::string& mode = "init");
RouterConfig dual_stack_config(const std::string& mode = "init");

}  // namespace egress::router::test
