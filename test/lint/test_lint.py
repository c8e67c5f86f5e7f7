"""egress-lint: a correct manifest has no findings, and each fault, put in by one replacement, has exactly the findings
that are expected. The report on pasted.yaml is compared whole, as a user reads it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LINT = Path(os.environ.get("EGRESS_BIN_DIR") or HERE.parents[1] / "build/bin") / "egress-lint"
SOUND = ("redirect", "http-proxy", "scaled")


def lint(*arguments, text=None):
    return subprocess.run([LINT, *arguments], input=text, capture_output=True, text=True, timeout=30, cwd=HERE)


def findings(*texts, tmp_path):
    """What is found in these files: (file's number, line, level, id) and the whole findings."""
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text)
    ran = lint("--format=json", *paths)
    assert ran.stderr == ""
    report = json.loads(ran.stdout)
    assert ran.returncode == (3 if report["errors"] else 0)
    return report["findings"]


def found(text, tmp_path):
    lines = text.splitlines()
    return [(each["level"], each["id"], lines[each["line"] - 1].strip() if each["line"] else "") for each in
            findings(text, tmp_path=tmp_path)]


def sound(name):
    return (HERE / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_manifest_has_no_findings(name):
    ran = lint(f"{name}.yaml")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0 errors, 0 warnings, 0 notes\n", "")


def test_sound_manifests_together_and_from_standard_input():
    assert lint(*(f"{name}.yaml" for name in SOUND)).stdout == "0 errors, 0 warnings, 0 notes\n"
    assert lint("-", text=sound("redirect")).returncode == 0


# (manifest, what stands there, what is put in its place, the findings: level, id, line)
FAULTS = [
    # What the programs say of their variables, wherever the text stands.
    ("redirect", "value: 10.42.253.46", "value: 10.42.253.999",
     [("error", "configuration", "value: 10.42.253.999")]),
    ("redirect", "    8080 tcp 203.0.113.26 80", "    8080 tcpp 203.0.113.26 80",
     [("error", "configuration", "8080 tcpp 203.0.113.26 80")]),
    ("redirect", "- name: EGRESS_GATEWAY", "- name: EGRESS_GATWAY",
     [("error", "configuration", "- name: egress-router"), ("warning", "configuration", "- name: EGRESS_GATWAY")]),
    ("http-proxy", "    *.example.com", "    *.exa mple.com", [("error", "configuration", "*.exa mple.com")]),
    ("http-proxy", "        - { name: EGRESS_HTTP_PROXY_DESTINATION_FILE",
     "        - { name: EGRESS_HTTP_PROXY_DESTINATION, value: '*' }\n        - { name: EGRESS_HTTP_PROXY_DESTINATION_FILE",
     [("error", "configuration", "- { name: EGRESS_HTTP_PROXY_DESTINATION, value: '*' }")]),
    ("scaled", "5432 db.example.com\n", "5432 db.example.com sesame\n",
     [("error", "configuration", "5432 db.example.com sesame")]),
    ("scaled", "replicas: 2", "replicas: 3",
     [("error", "configuration", '- { name: EGRESS_SOURCE, value: "10.42.253.48, 10.42.253.49" }')]),
    ("scaled", "        - name: EGRESS_DNS_PROXY_DESTINATION\n",
     "        - { name: EGRESS_LOG_LEVEL, value: loud }\n        - name: EGRESS_DNS_PROXY_DESTINATION\n",
     [("error", "configuration", "- { name: EGRESS_LOG_LEVEL, value: loud }")]),
    # Where variables come from.
    ("redirect", "key: destination }", "key: destinations }",
     [("error", "missing-config-map-key",
       "valueFrom: { configMapKeyRef: { name: egress-routes, key: destinations } }")]),
    ("redirect", "name: egress-routes, key", "name: egress-elsewhere, key",
     [("error", "missing-config-map",
       "valueFrom: { configMapKeyRef: { name: egress-elsewhere, key: destination } }")]),
    ("http-proxy", "value: /etc/egress/rules", "value: /etc/egress/rule",
     [("error", "missing-config-map-key", "- { name: EGRESS_HTTP_PROXY_DESTINATION_FILE, value: /etc/egress/rule }")]),
    ("http-proxy", "value: /etc/egress/rules", "value: /etc/egresses/rules",
     [("error", "file-not-mounted", "- { name: EGRESS_HTTP_PROXY_DESTINATION_FILE, value: /etc/egresses/rules }")]),
    ("http-proxy", "- { name: rules, mountPath", "- { name: ruled, mountPath",
     [("error", "missing-volume", "- { name: ruled, mountPath: /etc/egress }")]),
    ("redirect", "  destination: |\n", "  destination: |\n" + "    # as large as it gets\n" * 7000,
     [("error", "variable-too-large", "destination: |")]),
    ("redirect", "        - name: EGRESS_SOURCE\n",
     "        - name: EGRESS_ROUTER_MODE\n          value: init\n        - name: EGRESS_SOURCE\n",
     [("warning", "duplicate-variable", "- name: EGRESS_ROUTER_MODE")]),
    ("redirect", "        env:\n",
     "        envFrom: [{ configMapRef: { name: egress-more } }]\n        env:\n",
     [("note", "missing-config-map", "envFrom: [{ configMapRef: { name: egress-more } }]")]),
    # Strings that are none.
    ("redirect", 'assign-macvlan: "true"', "assign-macvlan: true",
     [("error", "not-a-string", "annotations: { pod.network.openshift.io/assign-macvlan: true }")]),
    ("scaled", "- { name: EGRESS_INTERFACE, value: net1 }\n        - { name: EGRESS_SOURCE,",
     "- { name: EGRESS_ROUTER_DEBUG, value: 1 }\n        - { name: EGRESS_INTERFACE, value: net1 }\n        - { name: EGRESS_SOURCE,",
     [("error", "not-a-string", "- { name: EGRESS_ROUTER_DEBUG, value: 1 }")]),
    # Fields in the wrong place.
    ("redirect", "        image: egress-wait:0.1.0", "        image: egress-wait:0.1.0\n        serviceAccountName: egress-router",
     [("error", "misplaced-field", "serviceAccountName: egress-router")]),
    ("redirect", "      serviceAccountName: egress-router\n",
     "      serviceAccountName: egress-router\n      securityContext: { privileged: true }\n",
     [("error", "misplaced-field", "securityContext: { privileged: true }")]),
    ("redirect", "      labels: { app: egress-router }\n      annotations: { pod.network.openshift.io/assign-macvlan: \"true\" }\n",
     "      labels: { app: egress-router }\n",
     [("error", "no-interface", "- name: egress-router")]),
    ("redirect", "metadata: { name: egress-router }\nspec:\n  replicas: 1",
     "metadata: { name: egress-router, annotations: { k8s.v1.cni.cncf.io/networks: outside } }\nspec:\n  replicas: 1",
     [("error", "misplaced-field",
       "metadata: { name: egress-router, annotations: { k8s.v1.cni.cncf.io/networks: outside } }")]),
    ("redirect", "matchLabels: { app: egress-router }", "matchLabels: { app: egress-routed }",
     [("error", "selector-mismatch", "selector: { matchLabels: { app: egress-routed } }")]),
    # The shape of the pod.
    ("redirect", 'assign-macvlan: "true"', 'assign-macvlan: "yes"',
     [("error", "no-interface", 'annotations: { pod.network.openshift.io/assign-macvlan: "yes" }')]),
    ("http-proxy", "      hostPID: true\n", "", [("error", "no-interface", "- name: egress-router")]),
    ("http-proxy", "      hostPID: true\n", "      hostNetwork: true\n",
     [("error", "host-network", "hostNetwork: true")]),
    ("scaled", "cncf.io/networks: outside", "cncf.io/networks: inside",
     [("error", "unknown-network", "annotations: { k8s.v1.cni.cncf.io/networks: inside }")]),
    ("scaled", "        - { name: EGRESS_INTERFACE, value: net1 }\n        - { name: EGRESS_SOURCE,",
     "        - { name: EGRESS_SOURCE,",
     [("warning", "multus-interface", "annotations: { k8s.v1.cni.cncf.io/networks: outside }")]),
    ("redirect", "securityContext: { privileged: true }", "securityContext: {}",
     [("error", "router-not-privileged", "- name: egress-router")]),
    ("redirect", "        - name: EGRESS_ROUTER_MODE\n          value: init\n", "",
     [("error", "router-mode", "- name: egress-router")]),
    ("redirect", "value: init", "value: http-proxy",
     [("error", "router-mode", "value: http-proxy"), ("warning", "configuration", "- name: EGRESS_DESTINATION"),
      ("error", "service-port-unserved", "- { name: web, port: 80, targetPort: 80 }"),
      ("error", "service-port-unserved", "- { name: other, port: 8080, targetPort: 8080 }")]),
    ("http-proxy", "value: http-proxy }", "value: init }",
     [("error", "configuration", "- name: egress-router"),
      ("error", "router-mode", "- { name: EGRESS_ROUTER_MODE, value: init }")]),
    ("http-proxy", "        image: egress-http-proxy:0.1.0\n",
     "        image: egress-http-proxy:0.1.0\n        securityContext: { privileged: true }\n",
     [("warning", "needless-privilege", "securityContext: { privileged: true }")]),
    ("http-proxy", "        - { name: EGRESS_HTTP_PROXY_DESTINATION_FILE,",
     "        - { name: EGRESS_HTTP_PROXY_LISTEN, value: ':80' }\n        - { name: EGRESS_HTTP_PROXY_DESTINATION_FILE,",
     [("error", "low-port", "- name: proxy"), ("warning", "unreachable-entry", "- name: proxy"),
      ("error", "service-port-unserved", "targetPort: proxy")]),
    # Permissions.
    ("redirect", "      serviceAccountName: egress-router\n", "",
     [("warning", "missing-service-account", "metadata: { name: egress-router }"),
      ("error", "missing-scc", "metadata: { name: egress-router }")]),
    ("redirect", "kind: ServiceAccount\nmetadata: { name: egress-router }",
     "kind: ServiceAccount\nmetadata: { name: egress }",
     [("error", "missing-service-account", "serviceAccountName: egress-router")]),
    ("redirect", "serviceaccount:routers:egress-router", "serviceaccount:routers:egress",
     [("error", "missing-scc", "metadata: { name: egress-router }")]),
    ("redirect", "allowPrivilegedContainer: true", "allowPrivilegedContainer: false",
     [("error", "missing-scc", "allowPrivilegedContainer: false")]),
    ("redirect", 'assign-macvlan: "true" }', 'assign-macvlan: "true", openshift.io/required-scc: no-such }',
     [("note", "missing-scc",
       'annotations: { pod.network.openshift.io/assign-macvlan: "true", openshift.io/required-scc: no-such }')]),
    # Addresses.
    ("redirect", "replicas: 1", "replicas: 2", [("error", "single-address-replicas", "replicas: 2")]),
    ("scaled", "value: ordinal", "value: all", [("error", "single-address-replicas", "replicas: 2")]),
    ("redirect", "  strategy: { type: Recreate }\n", "",
     [("error", "overlapping-update", "metadata: { name: egress-router }")]),
    ("http-proxy", "    type: Recreate", "    type: RollingUpdate",
     [("error", "overlapping-update", "type: RollingUpdate")]),
    # Services.
    ("redirect", "port: 8080, targetPort: 8080", "port: 8443, targetPort: 8443",
     [("warning", "unreachable-entry", "8080 tcp 203.0.113.26 80"),
      ("error", "service-port-unserved", "- { name: other, port: 8443, targetPort: 8443 }")]),
    ("redirect", "port: 80, targetPort", "port: 80, protocol: UDP, targetPort",
     [("warning", "unreachable-entry", "80   tcp 203.0.113.25"),
      ("error", "service-port-unserved", "- { name: web, port: 80, protocol: UDP, targetPort: 80 }")]),
    ("http-proxy", "targetPort: proxy", "targetPort: web",
     [("warning", "unreachable-entry", "- name: proxy"), ("error", "service-port-unserved", "targetPort: web")]),
    ("redirect", "  selector: { app: egress-router }\n  ports", "  selector: { app: egress }\n  ports",
     [("error", "service-selects-nothing", "selector: { app: egress }")]),
    # The text itself.
    ("redirect", "  replicas: 1\n", "  replicas: 1\n  replicas: 1\n", [("error", "duplicate-key", "replicas: 1")]),
    ("redirect", "      containers:\n", "\tcontainers:\n", [("error", "yaml-syntax", "containers:")]),
    ("redirect", "data:\n", "data: &loop\n  self: *loop\n",
     [("error", "yaml-syntax", "self: *loop"),
      ("note", "missing-config-map", "valueFrom: { configMapKeyRef: { name: egress-routes, key: destination } }")]),
]


@pytest.mark.parametrize("name, there, instead, expected", FAULTS, ids=[f"{n}-{e[0][1] if e else 'none'}-{i}"
                                                                       for i, (n, _, _, e) in enumerate(FAULTS)])
def test_a_fault_is_found_where_it_stands(name, there, instead, expected, tmp_path):
    text = sound(name)
    assert there in text
    assert sorted(found(text.replace(there, instead, 1), tmp_path)) == sorted(expected)


def test_one_address_in_two_files(tmp_path):
    other = sound("http-proxy").replace("10.42.253.47", "10.42.253.46")
    (finding,) = findings(sound("redirect"), other, tmp_path=tmp_path)
    assert finding["file"].endswith("1.yaml")
    assert finding["id"] == "address-in-two-workloads"
    assert "10.42.253.46 is also an address of Deployment/egress-router" in finding["message"]


def test_what_an_autoscaler_may_do_counts(tmp_path):
    text = sound("redirect") + """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: more }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: egress-router }
  maxReplicas: 4
"""
    assert found(text, tmp_path) == [("error", "single-address-replicas", "maxReplicas: 4")]


def test_a_proxy_without_a_router(tmp_path):
    text = sound("http-proxy")
    start, end = text.index("      initContainers:"), text.index("      containers:")
    assert found(text[:start] + text[end:], tmp_path) == [("warning", "no-router", "- name: proxy")]


def test_env_goes_before_envfrom(tmp_path):
    text = sound("redirect").replace("        env:\n", "        envFrom: [{ configMapRef: { name: common } }]\n        env:\n")
    text += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: common }\ndata: { EGRESS_GATEWAY: nowhere }\n"
    assert found(text, tmp_path) == []
    without = text.replace("        - name: EGRESS_GATEWAY\n          value: 10.42.253.1\n", "")
    assert found(without, tmp_path) == [("error", "configuration", "data: { EGRESS_GATEWAY: nowhere }")]


def test_what_nobody_knows_is_not_judged(tmp_path):
    """A mode, or an address, out of a Secret: nothing is said of it, and all else is."""
    text = sound("redirect").replace("          value: init\n", "          valueFrom: { secretKeyRef: { name: s, key: mode } }\n")
    assert found(text, tmp_path) == []
    text = sound("redirect").replace("          value: 10.42.253.46\n",
                                     "          valueFrom: { secretKeyRef: { name: s, key: address } }\n")
    assert found(text, tmp_path) == []
    assert found(text.replace("8080 tcp 203", "8080 tcpp 203"), tmp_path) == [
        ("error", "configuration", "8080 tcpp 203.0.113.26 80")]


def test_lists_and_templates_are_opened(tmp_path):
    documents = sound("redirect").split("---\n")
    items = "".join("- " + document.replace("\n", "\n  ").rstrip() + "\n" for document in
                    (d.split("\n", 1)[1] if d.startswith("#") else d for d in documents))
    faulty = items.replace("value: 10.42.253.46", "value: 10.42.253.999")
    assert found("apiVersion: v1\nkind: List\nitems:\n" + items, tmp_path) == []
    assert found("apiVersion: v1\nkind: List\nitems:\n" + faulty, tmp_path) == [
        ("error", "configuration", "value: 10.42.253.999")]
    template = "kind: Template\nparameters:\n- { name: ADDRESS, value: 10.42.253.999 }\nobjects:\n" + items.replace(
        "value: 10.42.253.46", "value: ${ADDRESS}")
    assert found(template, tmp_path) == [("error", "configuration", "value: ${ADDRESS}")]


def test_nothing_to_lint_is_no_success(tmp_path):
    other = "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: { containers: [{ name: web, image: web }] }\n"
    assert found(other, tmp_path) == [("error", "nothing-to-lint", "")]


def test_a_finding_can_be_silenced(tmp_path):
    text = sound("redirect").replace("replicas: 1", "replicas: 2").replace(
        "kind: Deployment\nmetadata: { name: egress-router }",
        "kind: Deployment\nmetadata:\n  name: egress-router\n"
        "  annotations: { egress-router/lint-ignore: 'overlapping-update, single-address-replicas' }")
    assert found(text, tmp_path) == []


def test_an_alias_bomb_is_refused_at_once(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 12))
    assert ("error", "too-large") in [each[:2] for each in found(bomb, tmp_path)]


def test_deep_nesting_and_odd_bytes_are_refused(tmp_path):
    assert [each["id"] for each in findings("[" * 100_000, tmp_path=tmp_path)] == ["yaml-syntax"]
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"kind: \xff\xfe\x00\x01\n- \x80: [\n")
    ran = lint(path)
    assert ran.returncode == 3 and all(c == "\n" or " " <= c <= "~" for c in ran.stdout)


def test_a_file_that_cannot_be_read_is_said_and_the_others_are_judged(tmp_path):
    ran = lint("redirect.yaml", tmp_path / "missing.yaml")
    assert ran.returncode == 2
    assert "missing.yaml: ENOENT (No such file or directory)" in ran.stderr
    assert ran.stdout == "0 errors, 0 warnings, 0 notes\n"


def test_what_was_pasted_from_a_page():
    ran = lint("pasted.yaml")
    assert ran.returncode == 3
    assert ran.stdout == (HERE / "pasted.expected").read_text()


def test_an_expanded_variable_is_no_fault(tmp_path):
    """$(NAME) is expanded from what stands before it, as the kubelet does; $$ is one $."""
    text = sound("redirect").replace("          value: 10.42.253.46\n", "          value: $(BASE).46\n").replace(
        "        - name: EGRESS_SOURCE\n", "        - { name: BASE, value: 10.42.253 }\n        - name: EGRESS_SOURCE\n")
    assert found(text, tmp_path) == []
    assert found(text.replace("value: 10.42.253 }", "value: 10.42.999 }"), tmp_path) == [
        ("error", "configuration", "value: $(BASE).46")]
    unknown = text.replace("{ name: BASE, value: 10.42.253 }", "{ name: BASE, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }")
    assert found(unknown, tmp_path) == []
    assert found(text.replace("$(BASE)", "$$(BASE)"), tmp_path) == [("error", "configuration", "value: $$(BASE).46")]


def test_an_application_that_knows_the_address_is_no_router(tmp_path):
    text = ("apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  containers:\n"
            "  - { name: web, image: 'web:1', env: [{ name: EGRESS_SOURCE, value: see the wiki }] }\n")
    assert found(sound("redirect") + "---\n" + text, tmp_path) == []
