"""A cluster that configures its pods by router advertisements (RFC 4861 §4.2): with forwarding the kernel would drop
the default route that it has from them, and ignore those that come later."""

import json

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

import shapes
from netns import run, set_sysctls, wait_for
from packets import send_frame
from peers import ask

GATEWAY = 10  # common/exit_code.hpp
FAST = {"EGRESS_ADDRESS_PROBE": "off", "EGRESS_GATEWAY_TIMEOUT": "300ms"}
ROUTER = "fe80::1"


def advertise(lab):
    mac = lab.mac("cluster", "pod")
    send_frame("cluster", "pod", Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=ROUTER, dst="ff02::1", hlim=255)
               / ICMPv6ND_RA(routerlifetime=1800, prf=1) / ICMPv6NDOptSrcLLAddr(lladdr=mac))


def defaults(table="main"):
    routes = json.loads(run("pod", "ip", "-json", "-6", "route", "show", "default", "table", table, check=False).stdout
                        or "[]")
    return [(route.get("gateway"), route["dev"], route.get("protocol")) for route in routes]


@pytest.fixture
def advertised(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    run("pod", "ip", "-6", "route", "delete", "default")
    set_sysctls("pod", {"net/ipv6/conf/eth0/accept_ra": 1})

    def learned():
        advertise(lab)
        return defaults() == [(ROUTER, "eth0", "ra")]

    wait_for(learned, "the advertised default route")
    return lab


def test_advertised_addresses_stay_although_no_default_route_is_advertised(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    set_sysctls("pod", {"net/ipv6/conf/eth0/accept_ra": 1, "net/ipv6/conf/eth0/autoconf": 1})

    def has_address_by(prefix):
        mac = lab.mac("cluster", "pod")
        send_frame("cluster", "pod", Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=ROUTER, dst="ff02::1", hlim=255)
                   / ICMPv6ND_RA(routerlifetime=0) / ICMPv6NDOptSrcLLAddr(lladdr=mac)
                   / ICMPv6NDOptPrefixInfo(prefix=f"{prefix}::", prefixlen=64))
        return f"{prefix}:" in run("pod", "ip", "-6", "address", "show", "dev", "eth0").stdout

    wait_for(lambda: has_address_by("fd01:1:1:9"), "the first advertised address")
    lab.router(lab.dual_stack(**FAST))
    wait_for(lambda: has_address_by("fd01:1:1:a"), "the address of a later advertisement")


def test_set_up_keeps_the_advertised_way_to_the_cluster(advertised):
    for _ in range(2):  # and so does a rerun before the next advertisement
        advertised.router(advertised.dual_stack(**FAST))
        assert [route[:2] for route in defaults("3180")] == [(ROUTER, "eth0")]
        assert [route[1] for route in defaults()] == ["macvlan0"]
    ask("client", "tcp", advertised.shape.pod(6), 80)


def test_next_advertisement_does_not_open_a_way_around_the_egress_interface(advertised):
    advertised.router(advertised.dual_stack(**FAST))
    advertise(advertised)
    run("pod", "ping", "-6", "-c", "1", "-W", "2", f"{ROUTER}%eth0", check=False)  # all before it has been received
    assert [route[1] for route in defaults()] == ["macvlan0"]


def test_rollback_keeps_the_advertised_default(advertised):
    silent = advertised.dual_stack(**FAST, EGRESS_GATEWAY="10.42.253.1,2001:db8:42::99")
    assert advertised.router(silent, check=False).returncode == GATEWAY
    assert defaults() == [(ROUTER, "eth0", "ra")]
    advertised.router(advertised.dual_stack(**FAST))
    assert [route[:2] for route in defaults("3180")] == [(ROUTER, "eth0")]


def test_proxy_mode_does_not_keep_the_advertised_default(advertised):
    advertised.router(advertised.dual_stack(**FAST, EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None))
    advertise(advertised)
    run("pod", "ping", "-6", "-c", "1", "-W", "2", f"{ROUTER}%eth0", check=False)
    assert [route[1] for route in defaults()] == ["macvlan0"]
