"""The init container runs again: it finds its own state and changes nothing, and it gets to the same state from
wherever an earlier run was killed."""

import json
import os
import selectors
import subprocess

import pytest

import shapes
from lab import programs
from netns import run, start, wait_for
from peers import ask, connect, receive
from state import essence

FAST = {"EGRESS_ADDRESS_PROBE": "off", "EGRESS_GATEWAY_TIMEOUT": "500ms"}
# All by which a run changes something; killed on the way into the N-th of one kind.
EFFECTS = ("sendmsg", "sendto", "write", "setns")
MOST_CALLS = 400


@pytest.fixture
def twice(make_lab, shape):
    lab = make_lab(shape)
    lab.router(lab.dual_stack(**FAST))
    return lab


def test_restart_leaves_the_same_state(twice):
    before = twice.state()
    twice.router(twice.dual_stack())
    assert twice.changes(before) == []


class Monitor:
    """What the kernel tells of changes, between two marks that show that it is listening."""

    def __init__(self, *command):
        self._process = start("pod", *command, stdin=subprocess.DEVNULL)
        self.lines = []

    def read_until(self, mark, make_mark):
        with selectors.DefaultSelector() as selector:
            os.set_blocking(self._process.stdout.fileno(), False)
            selector.register(self._process.stdout, selectors.EVENT_READ)

            def marked():
                make_mark()
                if selector.select(0.2):
                    self.lines += os.read(self._process.stdout.fileno(), 1 << 16).decode().splitlines()
                return any(mark in line for line in self.lines)

            wait_for(marked, f"the monitor to tell of {mark}")
        unmarked = [line for line in self.lines if mark not in line]
        self.lines = []
        return unmarked

    def close(self):
        self._process.kill()
        self._process.communicate()


def mark_rule(number):
    run("pod", "ip", "rule", "add", "priority", number, "to", "192.0.2.1", "table", "main")
    run("pod", "ip", "rule", "delete", "priority", number)


def mark_table(name):
    run("pod", "nft", "add", "table", "ip", name)
    run("pod", "nft", "delete", "table", "ip", name)


def settled():
    """The kernel tells of a new link's state, and that its own address is unique, a second later."""
    links = json.loads(run("pod", "ip", "-json", "address", "show", "dev", "macvlan0").stdout)
    return all(link["operstate"] == "UP" and not any(a.get("tentative") for a in link["addr_info"]) for link in links)


def test_restart_sends_no_change(twice):
    wait_for(settled, "macvlan0 to settle")
    monitors = [(Monitor("ip", "monitor", "link", "address", "route", "rule"), "3000{}", mark_rule),
                (Monitor("nft", "monitor"), "mark{}", mark_table)]
    try:
        for monitor, name, make in monitors:
            monitor.read_until(name.format(1), lambda: make(name.format(1)))
        twice.router(twice.dual_stack())
        for monitor, name, make in monitors:
            seen = monitor.read_until(name.format(2), lambda: make(name.format(2)))
            assert [line for line in seen if name.format(1) not in line and "# new generation" not in line] == []
    finally:
        for monitor, _, _ in monitors:
            monitor.close()


def test_connections_live_through_a_restart(twice, family):
    with connect("client", "tcp", twice.shape.pod(family), 8443) as peer:
        peer.sendall(b"before")
        assert receive(peer, 6) == b"before"
        twice.router(twice.dual_stack())
        peer.sendall(b"after")
        assert receive(peer, 5) == b"after"


def test_changed_table_takes_the_place_of_the_old_one(twice, family):
    other = shapes.OUTSIDE[family][2]
    twice.router(twice.dual_stack(EGRESS_DESTINATION="".join(f"80 tcp {a[2]}\n" for a in shapes.OUTSIDE.values())))
    twice.outside.forget()
    ask("client", "tcp", twice.shape.pod(family), 80)
    assert [seen.destination for seen in twice.outside.seen()] == [other]


def killed_at(lab, variables, call, number):
    """Whether the run was killed before its end."""
    done = run("pod", "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
               "-e", f"inject={call}:signal=KILL:when={number}", programs() / "egress-router",
               env=variables, check=False)
    if done.returncode == 0:
        return False
    assert done.returncode in (-9, 137), done.stderr
    return True


# On Calico, which differs in routes alone, every third.
@pytest.mark.parametrize("shape, step", [(shapes.OPENSHIFT_SDN, 1), (shapes.OVN_KUBERNETES, 1), (shapes.CALICO, 3)],
                         ids=shapes.SHAPES)
@pytest.mark.parametrize("call", EFFECTS)
def test_killed_anywhere_and_started_again(make_lab, shape, step, call):
    lab = make_lab(shape)
    lab.router(lab.dual_stack(**FAST))
    wanted = essence(lab.state())
    for number in range(1, MOST_CALLS, step):
        lab = make_lab(shape)
        variables = lab.dual_stack(**FAST)
        killed = killed_at(lab, variables, call, number)
        lab.router(variables)
        assert essence(lab.state()) == wanted, f"killed at {call} number {number}"
        if not killed:
            break
    else:
        pytest.fail(f"over {MOST_CALLS} calls of {call}")
    ask("client", "tcp", shape.pod(4), 80)
    ask("client", "tcp", shape.pod(6), 80)
