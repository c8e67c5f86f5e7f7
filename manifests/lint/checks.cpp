#include "manifests/lint/checks.hpp"

#include <algorithm>
#include <array>

namespace egress::lint {
namespace {

// A test compares them with docs/linter.md.
constexpr auto kIds = std::to_array<std::string_view>({"address-in-two-workloads",
                                                       "admin-in-service",
                                                       "admin-port-redirected",
                                                       "api-version",
                                                       "configuration",
                                                       "disruption-budget",
                                                       "duplicate-key",
                                                       "duplicate-object",
                                                       "duplicate-variable",
                                                       "encoding",
                                                       "exposed-service",
                                                       "field-type",
                                                       "file-mode",
                                                       "file-not-mounted",
                                                       "grace-period",
                                                       "host-network",
                                                       "ineffective-capability",
                                                       "latest-image",
                                                       "lint-ignore",
                                                       "live-table",
                                                       "low-port",
                                                       "misplaced-field",
                                                       "missing-config-map",
                                                       "missing-config-map-key",
                                                       "missing-priority-class",
                                                       "missing-role",
                                                       "missing-scc",
                                                       "missing-secret",
                                                       "missing-service",
                                                       "missing-service-account",
                                                       "missing-volume",
                                                       "misspelled-command",
                                                       "misspelled-image",
                                                       "multus-interface",
                                                       "needless-capability",
                                                       "needless-privilege",
                                                       "network-config",
                                                       "no-interface",
                                                       "no-router",
                                                       "not-a-string",
                                                       "nothing-to-lint",
                                                       "openshift-egress-router",
                                                       "overlapping-update",
                                                       "pod-security",
                                                       "policy-ports",
                                                       "policy-selects-nothing",
                                                       "probe",
                                                       "resources",
                                                       "restart-policy",
                                                       "root-user",
                                                       "router-mode",
                                                       "router-not-privileged",
                                                       "selector-mismatch",
                                                       "service-port-unserved",
                                                       "service-selects-nothing",
                                                       "single-address-replicas",
                                                       "sub-path",
                                                       "too-large",
                                                       "typographic-character",
                                                       "unknown-field",
                                                       "unknown-kind",
                                                       "unknown-network",
                                                       "unreachable-entry",
                                                       "variable-too-large",
                                                       "yaml-syntax"});

}  // namespace

bool is_check(std::string_view id) { return std::find(kIds.begin(), kIds.end(), id) != kIds.end(); }

}  // namespace egress::lint
