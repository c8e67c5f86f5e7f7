"""What egress-wait does while the pod lives: it defends the address, watches the gateway, puts a changed table in force
under traffic, and tells of all that on its admin endpoint."""

import json
import re
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

import shapes
from capture import Capture
from lab import programs
from netns import inside, ip_batch, run, start, wait_for
from packets import send_frame
from peers import answers, ask, connect, receive

FOREIGN_MAC = "02:00:00:00:66:66"
ADMIN = 9190
UNPRIVILEGED = ("setpriv", "--reuid=1001", "--regid=0", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                "--no-new-privs")


class Waiting:
    """A pod that is set up for both families, and egress-wait in it."""

    def __init__(self, lab, folder, *prefix, program="egress-wait", binaries=None, table=None, **variables):
        """`binaries`: a folder with the program, where it is not that of all others."""
        self.lab, self.table = lab, folder / "table"
        given = lab.dual_stack(EGRESS_ADDRESS_PROBE="off", EGRESS_ADMIN_LISTEN=f":{ADMIN}")
        if table is not None:
            self.table.write_text(table)
            for each in (folder, *folder.parents[:-2]):  # for another user too
                each.chmod(0o755)
            given |= {"EGRESS_DESTINATION_FILE": str(self.table)}
            del given["EGRESS_DESTINATION"]
        if program == "egress-wait":
            lab.router(given)
        else:
            given["EGRESS_ROUTER_MODE"] = "legacy"
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = start("pod", *prefix, (binaries or programs()) / program, stderr=log, env=given | {
                "EGRESS_GATEWAY_CHECK_INTERVAL": "1s"} | variables)
        wait_for(lambda: "holding the pod" in self.log(), "the start", 10)

    def log(self):
        return self.log_path.read_text()

    def get(self, path):
        with inside("pod"), socket.create_connection(("127.0.0.1", ADMIN), timeout=5) as admin:
            admin.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            head, _, body = b"".join(iter(lambda: admin.recv(65536), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def metric(self, name):
        found = re.search(rf"^egress_router_{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.M)
        return float(found.group(1)) if found else None

    def wait_for_metric(self, name, value, seconds=10):
        wait_for(lambda: self.metric(name) == value, f"{name} to be {value}, not {self.metric(name)}", seconds)

    def end(self):
        if self.process.poll() is None:
            began = time.monotonic()
            self.process.terminate()
            assert self.process.wait(5) == 0 and time.monotonic() - began < 2


@pytest.fixture
def waiting(make_lab, tmp_path):
    made = []

    def make(*prefix, shape=shapes.OVN_KUBERNETES, **options):
        made.append(Waiting(make_lab(shape), tmp_path, *prefix, **options))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.wait(5)


# The address.


def claim4():
    send_frame("neighbour", "eth0", Ether(src=FOREIGN_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=FOREIGN_MAC, psrc=shapes.SOURCE4, pdst=shapes.SOURCE4))


def claim6():
    send_frame("neighbour", "eth0", Ether(src=FOREIGN_MAC, dst="33:33:00:00:00:01") / IPv6(
        src=shapes.SOURCE6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=shapes.SOURCE6, R=0, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=FOREIGN_MAC))


@pytest.mark.parametrize("claim, address", [(claim4, shapes.SOURCE4), (claim6, shapes.SOURCE6)], ids=["ipv4", "ipv6"])
def test_the_address_is_defended_once_then_the_conflict_is_told(waiting, claim, address):
    pod = waiting()
    mac = pod.lab.mac("pod", "macvlan0")
    assert pod.metric("address_defence") == 1 and pod.get("/readyz")[0] == 200
    wait_for(lambda: f"announced {address}" in pod.log(), "the second announcement")
    with Capture("neighbour", "eth0") as wire:
        claim()
        wait_for(lambda: pod.metric("address_conflicts_total") == 1, "the claim to be counted")
        wait_for(lambda: wire.all(lambda frame: frame[6:12].hex(":") == mac and frame[:2] in (b"\xff\xff", b"\x33\x33")),
                 "a defence")
    assert f"{address} is claimed by the host with MAC address {FOREIGN_MAC} on macvlan0: defended" in pod.log()
    assert pod.get("/readyz")[0] == 200


@pytest.mark.parametrize("claim, address", [(claim4, shapes.SOURCE4), (claim6, shapes.SOURCE6)], ids=["ipv4", "ipv6"])
def test_a_host_that_holds_the_address_confirms_the_conflict(waiting, claim, address):
    """Its kernel answers the probe that goes with the defense."""
    pod = waiting()
    run("neighbour", "ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    claim()
    pod.wait_for_metric(f'address_contested{{address="{address}"}}', 1)
    status, why = pod.get("/readyz")
    assert status == 503 and f"another host claims {address}" in why
    assert pod.log().count(f"error egress-wait: {address} is held by two") == 1


# Sends `count` ARP claims in 3 s, from the namespace that it runs in.
FLOOD = """
import socket, sys, time
frame, count = bytes.fromhex(sys.argv[1]), int(sys.argv[2])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind(("eth0", 0))
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < 3:
        while sent < count * now / 3:
            raw.send(frame)
            sent += 1
print(sent)
"""


def test_a_flood_of_claims_delays_no_probe_and_hides_no_gateway(waiting):
    pod = waiting()
    pod.wait_for_metric(f'gateway_up{{gateway="{shapes.GATEWAY4}"}}', 1)
    frame = bytes(Ether(src=FOREIGN_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=FOREIGN_MAC, psrc=shapes.SOURCE4, pdst=shapes.SOURCE4))
    flood = start("neighbour", sys.executable, "-c", FLOOD, frame.hex(), "420000")
    delays, gateway = [], []
    while flood.poll() is None:
        asked = time.monotonic()
        pod.get("/livez")
        delays.append(time.monotonic() - asked)
        gateway.append(pod.metric(f'gateway_up{{gateway="{shapes.GATEWAY4}"}}'))
    sent = int(flood.communicate()[0])
    assert sent > 40_000
    assert sorted(delays)[len(delays) // 2] < 0.02 and max(delays) < 0.5
    assert set(gateway) == {1}
    # Most are dropped by the kernel, before they cost anything.
    assert 1 <= pod.metric("address_conflicts_total") < sent / 5


def test_what_is_no_claim_is_not_counted(waiting):
    pod = waiting()
    for frame in (ARP(op=1, hwsrc=FOREIGN_MAC, psrc="0.0.0.0", pdst=shapes.SOURCE4),  # a probe: the kernel answers
                  ARP(op=1, hwsrc=FOREIGN_MAC, psrc=shapes.NEIGHBOUR4, pdst=shapes.SOURCE4),
                  ARP(op=2, hwsrc=FOREIGN_MAC, psrc="10.42.253.200", pdst=shapes.SOURCE4)):
        send_frame("neighbour", "eth0", Ether(src=FOREIGN_MAC, dst="ff:ff:ff:ff:ff:ff") / frame)
    claim4()
    pod.wait_for_metric("address_conflicts_total", 1)


def test_without_privilege_it_says_so_and_holds(waiting):
    pod = waiting(*UNPRIVILEGED, table="80 tcp 203.0.113.25\n")
    wait_for(lambda: "will not be noticed" in pod.log(), "the log")
    assert pod.metric("address_defence") == 0
    assert "will need a new pod: this container lacks CAP_NET_ADMIN" in pod.log()
    ask("client", "tcp", pod.lab.shape.pod(4), 80)
    pod.wait_for_metric(f'gateway_up{{gateway="{shapes.GATEWAY4}"}}', 1)
    pod.table.write_text("81 tcp 203.0.113.25 80\n")
    pod.wait_for_metric("reload_refused", 1)
    assert "has changed: the table in force stays the old one" in pod.log()
    ask("client", "tcp", pod.lab.shape.pod(4), 80)
    pod.end()


# The gateway.


def test_a_silent_gateway_is_told_and_its_return(waiting):
    pod = waiting()
    for gateway in (shapes.GATEWAY4, shapes.GATEWAY6):
        pod.wait_for_metric(f'gateway_up{{gateway="{gateway}"}}', 1)
    ip_batch("gateway", ["link set lan down"])
    for gateway in (shapes.GATEWAY4, shapes.GATEWAY6):
        pod.wait_for_metric(f'gateway_up{{gateway="{gateway}"}}', 0)
    status, why = pod.get("/readyz")
    assert status == 503 and f"the gateway {shapes.GATEWAY4} does not answer" in why
    assert pod.get("/livez")[0] == 200
    ip_batch("gateway", ["link set lan up"])
    pod.wait_for_metric(f'gateway_up{{gateway="{shapes.GATEWAY4}"}}', 1)
    wait_for(lambda: f"the gateway {shapes.GATEWAY4} answers again" in pod.log(), "the log")


# The table.


class Stream:
    """A connection of the client over which bytes go all the time."""

    def __init__(self, pod, port):
        self.peer = connect("client", "tcp", pod.lab.shape.pod(4), port)
        self.turns, self.error, self._stop = 0, None, threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self):
        try:
            while not self._stop.wait(0.005):
                self.peer.sendall(b"tick")
                receive(self.peer, 4)
                self.turns += 1
        except OSError as error:
            self.error = error

    def end(self):
        self._stop.set()
        self._thread.join()
        self.peer.close()
        return self.error


@pytest.mark.parametrize("program", ["egress-wait", "egress-router"], ids=["init", "legacy"])
def test_a_changed_table_is_in_force_and_what_is_as_it_was_goes_on(waiting, program):
    pod = waiting(program=program, table="80 tcp 203.0.113.25\n5353 udp 203.0.113.25\n")
    address = pod.lab.shape.pod(4)
    pod.wait_for_metric("reloads_total", 1)  # it makes sure once that the file is in force
    stream = Stream(pod, 80)
    udp = connect("client", "udp", address, 5353)
    udp.sendall(b"one")
    assert udp.recv(9) == b"one"
    mac = pod.lab.mac("pod", "macvlan0")
    pod.table.write_text("80 tcp 203.0.113.25\n81 tcp 203.0.113.26 80\n5353 udp 203.0.113.26\n")
    pod.wait_for_metric("reloads_total", 2)
    ask("client", "tcp", address, 81)
    pod.lab.outside.forget()
    udp.sendall(b"two")
    assert udp.recv(9) == b"two"
    assert {seen.destination for seen in pod.lab.outside.seen() if seen.protocol == "udp"} == {"203.0.113.26"}
    before = stream.turns
    wait_for(lambda: stream.turns > before + 20, "the old connection to go on")
    assert stream.end() is None
    assert pod.lab.mac("pod", "macvlan0") == mac
    udp.close()
    pod.end()


def test_a_wrong_table_changes_nothing_and_is_told(waiting):
    pod = waiting(table="80 tcp 203.0.113.25\n")
    pod.wait_for_metric("reloads_total", 1)
    pod.table.write_text("80 tcp 203.0.113.26\n0 tcp 203.0.113.25\n")
    pod.wait_for_metric("reload_refused", 1)
    assert pod.metric("reload_failures_total") == 1
    assert f"{pod.table}:2:1: error" in pod.log() and "rejected, for the errors above" in pod.log()
    assert pod.get("/readyz")[0] == 200  # what is in force works
    pod.lab.outside.forget()
    ask("client", "tcp", pod.lab.shape.pod(4), 80)
    assert {seen.destination for seen in pod.lab.outside.seen()} == {"203.0.113.25"}
    assert json.loads(pod.get("/status")[1])["table"] == {"refused": True, "taken": 1, "failures": 1}
    pod.table.write_text("80 tcp 203.0.113.26\n")
    pod.wait_for_metric("reload_refused", 0)
    assert pod.metric("reloads_total") == 2


def test_hang_up_applies_the_table_again(waiting):
    pod = waiting(table="80 tcp 203.0.113.25\n")
    pod.wait_for_metric("reloads_total", 1)
    run("pod", "nft", "flush", "ruleset")
    pod.process.send_signal(signal.SIGHUP)
    pod.wait_for_metric("reloads_total", 2)
    ask("client", "tcp", pod.lab.shape.pod(4), 80)


def test_hang_up_without_a_file_is_no_end(waiting):
    pod = waiting()
    pod.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "nothing to reload: EGRESS_DESTINATION_FILE is not set" in pod.log(), "the log")
    pod.end()


@pytest.mark.parametrize("when, in_force, reported", [
    ("before", "203.0.113.25", "the table that was applied before stays"),
    ("after", "203.0.113.26", "the changed table is applied, but stale conntrack entries may remain"),
])
def test_a_reload_that_is_killed_reports_which_table_is_applied(waiting, tmp_path, when, in_force, reported):
    """egress-router as it is, killed before it began or after it loaded the ruleset."""
    binaries, fate = tmp_path / "bin", tmp_path / "fate"
    binaries.mkdir()
    shutil.copy(programs() / "egress-wait", binaries)
    (binaries / "egress-router").write_text(f"""#!/bin/sh
        case $(cat {fate}) in
            before) kill -9 $$ ;;
            after) {programs() / "egress-router"}; kill -9 $$ ;;
        esac
        exec {programs() / "egress-router"}
        """)
    (binaries / "egress-router").chmod(0o755)
    fate.write_text("none")
    pod = waiting(binaries=binaries, table="80 tcp 203.0.113.25\n")
    pod.wait_for_metric("reloads_total", 1)
    fate.write_text(when)
    pod.table.write_text("80 tcp 203.0.113.26\n")
    pod.wait_for_metric("reload_failures_total", 1)
    assert f"egress-router was killed by signal 9; {reported}" in pod.log()
    pod.lab.outside.forget()
    ask("client", "tcp", pod.lab.shape.pod(4), 80)
    assert {seen.destination for seen in pod.lab.outside.seen()} == {in_force}


NET_ADMIN, NET_RAW = 1 << 12, 1 << 13


@pytest.mark.parametrize("table, kept", [(None, NET_RAW), ("80 tcp 203.0.113.25\n", NET_RAW | NET_ADMIN)],
                         ids=["fixed", "reloaded"])
def test_legacy_mode_drops_the_capabilities_that_egress_wait_does_not_need(waiting, table, kept):
    pod = waiting(program="egress-router", table=table)
    status = Path(f"/proc/{pod.process.pid}/status").read_text()
    sets = {name: int(re.search(rf"^Cap{name}:\s*(\w+)", status, re.M)[1], 16) for name in ("Prm", "Eff", "Bnd", "Amb")}
    assert sets == {"Prm": kept, "Eff": kept, "Bnd": kept, "Amb": 0}
    assert "egress-wait" in Path(f"/proc/{pod.process.pid}/comm").read_text()


def test_a_volume_changes_by_its_link(waiting, tmp_path):
    """As kubelet does it: the name leads through a link that is put in place of the old one."""
    for turn, table in (("one", "80 tcp 203.0.113.25\n"), ("two", "81 tcp 203.0.113.25 80\n")):
        (tmp_path / turn).mkdir()
        (tmp_path / turn / "table").write_text(table)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "mounted").symlink_to("..data/table")
    pod = waiting(table="80 tcp 203.0.113.25\n", EGRESS_DESTINATION_FILE=str(tmp_path / "mounted"))
    pod.wait_for_metric("reloads_total", 1)
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    pod.wait_for_metric("reloads_total", 2)
    ask("client", "tcp", pod.lab.shape.pod(4), 81)
    assert not answers("client", "tcp", pod.lab.shape.pod(4), 80, seconds=0.3)


# The endpoint.


def test_idle_connections_do_not_starve_the_probes(waiting):
    pod = waiting()
    with inside("pod"):
        idle = [socket.create_connection(("127.0.0.1", ADMIN), timeout=5) for _ in range(200)]
    for _ in range(20):
        asked = time.monotonic()
        assert pod.get("/readyz")[0] == 200
        assert time.monotonic() - asked < 0.1
    for each in idle:
        each.close()


def test_the_outside_does_not_reach_the_endpoint(waiting):
    pod = waiting()
    assert pod.get("/healthz")[0] == 200
    with pytest.raises(OSError):
        connect("neighbour", "tcp", shapes.SOURCE4, ADMIN, seconds=0.5)
    with connect("client", "tcp", pod.lab.shape.pod(4), ADMIN) as peer:  # the cluster does
        peer.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"200" in peer.recv(100)
    assert pod.metric("conntrack_limit") > pod.metric("conntrack_entries") > 0


def test_a_port_in_use_is_an_error_at_the_start(make_lab, binaries):
    lab = make_lab(shapes.OVN_KUBERNETES)
    with inside("pod"):
        taken = socket.create_server(("", 9190))
    done = run("pod", binaries / "egress-wait", env={"EGRESS_ADMIN_LISTEN": ":9190"}, check=False)
    taken.close()
    assert done.returncode != 0 and "9190" in done.stderr and lab
