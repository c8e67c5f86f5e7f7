"""The address probe on a link that is not quiet: somebody else probes for the same address, answers at the last
moment, or floods the link with what is no answer; and it takes as long as it is told to."""

import contextlib
import itertools
import struct
import threading
import time

import pytest
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                                IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

import shapes
from capture import Capture, parse_arp
from netns import open_socket
from packets import ip_of, send_frame

CONFLICT = 7  # common/exit_code.hpp
OTHER_MAC = "02:00:00:00:00:99"
LINK = {"neighbour": "eth0", "gateway": "lan"}


def arp_probe():
    return Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=OTHER_MAC, psrc="0.0.0.0",
                                                             pdst=shapes.SOURCE4)


def arp_claim(**changes):
    return Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(**{
        "op": 2, "hwsrc": OTHER_MAC, "psrc": shapes.SOURCE4, "hwdst": "ff:ff:ff:ff:ff:ff",
        "pdst": shapes.SOURCE4} | changes)


def nd_probe():
    return (Ether(src=OTHER_MAC, dst="33:33:ff:00:00:46") / IPv6(src="::", dst="ff02::1:ff00:46", hlim=255)
            / ICMPv6ND_NS(tgt=shapes.SOURCE6))


def nd_claim(hlim=255, code=0):
    return (Ether(src=OTHER_MAC, dst="33:33:00:00:00:01") / IPv6(src="fe80::99", dst="ff02::1", hlim=hlim)
            / ICMPv6ND_NA(tgt=shapes.SOURCE6, R=0, S=0, O=1, code=code) / ICMPv6NDOptDstLLAddr(lladdr=OTHER_MAC))


PROBE = {4: arp_probe, 6: nd_probe}
CLAIM = {4: arp_claim, 6: nd_claim}


def is_probe(frame, family):
    if frame[6:12].hex(":") == OTHER_MAC:
        return False
    if family == 4:
        arp = parse_arp(frame)
        return arp is not None and arp.is_probe and arp.target == shapes.SOURCE4
    ip = ip_of(frame)
    return (ip is not None and ICMPv6ND_NS in ip and ip.src == "::" and ip[ICMPv6ND_NS].tgt == shapes.SOURCE6
            and ICMPv6NDOptSrcLLAddr not in ip)


@contextlib.contextmanager
def at_probe(family, number, frame):
    """The neighbour sends `frame` when it hears the probe of this number, from 1."""
    wire = Capture("neighbour", LINK["neighbour"])

    def answer():
        heard = itertools.count(1)
        wire.wait_for(lambda seen: is_probe(seen, family) and next(heard) == number, f"probe {number}")
        send_frame("neighbour", LINK["neighbour"], frame)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        wire.close()


@contextlib.contextmanager
def flood(frames):
    """The neighbour sends all of them, again and again."""
    ending = threading.Event()
    sent = [0]

    def send():
        raw_frames = [bytes(frame) for frame in frames]
        with open_socket("neighbour", 17, 3, 0) as raw:  # AF_PACKET, SOCK_RAW
            raw.bind((LINK["neighbour"], 0))
            while not ending.wait(0.002):  # some ten thousand frames a second
                for frame in raw_frames:
                    raw.send(frame)
                sent[0] += len(raw_frames)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        ending.set()
        thread.join()


def refused_for(lab, family, before, done):
    assert done.returncode == CONFLICT, done.stderr
    assert OTHER_MAC in done.stderr and shapes.SOURCE[family] in done.stderr
    assert lab.changes(before) == []


def test_another_prober_at_the_same_moment(make_lab, family):
    """RFC 5227 §2.1.1, RFC 4862 §5.4.3: neither may have it."""
    lab = make_lab()
    before = lab.state()
    with at_probe(family, 1, PROBE[family]()):
        done = lab.router(lab.dual_stack(), check=False)
    refused_for(lab, family, before, done)


def test_answer_at_the_last_moment(make_lab, family):
    lab = make_lab()
    before = lab.state()
    with at_probe(family, 3, CLAIM[family]()):
        done = lab.router(lab.dual_stack(), check=False)
    refused_for(lab, family, before, done)


def hostile_frames():
    """What must not be taken for an answer, though most of it names our address."""
    claim4, claim6 = bytes(arp_claim()), bytes(nd_claim())
    odd_option = bytearray(claim6)
    odd_option[14 + 40 + 24 + 1] = 0
    wrong_sum = bytearray(claim6)
    wrong_sum[14 + 40 + 2] ^= 0xff
    return [
        *(claim4[:size] for size in (14, 20, 41)),
        *(claim6[:size] for size in (54, 60, 77, 80)),
        arp_claim(hwtype=6), arp_claim(ptype=0x86DD), arp_claim(hwlen=8), arp_claim(plen=16), arp_claim(op=3),
        arp_claim(psrc="10.42.253.47", pdst="10.42.253.48"),
        arp_claim(op=1, psrc=shapes.NEIGHBOUR4, pdst=shapes.GATEWAY4),
        arp_claim(op=1, psrc=shapes.NEIGHBOUR4, pdst=shapes.SOURCE4),  # somebody who looks for us, and no more
        Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=20) / arp_claim().payload,
        Ether(src=OTHER_MAC, dst="33:33:00:00:00:01") / Dot1Q(vlan=20) / nd_claim().payload,
        nd_claim(hlim=254), nd_claim(code=1), bytes(odd_option), bytes(wrong_sum),
        Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff", type=0x0806) / Raw(b"\xff" * 1400),
        Ether(src=OTHER_MAC, dst="33:33:00:00:00:01", type=0x86DD) / Raw(b"\xff" * 1400),
        Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff", type=0x0806) / Raw(struct.pack("!HHBBH", 1, 0x800, 255, 255, 2)),
    ]


def test_a_flood_of_what_is_no_answer(make_lab):
    lab = make_lab()
    with flood(hostile_frames()) as sent:
        started = time.monotonic()
        done = lab.router(lab.dual_stack(), check=False)
        took = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert sent[0] > 1000
    assert took < 3, "the flood holds the probe open"


@pytest.mark.parametrize("vlan, expected", [(20, 0), (0, CONFLICT)], ids=["another VLAN", "priority tag only"])
def test_answers_with_a_tag(make_lab, vlan, expected):
    """IEEE 802.1Q: a tag of VLAN 0 bears a priority, and is of the same network."""
    lab = make_lab()
    frame = Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=vlan, prio=5) / arp_claim().payload
    with at_probe(4, 1, frame):
        done = lab.router(lab.variables(), check=False)
    assert done.returncode == expected, done.stderr


def test_an_answer_within_a_flood_is_found(make_lab, family):
    lab = make_lab()
    with flood(hostile_frames()), at_probe(family, 2, CLAIM[family]()):
        done = lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="3s"), check=False)
    assert done.returncode == CONFLICT, done.stderr
    assert OTHER_MAC in done.stderr


@pytest.mark.parametrize("setting, seconds", [("100ms", 0.1), ("3s", 3.0)])
def test_the_probe_takes_as_long_as_it_is_told(make_lab, setting, seconds):
    lab = make_lab()
    with Capture("gateway", LINK["gateway"]) as wire:
        started = time.monotonic()
        lab.router(lab.variables(EGRESS_ADDRESS_PROBE=setting))
        took = time.monotonic() - started
        mac = lab.mac("pod", "macvlan0")
        ours = [(at, arp) for at, arp in wire.arps() if arp.sender_mac == mac]
    probes = [at for at, arp in ours if arp.is_probe]
    announced = min(at for at, arp in ours if arp.is_announcement)
    assert len(probes) == 3
    # From the first probe to the first use of the address; the last probe has its share to be answered in.
    assert seconds * 0.95 <= announced - probes[0] < seconds + 0.5
    assert announced - probes[-1] >= seconds * 0.3
    assert took < seconds + 1
