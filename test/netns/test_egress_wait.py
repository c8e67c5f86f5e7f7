"""egress-wait as a container runs it: it ends when told, reaps, stays small, is never held by a log that nobody reads,
announces the address a second time, and says what is wrong with its configuration."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA

import shapes
from capture import Capture
from lab import programs
from netns import ip_batch, run, start, wait_for
from packets import ip_of
from peers import ask

INTERNAL, USAGE, CONFIGURATION = 1, 2, 3  # common/exit_code.hpp
HOLDING = "holding the pod until SIGTERM"
WITHOUT_NET_RAW = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--no-new-privs",
                   "--bounding-set=-net_raw", "--inh-caps=-net_raw")


class Wait:
    """A running egress-wait, its standard error in a file that can be read at any time."""

    def __init__(self, binaries, folder, *command, **variables):
        self.log_path = folder / "stderr"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([*command, binaries / "egress-wait"], env=variables, stderr=log)

    def log(self):
        return self.log_path.read_text()

    def wait_for_log(self, text, seconds=5):
        wait_for(lambda: text in self.log(), f"{text!r} in the log", seconds)

    def end(self, number=signal.SIGTERM):
        """Seconds from the signal to the end."""
        told = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(timeout=5) == 0
        return time.monotonic() - told


@pytest.fixture
def wait(binaries, tmp_path):
    started = []

    def make(*command, **variables):
        started.append(Wait(binaries, tmp_path, *command, **variables))
        return started[-1]

    yield make
    for one in started:
        one.process.kill()
        one.process.wait()


def once(binaries, *arguments, **variables):
    """Runs it to its end."""
    return subprocess.run([binaries / "egress-wait", *arguments], env=variables, capture_output=True, text=True,
                          timeout=5)


# It ends when told.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once_with_0(wait, number):
    one = wait()
    one.wait_for_log(HOLDING)
    assert one.end(number) < 0.5


def status_of(process, key):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return re.search(rf"^{key}:\s*(\S+)", status, re.MULTILINE)[1]


def sleeps(process):
    return status_of(process, "Name") == "egress-wait" and status_of(process, "State") == "S"


def awaits_signals(process):
    """It has blocked them; while it sleeps for them the kernel shows them as not blocked."""
    return int(status_of(process, "SigBlk"), 16) >> (signal.SIGTERM - 1) & 1 or sleeps(process)


def test_ends_when_told_in_its_first_moment(wait):
    """Before it has written a line: the signal must be kept, not lost."""
    for _ in range(20):
        one = wait()
        wait_for(lambda: awaits_signals(one.process), "signals to be awaited")
        assert one.end() < 0.5


def test_a_second_signal_changes_nothing(wait):
    one = wait()
    one.wait_for_log(HOLDING)
    os.kill(one.process.pid, signal.SIGSTOP)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.kill(one.process.pid, number)
    assert one.end(signal.SIGCONT) < 0.5


def test_ends_after_the_second_announcement_too(wait):
    one = wait(EGRESS_INTERFACE="lo")
    one.wait_for_log("127.0.0.1")
    assert one.end() < 0.5


def test_signals_that_the_parent_ignores_end_it_all_the_same(wait):
    one = wait("sh", "-c", 'trap "" INT TERM CHLD; exec "$@"', "sh")
    one.wait_for_log(HOLDING)
    assert one.end(signal.SIGINT) < 0.5


# PID 1.


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_reaps_as_pid_1_and_ends(binaries, tmp_path):
    """Orphans of a process that was started beside it, as `kubectl exec` does; none may stay as a zombie."""
    with (tmp_path / "stderr").open("wb") as log:
        outer = subprocess.Popen(["unshare", "--pid", "--fork", binaries / "egress-wait"], env={}, stderr=log)
    try:
        wait_for(lambda: HOLDING in (tmp_path / "stderr").read_text(), "the start")
        [init] = children(outer.pid)
        # The shells end before their sleeps, which fall to PID 1; 40 at once, so that SIGCHLD comes once for many.
        subprocess.run(["nsenter", "--pid", "--target", str(init), "sh", "-c",
                        "for i in $(seq 40); do sh -c 'sleep 1 & true'; done"], check=True)
        wait_for(lambda: len(children(init)) >= 10, "orphans to fall to PID 1")
        wait_for(lambda: not children(init), "all of them to be reaped")
        told = time.monotonic()
        os.kill(init, signal.SIGTERM)
        assert outer.wait(timeout=5) == 0
        assert time.monotonic() - told < 0.5
    finally:
        outer.kill()
        outer.wait()


def test_children_of_before_are_reaped_too(wait):
    """A shell may hand over children that ended before it became egress-wait."""
    one = wait("sh", "-c", 'true & true & sleep 0.1 & exec "$@"', "sh")
    one.wait_for_log(HOLDING)
    wait_for(lambda: not children(one.process.pid), "all of them to be reaped")
    assert one.end() < 0.5


def test_memory(wait):
    one = wait(EGRESS_INTERFACE="lo")
    one.wait_for_log("127.0.0.1")  # after all that it does
    assert int(status_of(one.process, "VmHWM")) < 3072
    assert status_of(one.process, "Threads") == "1"


# The edge: what a program of ours throws, whatever that is.


@pytest.mark.parametrize("program", ["egress-wait", "egress-http-proxy", "egress-dns-proxy"])
def test_an_exception_ends_with_1_and_its_reason(binaries, tmp_path, program):
    """Descriptors that run out at each point of the start in turn."""
    left, ends = tmp_path / "termination-log", set()
    for limit in range(4, 12):
        left.write_text("")
        process = subprocess.Popen(["prlimit", f"--nofile={limit}", binaries / program], text=True, env={
            "EGRESS_TERMINATION_LOG": str(left), "EGRESS_THREADS": "1", "EGRESS_ADMIN_LISTEN": "127.0.0.1:9180",
            "EGRESS_HTTP_PROXY_DESTINATION": "*", "EGRESS_HTTP_PROXY_LISTEN": "127.0.0.1:18080",
            "EGRESS_HTTP_PROXY_DRAIN_DELAY": "0", "EGRESS_DNS_PROXY_DESTINATION": "18081 tcp 192.0.2.9",
            "EGRESS_DNS_PROXY_DRAIN_DELAY": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        log = ""
        for line in process.stderr:
            log += line
            if " info " in line:
                process.terminate()
        process.stderr.close()
        ends.add(process.wait(5))
        if process.returncode == INTERNAL:
            [reason] = left.read_text().splitlines()
            assert reason.startswith("internal error: ") and f"error {program}: {reason}" in log
    assert INTERNAL in ends
    assert not [end for end in ends if end < 0], "ended by a signal"


# A log that nobody reads.


def is_not_held_by_its_log(command, **options):
    """Whether it sleeps in its wait or in a write: from the first only it comes back when it is told to end."""
    process = subprocess.Popen(command, **options)
    try:
        wait_for(lambda: sleeps(process), "it to come to rest")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=2) == 0
    finally:
        process.kill()
        process.wait()


def test_standard_error_is_closed(binaries):
    is_not_held_by_its_log(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", binaries / "egress-wait"], env={})


def test_reader_of_standard_error_is_gone(binaries):
    reader, writer = os.pipe()
    os.close(reader)
    is_not_held_by_its_log([binaries / "egress-wait"], env={}, stderr=writer)
    os.close(writer)


def fill(writer, free):
    """Fills a pipe but for `free` pages."""
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    for _ in range(size // 4096 - free):
        assert os.write(writer, b"x" * 4096) == 4096


@pytest.mark.parametrize("free", [0, 1], ids=["full", "one page free"])
def test_pipe_is_full(binaries, free):
    reader, writer = os.pipe()
    fill(writer, free)
    is_not_held_by_its_log([binaries / "egress-wait"], env={}, stderr=writer)
    os.close(reader)
    os.close(writer)


def test_long_message_does_not_hold_it(binaries):
    """One that is longer than the room that is left in the pipe."""
    reader, writer = os.pipe()
    fill(writer, 1)
    done = subprocess.run([binaries / "egress-wait", "x" * 20_000], env={}, stderr=writer, timeout=5)
    assert done.returncode == USAGE
    os.close(reader)
    os.close(writer)


def test_standard_error_on_a_full_disk(binaries):
    with open("/dev/full", "wb") as full:
        is_not_held_by_its_log([binaries / "egress-wait"], env={}, stderr=full)


# The second announcement.


def announcements(wire, mac):
    return [at for at, arp in wire.arps()
            if arp.is_announcement and arp.sender == shapes.SOURCE4 and arp.sender_mac == mac]


def test_second_announcement_of_both_families_two_seconds_after_the_start(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))
    mac = lab.mac("pod", "macvlan0")
    with Capture("gateway", "lan") as wire:
        began = time.time()
        one = lab.start("egress-wait", {})
        try:
            def is_advertisement(frame):
                ip = ip_of(frame)
                return (ip is not None and ICMPv6ND_NA in ip and ip.dst == "ff02::1"
                        and ip[ICMPv6ND_NA].tgt == shapes.SOURCE6)

            seen = wire.wait_for(is_advertisement, "an advertisement")
            assert seen[6:12].hex(":") == mac
            assert 1.9 < wire.times[wire.frames.index(seen)] - began < 3
            wait_for(lambda: announcements(wire, mac), "an ARP announcement")
            assert 1.9 < announcements(wire, mac)[0] - began < 3
        finally:
            one.terminate()
            log = one.communicate(timeout=5)[1]
    assert f"announced {shapes.SOURCE4} on macvlan0 again" in log
    assert f"announced {shapes.SOURCE6} on macvlan0 again" in log
    assert "fe80" not in log


def start_without_net_raw(log_path):
    with log_path.open("wb") as log:
        # The namespace must be entered before the privilege is given up.
        return start("pod", *WITHOUT_NET_RAW, programs() / "egress-wait", stderr=log)


def questions(wire, mac):
    """ARP broadcasts that bear our address and MAC."""
    return [arp for _, arp in wire.arps() if arp.sender == shapes.SOURCE4 and arp.sender_mac == mac
            and arp.destination_mac == "ff:ff:ff:ff:ff:ff"]


def test_without_the_capability_the_broadcast_that_the_log_claims_is_seen(make_lab, tmp_path):
    lab = make_lab(shapes.CALICO)
    lab.router(lab.dual_stack(EGRESS_ADDRESS_PROBE="off"))
    mac = lab.mac("pod", "macvlan0")
    # Somebody who remembers another host under this address is put right by it.
    ip_batch("neighbour", [f"neighbour replace {shapes.SOURCE4} dev eth0 lladdr 02:00:00:00:00:01 nud stale"])
    with Capture("neighbour", "eth0") as wire:
        one = start_without_net_raw(tmp_path / "log")
        try:
            wait_for(lambda: questions(wire, mac), "a broadcast with our address and MAC")
            [question] = {arp.target for arp in questions(wire, mac)}
            wait_for(lambda: "no CAP_NET_RAW: announced" in (tmp_path / "log").read_text(), "the log")
        finally:
            one.terminate()
            assert one.wait(timeout=2) == 0
    assert question == shapes.GATEWAY4
    log = (tmp_path / "log").read_text()
    assert f"announced {shapes.SOURCE4} on macvlan0 by asking for the gateway {shapes.GATEWAY4}" in log
    assert f"no CAP_NET_RAW: {shapes.SOURCE6} on macvlan0 is not announced a second time" in log
    assert mac in run("neighbour", "ip", "neighbour", "show", shapes.SOURCE4, "dev", "eth0").stdout


def test_without_the_capability_nothing_is_claimed_that_was_not_sent(make_lab, tmp_path):
    """The kernel knows the gateway already, and asks nobody."""
    lab = make_lab(shapes.OPENSHIFT_SDN)
    lab.router(lab.variables(EGRESS_ADDRESS_PROBE="off"))
    mac = lab.mac("pod", "macvlan0")
    ask("client", "tcp", lab.shape.pod(4), 80)
    with Capture("neighbour", "eth0") as wire:
        one = start_without_net_raw(tmp_path / "log")
        try:
            wait_for(lambda: shapes.SOURCE4 in (tmp_path / "log").read_text(), "the log")
        finally:
            one.terminate()
            assert one.wait(timeout=2) == 0
        assert not questions(wire, mac)
    log = (tmp_path / "log").read_text()
    assert f"no CAP_NET_RAW: {shapes.SOURCE4} on macvlan0 is not announced a second time" in log


def test_no_interface(wait):
    one = wait(EGRESS_INTERFACE="net7")
    one.wait_for_log("net7")
    assert "info egress-wait: net7 has no address to announce" in one.log()
    assert one.process.poll() is None
    assert one.end() < 0.5


# Configuration and command line.


def test_bad_value_is_told_with_a_caret_and_left_for_kubectl_describe(binaries, tmp_path):
    left = tmp_path / "termination-log"
    left.write_text("of before" * 100)
    done = once(binaries, EGRESS_LOG_LEVEL="loud\x1b", EGRESS_TERMINATION_LOG=str(left))
    assert done.returncode == CONFIGURATION
    told = ('EGRESS_LOG_LEVEL:1:1: error: found "loud\\x1b", expected debug, info, warn or error\n'
            "  1 | loud\\x1b\n"
            "    | ^~~~~~~~\n")
    assert left.read_text() == told
    assert done.stderr.endswith("error egress-wait: " + told.rstrip("\n").replace("\n", "\n  ") + "\n")
    assert done.stdout == ""


def test_without_a_termination_log_none_is_made(binaries, tmp_path):
    missing = tmp_path / "missing"
    assert once(binaries, EGRESS_LOG_LEVEL="loud", EGRESS_TERMINATION_LOG=str(missing)).returncode == CONFIGURATION
    assert not missing.exists()


def test_check(binaries):
    done = once(binaries, "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("info egress-wait: the configuration is valid\n")
    assert once(binaries, "--check", EGRESS_LOG_FORMAT="xml").returncode == CONFIGURATION


def test_log_level_and_format(binaries):
    assert once(binaries, "--check", EGRESS_LOG_LEVEL="warn").stderr == ""
    line = once(binaries, "--check", EGRESS_LOG_FORMAT="json").stderr
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {"level": "info", "program": "egress-wait", "message": "the configuration is valid"}


@pytest.mark.parametrize("arguments, named", [
    (["--chekc"], '"--chekc"'),
    ([""], '""'),
    (["--check", "more"], '"more"'),
    (["--bogus", "--check"], '"--bogus"'),
    (["--help", "--version"], '"--version"'),
    (["\x1b[31m\n"], '"\\x1b[31m\\n"'),
])
def test_unknown_argument(binaries, arguments, named):
    done = once(binaries, *arguments)
    assert done.returncode == USAGE
    assert done.stdout == ""
    assert named in done.stderr and "--help" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_and_version(binaries):
    done = once(binaries, "--help", EGRESS_LOG_LEVEL="loud")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("EGRESS_INTERFACE = macvlan0", "EGRESS_LOG_LEVEL = info", "EGRESS_LOG_FORMAT = text",
                 "EGRESS_TERMINATION_LOG = /dev/termination-log", "EGRESS_ADMIN_LISTEN = off"):
        assert f"  {name}\n" in done.stdout
    assert re.fullmatch(r"egress-wait \d+\.\d+\.\d+ \([0-9a-f]{12}\)\n", once(binaries, "--version").stdout)
