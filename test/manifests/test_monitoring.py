"""Alerts and dashboard: accepted by promtool, each alert seen to fire and to be silent, each explained by a runbook, and nothing
in them that the programs do not export."""

import json
import os
import re
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(os.environ.get("EGRESS_BIN_DIR", ROOT / "build/bin"))
RULES = ROOT / "manifests/monitoring"


@pytest.fixture(scope="module")
def groups():
    subprocess.run([HERE / "needs"], check=True)
    return yaml.safe_load((ROOT / "manifests/helm/alerts/prometheus-rule.yaml").read_text())["spec"]


@pytest.fixture(scope="module")
def dashboard():
    data = yaml.safe_load((RULES / "dashboard.yaml").read_text())["data"]
    return json.loads(data["egress-router.json"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The names of all metrics, out of the programs themselves."""
    table = tmp_path_factory.mktemp("table") / "table"
    table.write_text("80 tcp 203.0.113.25\n")
    common = {"EGRESS_TERMINATION_LOG": ""}
    programs = {
        "egress-wait": {"EGRESS_DESTINATION_FILE": str(table)},
        "egress-http-proxy": {"EGRESS_HTTP_PROXY_DESTINATION": "*", "EGRESS_HTTP_PROXY_LISTEN": "127.0.0.1:18080"},
        "egress-dns-proxy": {"EGRESS_DNS_PROXY_DESTINATION": "18081 192.0.2.1"},
    }
    names = set()
    for port, (program, variables) in enumerate(programs.items(), 19180):
        process = subprocess.Popen([BIN / program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=common | variables | {"EGRESS_ADMIN_LISTEN": f"127.0.0.1:{port}"})
        try:
            for _ in range(100):
                try:
                    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
                    break
                except OSError:
                    time.sleep(0.05)
            names |= set(re.findall(r"^# TYPE (\S+)", text, re.M))
        finally:
            process.terminate()
            process.wait(10)
    return names


def metrics_in(text):
    return set(re.findall(r"\begress_(?:router|http_proxy|dns_proxy)_[a-z_]+\b", text))


def test_promtool_accepts_the_rules_and_their_tests(groups, tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))
    (tmp_path / "tests.yaml").write_text((HERE / "alerts.test.yaml").read_text())
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]):
        ran = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_alert_is_tested_and_has_a_runbook(groups):
    tested = (HERE / "alerts.test.yaml").read_text()
    runbooks = (ROOT / "docs/runbooks.md").read_text()
    for rule in groups["groups"][0]["rules"]:
        name = rule["alert"]
        assert f"alertname: {name}" in tested
        assert f"\n## {name}\n" in runbooks
        assert rule["annotations"]["runbook_url"].endswith(f"runbooks.md#{name.lower()}")


def test_alerts_and_dashboard_ask_for_what_is_exported(groups, dashboard, exported):
    asked = metrics_in(json.dumps(groups)) | {
        name for panel in dashboard["panels"] for target in panel["targets"] for name in metrics_in(target["expr"])}
    assert len(asked) > 20
    assert asked <= exported


def test_the_dashboards_queries_parse(dashboard, tmp_path):
    rules = [{"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"].replace("$namespace", "x")}
             for panel in dashboard["panels"] for target in panel["targets"]]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    ran = subprocess.run(["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
