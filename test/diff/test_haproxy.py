"""The same scenarios to HAProxy, set up as OpenShift's egress-dns-proxy sets it up, and to this project's proxy, in the
same lab. OUTCOMES is the whole comparison: what the one does, what the other does, for each scenario; any other outcome
fails, of either."""

import contextlib
import re
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dns"))

import shapes  # noqa: E402
from dns_proxy import DnsProxy  # noqa: E402
from kit import A, A6, B, C, Fate, ask_in_turn, fate, lab, places  # noqa: E402, F401
from nameserver import Nameserver  # noqa: E402
from netns import start, wait_for  # noqa: E402
from peers import connect, receive, transfer  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy")

TABLE = "80 www.example.com\n"
ONE, TWO, ALL = ({"www.example.com": addresses} for addresses in ([A], [A, B], [A, B, C]))
HOLD = 10  # seconds that the predecessor's HAProxy keeps an answer


class Refused(Exception):
    """The table is not taken, or the program does not come up with it."""


def haproxy_configuration(table, records):
    """The predecessor's limits, resolver and servers; `records` are what it counts by dig when it starts."""
    text = f"""
global
    pidfile /dev/null
    maxconn 8000
defaults
    mode tcp
    option dontlognull
    option redispatch
    retries 3
    timeout queue 1m
    timeout connect 10s
    timeout client 1m
    timeout server 1m
    timeout check 10s
resolvers dns-resolver
    nameserver ns1 {shapes.DNS4}:53
    resolve_retries 3
    timeout retry 1s
    hold valid {HOLD}s
"""
    ports = set()
    for number, line in enumerate(table.splitlines(), 1):
        found = re.fullmatch(r"(\d+) +([\w-]+\.[\w.-]+)(?: +(\d+))?", line)
        if not found or found[1] in ports:
            raise Refused(line)
        ports.add(found[1])
        is_name = not re.fullmatch(r"[\d.]+", found[2])
        count = len([each for each in records.get(found[2], []) if ":" not in each]) if is_name else 1
        server = f"server-template dest {count}" if count > 1 else "server dest1"
        resolvers = "resolvers dns-resolver resolve-prefer ipv4" if is_name else ""
        text += (f"frontend fe{number}\n    bind :{found[1]}\n    default_backend be{number}\n"
                 f"backend be{number}\n    {server} {found[2]}:{found[3] or found[1]} check {resolvers}\n")
    return text


class Haproxy:
    def __init__(self, lab, table, records, folder):
        lab.router(lab.dual_stack(EGRESS_ROUTER_MODE="dns-proxy", EGRESS_DESTINATION=None, EGRESS_ADDRESS_PROBE="off"))
        path = folder / "haproxy.cfg"
        path.write_text(haproxy_configuration(table, records))
        self.process = start("pod", "haproxy", "-db", "-f", path)
        port = int(table.split()[0])
        wait_for(lambda: self.process.poll() is not None or self._listens(lab, port), "HAProxy to start", 20)
        if self.process.poll() is not None:
            raise Refused(self.process.communicate()[1])

    @staticmethod
    def _listens(lab, port):
        try:
            connect("client", "tcp", lab.shape.pod(4), port, seconds=1).close()
            return True
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate(timeout=10)


class Ours(DnsProxy):
    def __init__(self, lab, table, _records, _folder):
        super().__init__(lab, table)
        if self.process.poll() is not None:
            raise Refused(self.process.communicate()[1])
        with contextlib.suppress(AssertionError):  # where a name does not resolve it does not get ready
            wait_for(self.is_ready, "the names to resolve", 2)


class World:
    """The lab, its nameserver and fate, and how to start the subject in it."""

    def __init__(self, lab, fate, subject, folder):
        self.lab, self.fate, self.subject, self.folder = lab, fate, subject, folder
        self.names = None

    def proxy(self, table, records):
        self.names = Nameserver(self.lab, records)
        return self.subject(self.lab, table, records, self.folder)

    def asked(self, count=10, port=80, seconds=5):
        """How many of so many connections were answered in time."""
        failed = ask_in_turn(self.lab.shape.pod(4), port, count, seconds=seconds)
        return "all answered" if not failed else "none answered" if len(failed) == count else "some not answered"

    def reached(self, count=12):
        self.lab.outside.forget()
        ask_in_turn(self.lab.shape.pod(4), 80, count, seconds=5)
        return len(places(self.lab))


def plain(world):
    with world.proxy(TABLE + "81 www.example.com 80\n443 203.0.113.26\n", ONE):
        told = {world.asked(3, port) for port in (80, 81, 443)}
        sources = {seen.source for seen in world.lab.outside.seen() if seen.port != 53}
        return f"{told.pop() if len(told) == 1 else told}, from {sources.pop() if len(sources) == 1 else sources}"


def ipv6_only(world):
    with world.proxy(TABLE, {"www.example.com": [A6]}):
        return world.asked()


def one_label(world):
    with world.proxy("80 db\n", {"db.default.svc.cluster.local": [B]}):
        return world.asked()


def udp(world):
    with world.proxy("53 udp www.example.com\n", ONE):
        return "taken"


def port_twice(world):
    with world.proxy(TABLE + TABLE, ONE):
        return "taken"


def turns(world):
    with world.proxy(TABLE, ALL):
        return f"{world.reached()} of 3 addresses"


def moves(world):
    with world.proxy(TABLE, ONE):
        world.names.change({"www.example.com": [B]})
        deadline = time.monotonic() + HOLD + 5
        while time.monotonic() < deadline:
            world.lab.outside.forget()
            if world.asked(1) == "all answered" and places(world.lab) == {B}:
                return "the new address"
            time.sleep(0.2)
        return "the old address"


def grows(world):
    with world.proxy(TABLE, ONE):
        world.names.change(ALL)
        time.sleep(HOLD + 3)
        return f"{world.reached()} of 3 addresses"


def dns_dies(world):
    with world.proxy(TABLE, ONE):
        world.names.close()
        world.names = None
        time.sleep(3)
        return world.asked()


def unknown_beside(world):
    with world.proxy(TABLE + "81 later.example.com 80\n", ONE):
        return world.asked()


def unknown_then_known(world):
    with world.proxy("80 later.example.com\n", {"www.example.com": [A]}):
        world.names.change({"later.example.com": [A]})
        wait_for(lambda: world.asked(1) == "all answered", "the name to be used", HOLD + 5)
        return "all answered"


def refuses(world):
    with world.proxy(TABLE, TWO):
        world.fate.set(**{Fate.name(A): "refused"})
        return world.asked()


def black_hole(world):
    with world.proxy(TABLE, TWO):
        world.fate.set(**{Fate.name(A): "silent"})
        return world.asked(4)


def half_close(world):
    with world.proxy(TABLE, ONE), connect("client", "tcp", world.lab.shape.pod(4), 80) as peer:
        peer.sendall(b"all of it")
        peer.shutdown(socket.SHUT_WR)
        return "kept" if receive(peer, 9) == b"all of it" and peer.recv(1) == b"" else "lost"


def much(world):
    with world.proxy(TABLE, ONE):
        transfer("client", world.lab.shape.pod(4), 80, 16 << 20).close()
        return "16 MiB each way"


def ends(world):
    with world.proxy(TABLE, ONE) as proxy, connect("client", "tcp", world.lab.shape.pod(4), 80) as peer:
        peer.sendall(b"one")
        assert receive(peer, 3) == b"one"
        proxy.process.terminate()
        wait_for(lambda: world.asked(1) == "none answered", "the listener to close")
        try:
            peer.sendall(b"two")
            return "finishes" if receive(peer, 3) == b"two" else "cut"
        except OSError:
            return "cut"


REFUSED = "the program does not start"

# What each does: (HAProxy as the predecessor sets it up, egress-dns-proxy).
OUTCOMES = {
    plain: (f"all answered, from {shapes.SOURCE4}",) * 2,
    ipv6_only: ("all answered",) * 2,
    turns: ("3 of 3 addresses",) * 2,
    moves: ("the new address",) * 2,
    dns_dies: ("all answered",) * 2,
    refuses: ("all answered",) * 2,
    unknown_beside: ("all answered",) * 2,
    unknown_then_known: ("all answered",) * 2,
    half_close: ("kept",) * 2,
    much: ("16 MiB each way",) * 2,
    port_twice: (REFUSED,) * 2,
    # Where the two differ on purpose.
    one_label: (REFUSED, "all answered"),
    udp: (REFUSED, "taken"),
    grows: ("1 of 3 addresses", "3 of 3 addresses"),
    black_hole: ("some not answered", "all answered"),
    ends: ("cut", "finishes"),
}


@pytest.mark.parametrize("subject", [Haproxy, Ours], ids=["haproxy", "ours"])
@pytest.mark.parametrize("scenario", OUTCOMES, ids=lambda scenario: scenario.__name__)
def test_same_scenario(lab, fate, scenario, subject, tmp_path):  # noqa: F811
    world = World(lab, fate, subject, tmp_path)
    try:
        outcome = scenario(world)
    except Refused:
        outcome = REFUSED
    finally:
        if world.names:
            world.names.close()
    assert outcome == OUTCOMES[scenario][subject is Ours]
