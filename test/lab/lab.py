"""The lab: a client pod, the cluster's network, the router pod, its node, and the outside world, each a network
namespace, joined as a cluster joins them. Builds and removes namespaces, and nothing else; runs only inside
test/lab/sandbox.

    client --- cluster --- pod              router pod: eth0, and macvlan0 by the node's uplink
                  |         :
                 node ------+--- lan --- gateway --- outside
                                  |
                              neighbour

`cluster` routes between its pods, answers ARP for all of them, and holds the nameserver's address. `outside` holds
203.0.113.25 to .27 and 2001:db8:113::25 to ::27, and records who connects."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import shapes
from netns import ip_batch, run, set_sysctls, start
from recorder import Recorder, dns_answer
from state import differences, read_state

NAMESPACES = ("client", "cluster", "pod", "node", "lan", "gateway", "neighbour", "outside")
PORTS = (53, 80, 443, 5353, 8080, 9000)  # where `outside` listens from the start, tcp and udp


@dataclass(frozen=True)
class Options:
    pod_mtu: int = 0           # bytes; 0: the shape's own
    external_mtu: int = 1500   # of the external segment, and so of the node's uplink
    path_mtu: int = 0          # of the way between the gateway and outside; 0: external_mtu


def programs():
    """Where egress-router and egress-wait are."""
    repository = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("EGRESS_BIN_DIR") or repository / "build" / "bin").resolve()


class Lab:
    def __init__(self, shape, options=Options()):
        if "EGRESS_SANDBOX" not in os.environ:
            raise RuntimeError("the lab is built inside test/lab/sandbox only")
        self.shape = shape
        self.options = options
        self.pod_mtu = options.pod_mtu or shape.pod_mtu
        self._recorders = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        for name in NAMESPACES:
            _add_namespace(name)
        self._build_external()
        self._build_cluster()
        self._build_pod()
        self.outside = self._record("outside")
        for protocol in ("tcp", "udp"):
            self.outside.listen(protocol, shapes.OUTSIDE4 + shapes.OUTSIDE6, PORTS)
        self.dns = self._record("cluster")
        self.dns.listen("udp", (shapes.DNS4, shapes.DNS6), (53,), dns_answer)

    def _record(self, namespace):
        self._recorders.append(Recorder(namespace))
        return self._recorders[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for recorder in self._recorders:
            recorder.close()
        for name in NAMESPACES:
            if Path("/run/netns", name).exists():
                subprocess.run(["ip", "netns", "delete", name], check=True)

    # What a test or the demo does with it.

    def variables(self, **changes):
        """The reference configuration for this shape; a value of None takes a variable out."""
        given = {
            "EGRESS_SOURCE": shapes.SOURCE4, "EGRESS_GATEWAY": shapes.GATEWAY4,
            "EGRESS_DESTINATION": shapes.REFERENCE_TABLE, "EGRESS_ROUTER_MODE": "init",
        }
        if not self.shape.has_macvlan:
            given["EGRESS_HOST_NETNS"] = "/run/netns/node"
        return {key: value for key, value in (given | changes).items() if value is not None}

    def dual_stack(self, **changes):
        """The same for both families."""
        return self.variables(**{
            "EGRESS_SOURCE": f"{shapes.SOURCE4}/24,{shapes.SOURCE6}/64",
            "EGRESS_GATEWAY": f"{shapes.GATEWAY4},{shapes.GATEWAY6}",
            "EGRESS_DESTINATION": shapes.DUAL_STACK_TABLE,
        } | changes)

    def router(self, variables, *arguments, check=True):
        """Runs egress-router in the pod to its end."""
        return run("pod", programs() / "egress-router", *arguments, env=variables, check=check)

    def start(self, program, variables, *arguments, **options):
        """Starts one of our programs in the pod; the Popen is the caller's."""
        return start("pod", programs() / program, *arguments, env=variables, **options)

    def state(self, netns="pod"):
        return read_state(netns)

    def changes(self, before, netns="pod"):
        """What is no more as in `before`, a line each; empty where nothing has changed."""
        return differences(before, read_state(netns))

    def mac(self, netns, link):
        return json.loads(run(netns, "ip", "-json", "link", "show", link).stdout)[0]["address"]

    # How it is joined. Link names: the end that leads to X is called X.

    def _build_external(self):
        mtu = self.options.external_mtu
        ip_batch("lan", [
            "link add lan type bridge mcast_snooping 0",
            f"link add node mtu {mtu} type veth peer name uplink mtu {mtu} netns node",
            f"link add gateway mtu {mtu} type veth peer name lan mtu {mtu} netns gateway",
            f"link add neighbour mtu {mtu} type veth peer name eth0 mtu {mtu} netns neighbour",
            *(f"link set {port} master lan" for port in ("node", "gateway", "neighbour")),
            *(f"link set {link} up" for link in ("node", "gateway", "neighbour", "lan")),
        ])
        lock = f" mtu lock {self.options.path_mtu}" if self.options.path_mtu else ""
        ip_batch("gateway", [
            "link add outside type veth peer name eth0 netns outside",
            "link set lan up",
            "link set outside up",
            f"address add {shapes.GATEWAY4}/24 dev lan",
            f"address add {shapes.GATEWAY6}/64 dev lan",
            "address add 203.0.113.1/32 dev outside",
            "address add 2001:db8:113::1/128 dev outside",
            f"route add 203.0.113.0/24 dev outside{lock}",
            f"route add 2001:db8:113::/64 dev outside{lock}",
        ])
        ip_batch("outside", [
            "link set eth0 up",
            *(f"address add {address}/24 dev eth0" for address in shapes.OUTSIDE4),
            *(f"address add {address}/64 dev eth0" for address in shapes.OUTSIDE6),
            "route add default via 203.0.113.1",
            "route add default via 2001:db8:113::1",
        ])
        _attach("neighbour", "eth0", shapes.NEIGHBOUR4, shapes.NEIGHBOUR6)
        _attach("node", "uplink", shapes.NODE_UPLINK4, shapes.NODE_UPLINK6)
        set_sysctls("gateway", {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})

    def _build_cluster(self):
        shape = self.shape
        set_sysctls("cluster", {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
        ip_batch("cluster", [
            f"link add client mtu {self.pod_mtu} type veth peer name eth0 mtu {self.pod_mtu} netns client",
            f"link add pod mtu {self.pod_mtu} type veth peer name eth0 mtu {self.pod_mtu} netns pod",
            "link add node type veth peer name cluster netns node",
            *(f"link set {link} up" for link in ("client", "pod", "node")),
            f"address add {shapes.DNS4}/32 dev lo",
            f"address add {shapes.DNS6}/128 dev lo",
            f"address add {shapes.CLUSTER4}/24 dev node",
            f"address add {shapes.CLUSTER6}/64 dev node",
            f"address add {shape.gateway6}/{64 if shape.gateway6.startswith('fe80') else 128} dev pod",
            "address add fe80::1/64 dev client",
            f"route add {shape.pod(4)}/32 dev pod",
            f"route add {shape.pod(6)}/128 dev pod",
            f"route add {shape.client4}/32 dev client",
            f"route add {shape.client6}/128 dev client",
            f"route add default via {shapes.NODE4}",
            f"route add default via {shapes.NODE6}",
            *([] if shape.gateway4.startswith("169.254.") else [f"address add {shape.gateway4}/32 dev pod"]),
        ])
        for link in ("client", "pod"):
            set_sysctls("cluster", {f"net/ipv4/conf/{link}/proxy_arp": 1, f"net/ipv4/neigh/{link}/proxy_delay": 0})
        ip_batch("client", [
            "link set eth0 up",
            f"address add {shape.client4}/32 dev eth0",
            f"address add {shape.client6}/128 dev eth0",
            "route add 169.254.1.1 dev eth0 scope link",
            "route add default via 169.254.1.1 dev eth0",
            "route add default via fe80::1 dev eth0",
        ])
        self._join_node()

    def _join_node(self):
        ip_batch("node", [
            "link set cluster up",
            f"address add {shapes.NODE4}/24 dev cluster",
            f"address add {shapes.NODE6}/64 dev cluster",
            f"route add {self.shape.cluster4} via {shapes.CLUSTER4}",
            f"route add {self.shape.cluster6} via {shapes.CLUSTER6}",
        ])
        set_sysctls("node", {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
        # What pods without an egress router send outside carries the node's address.
        run("node", "nft", "-f", "-", stdin="""
            table inet node {
              chain postrouting { type nat hook postrouting priority srcnat; oifname "uplink" masquerade; }
            }""")

    def _build_pod(self):
        shape = self.shape
        ip_batch("pod", [
            "link set eth0 up",
            f"address add {shape.pod4} dev eth0",
            f"address add {shape.pod6} dev eth0",
            *(f"route add {route}" for route in shape.routes),
        ])
        # Links that come later get the kernel's own settings, and the most trusting ones that a node may have.
        set_sysctls("pod", {
            "net/ipv6/conf/default/accept_dad": 1,
            "net/ipv6/conf/default/accept_ra": 2,
            "net/ipv6/conf/default/accept_redirects": 1,
            "net/ipv4/conf/all/accept_redirects": 1,
            "net/ipv4/conf/default/accept_redirects": 1,
            "net/ipv4/conf/default/accept_source_route": 1,
        })
        if shape.has_macvlan:
            self.add_macvlan()
        Path("/etc/resolv.conf").write_text(
            f"search default.svc.cluster.local\nnameserver {shapes.DNS4}\nnameserver {shapes.DNS6}\n")

    def add_macvlan(self):
        """As OpenShift SDN does for `pod.network.openshift.io/assign-macvlan`."""
        ip_batch("node", ["link add macvlan0 link uplink netns pod type macvlan mode private"])


def _add_namespace(name):
    subprocess.run(["ip", "netns", "add", name], check=True)
    # Duplicate address detection would hold each address back for a second; a node's own settings must not matter.
    set_sysctls(name, {
        "net/ipv6/conf/default/accept_dad": 0,
        "net/ipv6/conf/default/accept_ra": 0,
        "net/ipv4/conf/all/rp_filter": 0,
        "net/ipv4/conf/default/rp_filter": 0,
    })
    ip_batch(name, ["link set lo up"])


def _attach(netns, link, address4, address6):
    """Puts a host on the external segment, with the gateway as its default."""
    ip_batch(netns, [
        f"link set {link} up",
        f"address add {address4}/24 dev {link}",
        f"address add {address6}/64 dev {link}",
        f"route add default via {shapes.GATEWAY4}",
        f"route add default via {shapes.GATEWAY6}",
    ])
