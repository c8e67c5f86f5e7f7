"""The Helm chart: for the values of an overlay it renders the objects of that overlay, and what helm rejects names the value."""

import copy
import json
import re
import subprocess

import pytest
import yaml
from test_manifests import BIN, HERE, MANIFESTS, ROUTERS, platforms_of, rendered, validate  # noqa: F401

import played

CHART = MANIFESTS / "helm"
HELM = HERE / "node_modules/.tools/helm/helm"
# The chart leaves metrics over TLS to kustomize.
OVERLAYS = [each for each in ROUTERS if each != "ovn-kubernetes/http-proxy-tls"]


def helm(verb, values, *arguments):
    """`values` are read from standard input, as a file of values is."""
    return subprocess.run([HELM, *verb, CHART, "--namespace=egress", "--values=-", *arguments],
                          input=json.dumps(values), capture_output=True, text=True)


def template(values):
    ran = helm(["template", "some-release"], values)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout


def values_of(name):
    """The values of an overlay: what its reader edits there."""
    if name == "ovn-kubernetes/redirect-live":
        return values_of("ovn-kubernetes/redirect") | {"live": True}
    folder = MANIFESTS / name
    made = yaml.safe_load((folder / "kustomization.yaml").read_text())
    settings, table = made["configMapGenerator"]
    chosen = dict(each.split("=", 1) for each in settings["literals"])
    router = settings["name"].removesuffix("-settings")
    first = values_of("ovn-kubernetes/http-proxy") if name == "second-router" else {"ports": []}
    if (folder / "ports.yaml").exists():
        (service, _) = played.read((folder / "ports.yaml").read_text())
        first["ports"] = [{"name": each["name"], "port": each["port"]} for each in service["spec"]["ports"]]
    sources = chosen["EGRESS_SOURCE"].split(",")
    return first | {
        "mode": router.removeprefix("egress-"), "name": made.get("namePrefix", "") + router,
        "platform": name.split("/")[0] if name.split("/")[0] not in ("scaled", "second-router") else "ovn-kubernetes",
        "sources": sources, "gateway": chosen.get("EGRESS_GATEWAY", first.get("gateway")), "replicas": len(sources),
        "table": (folder / table["files"][0]).read_text()}


def metadata(each):
    return each["metadata"]


def pod(each):
    return each.get("spec", {}).get("template", {"metadata": {}, "spec": {}})


# What may differ, with its reason: what is removed from the objects of the chart, and from those of kustomize.
def labels_of_helm(each):
    """Helm's own labels of an object. Pods have none of them: another version of the chart does not replace pods by itself."""
    assert metadata(each)["labels"].pop("app.kubernetes.io/managed-by") == "Helm"
    assert metadata(each)["labels"].pop("helm.sh/chart").startswith("egress-router-")


def more_labels(each):
    """kustomize labels a ConfigMap with part-of alone, and a RoleBinding without the component: the chart labels all objects alike."""
    if each["kind"] in ("ConfigMap", "RoleBinding"):
        metadata(each)["labels"] = {"app.kubernetes.io/part-of": metadata(each)["labels"]["app.kubernetes.io/part-of"]}


def start(each):
    """A changed setting replaces the pods: kustomize changes the ConfigMap's name, the chart an annotation of the pods."""
    if "containers" in pod(each)["spec"]:
        assert re.fullmatch("[0-9a-f]{64}", pod(each)["metadata"]["annotations"].pop("checksum/start"))
        if not pod(each)["metadata"]["annotations"]:
            del pod(each)["metadata"]["annotations"]


def order(each):
    """The order of lists of named values, which has no meaning in them, is the order of kustomize's patches."""
    for container in [*pod(each)["spec"].get("initContainers", []), *pod(each)["spec"].get("containers", [])]:
        for field in ("env", "volumeMounts"):
            container.get(field, []).sort(key=lambda value: value["name"])
        for added in container["securityContext"].get("capabilities", {}).values():
            added.sort()
    pod(each)["spec"].get("volumes", []).sort(key=lambda value: value["name"])


OF_CHART = (labels_of_helm, more_labels, start, order)
OF_KUSTOMIZE = (more_labels, order)


def comparable(text, differences):
    text = re.sub(r"(-settings)-[0-9a-z]{10}\b", r"\1", text)  # the hash that `start` replaces
    objects = {(each["kind"], metadata(each)["namespace"], metadata(each)["name"]): each for each in played.read(text)}
    for each in objects.values():
        for difference in differences:
            difference(each)
    return objects


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_objects_are_those_of_the_overlay(rendered, name):  # noqa: F811
    chart, overlay = comparable(template(values_of(name)), OF_CHART), comparable(rendered[name], OF_KUSTOMIZE)
    assert set(chart) == set(overlay)
    for identity, each in overlay.items():
        assert chart[identity] == each


def test_the_overlays_of_every_mode_and_platform_are_compared(rendered):  # noqa: F811
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    for platform in schema["platform"]["enum"]:
        assert {f"{platform}/{mode}" for mode in schema["mode"]["enum"]} <= set(OVERLAYS)


MONITORING = {"monitoring": {"serviceMonitor": True, "alerts": True}}


def test_objects_are_valid(rendered):  # noqa: F811
    objects = [each for name in OVERLAYS for each in played.read(template(values_of(name) | MONITORING))]
    assert validate(objects) == []
    assert len(objects) > 10 * len(OVERLAYS)


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_linters_have_nothing_to_say(rendered, name):  # noqa: F811
    ran = helm(["lint", "--strict"], values_of(name) | MONITORING)
    assert ran.returncode == 0, ran.stdout
    texts = [rendered[each] for each in platforms_of(name)] + [template(values_of(name))]
    ran = subprocess.run([BIN / "egress-lint", "--strict", "-"], input="---\n".join(texts), capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "0 errors, 0 warnings, 0 notes\n")


def by_kind(values):
    return {(each["kind"], each["metadata"]["name"]): each for each in played.read(template(values))}


def test_monitoring(rendered):  # noqa: F811
    values = values_of("ovn-kubernetes/http-proxy")
    assert not {"ServiceMonitor", "PrometheusRule"} & {kind for kind, _ in by_kind(values)}
    made = by_kind(values | {"monitoring": MONITORING["monitoring"] | {"runbooks": "https://example.org/our"}})
    of_all = {each["kind"]: each for each in played.read(rendered["monitoring"])}
    text = json.dumps(made["PrometheusRule", "egress-http-proxy"]["spec"])
    assert "https://example.org/our/runbooks.md#" in text
    assert json.loads(text.replace("https://example.org/our/", "https://runbooks.example.com/egress-router/")) == \
        of_all["PrometheusRule"]["spec"]
    monitor = made["ServiceMonitor", "egress-http-proxy"]["spec"]
    assert monitor["endpoints"] == of_all["ServiceMonitor"]["spec"]["endpoints"]
    metrics = made["Service", "egress-http-proxy-metrics"]["metadata"]["labels"]
    clients = made["Service", "egress-http-proxy"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= metrics.items()
    assert not monitor["selector"]["matchLabels"].items() <= clients.items()


def test_other_values(rendered):  # noqa: F811
    values = values_of("multus/dns-proxy") | {
        "name": "", "openshift": False, "settings": {"EGRESS_LOG_FORMAT": "json"}, "nodeSelector": {"zone": "dmz"},
        "images": {"registry": "registry.example.com:5000/egress", "tag": "0.2.0", "pullSecrets": ["pull"]},
        "resources": {"limits": {"memory": "1Gi"}}, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    made = by_kind(values)
    template_of_pod = made["Deployment", "some-release"]["spec"]["template"]
    assert "openshift.io/required-scc" not in template_of_pod["metadata"]["annotations"]
    assert "RoleBinding" not in {kind for kind, _ in made}
    assert template_of_pod["spec"]["nodeSelector"] == {"egress-router/node": "true", "zone": "dmz"}
    assert made["ConfigMap", "some-release-settings"]["data"]["EGRESS_LOG_FORMAT"] == "json"
    assert made["ServiceAccount", "some-release"]["imagePullSecrets"] == [{"name": "pull"}]
    (init,), (main,) = template_of_pod["spec"]["initContainers"], template_of_pod["spec"]["containers"]
    assert init["image"] == "registry.example.com:5000/egress/egress-router:0.2.0"
    assert main["image"] == "registry.example.com:5000/egress/egress-dns-proxy:0.2.0"
    assert main["resources"] == {"limits": {"memory": "1Gi"}}
    assert [each["envFrom"] for each in (init, main)] == 2 * [[{"configMapRef": {"name": "some-release-settings"}}]]
    assert made["Service", "some-release"]["spec"]["ports"] == [{"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]
    assert made["NetworkPolicy", "some-release"]["spec"]["ingress"][0]["ports"] == [{"protocol": "UDP", "port": 53}]
    assert validate(list(made.values())) == []


@pytest.mark.parametrize("name, replaces", [("redirect", True), ("redirect-live", False), ("http-proxy", False), ("dns-proxy", False)])
def test_pods_are_replaced_by_what_they_read_at_their_start(rendered, name, replaces):  # noqa: F811
    def pods(**changed):
        values = copy.deepcopy(values_of(f"ovn-kubernetes/{name}")) | changed
        return by_kind(values)["Deployment", values["name"]]["spec"]["template"]

    assert (pods(table="203.0.113.99\n") != pods()) == replaces
    assert pods(sources=["10.42.253.99/24"]) != pods() != pods(settings={"EGRESS_LOG_LEVEL": "debug"})
    assert pods(monitoring={"serviceMonitor": True}) == pods()


@pytest.mark.parametrize("changed, expected", [
    ({"mode": "http"}, '- mode: mode must be one of the following: "redirect", "http-proxy", "dns-proxy"'),
    ({"mode": ""}, "- mode: mode must be one of the following"),
    ({"platform": "ovn"}, "- platform: platform must be one of the following"),
    ({"sources": []}, "- sources: Array must have at least 1 items"),
    ({"sources": None}, "sources is required"),
    ({"sources": "10.42.253.46/24"}, "- sources: Invalid type. Expected: array, given: string"),
    ({"sources": ["10.42.253.46/24", "egress.example.com"]}, "- sources.1: Does not match pattern"),
    ({"gateway": ""}, "- gateway: Does not match pattern"),
    ({"table": ""}, "- table: String length must be greater than or equal to 1"),
    ({"ports": []}, "- ports: Array must have at least 1 items"),
    ({"ports": [{"port": 80}]}, "- ports.0: name is required"),
    ({"ports": [{"name": "web", "port": 65536}]}, "- ports.0.port: Must be less than or equal to 65535"),
    ({"ports": [{"name": "web", "port": 80, "protocol": "tcp"}]}, "- ports.0.protocol: ports.0.protocol must be one of"),
    ({"mode": "http-proxy"}, "- ports: Array must have at most 0 items"),
    ({"mode": "dns-proxy", "live": True}, '- mode: mode does not match: "redirect"'),
    ({"replicas": 0}, "- replicas: Must be greater than or equal to 1"),
    ({"replicas": 2}, "replicas: 2 need as many addresses, and sources has 1"),
    ({"replica": 2}, "Additional property replica is not allowed"),
    ({"name": "Egress"}, 'name: "Egress": expected at most 52 lowercase letters'),
    ({"name": "a" * 53}, "expected at most 52"),
    ({"settings": {"LOG_LEVEL": "debug"}}, 'settings: Property name of "LOG_LEVEL" does not match'),
    ({"settings": {"EGRESS_LOG_FORMAT": 1}}, "- settings.EGRESS_LOG_FORMAT: Invalid type. Expected: string, given: integer"),
    ({"settings": {"EGRESS_SOURCE": "10.42.253.46"}}, 'EGRESS_SOURCE is the chart\'s own: use the value "sources"'),
    ({"settings": {"EGRESS_ADMIN_LISTEN": ":1"}}, "settings: EGRESS_ADMIN_LISTEN is fixed"),
    ({"images": {"tags": "1"}}, "- images: Additional property tags is not allowed"),
    ({"monitoring": {"alerts": "yes"}}, "- monitoring.alerts: Invalid type. Expected: boolean, given: string"),
])
def test_wrong_values_are_rejected_by_name(rendered, changed, expected):  # noqa: F811
    ran = helm(["template", "some-release"], values_of("ovn-kubernetes/redirect") | changed)
    assert ran.returncode == 1 and ran.stdout == "" and expected in ran.stderr, ran.stderr


def test_the_example_of_the_documentation(rendered):  # noqa: F811
    text = (HERE.parents[1] / "docs/manifests.md").read_text().partition("\n## With Helm\n")[2]
    values = yaml.safe_load(text.split("```")[1])
    objects = template(values)
    assert validate(played.read(objects)) == []
    ran = subprocess.run([BIN / "egress-lint", "-"], input=objects, capture_output=True, text=True)
    assert ran.returncode == 0 and "0 errors, 0 warnings" in ran.stdout, ran.stdout


def test_every_template_is_small():
    """A copy of whole overlays would show."""
    for each in CHART.glob("templates/*"):
        assert len(each.read_text().splitlines()) < 160, each
