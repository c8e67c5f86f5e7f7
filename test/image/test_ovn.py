"""Pods on a plugin that gives no outside interface: each init container creates its own from the node's. Among them a
StatefulSet of two replicas, each of which takes the address that its ordinal names."""

import ssl
import subprocess

import pytest
from netns import wait_for
from test_proxies import HTTP, RULES
from test_redirect import NO_CAPABILITY, POD, SOURCE, served


def test_each_replica_has_its_own_address(ovn):
    ovn.play("scaled/redirect")
    for ordinal, source in enumerate(("10.42.253.51", "10.42.253.52")):
        ovn.lab.outside.forget()
        assert ovn.ask(f"egress-redirect-{ordinal}", 80) == b"hello"
        assert ovn.sources() == {source}
        assert ovn.node.status(f"egress-redirect-{ordinal}-wait").items() >= NO_CAPABILITY.items()


def test_one_replica_replaced_while_the_other_serves(ovn):
    ovn.play("scaled/redirect")
    ovn.node.podman("pod", "stop", "egress-redirect-1")
    assert ovn.ask("egress-redirect-0", 80) == b"hello"
    ovn.node.podman("pod", "start", "egress-redirect-1")
    ovn.lab.outside.forget()
    assert ovn.ask("egress-redirect-1", 80) == b"hello"
    assert ovn.sources() == {"10.42.253.52"}


def test_the_init_container_alone_sees_the_node(ovn):
    ovn.play("ovn-kubernetes/redirect")
    ovn.wait_until_ready(POD)
    served(ovn)
    node, init, main = ("/proc", *(ovn.node.inspect(f"{POD}-{name}") for name in ("egress-router", "wait")))
    assert [(each["Source"], each["RW"]) for each in init["Mounts"] if each["Destination"] == "/host/proc"] == [(node, False)]
    assert not [each for each in main["Mounts"] if each["Source"].startswith(node)]
    own = ovn.node.run("readlink", f"/proc/{main['State']['Pid']}/ns/pid", "/proc/1/ns/pid").stdout.split()
    assert own[0] != own[1]  # a process namespace of its own
    assert ovn.node.status(f"{POD}-wait").items() >= NO_CAPABILITY.items()


def test_an_edited_table_is_put_in_force(ovn):
    ovn.play("ovn-kubernetes/redirect-live")
    ovn.wait_until_ready(POD)
    served(ovn)
    capabilities = int(ovn.node.status(f"{POD}-wait")["CapEff"], 16)
    assert capabilities == 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
    ovn.change_table(POD, "80 tcp 203.0.113.26\n")

    def moved():
        ovn.lab.outside.forget()
        ovn.ask(POD, 80)
        return {each.destination for each in ovn.lab.outside.seen()} == {"203.0.113.26"}
    wait_for(moved, "the edited table to hold", 15)
    assert ovn.sources() == {SOURCE}


def test_the_status_over_tls(ovn, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=egress-http-proxy-metrics.egress.svc", "-addext", "subjectAltName=DNS:egress-http-proxy-metrics.egress.svc",
                    "-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.crt"], check=True, capture_output=True)
    secret = {"kind": "Secret", "metadata": {"name": "egress-http-proxy-tls"},
              "stringData": {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key")}}
    ovn.play("ovn-kubernetes/http-proxy-tls", table=RULES, more=[secret])
    context = ssl.create_default_context(cafile=tmp_path / "tls.crt")

    def ready():
        try:
            return ovn.http(HTTP, 9180, "/readyz", lambda peer: context.wrap_socket(
                peer, server_hostname="egress-http-proxy-metrics.egress.svc"))[0] == 200
        except OSError:
            return False
    wait_for(ready, "the proxy to be ready over TLS", 10)
    with pytest.raises((OSError, IndexError, ValueError)):  # and not without
        assert ovn.http(HTTP, 9180, "/readyz")[0] != 200
        raise ValueError
