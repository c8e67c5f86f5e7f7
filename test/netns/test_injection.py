"""A host on the external segment that knows the cluster's addresses, the pod's MAC address and the tuple of a flow: it
cannot write into the flow, nor make the pod send anything into the cluster."""

import json
import socket

import pytest
from scapy.layers.inet import fragment
from scapy.layers.inet6 import (HBHOptUnknown, ICMPv6ND_NS, ICMPv6TimeExceeded, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, fragment6)
from scapy.layers.l2 import Ether

import shapes
from capture import Capture
from netns import run, set_sysctls
from packets import IP, LAYER, TCP, UDP, IPv6, add_route, between, ip_of, send_frame, send_ip
from peers import answers, ask, connect, receive
from recorder import Recorder

PORT = 8080
MARK = b"injected"
ATTACKER = "02:00:00:00:0b:ad"


class Target:
    """A pod in one mode, and its address as a cluster client uses it: an entry's in init mode, else a listener's."""

    def __init__(self, lab, mode, family):
        self.lab, self.mode, self.family = lab, mode, family
        lab.router(lab.dual_stack(EGRESS_ROUTER_MODE=mode, EGRESS_ADDRESS_PROBE="off",
                                  EGRESS_DESTINATION=f"{PORT} udp {shapes.OUTSIDE[family][0]} 80\n"
                                                     f"{PORT} tcp {shapes.OUTSIDE[family][0]} 80\n"
                                  if mode == "init" else None))
        self.listener = Recorder("pod")
        if mode != "init":
            for protocol in ("tcp", "udp"):
                self.listener.listen(protocol, (lab.shape.pod(family),), (PORT,))
        self.client, self.pod = lab.shape.client(family), lab.shape.pod(family)
        self.layer = LAYER[family](src=self.client, dst=self.pod)
        self.mac = lab.mac("pod", "macvlan0")

    def attack(self, packet):
        """From the external segment to the pod's MAC address."""
        send_frame("neighbour", "eth0", Ether(src=ATTACKER, dst=self.mac) / packet)


@pytest.fixture(params=("init", "http-proxy", "dns-proxy"))
def target(request, make_lab, shape, family):
    ready = Target(make_lab(shape), request.param, family)
    yield ready
    ready.listener.close()


@pytest.fixture
def wires(target):
    """Sees what reaches the pod from outside, and what comes of it on either side."""
    with Capture("pod", "macvlan0") as arriving, Capture("pod", "eth0") as cluster, \
            Capture("outside", "eth0") as outside:
        yield Wires(arriving, cluster, outside)


class Wires:
    def __init__(self, arriving, cluster, outside):
        self.arriving, self.cluster, self.outside = arriving, cluster, outside

    def assert_ignored(self, mark=MARK):
        self.arriving.wait_for(lambda frame: mark in frame, "the attacker's packet")
        for capture in (self.cluster, self.outside):
            assert [ip_of(frame).summary() for frame in capture.all(lambda frame: mark in frame)] == []


def udp_flow(target):
    peer = connect("client", "udp", target.pod, PORT)
    peer.send(b"genuine")
    assert peer.recv(100) == b"genuine"
    return peer, UDP(sport=peer.getsockname()[1], dport=PORT)


def test_datagram_into_a_flow(target, wires):
    peer, header = udp_flow(target)
    with peer:
        target.attack(target.layer / header / MARK)
        peer.send(b"still")
        assert peer.recv(100) == b"still"
    wires.assert_ignored()


def test_segment_with_the_right_sequence_numbers(target, wires):
    with Capture("client", "eth0") as sent, connect("client", "tcp", target.pod, PORT) as peer:
        peer.sendall(b"genuine")
        assert receive(peer, 7) == b"genuine"
        sent.wait_for(lambda frame: b"genuine" in frame and between(target.pod, None, TCP)(frame), "the echo")
        last = [ip_of(frame)[TCP] for frame in sent.all(between(target.pod, target.client, TCP))][-1]
        for flags in ("PA", "R"):
            target.attack(target.layer / TCP(sport=last.dport, dport=PORT, seq=last.ack, ack=last.seq + 7, flags=flags)
                          / MARK)
        peer.sendall(b"still")
        assert receive(peer, 5) == b"still"
    wires.assert_ignored()


def fragments_of(target, header, data):
    """Two fragments of one datagram, with an identification of the test's."""
    if target.family == 4:
        return fragment(IP(src=target.client, dst=target.pod, id=4711) / header / data, fragsize=64)
    packet = IPv6(bytes(target.layer / IPv6ExtHdrFragment(id=4711) / header / data))
    return [IPv6(bytes(one)) for one in fragment6(packet, 120)]


def test_fragments_of_a_datagram(target, wires):
    peer, header = udp_flow(target)
    with peer:
        parts = fragments_of(target, header, b"x" * 64 + MARK)
        assert len(parts) == 2
        for part in parts:
            target.attack(part)
        peer.send(b"still")
        assert peer.recv(100) == b"still"
    wires.assert_ignored()


def test_fragment_into_a_clients_datagram(target, wires):
    """The attacker's second half is there before the client's own: the client's must be the one that counts."""
    peer, header = udp_flow(target)
    with peer:
        genuine = b"x" * 64 + b"the client's own"
        checksum = UDP(bytes((target.layer / header / genuine)[UDP]))
        header = UDP(sport=checksum.sport, dport=PORT, chksum=checksum.chksum)
        first, second = fragments_of(target, header, genuine)
        forged = bytes(second).replace(b"the client's own", MARK + b"own anew")
        target.attack(LAYER[target.family](forged))
        wires.arriving.wait_for(lambda frame: MARK in frame, "the attacker's fragment")
        send_ip("client", first)
        send_ip("client", second)
        assert peer.recv(100) == genuine
    wires.assert_ignored()


@pytest.mark.parametrize("what", ["time to live 1", "too large", "port that nobody listens on", "unknown protocol"])
def test_no_error_is_provoked_towards_the_cluster(target, wires, what):
    """Sent in the name of a cluster address, to another one, to the pod's and to EGRESS_SOURCE."""
    lab, family = target.lab, target.family
    hops = "ttl" if family == 4 else "hlim"
    for destination in (shapes.DNS[family], target.client, target.pod, shapes.SOURCE[family]):
        packet = LAYER[family](src=target.client, dst=destination)
        data = UDP(sport=5353, dport=999) / MARK
        if what == "time to live 1":
            setattr(packet, hops, 1)
        elif what == "too large":
            data = UDP(sport=5353, dport=999) / (MARK + b"x" * (1472 - 8 - (0 if family == 4 else 20)))
            if family == 4:
                packet.flags = "DF"
        elif what == "unknown protocol":
            setattr(packet, "proto" if family == 4 else "nh", 253)
            data = MARK
        target.attack(packet / data)
    ask("client", "tcp", target.pod, PORT)
    wires.assert_ignored()


def incomplete(source, destination, mark):
    """The first fragment of a datagram: the kernel reports that the rest did not come (RFC 8200 §4.5)."""
    first = bytes(UDP(sport=5353, dport=999, len=2000) / (mark + b"x" * 200))
    return IPv6(src=source, dst=destination) / IPv6ExtHdrFragment(id=4711, m=1, nh=socket.IPPROTO_UDP) / first[:208]


@pytest.mark.parametrize("family", [6])
def test_no_error_about_headers_is_provoked_towards_the_cluster(target, wires):
    """Headers that the kernel looks at before the first chain, or behind the last one that drops. To a cluster client
    it does report them."""
    lab, client, pod = target.lab, target.client, target.pod
    set_sysctls("pod", {"net/ipv6/icmp/ratelimit": 0, "net/netfilter/nf_conntrack_frag6_timeout": 1})
    [link] = json.loads(run("pod", "ip", "-json", "-6", "address", "show", "dev", "macvlan0").stdout)
    link_local = next(one["local"] for one in link["addr_info"] if one["scope"] == "link")
    report = HBHOptUnknown(otype=0x9e, optlen=len(MARK), optdata=MARK)  # RFC 8200 §4.2: discard, and report
    solicitation = ICMPv6ND_NS(tgt=shapes.SOURCE[6]) / MARK
    headers = (IPv6ExtHdrHopByHop(options=[report]), IPv6ExtHdrDestOpt(options=[report]),
               IPv6ExtHdrRouting(type=77, segleft=1, addresses=[client]))
    for destination in (pod, shapes.SOURCE[6], link_local, "ff02::1"):
        for header in headers:
            for data in (UDP(sport=5353, dport=999) / MARK, solicitation):
                target.attack(IPv6(src=client, dst=destination, hlim=255) / header / data)
        target.attack(incomplete(client, destination, MARK))
    send_ip("client", incomplete(client, pod, b"genuine"))
    wires.cluster.wait_for(lambda frame: ICMPv6TimeExceeded in (ip_of(frame) or ()), "the error for the client")
    wires.assert_ignored()


def test_reply_direction_alone_is_accepted(target, wires):
    """The tuple of a flow that a cluster client opened to EGRESS_SOURCE itself."""
    lab, family = target.lab, target.family
    source = shapes.SOURCE[family]
    add_route("cluster", source, "via", target.pod, "dev", "pod", "onlink")
    with connect("client", "udp", source, PORT) as peer:
        peer.send(b"genuine")
        wires.cluster.wait_for(between(target.client, source, UDP), "the client's datagram")
        target.attack(LAYER[family](src=target.client, dst=source) / UDP(sport=peer.getsockname()[1], dport=PORT)
                      / MARK)
        ask("client", "tcp", target.pod, PORT)
    wires.assert_ignored()


def test_nothing_answers_the_cluster_from_the_egress_ip(target, wires):
    """What a cluster client sends to EGRESS_SOURCE is dropped: no answer to it leaves on the external segment."""
    source = shapes.SOURCE[target.family]
    add_route("cluster", source, "via", target.pod, "dev", "pod", "onlink")
    for protocol in ("tcp", "udp"):
        for port in (PORT, 999):
            assert not answers("client", protocol, source, port, seconds=0.2)
    assert run("client", "ping", "-c", 1, "-W", 0.2, source, check=False).returncode != 0
    wires.cluster.wait_for(between(target.client, source), "the client's packets")
    ask("client", "tcp", target.pod, PORT)
    assert wires.arriving.all(between(None, target.client)) == []
    assert wires.cluster.all(between(source, None)) == []
