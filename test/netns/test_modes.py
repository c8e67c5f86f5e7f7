"""What each mode does and leaves, and what is printed without doing anything."""

import json
import subprocess

import pytest

import shapes
from netns import inside, run, wait_for
from peers import answers, ask
from recorder import Recorder

FAST = {"EGRESS_ADDRESS_PROBE": "off"}
PROXY_MODES = ("http-proxy", "dns-proxy")


@pytest.fixture
def listener():
    opened = []

    def listen(netns, addresses, port):
        opened.append(Recorder(netns))
        opened[-1].listen("tcp", addresses, (port,))
        return opened[-1]

    yield listen
    for each in opened:
        each.close()


@pytest.mark.parametrize("mode", PROXY_MODES)
def test_proxy_mode_lets_the_cluster_in_and_the_pod_out(make_lab, listener, shape, family, mode):
    lab = make_lab(shape)
    lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_DESTINATION=None, **FAST))
    proxy = listener("pod", (lab.shape.pod(family),), 8080)
    pod = lab.shape.pod(family)
    # A client, the kubelet by each address that a node may use for its probes, and the node's end of the pod's link.
    ask("client", "tcp", pod, 8080)
    ask("node", "tcp", pod, 8080, source=shapes.NODE[family])
    ask("node", "tcp", pod, 8080, source=shapes.NODE_UPLINK[family])
    ask("cluster", "tcp", pod, 8080)
    assert len(proxy.seen()) == 4
    # The proxy's own connection.
    lab.outside.forget()
    ask("pod", "tcp", shapes.OUTSIDE[family][0], 80)
    assert [seen.source for seen in lab.outside.seen()] == [shapes.SOURCE[family]]
    # Nothing is translated.
    lab.outside.forget()
    assert not answers("client", "tcp", pod, 80, seconds=0.3)
    assert lab.outside.seen() == []


@pytest.mark.parametrize("mode, allowed", [("dns-proxy", True), ("http-proxy", False)])
def test_low_ports_need_no_capability_in_dns_proxy_mode(make_lab, mode, allowed):
    lab = make_lab(shapes.CALICO)
    lab.router(lab.variables(EGRESS_ROUTER_MODE=mode, EGRESS_DESTINATION=None, **FAST))
    bind = "import socket; socket.socket().bind(('0.0.0.0', 53))"
    done = run("pod", "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "/usr/bin/python3", "-c", bind,
               check=False)
    assert (done.returncode == 0) == allowed


@pytest.mark.parametrize("mode", ["legacy", None])
def test_legacy_mode_holds_until_sigterm(make_lab, mode):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    process = lab.start("egress-router", lab.variables(EGRESS_ROUTER_MODE=mode, **FAST))
    try:
        wait_for(lambda: answers("client", "tcp", lab.shape.pod(4), 80, seconds=0.2), "the router to work")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2.5)
        process.terminate()
        assert process.wait(timeout=1) == 0
    finally:
        process.kill()
        process.communicate()
    # Connections go on being translated until the pod is gone.
    ask("client", "tcp", lab.shape.pod(4), 80)


def test_sigterm_during_set_up_leaves_it_whole_or_undone(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    process = lab.start("egress-router", lab.variables(EGRESS_ADDRESS_PROBE="500ms"))
    wait_for(lambda: "UP" in run("pod", "ip", "link", "show", "macvlan0").stdout.split("mtu")[0], "the link to be up")
    process.terminate()
    _, _ = process.communicate(timeout=5)
    if process.returncode == 0:
        ask("client", "tcp", lab.shape.pod(4), 80)
    else:
        assert "10.42.253.46" not in run("pod", "ip", "address").stdout


@pytest.mark.parametrize("arguments, mode", [((), "unit-test"), (("--plan",), "init"), (("--plan=json",), "init"),
                                             (("--plan=nft",), "init"), (("--check",), "init"),
                                             (("--explain", "tcp 80"), "init")])
def test_printing_touches_nothing(make_lab, shape, arguments, mode):
    lab = make_lab(shape)
    pod, node = lab.state(), lab.state("node")
    lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode), *arguments)
    assert lab.changes(pod) == [] and lab.changes(node, "node") == []


@pytest.mark.parametrize("mode", ["init", *PROXY_MODES])
def test_nft_takes_the_printed_ruleset(make_lab, shape, mode):
    lab = make_lab(shape)
    table = shapes.DUAL_STACK_TABLE if mode == "init" else None
    printed = lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_DESTINATION=table), "--plan=nft").stdout
    assert "egress_router" in printed
    run("pod", "nft", "-c", "-f", "-", stdin=printed)


def test_plan_after_set_up_has_nothing_left_to_do(make_lab, shape):
    lab = make_lab(shape)
    lab.router(lab.dual_stack(**FAST))
    steps = json.loads(lab.router(lab.dual_stack(**FAST), "--plan=json").stdout)["steps"]
    left = {step["action"] for step in steps if not step["present"]}
    # What is asked and told on the wire each time, and what an earlier run may not have got to.
    assert left == {"resolve_gateway", "announce", "delete_stale_conntrack"}


def test_http_proxy_takes_over_from_init(make_lab):
    """Another mode in the same pod: the translation of before is gone."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    lab.router(lab.variables(**FAST))
    lab.router(lab.variables(EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None))
    assert not answers("client", "tcp", lab.shape.pod(4), 80, seconds=0.3)


def test_pod_is_reached_by_name_service_of_both_families(make_lab, shape):
    """resolv.conf names both: each goes by the cluster interface."""
    lab = make_lab(shape)
    lab.router(lab.dual_stack(**FAST))
    with inside("pod"):
        nameservers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
    for nameserver in nameservers:
        ask("pod", "udp", nameserver, 53, b"\0" * 20)
    assert {seen.source for seen in lab.dns.seen()} == {lab.shape.pod(4), lab.shape.pod(6)}
