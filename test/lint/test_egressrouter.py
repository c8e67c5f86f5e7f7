"""OpenShift's own EgressRouter: egress-lint knows it, and prints the equivalent on top of this project's manifests."""

import json
import subprocess

import pytest
import yaml
from test_inputs import copied
from test_lint import LINT, lint

ROUTER = """\
apiVersion: network.operator.openshift.io/v1
kind: EgressRouter
metadata: { name: billing }
spec:
  networkInterface: { macvlan: { mode: Bridge, master: eth1 } }
  addresses: [{ ip: "192.168.12.99/24", gateway: "192.168.12.1" }]
  mode: Redirect
  redirect:
    redirectRules:
    - { destinationIP: 203.0.113.25, port: 80, protocol: TCP }
    - { destinationIP: 203.0.113.26, port: 8080, protocol: TCP, targetPort: 80 }
    - { destinationIP: 203.0.113.53, port: 53, protocol: UDP }
"""


def converted(text):
    return subprocess.run([LINT, "--from-egressrouter", "-"], input=text, capture_output=True, text=True)


def rendered(text, tmp_path):
    copied(tmp_path, "ovn-kubernetes", "platform")
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing/kustomization.yaml").write_text(text)
    ran = lint("--strict", tmp_path / "platform/ovn-kubernetes", tmp_path / "billing", tmp_path / "ovn-kubernetes/redirect")
    assert (ran.returncode, ran.stdout) == (0, "0 errors, 0 warnings, 0 notes\n")
    text = subprocess.run(["kubectl", "kustomize", tmp_path / "billing"], check=True, capture_output=True, text=True).stdout
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


def test_the_equivalent_manifests(tmp_path):
    ran = converted(ROUTER)
    assert (ran.returncode, ran.stderr) == (0, "")
    objects = rendered(ran.stdout, tmp_path)
    assert all(name.startswith("billing-egress-redirect") for _, name in objects)
    assert objects["ConfigMap", "billing-egress-redirect-table"]["data"] == {
        "destination": "80 tcp 203.0.113.25\n8080 tcp 203.0.113.26 80\n53 udp 203.0.113.53\n"}
    (settings,) = [each["data"] for (kind, name), each in objects.items() if kind == "ConfigMap" and "-settings-" in name]
    assert settings == {"EGRESS_SOURCE": "192.168.12.99/24", "EGRESS_GATEWAY": "192.168.12.1", "EGRESS_PARENT": "eth1",
                        "EGRESS_MACVLAN_MODE": "bridge"}
    ports = [(each["protocol"], each["port"]) for each in objects["Service", "billing-egress-redirect"]["spec"]["ports"]]
    assert ports == [("TCP", 80), ("TCP", 8080), ("UDP", 53)]


def test_a_fallback_is_the_default_destination(tmp_path):
    rules = ROUTER.index("    redirectRules")
    objects = rendered(converted(ROUTER[:rules] + "    fallbackIP: 203.0.113.25\n").stdout, tmp_path)
    assert objects["ConfigMap", "billing-egress-redirect-table"]["data"] == {"destination": "203.0.113.25\n"}


@pytest.mark.parametrize("there, instead, message", [
    ("203.0.113.26", "203.0.113.256", '"203.0.113.256"'),
    ("192.168.12.99/24", "192.168.12.999/24", "EGRESS_SOURCE"),
    ("port: 8080", "port: 80", "80"),
    ("mode: Redirect", "mode: HTTP", 'found "HTTP", expected Redirect'),
    ("name: billing", "name: 'a\\nb'", "metadata.name"),
    ("kind: EgressRouter", "kind: EgressFirewall", "no EgressRouter"),
])
def test_what_cannot_work_is_an_error(there, instead, message):
    ran = converted(ROUTER.replace(there, instead))
    assert ran.returncode == 3 and ran.stdout == "" and message in ran.stderr


@pytest.mark.parametrize("there, instead, place", [
    ("203.0.113.26", "203.0.113.256", "11:24"),
    ("targetPort: 80", "targetPort: 80000", "11:77"),
    ("protocol: UDP", "protocol: ICMP", "12:58"),
    ("192.168.12.99/24", "192.168.12.999/24", "6:21"),
    ("mode: Bridge", "mode: Bridged", "5:40"),
    ("mode: Redirect", "mode: HTTP", "7:9"),
])
def test_an_error_has_its_place(there, instead, place):
    ran = converted(ROUTER.replace(there, instead))
    assert ran.returncode == 3 and ran.stderr.startswith(f"standard input:{place}: error: "), ran.stderr


def test_the_linter_knows_it(tmp_path):
    path = tmp_path / "router.yaml"
    path.write_text(ROUTER)
    (finding,) = json.loads(lint("--format=json", path).stdout)["findings"]
    assert (finding["level"], finding["id"]) == ("note", "openshift-egress-router") and "--from-egressrouter" in finding["message"]
    assert lint(path).returncode == 0
