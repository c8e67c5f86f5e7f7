"""What a page promises or shows is what the manifests and programs have."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_mount_for_ovn_kubernetes_is_that_of_the_manifests():
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/from-openshift.md").read_text(), re.S)
    component = yaml.safe_load((ROOT / "manifests/components/interface-node/kustomization.yaml").read_text())
    patch = yaml.safe_load(component["patches"][0]["patch"])
    assert yaml.safe_load(shown)["spec"] == patch["spec"]["template"]["spec"]


def test_the_pattern_for_denied_requests_matches_the_log():
    (pattern,) = re.findall(r"grep '([^']*)'`", (ROOT / "docs/runbooks.md").read_text())
    assert pattern in "10.128.0.7:40312 GET http://example.com/ 403 deny rule=3 reason=name_rule"
    assert '"deny"' in "".join(each.read_text() for each in (ROOT / "http-proxy").glob("*.cpp"))


def test_prose_is_american():
    british = re.compile(r"(?i)\b(neighbour|behaviour|colour|honour|licence|favour|defence\b(?<!_defence))\w*")
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]
    generated = ROOT / "docs/reference.md"  # from --help
    found = [(page.name, each) for page in pages if page != generated for each in british.findall(page.read_text())]
    assert found == []
