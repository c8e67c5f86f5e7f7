"""The init container runs while flows go on, for the first time or with another table: what the table sends elsewhere
now moves or ends, what it sends to the same place lives on untouched."""

import contextlib
import threading

import pytest

import shapes
from lab import programs
from netns import run, wait_for
from peers import ask, connect, receive

FAST = {"EGRESS_ADDRESS_PROBE": "off", "EGRESS_GATEWAY_TIMEOUT": "500ms"}
FIRST, SECOND, THIRD = 0, 1, 2  # of shapes.OUTSIDE


def table(*lines):
    """One line of it for each family: "80 udp {0}" is by the first address outside."""
    return "".join(line.format(*shapes.OUTSIDE[family]) + "\n" for line in lines for family in (4, 6))


BEFORE = table("80 udp {0}", "443 udp {0} 5353", "8080-8090 udp {0}", "80 tcp {0}", "443 tcp {0}")


@pytest.fixture
def pod(make_lab, shape):
    lab = make_lab(shape)
    set_up(lab, BEFORE)
    return lab


def set_up(lab, destinations):
    lab.router(lab.dual_stack(EGRESS_DESTINATION=destinations, **FAST))


class Flow:
    """One client socket, hence one source port."""

    def __init__(self, lab, protocol, family, port):
        self._lab = lab
        self.protocol = protocol
        self.socket = connect("client", protocol, lab.shape.pod(family), port)
        self.source_port = self.socket.getsockname()[1]

    def ask(self, data=b"hello"):
        self.socket.sendall(data)
        got = receive(self.socket, len(data)) if self.protocol == "tcp" else self.socket.recv(1 << 16)
        assert got == data

    def place(self):
        """Where the next datagram arrives: address and port."""
        self._lab.outside.forget()
        self.ask()
        [seen] = self._lab.outside.seen()
        assert seen.source_port == self.source_port
        return seen.destination, seen.port

    def refused(self):
        """Whether the next packet is refused, and nobody outside sees any of it."""
        self._lab.outside.forget()
        try:
            self.ask()
        except (ConnectionRefusedError, ConnectionResetError):
            return self._lab.outside.seen() == []
        return False


@pytest.fixture
def flow(pod, family):
    with contextlib.ExitStack() as stack:
        def open_flow(protocol, port):
            made = Flow(pod, protocol, family, port)
            stack.enter_context(made.socket)
            return made
        yield open_flow


def tracked(lab, family):
    """The flows to the pod, with what does not change while they live: tuples, zone, identifier."""
    listed = run("pod", "conntrack", "-L", "-f", f"ipv{family}", "-o", "id", "-d", lab.shape.pod(family)).stdout
    return sorted(" ".join(word for word in line.split() if "=" in word) for line in listed.splitlines())


@pytest.mark.parametrize("port, after, expected", [
    (80, "80 udp {1}", (SECOND, 80)),             # another address
    (443, "443 udp {0} 9000", (FIRST, 9000)),     # another port of the same
    (8085, "8080-8090 udp {1}", (SECOND, None)),  # a range
    (80, "{2}", (THIRD, 80)),                     # gone, and the address alone takes it
], ids=["address", "port", "range", "fallback"])
def test_udp_flow_moves_with_its_entry(pod, family, flow, port, after, expected):
    index, to_port = expected
    pod.outside.listen("udp", shapes.OUTSIDE[family][:2], (8085,))
    udp = flow("udp", port)
    assert udp.place()[0] == shapes.OUTSIDE[family][FIRST]
    set_up(pod, table(after))
    assert udp.place() == (shapes.OUTSIDE[family][index], to_port or port)


def test_udp_flow_ends_with_its_entry_and_comes_back_with_it(pod, flow):
    udp = flow("udp", 80)
    place = udp.place()
    set_up(pod, table("443 udp {0} 5353"))
    assert udp.refused()
    set_up(pod, BEFORE)
    assert udp.place() == place


def test_tcp_connection_ends_when_its_entry_moves_or_goes(pod, flow):
    moved, gone = flow("tcp", 80), flow("tcp", 443)
    moved.ask()
    gone.ask()
    set_up(pod, table("80 tcp {1}"))
    assert moved.refused()
    assert gone.refused()


def test_flows_of_unchanged_entries_live_on(pod, family, flow):
    flows = [flow("tcp", 443), flow("udp", 443), flow("udp", 8085)]
    pod.outside.listen("udp", shapes.OUTSIDE[family], (8085,))
    for each in flows:
        each.ask()
    moving = flow("udp", 80)
    moving.ask()
    before = tracked(pod, family)
    assert len(before) == 4
    set_up(pod, table("80 udp {1}", "443 udp {0} 5353", "8081-8090 udp {0}", "443 tcp {0}"))
    kept = tracked(pod, family)
    assert [line for line in before if line not in kept] == [
        line for line in before if f"sport={moving.source_port} " in line]
    for each in flows:
        each.ask()
    assert tracked(pod, family) == kept


def test_same_table_ends_nothing(pod, family, flow):
    flows = [flow("tcp", 80), flow("udp", 443), flow("udp", 80)]
    for each in flows:
        each.ask()
    before = tracked(pod, family)
    assert len(before) == len(flows)
    set_up(pod, BEFORE)
    assert tracked(pod, family) == before
    for each in flows:
        each.ask()
    assert tracked(pod, family) == before


def test_hundreds_of_flows_move_at_once(make_lab, family):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    set_up(lab, BEFORE)
    flows = []
    try:
        flows += [Flow(lab, "udp", family, 80) for _ in range(300)]
        for each in flows:
            each.ask()
        done = lab.router(lab.dual_stack(EGRESS_DESTINATION=table("80 udp {1}"), **FAST))
        assert "conntrack entries deleted: 300" in done.stdout + done.stderr
        lab.outside.forget()
        for each in flows:
            each.ask()
        assert {seen.destination for seen in lab.outside.seen()} == {shapes.OUTSIDE[family][SECOND]}
    finally:
        for each in flows:
            each.socket.close()


def test_run_killed_before_it_ended_flows_is_healed_by_the_next(make_lab):
    """Killed at each message that it sends, the loading of the table and the deletion of flows among them."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    targets = (FIRST, SECOND)
    set_up(lab, table("80 udp {0}"))
    udp = Flow(lab, "udp", 4, 80)
    with udp.socket:
        udp.ask()
        for number in range(1, 100):
            index = targets[number % 2]
            variables = lab.dual_stack(EGRESS_DESTINATION=table(f"80 udp {{{index}}}"), **FAST)
            done = run("pod", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto",
                       "-e", f"inject=sendto:signal=KILL:when={number}", programs() / "egress-router",
                       env=variables, check=False)
            lab.router(variables)
            assert udp.place() == (shapes.OUTSIDE[4][index], 80), f"killed at message {number}"
            if done.returncode == 0:
                return
    pytest.fail("over 100 messages")


def test_what_the_pod_opened_itself_is_left_alone(pod, family):
    with connect("pod", "tcp", shapes.OUTSIDE[family][FIRST], 443) as own:
        own.sendall(b"before")
        assert receive(own, 6) == b"before"
        set_up(pod, table("443 tcp {1}", "{2}"))
        own.sendall(b"after")
        assert receive(own, 5) == b"after"
    ask("pod", "udp", shapes.DNS[family], 53, b"\0" * 20)


def test_udp_flow_that_began_during_the_first_set_up_is_translated(make_lab, family):
    """A client that never pauses: its conntrack entry is as old as the lockdown ruleset."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    ended = threading.Event()
    with connect("client", "udp", lab.shape.pod(family), 80) as peer:
        def send():
            while not ended.is_set():
                with contextlib.suppress(ConnectionRefusedError):
                    peer.send(b"hello")
                ended.wait(0.005)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            with lab.start("egress-router", lab.dual_stack(EGRESS_DESTINATION=BEFORE, EGRESS_ADDRESS_PROBE="500ms")) as process:
                wait_for(lambda: tracked(lab, family), "an entry of before the ruleset")
                assert process.poll() is None and not lab.outside.seen()
                assert process.wait(timeout=10) == 0
            assert lab.outside.wait_for(protocol="udp").destination == shapes.OUTSIDE[family][FIRST]
        finally:
            ended.set()
            sender.join()


def test_kernel_without_ctnetlink_is_a_warning(pod, family, flow):
    """One that lets nobody open the socket for it."""
    udp = flow("udp", 80)
    udp.place()

    def change_to(index, *inject):
        return run("pod", "strace", "-f", "-qq", "-e", "trace=socket", *inject, programs() / "egress-router",
                   env=pod.dual_stack(EGRESS_DESTINATION=table(f"80 udp {{{index}}}"), **FAST)).stderr

    opened = [line for line in change_to(THIRD).splitlines() if "socket(" in line]
    # To read the table, to load it, to read conntrack entries and to delete them.
    [_, _, conntrack, _] = [at for at, line in enumerate(opened, 1) if "NETLINK_NETFILTER" in line]
    place = udp.place()
    assert place[0] == shapes.OUTSIDE[family][THIRD]
    log = change_to(SECOND, "-e", f"inject=socket:error=EPROTONOSUPPORT:when={conntrack}")
    assert "nf_conntrack_netlink" in log
    assert udp.place() == place  # as before, until it pauses
    pod.outside.forget()
    ask("client", "udp", pod.shape.pod(family), 80)
    assert pod.outside.seen()[-1].destination == shapes.OUTSIDE[family][SECOND]
