"""A set-up that fails, at whatever step and for whatever reason: the pod is as before, side effects of the kernel
included, or the log names each difference."""

import json
import re

import pytest

import shapes
from lab import programs
from netns import run, set_sysctls
from peers import ask

LINK, RULESET, GATEWAY = 5, 11, 10  # common/exit_code.hpp
FAST = {"EGRESS_ADDRESS_PROBE": "off", "EGRESS_GATEWAY_TIMEOUT": "300ms"}
SILENT = {"EGRESS_GATEWAY": "10.42.253.99,2001:db8:42::99", "EGRESS_LOG_LEVEL": "debug"}
AS_BEFORE = "rolled back: the pod's network is as before"


def strace(lab, variables, *options):
    return run("pod", "strace", "-f", "-qq", *options, programs() / "egress-router", env=variables, check=False)


def test_side_effects_of_the_kernel_are_rolled_back(make_lab):
    """disable_ipv6 drops addresses, ip_forward changes accept_redirects and every link's forwarding."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    run("pod", "ip", "link", "set", "macvlan0", "up")
    run("pod", "ip", "address", "add", "2001:db8:9::9/64", "dev", "macvlan0", "nodad")
    set_sysctls("pod", {"net/ipv4/conf/all/accept_redirects": 0, "net/ipv4/conf/eth0/forwarding": 1,
                        "net/ipv4/conf/default/forwarding": 1, "net/ipv6/conf/eth0/forwarding": 1})
    before = lab.state()
    done = lab.router(lab.variables(**FAST | SILENT | {"EGRESS_GATEWAY": "10.42.253.99"}), check=False)
    assert done.returncode == GATEWAY
    assert lab.changes(before) == []
    assert AS_BEFORE in done.stderr


def test_addresses_and_routes_that_went_with_ipv6_are_restored_whole(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    run("pod", "ip", "link", "set", "macvlan0", "up")
    for address in ("2001:db8:9::1/64 valid_lft 3600 preferred_lft 0", "2001:db8:8::1/64 metric 77 noprefixroute",
                    "2001:db8:7::1/64 metric 78"):
        run("pod", "ip", "address", "add", *address.split(), "dev", "macvlan0", "nodad")
    run("pod", "ip", "-6", "route", "add", "default", "via", "2001:db8:9::2", "dev", "macvlan0", "table", "100")

    def attributes():
        [link] = json.loads(run("pod", "ip", "-json", "-6", "address", "show", "dev", "macvlan0").stdout)
        return sorted((one["local"], one["valid_life_time"] <= 3600, one["preferred_life_time"] == 0, one.get("metric"),
                       one.get("noprefixroute")) for one in link["addr_info"] if one["scope"] == "global")

    before, routes = attributes(), lab.state()["routes6"]
    done = lab.router(lab.variables(**FAST | SILENT | {"EGRESS_GATEWAY": "10.42.253.99"}), check=False)
    assert done.returncode == GATEWAY
    assert attributes() == before
    assert [{key: value for key, value in route.items() if key != "expires"} for route in lab.state()["routes6"]
            ] == [{key: value for key, value in route.items() if key != "expires"} for route in routes]
    assert AS_BEFORE in done.stderr


def test_side_effects_of_ipv6_forwarding_are_rolled_back(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    set_sysctls("pod", {"net/ipv6/conf/eth0/forwarding": 1, "net/ipv6/conf/default/forwarding": 1})
    before = lab.state()
    assert lab.router(lab.dual_stack(**FAST | SILENT), check=False).returncode == GATEWAY
    assert lab.changes(before) == []


def test_route_attributes_survive_set_up_and_rollback(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    with_attributes = "mtu lock 1400 advmss 1300 initcwnd 20".split()
    run("pod", "ip", "route", "replace", "default", "via", "10.128.0.1", "dev", "eth0", *with_attributes)
    run("pod", "ip", "-6", "route", "replace", "default", "via", "fd01:0:0:1::1", "dev", "eth0", *with_attributes,
        "pref", "high")
    before = lab.state()
    assert lab.router(lab.dual_stack(**FAST | SILENT), check=False).returncode == GATEWAY
    assert lab.changes(before) == []
    lab.router(lab.dual_stack(**FAST))
    for family in ("-4", "-6"):
        copied = run("pod", "ip", family, "route", "show", "default", "table", "3180").stdout
        assert "mtu lock 1400 advmss 1300 initcwnd 20" in copied
    assert "pref high" in copied


def test_conntrack_that_cannot_be_read_is_a_warning(make_lab):
    """The new ruleset is active by then, and there is no way back to the old one."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    lab.router(lab.variables(**FAST))
    changed = lab.variables(**FAST, EGRESS_DESTINATION=f"80 tcp {shapes.OUTSIDE4[2]}\n")
    trace = strace(lab, lab.variables(**FAST), "-e", "trace=socket").stderr
    sockets = [line for line in trace.splitlines() if "socket(" in line]
    number = max(i for i, line in enumerate(sockets, 1) if "NETLINK_NETFILTER" in line)
    # The unchanged run loads no ruleset, which takes one more socket; conntrack's two are the last.
    done = strace(lab, changed, "-o", "/dev/null", "-e", "trace=socket",
                  "-e", f"inject=socket:error=EPROTONOSUPPORT:when={number}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"warn.*stale conntrack entries stay", done.stderr)
    lab.outside.forget()
    ask("client", "tcp", lab.shape.pod(4), 80)
    assert [seen.destination for seen in lab.outside.seen()] == [shapes.OUTSIDE4[2]]


def test_difference_after_a_rollback_is_reported(make_lab):
    """Somebody else changes the pod meanwhile: the program does not say that it is as before."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    slow = FAST | SILENT | {"EGRESS_GATEWAY_TIMEOUT": "1s"}
    process = lab.start("egress-router", lab.dual_stack(**slow))
    while "resolve the gateway" not in (line := process.stderr.readline()) and "default via 10.42" not in line:
        assert line, "the program ended early"
    run("pod", "ip", "route", "add", "198.51.100.0/24", "via", "10.128.0.1", "dev", "eth0")
    errors = process.communicate(timeout=10)[1]
    assert process.returncode == GATEWAY
    assert "not as before after the rollback: new: IPv4 route 198.51.100.0/24 via 10.128.0.1 dev eth0" in errors
    assert AS_BEFORE not in errors


def test_debug_log_is_written_step_by_step(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    done = strace(lab, lab.variables(**FAST, EGRESS_LOG_LEVEL="debug"), "-o", "/dev/null", "-e", "trace=sendmsg",
                  "-e", "inject=sendmsg:signal=KILL:when=10")
    assert done.returncode in (-9, 137)
    assert "done: # nft: table inet egress_router" in done.stderr


def test_lack_of_memory_is_rolled_back(make_lab, tmp_path):
    """A bad_alloc anywhere is exit code 1, or the code of what could not be had, with a termination log."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    before = lab.state()
    table = "".join(f"{port} tcp 203.0.113.{port % 200 + 1} {port + 1}\n" for port in range(1, 20000))
    last_words = tmp_path / "termination-log"
    variables = lab.variables(**FAST, EGRESS_DESTINATION=None, EGRESS_DESTINATION_FILE="/dev/stdin",
                              EGRESS_TERMINATION_LOG=str(last_words))
    codes = set()
    for mebibytes in range(8, 64, 2):
        last_words.write_text("")
        done = run("pod", "prlimit", f"--as={mebibytes << 20}", programs() / "egress-router", env=variables,
                   stdin=table, check=False)
        codes.add(done.returncode)
        if done.returncode == 0:
            break
        assert 0 < done.returncode < 128, done.stderr
        if done.returncode == 1:
            assert "std::bad_alloc" in last_words.read_text()
        assert lab.changes(before) == []
    assert 0 in codes and 1 in codes


def test_link_of_a_killed_run_is_deleted(make_lab):
    lab = make_lab(shapes.OVN_KUBERNETES)
    run("node", "ip", "link", "add", "link", "uplink", "name", "egress-new", "netns", "pod", "type", "macvlan")
    lab.router(lab.variables(**FAST))
    links = json.loads(run("pod", "ip", "-json", "link", "show").stdout)
    assert {link["ifname"] for link in links} == {"lo", "eth0", "macvlan0"}


def test_name_of_the_egress_interface_on_the_node(make_lab):
    """Kernel 6.1 compares a new name with the links of the namespace that the request is sent in."""
    lab = make_lab(shapes.OVN_KUBERNETES)
    run("node", "ip", "link", "add", "macvlan0", "type", "bridge")
    trace = strace(lab, lab.variables(**FAST), "-e", "trace=sendmsg", "-s", "400").stderr
    messages = [bytes.fromhex(text.replace(r"\x", "")) for text in re.findall(r'"((?:\\x[0-9a-f]{2})+)"', trace)]
    created = [message for message in messages if b"macvlan\0" in message]
    assert len(created) == 1 and b"egress-new\0" in created[0] and b"macvlan0" not in created[0]
