"""The manifests, rendered as `oc apply -k` renders them, and the classic files as they stand: valid by the schemas of their kinds,
clean for the linter, accepted by the programs' own --check, and with the habits of a cluster's own workloads."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MANIFESTS = ROOT / "manifests"
BIN = Path(os.environ.get("EGRESS_BIN_DIR", ROOT / "build/bin"))
sys.path.insert(0, str(ROOT / "test/image"))

import played  # noqa: E402

OVERLAYS = sorted(str(each.parent.relative_to(MANIFESTS)) for each in MANIFESTS.rglob("kustomization.yaml")
                  if not {"base", "components", "helm", "platform"} & set(each.parts))
PLATFORMS = sorted(f"platform/{each.name}" for each in (MANIFESTS / "platform").iterdir())
CLASSIC = sorted(f"classic/{each.name}" for each in (MANIFESTS / "classic").iterdir())
ALL = OVERLAYS + PLATFORMS + CLASSIC
WORKLOADS = [each for each in OVERLAYS + CLASSIC if each != "monitoring"]
ROUTERS = [each for each in WORKLOADS if each not in CLASSIC]


def platforms_of(name):
    """What is applied once before this overlay, as its first comment says."""
    if name in CLASSIC:
        return []
    base = "ovn-kubernetes" if name.split("/")[0] in ("scaled", "second-router") else name.split("/")[0]
    more = {"multus": ["openshift", "multus"], "openshift-sdn": ["openshift"], "monitoring": []}.get(base, [base])
    return [f"platform/{each}" for each in more + (["redirect-live"] if name.endswith("redirect-live") else [])]


@pytest.fixture(scope="session")
def rendered():
    subprocess.run([HERE / "needs"], check=True)
    texts = {name: (MANIFESTS / name).read_text() for name in CLASSIC}
    for name in OVERLAYS + PLATFORMS:
        ran = subprocess.run(["kubectl", "kustomize", MANIFESTS / name], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr  # nor a warning of a deprecated field
        texts[name] = ran.stdout
    return texts


@pytest.fixture(scope="session")
def faults(rendered):
    """All that the schemas find, by manifest: one run of node, which takes seconds to load them."""
    named = [(name, each) for name, text in rendered.items() for each in played.read(text)]
    for number, (_, each) in enumerate(named):
        each["metadata"].setdefault("annotations", {})["number"] = str(number)
    return validate([each for _, each in named]), named


def validate(objects):
    ran = subprocess.run(["node", HERE / "validate.mjs"], input=json.dumps(objects), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def workloads(text):
    return [each for each in played.read(text) if each["kind"] in played.WORKLOADS]


def containers(workload):
    spec = workload["spec"]["template"]["spec"]
    return spec["initContainers"] + spec["containers"]


def test_every_object_is_valid(faults):
    assert faults[0] == []
    assert len(faults[1]) > 150 and {name for name, _ in faults[1]} == set(ALL)


@pytest.mark.parametrize("change, fault", [
    (lambda each: each["spec"].update(replica=2), "Deployment/egress-redirect.spec.replica: no such field"),
    (lambda each: each["spec"]["template"]["spec"]["containers"][0].update(securitycontext={}),
     "Deployment/egress-redirect.spec.template.spec.containers[0].securitycontext: no such field"),
    (lambda each: each["spec"].update(replicas="1"), "replicas"),
    (lambda each: each["spec"].pop("selector"), "selector"),
])
def test_the_schemas_find_faults(rendered, change, fault):
    (workload,) = workloads(rendered["kubernetes/redirect"])
    change(workload)
    found = validate([workload])
    assert any(fault in each for each in found), found


def test_the_schemas_written_here_find_faults(rendered):
    (scc,) = [each for each in played.read(rendered["platform/openshift"]) if each["kind"] == "SecurityContextConstraints"]
    assert validate([scc]) == []
    scc["allowHostPId"] = True
    assert "must NOT have additional properties" in validate([scc])[0]


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_linter_has_nothing_to_say(rendered, name):
    texts = [rendered[each] for each in [*platforms_of(name), name]]
    ran = subprocess.run([BIN / "egress-lint", "-"], input="---\n".join(texts), capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "0 errors, 0 warnings, 0 notes\n")
    alone = subprocess.run([BIN / "egress-lint", "-"], input=rendered[name], capture_output=True, text=True)
    assert alone.returncode == 0 and alone.stdout.splitlines()[-1].startswith("0 errors, 0 warnings, "), alone.stdout


def test_the_linter_judges_what_kustomize_makes(rendered):
    text = rendered["scaled/http-proxy"].replace("10.42.253.53/24,10.42.253.54/24", "10.42.253.53/24")
    ran = subprocess.run([BIN / "egress-lint", "-"], input=text, capture_output=True, text=True)
    assert ran.returncode == 3 and "EGRESS_SOURCE" in ran.stdout


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_programs_accept_their_variables(rendered, name, tmp_path):
    certificate = {"kind": "Secret", "metadata": {"name": "egress-http-proxy-tls"}, "stringData": {"tls.crt": "", "tls.key": ""}}
    pods = played.pods(played.read(rendered[name]) + [certificate], tmp_path)
    assert pods
    for pod in pods:
        files = {volume["name"]: volume["hostPath"]["path"] for volume in pod["spec"].get("volumes", [])}
        for container in pod["spec"]["initContainers"] + pod["spec"]["containers"]:
            program = container.get("command", [container["image"]])[0].rpartition("/")[2].partition(":")[0]
            variables = {each["name"]: each["value"] for each in container["env"]}
            for mount in container.get("volumeMounts", []):
                for key, value in variables.items():
                    variables[key] = value.replace(mount["mountPath"] + "/", files[mount["name"]] + "/")
            ran = subprocess.run([BIN / program, "--check"], env=variables | {"EGRESS_TERMINATION_LOG": ""},
                                 capture_output=True, text=True)
            assert ran.returncode == 0 and "warn" not in ran.stderr, f"{program}: {ran.stderr}"


@pytest.mark.parametrize("name", WORKLOADS)
def test_habits_of_workloads(rendered, name):
    (workload,) = workloads(rendered[name])
    spec = workload["spec"]["template"]["spec"]
    annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
    for container in containers(workload):
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        assert "limits" not in container.get("resources", {})
        assert re.fullmatch(r"egress-(router|wait|http-proxy|dns-proxy):\d+\.\d+\.\d+", container["image"])
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"] and context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False and "privileged" not in context
        if name != "ovn-kubernetes/redirect-live":
            assert context["runAsNonRoot"] and "add" not in context["capabilities"]
    if workload["kind"] == "Deployment":
        assert workload["spec"]["strategy"] == {"type": "Recreate"}
    assert spec["serviceAccountName"] == workload["metadata"]["name"] and "hostPID" not in spec
    if name in CLASSIC:
        return
    assert spec["priorityClassName"] == "egress-router" and spec["automountServiceAccountToken"] is False
    assert spec["nodeSelector"]
    for each in played.read(rendered[name]):
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "egress-router"
    for container in containers(workload):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    for container in spec["containers"]:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    is_openshift = not name.startswith("kubernetes/")
    scc = "egress-router-live" if name.endswith("redirect-live") else "egress-router"
    assert annotations.get("openshift.io/required-scc") == (scc if is_openshift else None)
    kinds = {each["kind"] for each in played.read(rendered[name])}
    assert {"NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"} <= kinds
    assert ("RoleBinding" in kinds) == is_openshift


def seen_node(spec):
    """{container: the node's paths that it mounts, and whether it can write there}."""
    paths = {each["name"]: each["hostPath"]["path"] for each in spec["volumes"] if "hostPath" in each}
    return {container["name"]: [(paths[mount["name"]], not mount.get("readOnly")) for mount in container.get("volumeMounts", [])
                                if mount["name"] in paths] for container in spec["initContainers"] + spec["containers"]}


@pytest.mark.parametrize("name", ROUTERS)
def test_the_init_container_alone_sees_the_node(rendered, name):
    (workload,) = workloads(rendered[name])
    main = {"redirect": "wait"}.get(workload["metadata"]["labels"]["app.kubernetes.io/component"], "proxy")
    needs_node = name.split("/")[0] not in ("openshift-sdn", "multus")
    assert seen_node(workload["spec"]["template"]["spec"]) == {
        "egress-router": [("/proc", False)] if needs_node else [], main: []}


@pytest.mark.parametrize("name", ROUTERS)
def test_clients_reach_the_proxys_ports_and_monitoring_the_metrics(rendered, name):
    objects = played.read(rendered[name])
    (workload,) = workloads(rendered[name])
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    admin = {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", [])}["admin"]
    client, metrics = sorted((each for each in objects if each["kind"] == "Service"), key=lambda each: len(each["metadata"]["name"]))
    for_clients = {port["targetPort"] for port in client["spec"]["ports"]}
    assert for_clients and not for_clients & {"admin", admin}
    assert [port["targetPort"] for port in metrics["spec"]["ports"]] == ["admin"]
    assert metrics["metadata"]["name"] == f"{client['metadata']['name']}-metrics"
    assert all(each["spec"]["selector"].items() <= labels for each in (client, metrics))
    opened = {}
    for policy in (each for each in objects if each["kind"] == "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels and policy["spec"]["policyTypes"] == ["Ingress"]
        (rule,) = policy["spec"]["ingress"]
        opened[policy["metadata"]["name"]] = {port["port"] for port in rule["ports"]}
        if policy["metadata"]["name"] == client["metadata"]["name"]:  # labels of a renamed router would shut clients out
            assert rule["from"][1] == {"podSelector": {"matchExpressions": [
                {"key": "egress-router/client", "operator": "In", "values": ["true"]}]}}
    assert opened.pop(metrics["metadata"]["name"]) == {admin}
    (ports,) = opened.values()
    assert ports == {8080 if port == "proxy" else port for port in for_clients}


def identities(text):
    return {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in played.read(text)}


def test_routers_share_no_object_and_no_pod(rendered):
    """Every pair of routers that can live in one namespace; what is applied once has no object of a router."""
    pairs = [("ovn-kubernetes/redirect", "ovn-kubernetes/http-proxy"), ("ovn-kubernetes/http-proxy", "ovn-kubernetes/dns-proxy"),
             ("ovn-kubernetes/http-proxy", "second-router"), ("ovn-kubernetes/dns-proxy", "second-router")]
    for pair in pairs:
        assert not identities(rendered[pair[0]]) & identities(rendered[pair[1]])
        for one, other in (pair, pair[::-1]):
            (workload,) = workloads(rendered[other])
            labels = workload["spec"]["template"]["metadata"]["labels"].items()
            for each in played.read(rendered[one]):
                spec = each.get("spec", {})
                for selector in (spec.get("selector"), spec.get("podSelector")):
                    if selector and each["kind"] != "ServiceMonitor":
                        assert not selector.get("matchLabels", selector).items() <= labels, (one, each["kind"], other)
    shared = set().union(*(identities(rendered[each]) for each in PLATFORMS))
    assert {kind for kind, _, _ in shared} == {
        "Namespace", "NetworkAttachmentDefinition", "PriorityClass", "Role", "SecurityContextConstraints"}
    for name in ROUTERS:
        assert not identities(rendered[name]) & shared


def test_objects_of_the_cluster_have_no_namespace(rendered):
    for name in ALL:
        for kind, namespace, each in identities(rendered[name]):
            cluster = kind in ("Namespace", "PriorityClass", "SecurityContextConstraints")
            assert (namespace is None) == (cluster or name in CLASSIC or name == "monitoring"), (name, kind, each)


def test_a_namespace_warns_of_no_pod(rendered):
    (namespace,) = [each for each in played.read(rendered["platform/openshift"]) if each["kind"] == "Namespace"]
    labels = namespace["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"privileged"}


@pytest.mark.parametrize("mode", ["redirect", "http-proxy", "dns-proxy"])
def test_replicas_share_one_service_and_are_spread(rendered, mode):
    (workload,) = workloads(rendered[f"scaled/{mode}"])
    assert workload["kind"] == "StatefulSet" and workload["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    template = workload["spec"]["template"]
    spread = template["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert all(each["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items() for each in spread)
    services = [each["metadata"]["name"] for each in played.read(rendered[f"scaled/{mode}"]) if each["kind"] == "Service"]
    assert workload["spec"]["serviceName"] in services and "strategy" not in workload["spec"]


def test_every_line_of_an_scc_is_explained(rendered):
    text = (ROOT / "docs/manifests.md").read_text()
    for name in ("platform/redirect-live", "classic/redirect.yaml"):
        (scc,) = [each for each in played.read(rendered[name]) if each["kind"] == "SecurityContextConstraints"]
        for field in set(scc) - {"apiVersion", "kind", "metadata"}:
            assert f"`{field}" in text or f", {field}" in text, field


def test_every_overlay_is_listed():
    text = (ROOT / "docs/manifests.md").read_text()
    for name in ALL:
        assert f"`{name}`" in text or f"`{name.split('/')[0]}/" in text, name


def test_yaml_of_bases_has_nothing_that_no_overlay_uses():
    used = set()

    def visit(folder):
        used.add(folder.resolve())
        made = yaml.safe_load((folder / "kustomization.yaml").read_text())
        for each in made.get("resources", []) + made.get("components", []):
            if (folder / each).is_dir():
                visit(folder / each)
            else:
                assert (folder / each).is_file()

    for name in OVERLAYS + PLATFORMS:
        visit(MANIFESTS / name)
    assert {each.parent.resolve() for each in MANIFESTS.rglob("kustomization.yaml")} == used
