"""What a client of the pod gets: each kind of entry, each protocol, each shape, both families; and what the outside
saw."""

import json

import pytest
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck

import shapes
from capture import Capture
from ready_lab import FALLBACKS, TABLE, with_each_shape
from netns import run, wait_for
from packets import ICMP, LAYER, UDP, between, ip_of, send_ip
from peers import ask, connect
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

lab = with_each_shape(TABLE + FALLBACKS)

# Protocol and port asked for, and the number of the outside's address and its port that the table names.
CASES = [
    ("tcp", 80, 0, 80), ("tcp", 8080, 1, 80), ("tcp", 8443, 1, 443), ("tcp", 53, 0, 9000), ("udp", 53, 1, 5353),
    ("tcp", 7000, 0, 7000), ("tcp", 7004, 0, 7004), ("tcp", 7009, 0, 7009), ("udp", 7004, 0, 7004),
    ("tcp", 7100, 1, 7200), ("tcp", 7104, 1, 7204), ("tcp", 7109, 1, 7209),
    ("tcp", 9000, 2, 9000), ("udp", 9000, 2, 9000), ("udp", 80, 2, 80),
]


@pytest.mark.parametrize("protocol, port, host, remote_port", CASES)
def test_connection_goes_where_the_table_says(lab, family, protocol, port, host, remote_port):
    lab.outside.forget()
    assert ask("client", protocol, lab.shape.pod(family), port, b"any bytes") == b"any bytes"
    (seen,) = lab.outside.seen()
    assert (seen.protocol, seen.source) == (protocol, shapes.SOURCE[family])
    assert (seen.destination, seen.port) == (shapes.OUTSIDE[family][host], remote_port)


@pytest.mark.parametrize("protocol, port", [(protocol, port) for protocol, port, _, _ in CASES])
def test_explain_says_what_the_outside_sees(lab, family, protocol, port):
    variables = lab.dual_stack(EGRESS_DESTINATION=TABLE + FALLBACKS)
    told = lab.router(variables, "--explain", f"{protocol} {port}").stdout.splitlines()[0 if family == 4 else 1]
    lab.outside.forget()
    ask("client", protocol, lab.shape.pod(family), port)
    (seen,) = lab.outside.seen()
    assert told.endswith(f"goes to {seen.destination} port {seen.port}, and the outside sees {seen.source}")


def test_echo_request_goes_to_the_fallback(lab, family):
    with Capture("outside", "eth0") as wire:
        run("client", "ping", "-c", 1, "-W", 2, lab.shape.pod(family))
        echo = ICMP if family == 4 else ICMPv6EchoRequest
        wire.wait_for(between(shapes.SOURCE[family], shapes.OUTSIDE[family][2], echo), "an echo request")


def test_sctp_association_starts(lab, family):
    """There are no SCTP sockets here: the INIT and its answer are made by hand."""
    pod, client = lab.shape.pod(family), lab.shape.client(family)
    layer = LAYER[family]
    with Capture("outside", "eth0") as outside, Capture("client", "eth0") as inside:
        init = SCTP(sport=4000, dport=36412) / SCTPChunkInit(init_tag=7, a_rwnd=65536, n_out_streams=1, n_in_streams=1)
        send_ip("client", layer(src=client, dst=pod) / init)
        arrived = ip_of(outside.wait_for(between(None, shapes.OUTSIDE[family][0], SCTP), "the INIT"))
        assert arrived.src == shapes.SOURCE[family]
        assert arrived[SCTP].dport == 36412
        answer = SCTP(sport=36412, dport=arrived[SCTP].sport, tag=7) / SCTPChunkInitAck(
            init_tag=9, a_rwnd=65536, n_out_streams=1, n_in_streams=1)
        send_ip("outside", layer(src=shapes.OUTSIDE[family][0], dst=arrived.src) / answer)
        back = ip_of(inside.wait_for(between(pod, client, SCTPChunkInitAck), "the answer"))
        assert (back[SCTP].sport, back[SCTP].dport) == (36412, 4000)


def test_datagram_in_fragments_arrives_whole(lab, family):
    data = bytes(range(256)) * 30
    with connect("client", "udp", lab.shape.pod(family), 7000) as peer:
        def answered():
            peer.settimeout(0.5)
            peer.send(data)
            try:
                return peer.recv(1 << 16) == data
            except TimeoutError:
                return False

        # An IPv6 router cuts nothing (RFC 8200 §5): the answer to the first one teaches the outside the pod's MTU.
        assert answered() or (family == 6 and answered())


def test_pods_own_connection_leaves_with_the_source_address(lab, family):
    lab.outside.forget()
    ask("pod", "tcp", shapes.OUTSIDE[family][0], 80)
    assert [seen.source for seen in lab.outside.seen()] == [shapes.SOURCE[family]]


def test_question_to_the_nameserver_goes_by_the_cluster(lab, family):
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04host\x04test\x00\x00\x01\x00\x01"
    lab.dns.forget()
    with Capture("pod", "macvlan0") as wire:
        assert ask("pod", "udp", shapes.DNS[family], 53, query)[:2] == b"\x12\x34"
        assert not wire.all(between(None, shapes.DNS[family]))
    assert [seen.source for seen in lab.dns.seen()] == [lab.shape.pod(family)]


def counted(entry):
    """Packets that the kernel counted for a map element, "tcp . 8443"."""
    protocol, port = entry
    listed = json.loads(run("pod", "nft", "--json", "list", "table", "inet", "egress_router").stdout)
    total = 0
    for item in listed["nftables"]:
        for element in item.get("map", {}).get("elem", []):
            key = element[0].get("elem", {}).get("val") if isinstance(element[0], dict) else element[0]
            if isinstance(key, dict) and key.get("concat", [])[-2:] == [protocol, port]:
                total += element[0]["elem"]["counter"]["packets"]
    return total


@pytest.mark.parametrize("protocol, port", [("tcp", 8443), ("udp", 53), ("tcp", 7104)])
def test_each_entry_counts_its_connections(lab, family, protocol, port):
    before = counted((protocol, port))
    for _ in range(3):
        ask("client", protocol, lab.shape.pod(family), port)
    assert counted((protocol, port)) == before + 3


def test_udp_reply_of_another_port_is_not_let_in(lab, family):
    """Address-dependent filtering (RFC 4787 §5): only the peer that was asked may answer."""
    pod, client = lab.shape.pod(family), lab.shape.client(family)
    ask("client", "udp", pod, 53)
    seen = lab.outside.wait_for(protocol="udp", destination=shapes.OUTSIDE[family][1], port=5353)
    with Capture("client", "eth0") as wire:
        stray = LAYER[family](src=shapes.OUTSIDE[family][1], dst=seen.source) / UDP(sport=666, dport=seen.source_port)
        send_ip("outside", stray / b"stray")
        ask("client", "udp", pod, 53)
        assert not wire.all(lambda frame: b"stray" in frame)


def test_icmp_echo_reply_comes_from_the_pod(lab, family):
    with Capture("client", "eth0") as wire:
        run("client", "ping", "-c", 1, "-W", 2, lab.shape.pod(family))
        reply = ICMP if family == 4 else ICMPv6EchoReply
        wait_for(lambda: wire.all(between(lab.shape.pod(family), lab.shape.client(family), reply)), "the echo reply")
