"""Closed from outside, in every mode: nothing that starts on the external segment reaches a listener in the pod or
the cluster, and nobody there can change the pod's routes."""

import pytest
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import (ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether

import shapes
from capture import Capture, parse_arp
from dns_proxy import UNPRIVILEGED
from lab import programs
from netns import run, set_sysctls, start, wait_for
from packets import IP, LAYER, TCP, UDP, add_route, between, ip_of, send_frame, send_ip
from peers import ask, connect, which_answer
from recorder import Recorder

MODES = ("init", "http-proxy", "dns-proxy")
PORT = 8080


class Closed:
    """A pod in one mode, with a listener in it and one in the client pod."""

    def __init__(self, lab, mode):
        self.lab, self.mode = lab, mode
        lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_ADDRESS_PROBE="off",
                                  EGRESS_DESTINATION=shapes.DUAL_STACK_TABLE if mode == "init" else None))
        self.listener, self.inside = Recorder("pod"), Recorder("client")
        for recorder in (self.listener, self.inside):
            for protocol in ("tcp", "udp"):
                recorder.listen(protocol, ("0.0.0.0", "::1"), (PORT,))
        for protocol in ("tcp", "udp"):
            self.listener.listen(protocol, (lab.shape.pod(6), shapes.SOURCE6), (PORT,))
            self.inside.listen(protocol, (lab.shape.client(6),), (PORT,))

    def close(self):
        self.listener.close()
        self.inside.close()

    def works_for_the_client(self, family):
        """What was sent before has been dealt with when this returns."""
        ask("client", "tcp", self.lab.shape.pod(family), PORT)

    def assert_nobody_came(self):
        own = {self.lab.shape.client4, self.lab.shape.client6}
        assert [seen for seen in self.listener.seen() if seen.source not in own] == []
        assert self.inside.seen() == []


@pytest.fixture(params=MODES)
def closed(request, make_lab, shape):
    ready = Closed(make_lab(shape), request.param)
    yield ready
    ready.close()


def test_from_outside_nothing_gets_in(closed):
    lab = closed.lab
    for family in (4, 6):
        source, pod, client = shapes.SOURCE[family], lab.shape.pod(family), lab.shape.client(family)
        for origin in ("neighbour", "gateway"):
            for target in (pod, client, shapes.DNS[family]):
                add_route(origin, target, "via", source)
        lab.dns.forget()
        lab.outside.forget()
        with Capture("pod", "macvlan0") as arriving, Capture("pod", "eth0") as cluster:
            # By EGRESS_SOURCE; then by the address of the pod, of another pod and of a service, through the pod as if
            # it were a router.
            attempts = [(origin, protocol, *to) for protocol in ("tcp", "udp") for origin, *to in [
                *((origin, source, port) for origin in ("neighbour", "gateway", "outside") for port in (PORT, 80)),
                ("neighbour", pod, PORT), ("neighbour", client, PORT), ("neighbour", shapes.DNS[family], 53),
                ("outside", pod, PORT)]]
            assert which_answer(attempts, seconds=0.5) == []
            for target in (source, pod, client):
                assert arriving.all(between(None, target)), f"nothing for {target} reached the pod"
            for origin in (shapes.NEIGHBOUR[family], *shapes.OUTSIDE[family], shapes.GATEWAY[family]):
                assert cluster.all(between(origin, None)) == []
        assert lab.dns.seen() == [] and lab.outside.seen() == []
        closed.works_for_the_client(family)
    closed.assert_nobody_came()


def to_port_999(frame):
    layer = ip_of(frame)
    return layer is not None and getattr(layer.payload, "dport", None) == 999


def test_cluster_address_as_source_is_no_key(closed):
    """A neighbour that sends in the name of a cluster client, to any address of the pod."""
    lab = closed.lab
    for family in (4, 6):
        client, pod, source = lab.shape.client(family), lab.shape.pod(family), shapes.SOURCE[family]
        add_route("neighbour", pod, "via", source)
        lab.outside.forget()
        with Capture("pod", "macvlan0") as arriving, Capture("client", "eth0") as answer:
            for target in (pod, source):
                for layer in (TCP(sport=999, dport=PORT, flags="S"), UDP(sport=999, dport=PORT) / b"spoofed"):
                    send_ip("neighbour", LAYER[family](src=client, dst=target) / layer)
                arriving.wait_for(between(client, target, UDP), "the spoofed datagram")
            closed.works_for_the_client(family)
            assert answer.all(to_port_999) == []
        assert [seen for seen in lab.outside.seen() if seen.source_port == 999 or seen.protocol == "udp"] == []
        spoofed = [seen for seen in closed.listener.seen() if seen.source_port == 999 or seen.protocol == "udp"]
        assert spoofed == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("setting", [None, "off", "on"])
def test_ping_is_answered_by_setting(make_lab, family, mode, setting):
    lab = make_lab(shapes.CALICO)
    lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_ADDRESS_PROBE="off", EGRESS_ANSWER_PING=setting,
                              EGRESS_DESTINATION=shapes.DUAL_STACK_TABLE if mode == "init" else None))
    for origin in ("neighbour", "outside"):
        answered = run(origin, "ping", "-c", 1, "-W", 0.5, shapes.SOURCE[family], check=False).returncode == 0
        assert answered == (setting == "on")
    # The pod's address in the cluster is not reached either way.
    add_route("neighbour", lab.shape.pod(family), "via", shapes.SOURCE[family])
    assert run("neighbour", "ping", "-c", 1, "-W", 0.3, lab.shape.pod(family), check=False).returncode != 0


def test_router_advertisement_is_ignored(closed):
    lab = closed.lab
    before = lab.state()
    # The neighbour is made to heed it, which shows that it is a good one.
    set_sysctls("neighbour", {"net/ipv6/conf/eth0/accept_ra": 2, "net/ipv6/conf/eth0/autoconf": 1})
    advertisement = (
        Ether(src="02:00:00:00:0b:ad", dst="33:33:00:00:00:01") / IPv6(src="fe80::bad", dst="ff02::1")
        / ICMPv6ND_RA(routerlifetime=1800, prf=1) / ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::", prefixlen=64)
        / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:0b:ad"))
    with Capture("pod", "macvlan0") as arriving:
        send_frame("gateway", "lan", advertisement)
        wait_for(lambda: "2001:db8:bad:" in run("neighbour", "ip", "-6", "address", "show", "dev", "eth0").stdout,
                 "the neighbour to take an address")
        arriving.wait_for(lambda frame: b"\x0b\xad" in frame, "the advertisement")
    closed.works_for_the_client(6)
    assert lab.changes(before) == []


def arp_reply_for(address):
    def matches(frame):
        arp = parse_arp(frame)
        return arp is not None and arp.operation == "reply" and arp.sender == address
    return matches


def test_addresses_of_the_cluster_are_not_answered_for(make_lab, shape):
    """A pod whose namespace has proxy ARP on for every link."""
    lab = make_lab(shape)
    set_sysctls("pod", {"net/ipv4/conf/all/proxy_arp": 1, "net/ipv4/conf/default/proxy_arp": 1})
    lab.router(lab.variables(EGRESS_ADDRESS_PROBE="off"))
    set_sysctls("pod", {"net/ipv4/neigh/macvlan0/proxy_delay": 0})
    asker = lab.mac("neighbour", "eth0")
    with Capture("neighbour", "eth0") as heard:
        for address in (shape.client4, shapes.SOURCE4):
            send_frame("neighbour", "eth0", Ether(src=asker, dst="ff:ff:ff:ff:ff:ff")
                       / ARP(op="who-has", hwsrc=asker, psrc=shapes.NEIGHBOUR4, pdst=address))
        heard.wait_for(arp_reply_for(shapes.SOURCE4), "the answer for EGRESS_SOURCE")
        assert heard.all(arp_reply_for(shape.client4)) == []


@pytest.mark.parametrize("victim, link, heeds", [("neighbour", "eth0", True), ("pod", "macvlan0", False)])
def test_redirect_is_ignored(make_lab, family, victim, link, heeds):
    """The same redirect, from the gateway, to a host that heeds redirects and to the pod."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    # RFC 4861 §8.1: an IPv6 redirect comes from the link-local address of the first hop.
    run("gateway", "ip", "address", "add", "fe80::1/64", "dev", "lan", "nodad")
    run("neighbour", "ip", "-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth0")
    # In this mode the pod is a host, not a router, which would heed none by itself.
    lab.router(lab.dual_stack(EGRESS_GATEWAY=f"{shapes.GATEWAY4},fe80::1", EGRESS_ADDRESS_PROBE="off",
                              EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None))
    own = shapes.SOURCE[family] if victim == "pod" else shapes.NEIGHBOUR[family]
    target, better = shapes.OUTSIDE[family][0], "10.42.253.77" if family == 4 else "fe80::77"
    # Linux heeds an IPv4 redirect for a socket that is there, to a neighbour that answers.
    set_sysctls("neighbour", {"net/ipv4/conf/eth0/accept_redirects": 1, "net/ipv6/conf/eth0/accept_redirects": 1})
    run(victim, "ip", "neighbour", "add", better, "lladdr", "02:00:00:00:00:77", "dev", link, "nud", "permanent")
    peer = connect(victim, "udp", target, 80)
    peer.send(b"x")
    peer.recv(1)
    if family == 4:
        packet = IP(src=own, dst=target) / UDP(sport=peer.getsockname()[1], dport=80)
        redirect = IP(src=shapes.GATEWAY4, dst=own) / ICMP(type=5, code=1, gw=better) / packet
    else:
        redirect = (IPv6(src="fe80::1", dst=own, hlim=255) / ICMPv6ND_Redirect(tgt=better, dst=target)
                    / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:77"))
    frame = bytes(Ether(src=lab.mac("gateway", "lan"), dst=lab.mac(victim, link)) / redirect)
    with Capture(victim, link) as arriving:
        send_frame("gateway", "lan", frame)
        arriving.wait_for(lambda seen: seen == frame, "the redirect")

    def way():
        return run(victim, "ip", "route", "get", target).stdout

    with peer:
        if heeds:
            wait_for(lambda: better in way(), "the neighbour to heed it")
            return
        peer.send(b"x")
        peer.recv(1)
        assert better not in way()


def accepts(netns, address, port):
    """Whether a connection is accepted and its request gets an answer of any kind."""
    try:
        with connect(netns, "tcp", address, port, seconds=0.5) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return peer.recv(1) != b""
    except OSError:
        return False


PROGRAMS = {  # by mode: the program, and the ports that it listens on
    "init": ("egress-wait", (9180,), {}),
    "http-proxy": ("egress-http-proxy", (8080, 9180), {"EGRESS_HTTP_PROXY_DESTINATION": "*"}),
    "dns-proxy": ("egress-dns-proxy", (80, 9180), {"EGRESS_DNS_PROXY_DESTINATION": "80 203.0.113.25\n"}),
}


@pytest.mark.parametrize("mode", MODES)
def test_without_the_ruleset_the_listeners_reject_the_external_network_by_themselves(make_lab, mode):
    """At an egress IP, at one that is added later, and at the pod's own address by way of the egress interface."""
    lab = make_lab(shapes.OVN_KUBERNETES)
    given = lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_ADDRESS_PROBE="off", EGRESS_ADMIN_LISTEN=":9180",
                           EGRESS_DESTINATION=shapes.DUAL_STACK_TABLE if mode == "init" else None)
    lab.router(given)
    name, ports, variables = PROGRAMS[mode]
    one = start("pod", *UNPRIVILEGED, programs() / name, env=given | variables)
    later = {4: "10.42.253.99", 6: shapes.SOURCE6 + "99"}
    try:
        doors = [(family, port) for family in (4, 6) for port in ports]
        run("pod", "nft", "flush", "ruleset")
        for family, port in doors:
            wait_for(lambda: accepts("client", lab.shape.pod(family), port), "the cluster to be served")
        for family, length in ((4, 24), (6, 64)):
            add_route("neighbour", lab.shape.pod(family), "via", shapes.SOURCE[family])
            run("pod", "ip", "address", "add", f"{later[family]}/{length}", "dev", "macvlan0",
                *(["nodad"] if family == 6 else []))
        with Capture("pod", "macvlan0") as arriving:
            for family, port in doors:
                for target in (shapes.SOURCE[family], later[family], lab.shape.pod(family)):
                    assert not accepts("neighbour", target, port)
                    assert arriving.all(between(None, target, TCP)), "nothing arrived"
        for family, port in doors:
            assert accepts("client", lab.shape.pod(family), port)
    finally:
        one.kill()
        one.communicate(timeout=5)
