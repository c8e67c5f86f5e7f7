"""Manifests of the project, each broken in one way that a cluster accepts or reports late: each has exactly the findings
that are expected, and a message that names the fault."""

import subprocess

import pytest
from test_lint import FAULTS, HERE, findings

MANIFESTS = HERE.parents[1] / "manifests"
DEPLOYMENTS = {
    "http": ["platform/ovn-kubernetes", "ovn-kubernetes/http-proxy"],
    "tls": ["platform/ovn-kubernetes", "ovn-kubernetes/http-proxy-tls"],
    "dns": ["platform/ovn-kubernetes", "ovn-kubernetes/dns-proxy"],
    "redirect": ["platform/ovn-kubernetes", "ovn-kubernetes/redirect"],
    "live": ["platform/ovn-kubernetes", "platform/redirect-live", "ovn-kubernetes/redirect-live"],
    "multus": ["platform/openshift", "platform/multus", "multus/redirect"],
    "scaled": ["platform/ovn-kubernetes", "scaled/http-proxy"],
}
ERROR, WARNING, NOTE = "error", "warning", "note"


@pytest.fixture(scope="session")
def rendered():
    def render(name):
        return subprocess.run(["kubectl", "kustomize", MANIFESTS / name], check=True, capture_output=True, text=True).stdout
    return {name: "---\n".join(map(render, parts)) for name, parts in DEPLOYMENTS.items()}


LIVENESS = "livenessProbe:\n          httpGet:\n            path: /livez\n            port: admin\n"
READINESS = "readinessProbe:\n          httpGet:\n            path: /readyz\n            port: admin\n"
PROXY = "      - env:\n        - name: EGRESS_HTTP_PROXY_DESTINATION_FILE\n"
WAIT_SECURITY = "capabilities:\n            add:\n            - NET_ADMIN\n            - NET_RAW\n            drop:\n            - ALL\n"
LIVE_SOURCE = "        envFrom:\n        - configMapRef:\n            name: egress-redirect-settings-"
PDB = "  maxUnavailable: 1\n  selector:\n"
RESOURCES = "          requests:\n            cpu: 50m\n            memory: 64Mi\n"
SUBJECT = "subjects:\n- kind: ServiceAccount\n  name: egress-http-proxy\n"
ROLE = "  name: egress-router\nsubjects:"
POLICY = "  podSelector:\n    matchLabels:\n      app.kubernetes.io/instance: egress-http-proxy\n"
BUDGET = "  selector:\n    matchLabels:\n      app.kubernetes.io/instance: egress-http-proxy\n      app.kubernetes.io/name: egress-http-proxy\n---\napiVersion: networking"
ENFORCE = "pod-security.kubernetes.io/enforce: "

# (deployment, what is there, what is put there, findings (level, id), a part of the first message)
BROKEN = {
    # Probes.
    "probe-port-name": ("http", LIVENESS, LIVENESS.replace("port: admin", "port: admn"), [(ERROR, "probe")], 'no port named "admn"'),
    "probe-port-number": ("http", LIVENESS, LIVENESS.replace("port: admin", "port: 9181"), [(ERROR, "probe")], "port 9181"),
    "probe-path": ("http", LIVENESS, LIVENESS.replace("/livez", "/healthy"), [(ERROR, "probe")], "expected /livez or /readyz"),
    "probe-https-without-tls": ("http", LIVENESS, LIVENESS + "            scheme: HTTPS\n", [(ERROR, "probe")], "plain HTTP"),
    "probe-http-with-tls": ("tls", LIVENESS + "            scheme: HTTPS\n", LIVENESS, [(ERROR, "probe")], "scheme: HTTPS"),
    "liveness-on-readyz": ("http", LIVENESS, LIVENESS.replace("/livez", "/readyz"), [(WARNING, "probe")], "use /livez"),
    "readiness-on-livez": ("http", READINESS, READINESS.replace("/readyz", "/livez"), [(WARNING, "probe")], "/readyz"),
    # SecurityContextConstraints.
    "scc-without-configmap": ("http", "volumes:\n- configMap\n", "volumes:\n", [(ERROR, "missing-scc")], "does not list configMap"),
    "scc-without-hostpath": ("http", "- hostPath\n", "", [(ERROR, "missing-scc")], "does not list hostPath"),
    "scc-without-host-plugin": ("http", "allowHostDirVolumePlugin: true", "allowHostDirVolumePlugin: false",
                                [(ERROR, "missing-scc")], "hostPath volume"),
    "scc-must-run-as-range": ("http", "runAsUser:\n  type: RunAsAny", "runAsUser:\n  type: MustRunAsRange",
                              [(ERROR, "missing-scc")], "expected RunAsAny"),
    "scc-without-seccomp": ("http", "seccompProfiles:\n- runtime/default\n", "", [(ERROR, "missing-scc")], "runtime/default"),
    "scc-without-capabilities": ("live", "allowedCapabilities:\n- NET_ADMIN\n- NET_RAW", "allowedCapabilities:\n- NET_RAW",
                                 [(ERROR, "missing-scc")], "NET_ADMIN"),
    "scc-name": ("http", "required-scc: egress-router", "required-scc: egress-routr",
                 [(ERROR, "missing-scc")], 'did you mean "egress-router"?'),
    # Roles.
    "role-name": ("http", ROLE, ROLE.replace("egress-router", "egress-rooter"), [(ERROR, "missing-role")], 'no given file has Role'),
    "role-absent": ("http", "kind: Role\n", "kind: ClusterRole\n", [(ERROR, "missing-role")], "no given file has Role"),
    "role-without-use": ("http", "  verbs:\n  - use", "  verbs:\n  - get", [(ERROR, "missing-role")], "does not allow to use"),
    "role-of-another-scc": ("http", "  resourceNames:\n  - egress-router", "  resourceNames:\n  - privileged",
                            [(ERROR, "missing-role")], "does not allow to use"),
    "role-binding-subject": ("http", SUBJECT, SUBJECT.replace("http-proxy", "proxy"), [(ERROR, "missing-role")], "subjects"),
    "role-binding-subject-namespace": ("http", SUBJECT + "  namespace: egress", SUBJECT + "  namespace: other",
                                       [(ERROR, "missing-role")], "subjects"),
    "role-binding-namespace": ("http", "  name: egress-http-proxy\n  namespace: egress\nroleRef",
                               "  name: egress-http-proxy\n  namespace: other\nroleRef", [(ERROR, "missing-role")], "another namespace"),
    "role-binding-without-role": ("http", "  kind: Role\n" + ROLE, "  kind: Role\nsubjects:", [(ERROR, "missing-role")], "no given file has Role"),
    "role-binding-absent": ("http", "kind: RoleBinding\n", "kind: NoBinding\n", [(ERROR, "missing-role")], "no RoleBinding"),
    # Pod security.
    "pod-security-restricted": ("http", ENFORCE + "privileged", ENFORCE + "restricted", [(ERROR, "pod-security")], "rejects"),
    "pod-security-baseline": ("http", ENFORCE + "privileged", ENFORCE + "baseline", [(ERROR, "pod-security")], "rejects"),
    # Network policies and disruption budgets.
    "policy-selector": ("http", POLICY, POLICY.replace("egress-http-proxy", "egress-proxy"),
                        [(WARNING, "policy-selects-nothing"), (WARNING, "policy-ports")], ""),
    "policy-port": ("http", "    - port: 8080\n", "    - port: 3128\n", [(WARNING, "policy-ports")], "opens tcp port 8080"),
    "policy-protocol": ("dns", "    - port: 5432\n      protocol: TCP", "    - port: 5432\n      protocol: UDP",
                        [(WARNING, "policy-ports")], "opens tcp port 5432"),
    "policy-without-ports": ("http", "    ports:\n    - port: 8080\n      protocol: TCP\n", "", [(WARNING, "policy-ports")], "9180"),
    "policy-closes-egress": ("http", "  policyTypes:\n  - Ingress", "  policyTypes:\n  - Ingress\n  - Egress",
                             [(WARNING, "policy-ports")], "Egress"),
    "budget-selector": ("http", BUDGET, BUDGET.replace("instance: egress-http", "instance: egress-htp"),
                        [(WARNING, "policy-selects-nothing")], ""),
    "budget-of-none": ("http", PDB, PDB.replace("1", "0"), [(WARNING, "disruption-budget")], "maxUnavailable: 1"),
    "budget-of-all": ("http", PDB, PDB.replace("maxUnavailable: 1", "minAvailable: 1"), [(WARNING, "disruption-budget")], "evicted"),
    "budget-of-both": ("http", PDB, "  minAvailable: 1\n" + PDB, [(ERROR, "disruption-budget")], "exclude"),
    # Multus.
    "network-json": ("multus", '"cniVersion": "0.4.0",', '"cniVersion": "0.4.0"', [(ERROR, "network-config")], "not valid JSON"),
    "network-ipvlan": ("multus", '"type": "macvlan"', '"type": "ipvlan"', [(ERROR, "network-config")], "use macvlan"),
    "network-dhcp": ("multus", '"ipam": {}', '"ipam": {"type": "dhcp"}', [(ERROR, "network-config")], "another address"),
    "network-mode": ("multus", '"mode": "private"', '"mode": "privat"', [(ERROR, "network-config")], 'found mode "privat"'),
    "network-name": ("multus", "networks: egress-external@", "networks: egress-outside@", [(ERROR, "unknown-network")],
                     'did you mean "egress-external"?'),
    # The router whose main container applies an edited table.
    "live-without-capabilities": ("live", WAIT_SECURITY, "capabilities:\n            drop:\n            - ALL\n",
                                  [(ERROR, "live-table")] * 2, "NET_ADMIN"),
    "live-as-1001": ("live", "runAsNonRoot: false\n          runAsUser: 0", "runAsNonRoot: true\n          runAsUser: 1001",
                     [(ERROR, "ineffective-capability")], "runAsUser: 0"),
    "live-without-source": ("live", LIVE_SOURCE, "        envFrom: []\n        args:\n        - -",
                            [(ERROR, "live-table")] * 2, "EGRESS_SOURCE"),
    "live-without-command": ("live", "      - command:\n        - /usr/bin/egress-wait\n        env:", "      - env:",
                             [(ERROR, "router-mode"), (ERROR, "service-port-unserved")] + [(ERROR, "probe")] * 3, "again and again"),
    "live-command": ("live", "- /usr/bin/egress-wait", "- /usr/bin/egress-wiat", [(ERROR, "misspelled-command")], "/usr/bin/egress-wait?"),
    "live-image-wait": ("live", "        - /usr/bin/egress-wait\n        env:", "        - /usr/bin/egress-wait\n        env: # WAIT",
                        [(ERROR, "live-table")], "image egress-router"),
    "live-sub-path": ("live", "        - mountPath: /etc/egress\n          name: table\n          readOnly: true\n      enableServiceLinks",
                      "        - mountPath: /etc/egress/destination\n          subPath: destination\n          name: table\n"
                      "          readOnly: true\n      enableServiceLinks", [(WARNING, "sub-path")], "never updated"),
    "proxy-sub-path": ("http", "        - mountPath: /etc/egress\n", "        - mountPath: /etc/egress/rules\n          subPath: rules\n",
                       [(WARNING, "sub-path")], "never updated"),
    # Files, users, capabilities.
    "certificate-not-mounted": ("tls", "value: /etc/egress-tls/tls.crt", "value: /etc/egress-cert/tls.crt",
                                [(ERROR, "file-not-mounted")], "/etc/egress-cert/tls.crt"),
    "default-mode": ("tls", "defaultMode: 288", "defaultMode: 440", [(ERROR, "file-mode")], "write 0440"),
    "default-mode-too-large": ("tls", "defaultMode: 288", "defaultMode: 1000", [(ERROR, "file-mode")], "decimal"),
    "root-and-non-root": ("http", "runAsUser: 1001", "runAsUser: 0", [(ERROR, "root-user")], "runAsNonRoot"),
    "capabilities-of-a-proxy": ("http", "            drop:\n            - ALL\n", "            add: [NET_ADMIN]\n            drop: [ALL]\n",
                                [(WARNING, "needless-capability"), (ERROR, "missing-scc")], ""),
    # Values of another type than the field has.
    "replicas-quoted": ("http", "  replicas: 1\n", '  replicas: "1"\n', [(ERROR, "field-type")], "expected an integer, without quotes"),
    "user-quoted": ("http", "runAsUser: 1001", 'runAsUser: "1001"', [(ERROR, "field-type")], "expected an integer"),
    "privileged-quoted": ("http", "privileged: true", 'privileged: "true"', [(ERROR, "field-type")], "expected true or false"),
    "privileged-list": ("http", "privileged: true", "privileged: [true]", [(ERROR, "field-type"), (ERROR, "router-not-privileged")],
                        "found a list"),
    "period-unit": ("http", "periodSeconds: 10", "periodSeconds: 10s", [(ERROR, "field-type")], 'found "10s"'),
    "memory-unit": ("http", "memory: 64Mi", "memory: 64MB", [(ERROR, "field-type")], "such as 64Mi"),
    "cpu-unit": ("http", "cpu: 50m", "cpu: 50mi", [(ERROR, "field-type")], "such as 500m"),
    "image-empty": ("http", "image: egress-http-proxy:0.1.0", "image:", [(ERROR, "field-type")], "found nothing"),
    "pull-policy": ("http", "imagePullPolicy: IfNotPresent", "imagePullPolicy: ifNotPresent", [(ERROR, "field-type")],
                    "expected Always, IfNotPresent or Never"),
    "mount-flag": ("http", "readOnly: true\n      enable", 'readOnly: "yes"\n      enable', [(ERROR, "field-type")], "readOnly"),
    "containers-map": ("http", "        resources:\n          requests:\n            cpu: 50m", "        resources:\n          requests:\n            cpu: [50m]",
                       [(ERROR, "field-type")], "found a list"),
    "service-port-text": ("http", "    port: 8080\n    targetPort", "    port: http\n    targetPort",
                          [(ERROR, "field-type")], "integer from 1 to 65535"),
    "service-port-large": ("http", "    port: 8080\n    targetPort", "    port: 80080\n    targetPort", [(ERROR, "field-type")], "65535"),
    "service-port-name": ("http", "  - name: proxy\n    port: 8080", "  - name: Web_Port\n    port: 8080", [(ERROR, "field-type")], "lower-case"),
    "policy-protocol-case": ("http", "    - port: 8080\n      protocol: TCP", "    - port: 8080\n      protocol: tcp",
                             [(ERROR, "field-type")], "expected TCP, UDP or SCTP"),
    "scc-bool": ("http", "allowHostPID: false", 'allowHostPID: "false"', [(ERROR, "field-type")], "allowHostPID"),
    "capability-drops": ("http", "            drop:\n", "            drops:\n", [(ERROR, "unknown-field")], "did you mean drop?"),
    "policy-pod-selector": ("http", "  podSelector:\n    matchLabels:\n", "  podSelecter:\n    matchLabels:\n",
                            [(ERROR, "unknown-field")], "podSelector"),
    "policy-namespace-selector": ("http", "    - namespaceSelector:\n        matchLabels:\n          egress-router/client",
                                  "    - nameSpaceSelector:\n        matchLabels:\n          egress-router/client",
                                  [(ERROR, "unknown-field")], "namespaceSelector"),
    "network-field": ("multus", '"master"', '"mster"', [(ERROR, "network-config")], 'did you mean "master"?'),
    "kind-deployment": ("http", "kind: Deployment\n", "kind: Deploymnet\n", [(ERROR, "unknown-kind")], "did you mean Deployment?"),
    "kind-scc": ("http", "kind: SecurityContextConstraints", "kind: SecurityContextConstraint", [(ERROR, "unknown-kind"), (NOTE, "missing-scc")],
                 "SecurityContextConstraints?"),
    "scc-v1": ("http", "apiVersion: security.openshift.io/v1", "apiVersion: v1", [(WARNING, "api-version")], "OpenShift 3"),
    "role-namespace": ("http", "  name: egress-router\n  namespace: egress\nrules", "  name: egress-router\n  namespace: other\nrules",
                       [(ERROR, "missing-role")], 'in namespace "other"'),
    "ignored-check": ("http", "kind: PodDisruptionBudget\nmetadata:\n",
                      "kind: PodDisruptionBudget\nmetadata:\n  annotations: { egress-router/lint-ignore: 'low-port, lowport' }\n",
                      [(WARNING, "lint-ignore")], '"lowport"'),
    # A main container's variable among the settings.
    "proxy-setting": ("http", "  EGRESS_GATEWAY: 10.42.253.1\n", "  EGRESS_GATEWAY: 10.42.253.1\n  EGRESS_HTTP_PROXY_SNI: enforced\n",
                      [(ERROR, "configuration")], "EGRESS_HTTP_PROXY_SNI"),
    # Fields, kinds, names.
    "nodeselector": ("http", "      nodeSelector:", "      nodeselector:", [(ERROR, "unknown-field")], "did you mean nodeSelector?"),
    "readonly-mount": ("http", "          readOnly: true\n      enable", "          readonly: true\n      enable",
                       [(ERROR, "unknown-field")], "readOnly"),
    "apps-v1-replication-controller": ("http", "kind: Deployment\n", "kind: ReplicationController\n",
                                       [(ERROR, "api-version")], "expected v1"),
    "extensions-v1beta1": ("http", "apiVersion: apps/v1\nkind: Deployment", "apiVersion: extensions/v1beta1\nkind: Deployment",
                           [(ERROR, "api-version")], "expected apps/v1"),
    "service-name": ("scaled", "  serviceName: egress-http-proxy\n", "  serviceName: egress-http-proxi\n",
                     [(ERROR, "missing-service")], 'did you mean "egress-http-proxy"?'),
    "priority-class-absent": ("http", "kind: PriorityClass\n", "kind: NoClass\n", [(NOTE, "missing-priority-class")], "no pod is created"),
    "priority-class-name": ("http", "priorityClassName: egress-router", "priorityClassName: egress-routers",
                            [(ERROR, "missing-priority-class")], 'did you mean "egress-router"?'),
    "config-map-name": ("http", "name: egress-http-proxy-table\n        name: table", "name: egress-http-proxy-tabel\n        name: table",
                        [(ERROR, "missing-config-map")], 'did you mean "egress-http-proxy-table"?'),
    "secret-name": ("tls", "secretName: egress-http-proxy-tls", "secretName: egress-http-tls", [(ERROR, "missing-secret")],
                    'did you mean "egress-http-proxy-tls"?'),
    "service-account-name": ("http", "serviceAccountName: egress-http-proxy", "serviceAccountName: egress-proxy",
                             [(ERROR, "missing-role"), (ERROR, "missing-service-account")], ""),
    "two-of-one-name": ("http", "  name: egress-http-proxy-metrics\n  namespace: egress\nspec:\n  ports",
                        "  name: egress-http-proxy\n  namespace: egress\nspec:\n  ports", [(ERROR, "duplicate-object")], "only one of them"),
    # Resources, restarts, images.
    "requests-over-limits": ("http", RESOURCES, "          limits:\n            memory: 32Mi\n" + RESOURCES,
                             [(ERROR, "resources")], "requests more memory"),
    "memory-in-thousandths": ("http", "memory: 64Mi", "memory: 16m", [(ERROR, "resources")], "thousandths of a byte"),
    "restart-never": ("http", "      priorityClassName", "      restartPolicy: Never\n      priorityClassName",
                      [(ERROR, "restart-policy")], "expected Always"),
    "grace-period": ("http", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 10",
                     [(WARNING, "grace-period")], "killed after 10 s"),
    "misspelled-image": ("http", "image: egress-router:", "image: registry.example.com/egress-ruoter:",
                         [(ERROR, "misspelled-image")], "did you mean egress-router?"),
    "latest-image": ("http", "image: egress-http-proxy:0.1.0", "image: egress-http-proxy:latest", [(WARNING, "latest-image")], "VERSION"),
    "untagged-image": ("http", "image: egress-http-proxy:0.1.0", "image: registry.example.com:5000/egress-http-proxy",
                       [(WARNING, "latest-image")], "VERSION"),
    # Services.
    "load-balancer": ("http", "spec:\n  ports:\n  - name: proxy", "spec:\n  type: LoadBalancer\n  ports:\n  - name: proxy",
                      [(WARNING, "exposed-service")], "outside the cluster"),
    "node-port": ("http", "spec:\n  ports:\n  - name: proxy", "spec:\n  type: NodePort\n  ports:\n  - name: proxy",
                  [(WARNING, "exposed-service")], "outside the cluster"),
    "admin-for-clients": ("http", "    targetPort: proxy\n", "    targetPort: proxy\n  - name: admin\n    port: 9180\n    targetPort: admin\n",
                          [(WARNING, "admin-in-service")], "Service of its own"),
    # A default destination takes the port of the probes.
    "admin-port-redirected": ("redirect", "        - name: EGRESS_ADMIN_LISTEN\n          value: :9180\n        envFrom", "        envFrom",
                              [(ERROR, "admin-port-redirected")], "an external host answers the probes"),
    # The node's network namespace.
    "host-proc-not-mounted": ("http", "        - mountPath: /host/proc\n", "        - mountPath: /host-proc\n",
                              [(ERROR, "no-interface")], "/host/proc/1/ns/net"),
}


def changed(name, text):
    if name == "admin-port-redirected":  # that of the init container, which comes last
        _, there, instead, _, _ = BROKEN[name]
        before, after = text.replace("    8080 tcp 203.0.113.26 80\n", "    203.0.113.26\n").rsplit(there, 1)
        return before + instead + after
    if name == "live-image-wait":
        text = text.replace("image: egress-router:0.1.0\n        imagePullPolicy: IfNotPresent\n        livenessProbe",
                            "image: egress-wait:0.1.0\n        imagePullPolicy: IfNotPresent\n        livenessProbe")
    if name == "secret-name":
        text += "---\napiVersion: v1\nkind: Secret\nmetadata: { name: egress-http-proxy-tls, namespace: egress }\n"
    if name == "apps-v1-replication-controller":  # its selector has no matchLabels
        text = text.replace("  selector:\n    matchLabels:\n      app.kubernetes.io/instance: egress-http-proxy\n"
                            "      app.kubernetes.io/name: egress-http-proxy\n  strategy",
                            "  selector:\n    app.kubernetes.io/instance: egress-http-proxy\n  strategy")
    if name == "live-without-source":
        start = text.index(LIVE_SOURCE)
        return text[:start] + text[text.index("\n", start + len(LIVE_SOURCE)) + 1:]
    _, there, instead, _, _ = BROKEN[name]
    assert there in text
    return text.replace(there, instead, 1)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_manifests_themselves_have_no_findings(rendered, name, tmp_path):
    assert findings(rendered[name], tmp_path=tmp_path) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_found(rendered, name, tmp_path):
    deployment, _, _, expected, message = BROKEN[name]
    found = findings(changed(name, rendered[deployment]), tmp_path=tmp_path)
    assert sorted((each["level"], each["id"]) for each in found) == sorted(expected)
    assert any(message in each["message"] for each in found)
    assert all(each["line"] > 0 for each in found)


def test_what_the_files_do_not_have_is_no_fault(tmp_path, rendered):
    """An overlay without its platform: notes only."""
    alone = subprocess.run(["kubectl", "kustomize", MANIFESTS / "ovn-kubernetes/http-proxy"], check=True, capture_output=True,
                           text=True).stdout
    assert {(each["level"], each["id"]) for each in findings(alone, tmp_path=tmp_path)} == {
        ("note", "missing-scc"), ("note", "missing-priority-class")}


def test_every_documented_check_fires_and_every_check_is_documented():
    documented = {name for line in (HERE.parents[1] / "docs/linter.md").read_text().splitlines() if line.startswith("| `")
                  for name in line.split("|")[1].replace("`", "").replace(" ", "").split(",")}
    fired = {finding[1] for fault in FAULTS for finding in fault[3]} | {
        finding[1] for broken in BROKEN.values() for finding in broken[3]}
    elsewhere = {"nothing-to-lint", "typographic-character", "address-in-two-workloads", "no-router", "too-large",
                 "openshift-egress-router", "encoding"}
    assert documented == fired | elsewhere


def test_every_documented_check_can_be_ignored(rendered, tmp_path):
    documented = [name for line in (HERE.parents[1] / "docs/linter.md").read_text().splitlines() if line.startswith("| `")
                  for name in line.split("|")[1].replace("`", "").replace(" ", "").split(",")]
    text = rendered["http"].replace("kind: PodDisruptionBudget\nmetadata:\n", "kind: PodDisruptionBudget\nmetadata:\n"
                                    f"  annotations: {{ egress-router/lint-ignore: '{', '.join(documented)}' }}\n")
    assert text != rendered["http"] and findings(text, tmp_path=tmp_path) == []
