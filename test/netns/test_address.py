"""EGRESS_SOURCE and EGRESS_GATEWAY on the wire: who holds the address is asked first and told afterwards, the
gateway must answer, and a refusal leaves the pod as it was."""

import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS

import shapes
from capture import Capture
from netns import ip_batch, run, wait_for
from packets import between, ip_of
from peers import ask

LINK, CONFLICT, GATEWAY = 5, 7, 10  # common/exit_code.hpp


def claims(lab, family):
    """The neighbour takes EGRESS_SOURCE for itself."""
    bits = 24 if family == 4 else 64
    run("neighbour", "ip", "address", "add", f"{shapes.SOURCE[family]}/{bits}", "dev", "eth0", "nodad")
    return lab.mac("neighbour", "eth0")


def test_address_that_a_neighbour_holds_is_refused(make_lab, shape, family):
    lab = make_lab(shape)
    mac = claims(lab, family)
    before = lab.state()
    done = lab.router(lab.dual_stack(), check=False)
    assert done.returncode == CONFLICT
    assert mac in done.stderr and shapes.SOURCE[family] in done.stderr
    assert lab.changes(before) == []


def test_held_address_is_taken_where_the_probe_is_off(make_lab, family):
    lab = make_lab(shapes.CALICO)
    claims(lab, family)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))


def test_address_that_the_node_holds_is_refused(make_lab):
    lab = make_lab(shapes.OVN_KUBERNETES)
    run("node", "ip", "address", "add", f"{shapes.SOURCE4}/24", "dev", "uplink")
    before = lab.state()
    assert lab.router(lab.variables(), check=False).returncode == CONFLICT
    assert lab.changes(before) == []


def test_probes_name_no_sender_and_the_announcement_follows(make_lab, shape):
    lab = make_lab(shape)
    with Capture("gateway", "lan") as wire:
        lab.router(lab.variables())
        mac = lab.mac("pod", "macvlan0")
        ours = [(at, arp) for at, arp in wire.arps() if arp.sender_mac == mac]
        wire.wait_for(lambda frame: frame[12:14] == b"\x08\x06", "ARP")
    probes = [at for at, arp in ours if arp.is_probe and arp.target == shapes.SOURCE4]
    announcements = [at for at, arp in ours if arp.is_announcement and arp.sender == shapes.SOURCE4]
    others = [at for at, arp in ours if not arp.is_probe]
    assert probes and announcements
    assert max(probes) < min(others), "the address was used before the last probe"


def test_ipv6_probe_and_advertisement(make_lab):
    lab = make_lab(shapes.CALICO)
    with Capture("gateway", "lan") as wire:
        lab.router(lab.dual_stack())
        probe = ip_of(wire.wait_for(lambda f: (ip := ip_of(f)) is not None and ICMPv6ND_NS in ip
                                    and ip[ICMPv6ND_NS].tgt == shapes.SOURCE6 and ip.src == "::", "a probe"))
        assert probe.dst.startswith("ff02::1:ff")
        told = ip_of(wire.wait_for(lambda f: (ip := ip_of(f)) is not None and ICMPv6ND_NA in ip
                                   and ip[ICMPv6ND_NA].tgt == shapes.SOURCE6 and ip.dst == "ff02::1",
                                   "an advertisement"))
    assert told[ICMPv6ND_NA].O == 1 and told[ICMPv6ND_NA].S == 0


def test_announcement_corrects_a_neighbours_memory(make_lab, family):
    """The address moved here from another host: replies must not go on to the old one."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    run("gateway", "ip", "neighbour", "replace", shapes.SOURCE[family], "dev", "lan", "lladdr", "02:00:00:00:00:01",
        "nud", "stale")
    lab.router(lab.dual_stack())
    mac = lab.mac("pod", "macvlan0")
    wait_for(lambda: mac in run("gateway", "ip", "neighbour", "show", shapes.SOURCE[family], "dev", "lan").stdout,
             "the gateway to learn the new address")


@pytest.mark.parametrize("how", ["egress-wait", "EGRESS_ANNOUNCE=twice", "legacy"])
def test_second_announcement_comes(make_lab, how):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    variables = lab.variables(EGRESS_ANNOUNCE="twice" if how == "EGRESS_ANNOUNCE=twice" else None,
                              EGRESS_ROUTER_MODE="legacy" if how == "legacy" else "init")
    with Capture("gateway", "lan") as wire:
        holding = None
        if how == "legacy":
            holding = lab.start("egress-router", variables)
        else:
            lab.router(variables)
            if how == "egress-wait":
                holding = lab.start("egress-wait", variables)

        def announced():
            return [at for at, arp in wire.arps() if arp.is_announcement and arp.sender == shapes.SOURCE4]

        try:
            wait_for(lambda: len(announced()) and announced()[-1] - announced()[0] >= 1.5, "the second announcement", 6)
        finally:
            if holding:
                holding.terminate()
                assert holding.wait(timeout=2) == 0
        assert announced()[-1] - announced()[0] < 3.5


@pytest.mark.parametrize("probe, most", [("off", 0.5), ("100ms", 0.6), (None, 1.0)])
def test_time_from_start_to_finish(make_lab, probe, most):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    started = time.monotonic()
    lab.router(lab.variables(EGRESS_ADDRESS_PROBE=probe))
    assert time.monotonic() - started < most


def set_carrier(on):
    """Of the node's uplink, and so of all that is on it."""
    run("lan", "ip", "link", "set", "node", "up" if on else "down")
    wait_for(lambda: ("NO-CARRIER" in run("node", "ip", "link", "show", "uplink").stdout) != on
             and ("state UP" in run("node", "ip", "link", "show", "uplink").stdout) == on, "the node to notice")


def test_link_without_carrier_is_an_error_that_leaves_nothing(make_lab, shape):
    """Frames would be lost, and the probe would find nobody."""
    lab = make_lab(shape)
    set_carrier(False)
    before = lab.state()
    done = lab.router(lab.variables(EGRESS_GATEWAY_CHECK="warn", EGRESS_ADDRESS_PROBE="100ms"), check=False)
    assert done.returncode == LINK
    assert "link macvlan0: has no carrier within 100 ms" in done.stderr
    assert lab.changes(before) == []


def test_link_without_carrier_is_no_error_by_setting(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    set_carrier(False)
    done = lab.router(lab.variables(EGRESS_CARRIER_CHECK="warn", EGRESS_GATEWAY_CHECK="warn",
                                    EGRESS_ADDRESS_PROBE="100ms", EGRESS_GATEWAY_TIMEOUT="100ms"))
    assert "warn egress-router: link macvlan0: has no carrier within 100 ms" in done.stderr


def test_probe_waits_for_carrier(make_lab, family):
    """The address is held, and the link gets carrier only after the probe has begun to wait."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    mac = claims(lab, family)
    set_carrier(False)
    process = lab.start("egress-router", lab.dual_stack(EGRESS_ADDRESS_PROBE="3s", EGRESS_LOG_LEVEL="debug"))
    while "done: ip link set dev macvlan0 up" not in (line := process.stderr.readline()):
        assert line, "the program ended early"
    set_carrier(True)
    errors = process.communicate(timeout=15)[1]
    assert process.returncode == CONFLICT, errors
    assert mac in errors


def test_many_addresses_are_probed_at_once(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    sources = [f"10.42.253.{number}/24" for number in range(100, 164)]
    sources += [f"2001:db8:42::{number}/64" for number in range(100, 164)]
    with Capture("gateway", "lan") as wire:
        lab.router(lab.dual_stack(EGRESS_SOURCE=",".join(sources)))
        mac = lab.mac("pod", "macvlan0")
        ours = [(at, arp) for at, arp in wire.arps() if arp.sender_mac == mac]
    probes = [at for at, arp in ours if arp.is_probe]
    assert len(probes) == 3 * 64
    assert min(at for at, arp in ours if arp.is_announcement) - probes[0] < 1


def test_last_of_many_addresses_is_held(make_lab, family):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    mac = claims(lab, family)
    prefix, length = (("10.42.253.", 24), ("2001:db8:42::", 64))[family == 6]
    sources = [f"{prefix}{number}/{length}" for number in range(100, 163)] + [f"{shapes.SOURCE[family]}/{length}"]
    done = lab.router(lab.variables(EGRESS_SOURCE=",".join(sources), EGRESS_GATEWAY=shapes.GATEWAY[family],
                                    EGRESS_DESTINATION=shapes.OUTSIDE[family][0]), check=False)
    assert done.returncode == CONFLICT
    assert f"EGRESS_SOURCE {shapes.SOURCE[family]}" in done.stderr and mac in done.stderr


def silent(family):
    """A gateway that nobody is."""
    return {4: "10.42.253.99", 6: "2001:db8:42::99"}[family]


def with_gateway(lab, family, gateway, **changes):
    gateways = dict(shapes.GATEWAY) | {family: gateway}
    return lab.dual_stack(EGRESS_GATEWAY=f"{gateways[4]},{gateways[6]}", EGRESS_GATEWAY_TIMEOUT="300ms",
                          EGRESS_ADDRESS_PROBE="100ms", **changes)


def test_silent_gateway_is_an_error_that_leaves_nothing(make_lab, shape, family):
    lab = make_lab(shape)
    before = lab.state()
    done = lab.router(with_gateway(lab, family, silent(family)), check=False)
    assert done.returncode == GATEWAY
    assert silent(family) in done.stderr
    assert lab.changes(before) == []


@pytest.mark.parametrize("check", ["warn", "off"])
def test_silent_gateway_is_no_error_by_setting(make_lab, family, check):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    done = lab.router(with_gateway(lab, family, silent(family), EGRESS_GATEWAY_CHECK=check))
    assert (silent(family) in done.stderr) == (check == "warn")
    # The other family works all the same.
    other = 10 - family
    ask("client", "tcp", lab.shape.pod(other), 80)


def test_gateway_off_the_sources_network(make_lab):
    """EGRESS_SOURCE without a length is a /32: the gateway is reached all the same."""
    lab = make_lab(shapes.CALICO)
    lab.router(lab.variables(EGRESS_SOURCE=shapes.SOURCE4))
    assert "10.42.253.46/32" in run("pod", "ip", "address", "show", "dev", "macvlan0").stdout
    ask("client", "tcp", lab.shape.pod(4), 80)


def test_gateway_that_is_link_local(make_lab):
    lab = make_lab(shapes.CALICO)
    ip_batch("gateway", ["address add fe80::1/64 dev lan nodad"])
    lab.router(lab.dual_stack(EGRESS_GATEWAY=f"{shapes.GATEWAY4},fe80::1", EGRESS_ADDRESS_PROBE="off"))
    with Capture("gateway", "lan") as wire:
        ask("client", "tcp", lab.shape.pod(6), 80)
        assert wire.all(between(shapes.SOURCE6, shapes.OUTSIDE6[0]))
