"""The address plan of the lab, and what each network plugin gives a pod: addresses, routes, whether macvlan0 is
there. Values only."""

from dataclasses import dataclass

SOURCE4, SOURCE6 = "10.42.253.46", "2001:db8:42::46"  # EGRESS_SOURCE
GATEWAY4, GATEWAY6 = "10.42.253.1", "2001:db8:42::1"  # EGRESS_GATEWAY
NEIGHBOUR4, NEIGHBOUR6 = "10.42.253.66", "2001:db8:42::66"
OUTSIDE4 = ("203.0.113.25", "203.0.113.26", "203.0.113.27")
OUTSIDE6 = ("2001:db8:113::25", "2001:db8:113::26", "2001:db8:113::27")
DNS4, DNS6 = "172.30.0.10", "fd02::a"

NODE_UPLINK4, NODE_UPLINK6 = "10.42.253.5", "2001:db8:42::5"  # on the external segment
NODE4, NODE6 = "192.168.10.5", "fd03::5"                      # on the cluster's side
CLUSTER4, CLUSTER6 = "192.168.10.1", "fd03::1"                # the other end of that

# The same by family.
SOURCE = {4: SOURCE4, 6: SOURCE6}
GATEWAY = {4: GATEWAY4, 6: GATEWAY6}
NEIGHBOUR = {4: NEIGHBOUR4, 6: NEIGHBOUR6}
OUTSIDE = {4: OUTSIDE4, 6: OUTSIDE6}
DNS = {4: DNS4, 6: DNS6}
NODE = {4: NODE4, 6: NODE6}
NODE_UPLINK = {4: NODE_UPLINK4, 6: NODE_UPLINK6}

REFERENCE_TABLE = """\
80 tcp 203.0.113.25
8080 tcp 203.0.113.26 80
8443 tcp 203.0.113.26 443
203.0.113.27
"""
# The same for both families: addresses alone come last.
DUAL_STACK_TABLE = """\
80 tcp 203.0.113.25
8080 tcp 203.0.113.26 80
8443 tcp 203.0.113.26 443
80 tcp 2001:db8:113::25
8080 tcp 2001:db8:113::26 80
8443 tcp 2001:db8:113::26 443
203.0.113.27
2001:db8:113::27
"""


@dataclass(frozen=True)
class Shape:
    name: str
    pod4: str          # with prefix length, as eth0 holds it
    pod6: str
    client4: str
    client6: str
    gateway4: str      # the cluster's end of the pod's link
    gateway6: str
    cluster4: str      # all pods of the cluster
    cluster6: str
    routes: tuple      # of the pod, as `ip route add` takes them
    pod_mtu: int       # bytes
    has_macvlan: bool  # the plugin put macvlan0 into the pod, down

    def pod(self, family):
        return (self.pod4 if family == 4 else self.pod6).split("/")[0]

    def client(self, family):
        return self.client4 if family == 4 else self.client6


OPENSHIFT_SDN = Shape(
    name="openshift-sdn",
    pod4="10.128.0.46/23", pod6="fd01:0:0:1::46/64",
    client4="10.129.0.10", client6="fd01:0:0:2::10",
    gateway4="10.128.0.1", gateway6="fd01:0:0:1::1",
    cluster4="10.128.0.0/14", cluster6="fd01::/48",
    routes=(
        "10.128.0.0/14 dev eth0",
        "224.0.0.0/4 dev eth0",
        "default via 10.128.0.1 dev eth0",
        "fd01::/48 via fd01:0:0:1::1 dev eth0",
        "default via fd01:0:0:1::1 dev eth0",
    ),
    pod_mtu=1450, has_macvlan=True)

OVN_KUBERNETES = Shape(
    name="ovn-kubernetes",
    pod4="10.128.2.46/23", pod6="fd01:0:0:3::46/64",
    client4="10.129.0.10", client6="fd01:0:0:2::10",
    gateway4="10.128.2.1", gateway6="fd01:0:0:3::1",
    cluster4="10.128.0.0/14", cluster6="fd01::/48",
    routes=(
        "10.128.0.0/14 via 10.128.2.1 dev eth0",
        "100.64.0.0/16 via 10.128.2.1 dev eth0",
        "172.30.0.0/16 via 10.128.2.1 dev eth0",
        "default via 10.128.2.1 dev eth0",
        "fd01::/48 via fd01:0:0:3::1 dev eth0",
        "fd02::/112 via fd01:0:0:3::1 dev eth0",
        "default via fd01:0:0:3::1 dev eth0",
    ),
    pod_mtu=1400, has_macvlan=False)

# Only a default route, through an address that no subnet holds.
CALICO = Shape(
    name="calico",
    pod4="10.244.1.5/32", pod6="fd01:0:0:4::5/128",
    client4="10.244.2.10", client6="fd01:0:0:2::10",
    gateway4="169.254.1.1", gateway6="fe80::ecee:eeff:feee:eeee",
    cluster4="10.244.0.0/16", cluster6="fd01::/48",
    routes=(
        "169.254.1.1 dev eth0 scope link",
        "default via 169.254.1.1 dev eth0",
        "default via fe80::ecee:eeff:feee:eeee dev eth0",
    ),
    pod_mtu=1440, has_macvlan=False)

SHAPES = {shape.name: shape for shape in (OPENSHIFT_SDN, OVN_KUBERNETES, CALICO)}
