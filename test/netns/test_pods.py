"""Pods that are not as usual, and nodes: each gets a right result or a clear error, and after an error nothing has
changed."""

import json
import os
import tempfile

import pytest

import shapes
from lab import programs
from netns import ip_batch, read_sysctls, run, set_sysctls
from peers import ask

CONFIGURATION, FACTS, LINK = 3, 4, 5  # common/exit_code.hpp
FAST = {"EGRESS_ADDRESS_PROBE": "off"}


def works(lab, families=(4,)):
    for family in families:
        lab.outside.forget()
        ask("client", "tcp", lab.shape.pod(family), 8443)
        (seen,) = lab.outside.seen()
        assert (seen.source, seen.destination, seen.port) == (shapes.SOURCE[family], shapes.OUTSIDE[family][1], 443)


def refused(lab, code, *words, variables=None):
    """Fails with this code, says these words, and changes nothing."""
    before = lab.state()
    done = lab.router(variables or lab.variables(**FAST), check=False)
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert lab.changes(before) == []


def test_macvlan0_holds_another_address(make_lab, shape):
    lab = make_lab(shape)
    if not shape.has_macvlan:
        lab.add_macvlan()
    ip_batch("pod", ["link set macvlan0 up", "address add 10.42.253.99/24 dev macvlan0"])
    lab.router(lab.variables(**FAST))
    works(lab)


def test_default_route_is_gone(make_lab, shape):
    lab = make_lab(shape)
    for version in ("-4", "-6"):
        run("pod", "ip", version, "route", "delete", "default")
    done = lab.router(lab.dual_stack(**FAST))
    if shape is shapes.CALICO:
        assert "no default route" in done.stderr
    else:
        works(lab, (4, 6))


def test_two_default_routes(make_lab, shape):
    lab = make_lab(shape)
    ip_batch("pod", [f"route add default via {shape.gateway4} dev eth0 metric 200",
                     f"route add default via {shape.gateway6} dev eth0 metric 2000"])
    lab.router(lab.dual_stack(**FAST))
    works(lab, (4, 6))
    lab.router(lab.dual_stack())
    works(lab, (4, 6))


def test_cluster_interface_of_another_name(make_lab, shape):
    lab = make_lab(shape)
    routes = [f"route add {route.replace('eth0', 'net0')}" for route in shape.routes]
    ip_batch("pod", ["link set eth0 down", "link set eth0 name net0", "link set net0 up",
                     f"address replace {shape.pod6} dev net0 nodad", *routes])
    lab.router(lab.dual_stack(**FAST))
    works(lab, (4, 6))
    lab.router(lab.dual_stack())
    works(lab, (4, 6))


def test_no_cluster_interface(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    ip_batch("pod", ["link delete eth0"])
    refused(lab, FACTS, "eth0")


def test_egress_interface_of_another_name(make_lab, shape):
    lab = make_lab(shape)
    ip_batch("node", ["link add net1 link uplink netns pod type macvlan mode bridge"])
    if shape.has_macvlan:
        ip_batch("pod", ["link delete macvlan0"])
    lab.router(lab.variables(EGRESS_INTERFACE="net1", EGRESS_HOST_NETNS=None, **FAST))
    works(lab)


@pytest.mark.parametrize("shape", [shapes.OVN_KUBERNETES, shapes.CALICO], ids=lambda each: each.name)
def test_parent_is_down(make_lab, shape):
    lab = make_lab(shape)
    ip_batch("node", ["link set uplink down"])
    refused(lab, FACTS, "uplink", variables=lab.variables(EGRESS_PARENT="uplink", **FAST))


def test_parent_of_an_adopted_interface_is_down(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    ip_batch("node", ["link set uplink down"])
    before = lab.state()
    done = lab.router(lab.variables(**FAST, EGRESS_GATEWAY_TIMEOUT="300ms"), check=False)
    assert done.returncode in (LINK, 10), done.stderr
    assert "macvlan0" in done.stderr
    assert lab.changes(before) == []


def test_parent_that_is_not_there(make_lab):
    lab = make_lab(shapes.CALICO)
    refused(lab, FACTS, "bond7", "uplink", variables=lab.variables(EGRESS_PARENT="bond7", **FAST))


@pytest.mark.parametrize("mode", ["private", "bridge", "vepa"])
def test_macvlan_is_made_as_asked(make_lab, mode):
    lab = make_lab(shapes.CALICO)
    lab.router(lab.variables(EGRESS_MACVLAN_MODE=mode, **FAST))
    (link,) = [link for link in lab.state()["links"] if link["ifname"] == "macvlan0"]
    assert link["linkinfo"]["info_data"]["mode"] == mode
    works(lab)


def test_neither_interface_nor_node(make_lab):
    """The error says what to do on each network plugin."""
    lab = make_lab(shapes.CALICO)
    variables = lab.variables(EGRESS_HOST_NETNS="/run/netns/pod", **FAST)
    refused(lab, FACTS, "pod.network.openshift.io/assign-macvlan", "Multus", "hostPID", variables=variables)


@pytest.mark.parametrize("shape", [shapes.OVN_KUBERNETES, shapes.CALICO], ids=lambda each: each.name)
def test_node_is_found_by_process_1(make_lab, shape):
    """As in a pod with hostPID: process 1 lives in the node's namespace."""
    lab = make_lab(shape)
    variables = lab.dual_stack(EGRESS_HOST_NETNS=None, **FAST)
    run("node", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
        'ip netns exec pod "$0"; exit $?', programs() / "egress-router", env=variables)
    works(lab, (4, 6))


def test_without_cap_net_admin(make_lab, shape):
    lab = make_lab(shape)
    before = lab.state()
    done = run("pod", "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", programs() / "egress-router",
               env=lab.variables(**FAST), check=False)
    assert done.returncode not in (0, 1), done.stderr
    assert "CAP_NET_ADMIN" in done.stderr
    assert lab.changes(before) == []


def test_other_tables_stay(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    others = """
        table ip nat { chain other { type nat hook prerouting priority -90; tcp dport 9 counter; }; }
        table inet mesh { set names { type ipv4_addr; elements = { 192.0.2.1 }; }; }
        table ip6 egress_router { chain other { }; }
        """
    run("pod", "nft", "-f", "-", stdin=others)

    def theirs():
        listed = run("pod", "nft", "--stateless", "list", "ruleset").stdout
        return [part for part in listed.split("table ") if part and not part.startswith("inet egress_router")]

    before = theirs()
    lab.router(lab.variables(**FAST))
    assert theirs() == before and len(before) == 3
    lab.router(lab.variables(EGRESS_DESTINATION="80 tcp 203.0.113.25", **FAST))
    assert theirs() == before


@pytest.mark.parametrize("changes, code", [
    ({"EGRESS_DESTINATION": "80 tcp 999.1.1.1\n"}, CONFIGURATION),
    ({"EGRESS_GATEWAY": shapes.SOURCE4}, CONFIGURATION),
    ({"EGRESS_INTERFACE": "lo"}, FACTS),
], ids=["table", "gateway is the source", "loopback"])
def test_error_is_left_in_the_termination_log(make_lab, changes, code):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    before = lab.state()
    with tempfile.NamedTemporaryFile("r") as log:
        done = lab.router(lab.variables(EGRESS_TERMINATION_LOG=log.name, **FAST, **changes), check=False)
        assert done.returncode == code, done.stderr
        left = log.read()
    assert left and left.splitlines()[0].strip() in done.stderr
    assert lab.changes(before) == []


def test_termination_log_is_not_made(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    with tempfile.TemporaryDirectory() as folder:
        lab.router(lab.variables(EGRESS_TERMINATION_LOG=f"{folder}/log", EGRESS_GATEWAY="x"), check=False)
        assert os.listdir(folder) == []


def test_table_from_a_file(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(shapes.REFERENCE_TABLE.replace("\n", "\r\n"))
        file.flush()
        lab.router(lab.variables(EGRESS_DESTINATION=None, EGRESS_DESTINATION_FILE=file.name, **FAST))
    works(lab)


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_reverse_path_filter_of_the_node(make_lab, shape, rp_filter):
    """A pod inherits its node's default, and strict filtering would drop what comes by the other way."""
    lab = make_lab(shape)
    links = [link for link in ("all", "default", "eth0", "macvlan0") if link != "macvlan0" or shape.has_macvlan]
    set_sysctls("pod", {f"net/ipv4/conf/{link}/rp_filter": rp_filter for link in links})
    lab.router(lab.variables(**FAST))
    works(lab)
    ask("pod", "udp", shapes.DNS4, 53, b"\0" * 20)


def test_every_setting_that_changes_is_in_the_plan(make_lab, shape):
    lab = make_lab(shape)
    variables = lab.dual_stack(EGRESS_ROUTER_MODE="dns-proxy", EGRESS_DESTINATION=None, **FAST)
    for variables in (variables, lab.dual_stack(**FAST)):
        plan = lab.router(variables, "--plan").stdout
        before = read_sysctls("pod", "net/ipv4") | read_sysctls("pod", "net/ipv6")
        lab.router(variables)
        after = read_sysctls("pod", "net/ipv4") | read_sysctls("pod", "net/ipv6")
        changed = [key for key, value in after.items() if key in before and before[key] != value]
        # Turning forwarding on changes by itself what follows from it.
        follows = ("/forwarding", "/send_redirects", "/accept_redirects", "/neigh/")
        missing = [key for key in changed if key.replace("/", ".") not in plan and key not in plan
                   and not key.endswith(follows)]
        assert missing == []


def test_plan_as_json_names_each_change(make_lab, shape):
    lab = make_lab(shape)
    before = lab.state()
    plan = json.loads(lab.router(lab.dual_stack(**FAST), "--plan=json").stdout)
    assert plan and lab.changes(before) == []
