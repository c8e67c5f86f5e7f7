"""The must-gather scripts: what the node's part finds in the network of a real router, what is left out as secret, and, with a
stand-in for `oc` (no API server runs here), that what is asked for lands where it should and no Secret is asked for."""

import os
import subprocess
from pathlib import Path

import pytest
from peers import ask

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "images/must-gather"


def redacted(text):
    return subprocess.run([SCRIPTS / "redact"], input=text, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("text, expected", [
    ("  - name: DB_PASSWORD\n    value: sesame\n", "  - name: DB_PASSWORD\n    value: (redacted)\n"),
    ("  - name: API_TOKEN\n    value: |\n      sesame\n      more\n  - name: EGRESS_SOURCE\n    value: 10.42.253.46\n",
     "  - name: API_TOKEN\n    value: (redacted)\n  - name: EGRESS_SOURCE\n    value: 10.42.253.46\n"),
    ("GET http://user:sesame@example.com/x\n", "GET http://(redacted)@example.com/x\n"),
    ("Proxy token=sesame\n", "Proxy token=(redacted)\n"),
    ('{"password": "sesame", "user": "x"}\n', '{"password": (redacted)\n'),
    ("  tls.key: |\n    -----BEGIN EC PRIVATE KEY-----\n    c2VzYW1l\n    -----END EC PRIVATE KEY-----\n  other: 1\n",
     "  tls.key: |\n(redacted)\n  other: 1\n"),
    ("  secretName: egress-router-tls\n", "  secretName: egress-router-tls\n"),
    ("  automountServiceAccountToken: false\n", "  automountServiceAccountToken: false\n"),
    ("  - name: EGRESS_SOURCE\n    value: 10.42.253.46\n", "  - name: EGRESS_SOURCE\n    value: 10.42.253.46\n"),
])
def test_what_looks_like_a_secret_is_left_out(text, expected):
    assert redacted(text) == expected


def test_the_network_of_a_router(make_lab):
    lab = make_lab()
    lab.router(lab.dual_stack(EGRESS_DESTINATION="80 tcp 203.0.113.25\n"))
    assert ask("client", "tcp", lab.shape.pod(4), 80, b"hello") == b"hello"
    text = subprocess.run([SCRIPTS / "gather-network", "/run/netns/pod"], capture_output=True, text=True, check=True).stdout
    for part in ("macvlan0", "10.42.253.46", "table inet egress_router", "net.netfilter.nf_conntrack_max", "203.0.113.25"):
        assert part in text, part
    assert "(exit status" not in text, text
    assert any(line.split() == ["1", "tcp", lab.shape.pod(4), "80"] for line in text.splitlines()), text[-400:]


OC = r"""#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  "get pods --all-namespaces"*) echo "egress egress-redirect-0 worker-1 egress-router egress-router egress-wait" ;;
  *"jsonpath={.spec.initContainers"*) echo "egress-router wait" ;;
  *"jsonpath={.spec.containers"*) echo "wait" ;;
  *"get pod egress-redirect-0 --output yaml") printf 'env:\n- name: X_TOKEN\n  value: sesame\n' ;;
  *logs*--previous*) echo "no previous container" >&2; exit 1 ;;
  *) echo "answer to $*" ;;
esac
"""


def test_what_is_collected(tmp_path):
    oc = tmp_path / "bin/oc"
    oc.parent.mkdir()
    oc.write_text(OC)
    oc.chmod(0o755)
    to = tmp_path / "gathered"
    environment = os.environ | {"PATH": f"{oc.parent}:{os.environ['PATH']}", "DESTINATION": str(to), "CALLS": str(tmp_path / "calls")}
    subprocess.run([SCRIPTS / "gather"], env=environment, check=True, capture_output=True, timeout=60)
    calls = (tmp_path / "calls").read_text()
    assert not any(word in ("secret", "secrets") for line in calls.splitlines() for word in line.split())
    pod = to / "egress/egress-redirect-0"
    assert (pod / "pod.yaml").read_text() == "env:\n- name: X_TOKEN\n  value: (redacted)\n"
    assert {each.name for each in pod.iterdir()} >= {"describe.txt", "egress-router.log", "wait.log", "status.txt",
                                                     "httpsstatus.txt", "metrics.txt", "wait.plan.txt", "network.txt"}
    assert {each.name for each in (to / "egress").iterdir()} >= {"configmaps.yaml", "services.yaml", "events.yaml"}
    assert "debug --quiet node/worker-1" in calls
    assert "done: " in (to / "gather.log").read_text()


def test_a_namespace_that_is_not_asked_for_is_left_alone(tmp_path):
    oc = tmp_path / "bin/oc"
    oc.parent.mkdir()
    oc.write_text(OC)
    oc.chmod(0o755)
    environment = os.environ | {"PATH": f"{oc.parent}:{os.environ['PATH']}", "DESTINATION": str(tmp_path / "to"),
                                "CALLS": str(tmp_path / "calls")}
    subprocess.run([SCRIPTS / "gather", "other"], env=environment, check=True, capture_output=True, timeout=60)
    assert not (tmp_path / "to/egress").exists()
