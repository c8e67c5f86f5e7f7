"""What must not pass, and what the outside world's errors do: nothing but what the table names is forwarded, nothing
leaves the pod on the external segment with another address than EGRESS_SOURCE."""

import socket
import struct

import pytest

import shapes
from capture import Capture
from netns import run
from packets import LAYER, TCP, UDP, add_route, between, ip_of, send_ip
from peers import answers, ask, connect, receive
from ready_lab import TABLE, with_each_shape

lab = with_each_shape(TABLE)


@pytest.fixture
def wire(lab):
    with Capture("gateway", "lan") as capture:
        yield capture


def through(lab, family):
    """A connection that works: when it has been answered, all that was sent before it has been dealt with."""
    ask("client", "tcp", lab.shape.pod(family), 8443)


def foreign(lab, wire):
    """IP packets on the segment that the pod sent with another address than its own there."""
    mac = bytes.fromhex(lab.mac("pod", "macvlan0").replace(":", ""))
    own = (*shapes.SOURCE.values(), "::")
    packets = [ip_of(frame) for frame in wire.all(lambda frame: frame[6:12] == mac)]
    return [p.summary() for p in packets if p is not None and p.src not in own and not p.src.startswith("fe80:")]


@pytest.mark.parametrize("protocol, port", [("tcp", 9999), ("udp", 9999), ("udp", 443), ("tcp", 7010), ("tcp", 6999)])
def test_port_that_no_entry_names_is_not_forwarded(lab, family, wire, protocol, port):
    lab.outside.listen(protocol, shapes.OUTSIDE[family], (port,)) if (protocol, port) != ("udp", 443) else None
    lab.outside.forget()
    assert not answers("client", protocol, lab.shape.pod(family), port, seconds=0.3)
    through(lab, family)
    assert [(seen.protocol, seen.port) for seen in lab.outside.seen()] == [("tcp", 443)]
    assert foreign(lab, wire) == []


def test_ping_without_a_fallback_is_not_forwarded(lab, family, wire):
    run("client", "ping", "-c", 1, "-W", 1, lab.shape.pod(family), check=False)
    through(lab, family)
    assert wire.all(between(None, shapes.OUTSIDE[family][2])) == []


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_a_client_routes_at_the_pod_is_not_forwarded(lab, family, wire, protocol):
    targets = [shapes.OUTSIDE[family][2], shapes.NEIGHBOUR[family], shapes.OUTSIDE[family][0]]
    bits = 32 if family == 4 else 128
    for target in targets:
        add_route("cluster", f"{target}/{bits}", "via", lab.shape.pod(family), "dev", "pod", "onlink")
    try:
        lab.outside.forget()
        with Capture("pod", "eth0") as arriving:
            for target in targets:
                assert not answers("client", protocol, target, 80, seconds=0.3)
                assert arriving.all(between(lab.shape.client(family), target)), "the attempt did not reach the pod"
        through(lab, family)
    finally:
        for target in targets:
            run("cluster", "ip", "route", "delete", f"{target}/{bits}")
    assert [seen.port for seen in lab.outside.seen()] == [443]
    assert foreign(lab, wire) == []
    assert wire.all(between(None, shapes.NEIGHBOUR[family])) == []


@pytest.mark.parametrize("whose", ["the pod's own", "EGRESS_SOURCE"])
def test_spoofed_source_is_not_forwarded(lab, family, wire, whose):
    source = lab.shape.pod(family) if whose == "the pod's own" else shapes.SOURCE[family]
    packet = LAYER[family](src=source, dst=lab.shape.pod(family)) / UDP(sport=4242, dport=7001) / b"spoofed"
    with Capture("pod", "eth0") as arriving:
        send_ip("client", packet)
        through(lab, family)
        assert arriving.all(lambda frame: b"spoofed" in frame), "it did not reach the pod"
    assert wire.all(lambda frame: b"spoofed" in frame) == []


@pytest.mark.parametrize("what", ["data out of the window", "reset out of the window", "no flags at all"])
def test_invalid_packet_does_not_leave(lab, family, wire, what):
    """Nor does the pod, which would be its destination untranslated, answer it with a reset."""
    pod, client = lab.shape.pod(family), lab.shape.client(family)
    with Capture("client", "eth0") as sent, connect("client", "tcp", pod, 8443) as peer:
        peer.sendall(b"x")
        receive(peer, 1)
        port = peer.getsockname()[1]
        last = [ip_of(frame)[TCP] for frame in sent.all(between(client, pod, TCP))
                if ip_of(frame)[TCP].sport == port][-1]
        far = (last.seq + (1 << 30)) % (1 << 32)
        flags, data = {"data out of the window": ("PA", b"invalid"), "reset out of the window": ("R", b"invalid"),
                       "no flags at all": ("", b"invalid")}[what]
        segment = TCP(sport=port, dport=8443, seq=far, ack=last.ack, flags=flags)
        with Capture("pod", "eth0") as arriving:
            send_ip("client", LAYER[family](src=client, dst=pod) / segment / data)
            peer.sendall(b"still there")
            assert receive(peer, 11) == b"still there"
            assert arriving.all(lambda frame: b"invalid" in frame), "it did not reach the pod"
    through(lab, family)
    assert wire.all(lambda frame: b"invalid" in frame) == []
    assert foreign(lab, wire) == []


def test_invalid_packet_from_outside_ends_no_connection(lab, family):
    """Untranslated it would be taken for the pod's own, and the pod would answer with a reset."""
    source, server = shapes.SOURCE[family], shapes.OUTSIDE[family][1]
    with Capture("outside", "eth0") as far, connect("client", "tcp", lab.shape.pod(family), 8443) as peer:
        lab.outside.forget()
        peer.sendall(b"x")
        receive(peer, 1)
        last = [ip_of(frame)[TCP] for frame in far.all(between(server, source, TCP))][-1]
        far_off = TCP(sport=443, dport=last.dport, seq=(last.seq + (1 << 30)) % (1 << 32), ack=last.ack, flags="PA")
        with Capture("pod", "macvlan0") as arriving:
            send_ip("outside", LAYER[family](src=server, dst=source) / far_off / b"invalid")
            arriving.wait_for(lambda frame: b"invalid" in frame, "the packet")
        peer.sendall(b"still there")
        assert receive(peer, 11) == b"still there"
        assert far.all(lambda frame: TCP in (ip_of(frame) or UDP()) and "R" in ip_of(frame)[TCP].flags) == []


def test_port_unreachable_outside_reaches_the_client(lab, family):
    with connect("client", "udp", lab.shape.pod(family), 7001) as peer:
        peer.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            peer.recv(100)


def test_connection_refused_outside_reaches_the_client(lab, family):
    with pytest.raises(ConnectionRefusedError):
        ask("client", "tcp", lab.shape.pod(family), 7001)


def test_error_of_a_router_on_the_way_reaches_the_client(lab, family):
    """ICMP host unreachable from the gateway, related to a translated flow."""
    route = f"{shapes.OUTSIDE[family][1]}/{32 if family == 4 else 128}"
    run("gateway", "ip", "route", "add", "unreachable", route)
    try:
        with pytest.raises(OSError, match="(?i)no route to host|unreachable"):
            ask("client", "tcp", lab.shape.pod(family), 8443, seconds=2)
    finally:
        run("gateway", "ip", "route", "delete", "unreachable", route)


def test_reset_by_the_client_ends_the_connection_outside(lab, family):
    lab.outside.forget()
    peer = connect("client", "tcp", lab.shape.pod(family), 8443)
    seen = lab.outside.wait_for(port=443)
    with Capture("outside", "eth0") as far:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        far.wait_for(lambda frame: TCP in (ip := ip_of(frame) or UDP()) and ip[TCP].sport == seen.source_port
                     and "R" in ip[TCP].flags, "a reset from the client")
