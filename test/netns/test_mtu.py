"""Large packets over ways that are too small for them: the client learns the size, and transfers come through."""

import errno
import socket

import pytest

import shapes
from capture import Capture
from netns import wait_for
from packets import TCP, between, ip_of
from peers import connect, transfer

SMALL = 1300  # bytes; smaller than any shape's pod_mtu
IP_MTU_DISCOVER, IP_MTU, IP_PMTUDISC_DO = 10, 14, 2        # linux/in.h
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_PMTUDISC_DO = 23, 24, 2  # linux/in6.h
MIB = 1 << 20


def learnt_mtu(peer):
    if peer.family == socket.AF_INET6:
        return peer.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)
    return peer.getsockopt(socket.IPPROTO_IP, IP_MTU)


def learn_by_udp(address, port, mtu):
    """Sends datagrams that must not be cut, until the kernel refuses one for its size."""
    with connect("client", "udp", address, port) as peer:
        if peer.family == socket.AF_INET6:
            peer.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
        else:
            peer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

        def refused():
            try:
                peer.send(b"x" * (mtu - 48))
            except OSError as error:
                assert error.errno == errno.EMSGSIZE
                return True
            return learnt_mtu(peer) < mtu

        wait_for(refused, f"the client to learn that {mtu} bytes are too many")
        return learnt_mtu(peer)


@pytest.fixture(params=["beyond the gateway", "on the node's uplink"])
def small(request, make_lab, shape):
    option = {"path_mtu": SMALL} if request.param == "beyond the gateway" else {"external_mtu": SMALL}
    lab = make_lab(shape, **option)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))
    return lab


def test_large_transfer_comes_through(small, family):
    with transfer("client", small.shape.pod(family), 8443, MIB) as peer:
        assert learnt_mtu(peer) <= small.pod_mtu


def test_client_learns_the_size_of_the_way(small, family):
    assert learn_by_udp(small.shape.pod(family), 9000, small.pod_mtu) == SMALL


def test_segment_size_is_clamped_to_the_uplink(make_lab, shape, family):
    lab = make_lab(shape, external_mtu=SMALL)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))
    headers = 40 if family == 4 else 60
    with Capture("outside", "eth0") as wire, transfer("client", lab.shape.pod(family), 8443, 1 << 12):
        syn = ip_of(wire.wait_for(between(shapes.SOURCE[family], None, TCP), "a SYN"))[TCP]
    assert dict(syn.options)["MSS"] == SMALL - headers


def test_macvlan_takes_its_parents_mtu(make_lab):
    lab = make_lab(shapes.CALICO, external_mtu=SMALL)
    lab.router(lab.variables(EGRESS_ADDRESS_PROBE="off"))
    (link,) = [link for link in lab.state()["links"] if link["ifname"] == "macvlan0"]
    assert link["mtu"] == SMALL


def test_pods_mtu_below_the_external_one(make_lab, shape, family):
    """The usual case: an overlay makes the pod's MTU the smaller one; what outside sends must still fit."""
    lab = make_lab(shape, pod_mtu=1280)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))
    transfer("client", lab.shape.pod(family), 8443, MIB).close()
