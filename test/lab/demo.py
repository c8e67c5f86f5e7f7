"""Shows the reference scenario for real, in each shape of pod network: sets the router pod up, connects to it, and
prints what the outside saw. Everything printed comes from sockets, captures and the programs' own output; exit 0
only where all of it is as it should be.

    test/lab/sandbox /usr/bin/python3 test/lab/demo.py [SHAPE...]"""

import re
import sys
import time

import shapes
from capture import Capture
from demo_dns import DnsProxyDemo
from demo_http import HttpProxyDemo
from lab import Lab
from netns import run, wait_for
from peers import ask
from recorder import Recorder

PICTURE = """\
The lab. Each name is a network namespace, each line a link; every packet below is a real one.

   the cluster's network                                   the external network

   client ---- cluster ---- eth0 [router pod] macvlan0 --+  {source}
                  |                                      |
                  +-------------- node --------- uplink -+--- lan ---- gateway ---- outside
                                                               |    {gateway}    203.0.113.25
                                                           neighbour              203.0.113.26
                                                                                  203.0.113.27
"""

# Protocol and port that the client asks the pod for, and where the table says it goes.
CONNECTIONS = (
    ("tcp", 80, ("203.0.113.25", 80)),
    ("tcp", 8080, ("203.0.113.26", 80)),
    ("tcp", 8443, ("203.0.113.26", 443)),
    ("tcp", 9000, ("203.0.113.27", 9000)),
    ("udp", 5353, ("203.0.113.27", 5353)),
    ("udp", 80, ("203.0.113.27", 80)),
)
WRONG_TABLE = "80 tcp 203.0.113.25\n8443 tcp 999.1.1.1\n8080 tpc 203.0.113.26 80\n"
ANNOUNCE_SECONDS = 4.0  # the second announcement is due two seconds after egress-wait starts


class Demo:
    def __init__(self, lab):
        self.lab = lab
        self.wrong = []

    def show(self):
        with Capture("gateway", "lan") as wire:
            started = time.time()
            self._set_up(started)
            wait = self.lab.start("egress-wait", self.lab.variables())
            try:
                waiting_since = time.time()
                self._connections()
                self._from_outside()
                self._wrong_configuration()
                self._announcements(wire, started, waiting_since)
            finally:
                wait.terminate()
                wait.wait(timeout=5)
        self._expect(wait.returncode == 0, f"egress-wait ended with {wait.returncode} at SIGTERM")

    def _expect(self, holds, otherwise):
        """The mark for the end of a line."""
        if not holds:
            self.wrong.append(f"{self.lab.shape.name}: {otherwise}")
        return "" if holds else "   <-- WRONG"

    def _set_up(self, started):
        done = self.lab.router(self.lab.variables(), check=False)
        mark = self._expect(done.returncode == 0, f"egress-router ended with {done.returncode}")
        print(f"  $ egress-router   exit {done.returncode} after {time.time() - started:.2f} s{mark}")
        _print_output(done.stderr)

    def _connections(self):
        pod = self.lab.shape.pod(4)
        rows = [("client asked", "entry", "outside saw")]
        marks = [""]
        for protocol, port, expected in CONNECTIONS:
            self.lab.outside.forget()
            try:
                ask("client", protocol, pod, port, seconds=1)
                answer = "answered"
            except OSError as error:
                answer = f"no answer: {error}"
            seen = self.lab.outside.seen()
            told = "; ".join(f"{s.source} to {s.destination}:{s.port}" for s in seen) or "nothing"
            rows.append((f"{protocol} {pod}:{port}", self._entry(protocol, port), f"{told}, {answer}"))
            right = [(s.protocol, s.source, (s.destination, s.port)) for s in seen] == [
                (protocol, shapes.SOURCE4, expected)]
            marks.append(self._expect(right and answer == "answered",
                                      f"{protocol} {port}: outside saw {told}, {answer}"))
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for row, mark in zip(rows, marks):
            print(f"    {row[0]:{widths[0]}} -> {row[1]:{widths[1]}} -> {row[2]}{mark}")

    def _entry(self, protocol, port):
        """The entry that egress-router says takes it."""
        told = self.lab.router(self.lab.variables(), "--explain", f"{protocol} {port}", check=False)
        entry = re.search(r'line \d+, "([^"]*)"', told.stdout)
        return entry.group(1) if entry else f"(--explain: {(told.stdout + told.stderr).strip()})"

    def _from_outside(self):
        listener = Recorder("pod")
        listener.listen("tcp", ("0.0.0.0",), (8080, 2222))
        try:
            for origin in ("neighbour", "outside"):
                for port in (8080, 2222):
                    self._attempt(origin, port, listener)
        finally:
            listener.close()

    def _attempt(self, origin, port, listener):
        before = len(self.lab.outside.seen())
        with Capture("pod", "macvlan0") as wire:
            try:
                ask(origin, "tcp", shapes.SOURCE4, port, seconds=0.4)
                answer = "ANSWERED"
            except TimeoutError:
                answer = "no answer"
            except OSError as error:
                answer = f"{error.strerror}"
            arrived = len([f for f in wire.all() if f[12:14] == b"\x08\x00" and f[23] == 6 and f[0] & 1 == 0])
        closed = answer != "ANSWERED" and not listener.seen() and len(self.lab.outside.seen()) == before
        mark = self._expect(closed and arrived, f"{origin} to {shapes.SOURCE4}:{port}: {answer}, {arrived} packets")
        print(f"    {origin} tried tcp {shapes.SOURCE4}:{port}, where the pod listens -> {answer} "
              f"({arrived} packet{'' if arrived == 1 else 's'} reached macvlan0){mark}")

    def _wrong_configuration(self):
        before = self.lab.state()
        done = self.lab.router(self.lab.variables(EGRESS_DESTINATION=WRONG_TABLE), check=False)
        same = not self.lab.changes(before)
        mark = self._expect(done.returncode == 3 and same, f"a wrong table: exit {done.returncode}, unchanged: {same}")
        print(f"  a wrong table: exit {done.returncode}, the pod is {'as it was' if same else 'CHANGED'}{mark}")
        _print_output(done.stderr)

    def _announcements(self, wire, started, waiting_since):
        def announced():
            return [(at, arp) for at, arp in wire.arps() if arp.is_announcement and arp.sender == shapes.SOURCE4]
        try:
            wait_for(lambda: [at for at, _ in announced() if at > waiting_since], "second announcement",
                     ANNOUNCE_SECONDS)
        except AssertionError:
            pass
        mac = self.lab.mac("pod", "macvlan0")
        by_wait = [at for at, _ in announced() if at > waiting_since]
        first = [at for at, _ in announced() if at <= waiting_since]
        mark = self._expect(first and by_wait and all(arp.sender_mac == mac for _, arp in announced()),
                            f"announcements: {len(first)} by egress-router, {len(by_wait)} by egress-wait")
        print(f"  ARP that the gateway saw, {shapes.SOURCE4} being at {mac}:{mark}")
        for at, arp in wire.arps():
            if arp.is_probe and arp.target == shapes.SOURCE4:
                print(f"    {at - started:5.2f} s  probe, does anybody hold {arp.target}? asked by {arp.sender_mac}")
        for at, arp in announced():
            sender = "egress-wait" if at > waiting_since else "egress-router"
            print(f"    {at - started:5.2f} s  announcement, {arp.sender} is at {arp.sender_mac} ({sender})")


def _print_output(text):
    for line in text.rstrip("\n").splitlines():
        print(f"    | {line}")


def show_act(title, act, shape):
    """One of the proxies, in one shape: how its pod is joined makes no difference to it."""
    print(f"\n---- {title} ({shape.name})")
    with Lab(shape) as lab:
        demo = act(lab)
        demo.show()
        return demo.wrong


def main(names):
    chosen = [shapes.SHAPES[name] for name in names] if names else list(shapes.SHAPES.values())
    print(PICTURE.format(source=shapes.SOURCE4, gateway=shapes.GATEWAY4))
    print(f"EGRESS_SOURCE={shapes.SOURCE4}  EGRESS_GATEWAY={shapes.GATEWAY4}  EGRESS_DESTINATION:")
    for line in shapes.REFERENCE_TABLE.splitlines():
        print(f"  {line}")
    wrong = []
    print("\n---- Act one: to addresses, by nftables")
    for shape in chosen:
        with Lab(shape) as lab:
            routes = run("pod", "ip", "-4", "route", "show", "default").stdout.strip()
            made = "there from the start" if shape.has_macvlan else "made on the node's uplink"
            print(f"\n== {shape.name}: pod {shape.pod(4)}, {routes}; macvlan0 {made}")
            demo = Demo(lab)
            demo.show()
            wrong += demo.wrong
    wrong += show_act("Act two: by the HTTP proxy", HttpProxyDemo, chosen[-1])
    wrong += show_act("Act three: by the DNS proxy", DnsProxyDemo, chosen[-1])
    print("\n" + ("All as it should be." if not wrong else "NOT as it should be:\n  " + "\n  ".join(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in shapes.SHAPES]
    if unknown:
        sys.exit(f"no shape {unknown[0]}; there are: {', '.join(shapes.SHAPES)}")
    sys.exit(main(sys.argv[1:]))
