"""The manifests, rendered as `oc apply -k` renders them, and the classic files as they stand: valid by the schemas of their kinds,
clean for the linter, accepted by the programs' own --check, and with the habits of a cluster's own workloads."""

import json
import os
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
                  if "base" not in each.parts and each.parent.name != "rules")
CLASSIC = sorted(f"classic/{each.name}" for each in (MANIFESTS / "classic").iterdir())
ALL = OVERLAYS + CLASSIC
WORKLOADS = [each for each in ALL if not each.startswith("monitoring")]


@pytest.fixture(scope="session")
def rendered():
    subprocess.run([HERE / "needs"], check=True)
    texts = {name: (MANIFESTS / name).read_text() for name in CLASSIC}
    for name in OVERLAYS:
        ran = subprocess.run(["kubectl", "kustomize", MANIFESTS / name], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
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
    assert len(faults[1]) > 150


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
    (scc,) = [each for each in played.read(rendered["multus/redirect"]) if each["kind"] == "SecurityContextConstraints"]
    assert validate([scc]) == []
    scc["allowHostPId"] = True
    assert "must NOT have additional properties" in validate([scc])[0]


@pytest.mark.parametrize("name", ALL)
def test_the_linter_has_nothing_to_say(rendered, name):
    ran = subprocess.run([BIN / "egress-lint", "-"], input=rendered[name], capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1].startswith("0 errors, 0 warnings, "), ran.stdout


def test_the_linter_judges_what_kustomize_makes(rendered):
    text = rendered["scaled/http-proxy"].replace("10.42.253.53/24,10.42.253.54/24", "10.42.253.53/24")
    ran = subprocess.run([BIN / "egress-lint", "-"], input=text, capture_output=True, text=True)
    assert ran.returncode == 3 and "EGRESS_SOURCE" in ran.stdout


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_programs_accept_their_variables(rendered, name, tmp_path):
    certificate = {"kind": "Secret", "metadata": {"name": "egress-router-tls"}, "stringData": {"tls.crt": "", "tls.key": ""}}
    pods = played.pods(played.read(rendered[name]) + [certificate], tmp_path)
    assert pods
    for pod in pods:
        files = {volume["name"]: volume["hostPath"]["path"] for volume in pod["spec"].get("volumes", [])}
        for container in pod["spec"]["initContainers"] + pod["spec"]["containers"]:
            program = container.get("command", [container["image"]])[0].rpartition("/")[2]
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
        assert container["image"] in ("egress-router", "egress-wait", "egress-http-proxy", "egress-dns-proxy")
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"] and context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False and "privileged" not in context
        if name != "ovn-kubernetes/redirect-live":
            assert context["runAsNonRoot"] and "add" not in context["capabilities"]
    if workload["kind"] == "Deployment":
        assert workload["spec"]["strategy"] == {"type": "Recreate"}
    assert spec["serviceAccountName"] == "egress-router"
    if name in CLASSIC:
        return
    assert spec["priorityClassName"] == "egress-router" and spec["automountServiceAccountToken"] is False
    for each in played.read(rendered[name]):
        assert each["kind"] in ("ConfigMap", "Role", "RoleBinding", "Namespace") or \
            "app.kubernetes.io/part-of" in each["metadata"]["labels"]
    for container in containers(workload):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    for container in spec["containers"]:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    is_openshift = not name.startswith("kubernetes/")
    assert annotations.get("openshift.io/required-scc") == ("egress-router" if is_openshift else None)
    kinds = [each["kind"] for each in played.read(rendered[name])]
    assert {"NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "PriorityClass"} <= set(kinds)
    assert ("SecurityContextConstraints" in kinds) == is_openshift


@pytest.mark.parametrize("mode", ["redirect", "http-proxy", "dns-proxy"])
def test_replicas_share_one_service_and_are_spread(rendered, mode):
    (workload,) = workloads(rendered[f"scaled/{mode}"])
    assert workload["kind"] == "StatefulSet" and workload["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    affinity = workload["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    assert affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]["topologyKey"] == \
        "kubernetes.io/hostname"
    services = [each for each in played.read(rendered[f"scaled/{mode}"]) if each["kind"] == "Service"]
    assert len(services) == 1 and workload["spec"]["serviceName"] == services[0]["metadata"]["name"]


def test_every_line_of_an_scc_is_explained(rendered):
    text = (ROOT / "docs/manifests.md").read_text()
    for name in ("ovn-kubernetes/redirect-live", "classic/redirect.yaml"):
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
        for base in yaml.safe_load((folder / "kustomization.yaml").read_text()).get("bases", []):
            visit(folder / base)

    for name in OVERLAYS:
        visit(MANIFESTS / name)
    assert {each.parent.resolve() for each in MANIFESTS.rglob("kustomization.yaml")} == used
