"""The process: its table as it changes, its limits, its end; UDP; and who may reach it."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import shapes
from dns_proxy import DnsProxy, UNPRIVILEGED, get
from kit import A, B, C, Fate, ask_in_turn, fate, places  # noqa: F401
from nameserver import Nameserver
from netns import ip_batch, open_socket, run, start, wait_for
from peers import answers, ask, connect, receive

TABLE = "80 www.example.com\n"
NAMES = {"www.example.com": [A], "other.example.com": [B]}


def pod(lab):
    return lab.shape.pod(4)


@pytest.fixture
def names(lab):
    with Nameserver(lab, NAMES) as nameserver:
        yield nameserver


@pytest.fixture
def table_file():
    """In a folder that the proxy's user may read; another pytest closes those of tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "table")
        path.touch(0o644)
        yield path


def test_a_changed_table_is_used_and_a_wrong_one_is_not(lab, names, table_file):
    path = table_file
    path.write_text("80 www.example.com\n81 www.example.com 80\n")
    with DnsProxy(lab, None, DNS_PROXY_DESTINATION_FILE=path) as proxy:
        proxy.wait_for("www.example.com", A)
        kept, closing = connect("client", "tcp", pod(lab), 80), connect("client", "tcp", pod(lab), 81)
        for peer in (kept, closing):
            peer.sendall(b"before")
            assert receive(peer, 6) == b"before"
        path.write_text("80 other.example.com\n82 other.example.com 80\n")
        proxy.wait_for("other.example.com", B)
        wait_for(lambda: ask_in_turn(pod(lab), 82, 1) == [], "the new port")
        assert "refused" in ask_in_turn(pod(lab), 81, 1)[0]
        lab.outside.forget()
        assert ask_in_turn(pod(lab), 80, 5) == [] and places(lab) == {B}
        for peer in (kept, closing):  # what stands goes on
            peer.sendall(b"after")
            assert receive(peer, 5) == b"after"
            peer.close()
        path.write_text("80 other.example.com\n82 010.0.0.1\n")
        wait_for(lambda: proxy.metric("table_refused") == 1, "the table to be refused")
        assert ask_in_turn(pod(lab), 82, 3) == []
        assert f"{path}:2:4: error" in proxy.stop()[1]


def listening_ports():
    """TCP and UDP ports in the pod, each as often as it is bound."""
    return sorted(line.split()[4].rpartition(":")[2] for line in run("pod", "ss", "-Hlntu").stdout.splitlines())


def test_a_table_that_cannot_be_served_whole_is_rejected_whole(lab, names, table_file):
    """Each of these has a good change beside the bad one: none of it is applied."""
    table_file.write_text("80 www.example.com\n81 www.example.com 80\n")
    with DnsProxy(lab, None, DNS_PROXY_DESTINATION_FILE=table_file) as proxy, \
            open_socket("pod", socket.AF_INET, socket.SOCK_STREAM) as other, \
            open_socket("pod", socket.AF_INET, socket.SOCK_DGRAM) as other_udp:
        proxy.wait_for("www.example.com", A)
        other.bind(("0.0.0.0", 7000))
        other.listen()
        other_udp.bind(("0.0.0.0", 7001))
        before = listening_ports()
        for line in ("9180 www.example.com 80", "7000 www.example.com 80", "7001 udp www.example.com", "7002 sctp www.example.com"):
            table_file.write_text(f"80 other.example.com\n82 other.example.com 80\n{line}\n")
            wait_for(lambda: proxy.metric("table_refused") == 1, f"the table with {line!r} to be rejected", 15)
            assert listening_ports() == before
            assert {entry["entry"] for entry in proxy.status()["entries"]} == {"tcp/80", "tcp/81"}
            lab.outside.forget()
            assert ask_in_turn(pod(lab), 80, 3) == [] and places(lab) == {A}
            assert ask_in_turn(pod(lab), 81, 1) == []
            table_file.write_text("80 www.example.com\n81 www.example.com 80\n")
            wait_for(lambda: proxy.metric("table_refused") == 0, "the good table", 15)
        for _ in range(60):
            assert get("/livez")[0] == 200
        said = proxy.stop()[1]
        for port in ("9180", "7000", "7001", f"{table_file}:3:6: error: found \"sctp\""):
            assert port in said
        assert said.count("Address already in use") == 2


def test_the_outside_is_refused_by_the_proxy_itself(lab, names):
    """The init closes the pod; here its ruleset is gone."""
    with DnsProxy(lab, TABLE + "53 udp www.example.com\n") as proxy:
        proxy.wait_for("www.example.com", A)
        run("pod", "nft", "delete", "table", "inet", "egress_router")
        lab.outside.forget()
        assert not answers("neighbour", "tcp", shapes.SOURCE4, 80)
        assert not answers("neighbour", "udp", shapes.SOURCE4, 53, seconds=0.5)
        assert proxy.metric("external_connections_total") == 1
        assert proxy.metric("refused_total", '{entry="udp/53"}') == 1
        assert places(lab, "udp") == set()


def test_dig_by_udp(lab, names):
    """A real nameserver at the outside, asked by dig through the pod."""
    server = start("outside", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                   "--user=root", "--pid-file", "--port=5301", "--bind-interfaces", f"--listen-address={A}",
                   "--address=/answer.test/192.0.2.99", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with DnsProxy(lab, "53 udp www.example.com 5301\n53 tcp www.example.com 5301\n") as proxy:
            proxy.wait_for("www.example.com", A)
            for extra in ((), ("+tcp",)):
                for family in (4, 6):
                    told = run("client", "dig", "+short", "+tries=1", "+time=3", *extra, "-p", "53",
                               f"@{lab.shape.pod(family)}", "answer.test", "A")
                    assert told.stdout == "192.0.2.99\n"
            assert proxy.metric("udp_flows") == 2
    finally:
        server.terminate()
        server.wait(5)


def test_udp_flows_are_sticky_and_bounded(lab, names):
    names.change({"www.example.com": [A, B, C]})
    with DnsProxy(lab, "53 udp www.example.com\n", THREADS="1", DNS_PROXY_UDP_FLOWS="20",
                  DNS_PROXY_UDP_TIMEOUT="2s") as proxy:
        proxy.wait_for("www.example.com", A, B, C)
        with connect("client", "udp", pod(lab), 53) as one:
            for turn in range(20):
                one.sendall(b"%d" % turn)
                assert one.recv(100) == b"%d" % turn
        assert len({(s.destination, s.source_port) for s in lab.outside.seen() if s.protocol == "udp"}) == 1
        peers = [connect("client", "udp", pod(lab), 53) for _ in range(60)]
        for turn, peer in enumerate(peers):
            peer.sendall(b"%d" % turn)
            assert peer.recv(100) == b"%d" % turn  # to the right client
        assert proxy.metric("udp_flows") == 20
        assert places(lab, "udp") == {A, B, C}
        wait_for(lambda: proxy.metric("udp_flows") == 0, "the flows to end")
        peers[0].sendall(b"again")
        assert peers[0].recv(100) == b"again"
        for peer in peers:
            peer.close()
        log, _ = proxy.stop()
        assert log.count(" replaced ") == 41 and log.count(" idle ") == 20


def test_an_address_that_takes_no_datagrams_is_passed_over(lab, names):
    names.change({"www.example.com": [A, "203.0.113.40"]})
    ip_batch("outside", ["address add 203.0.113.40/32 dev eth0"])  # where nothing listens
    with DnsProxy(lab, "53 udp www.example.com\n", THREADS="1") as proxy:
        proxy.wait_for("www.example.com", A, "203.0.113.40")
        for _ in range(10):
            with connect("client", "udp", pod(lab), 53, seconds=0.5) as peer:
                def answered():
                    peer.sendall(b"x")
                    try:
                        return peer.recv(10) == b"x"
                    except OSError:
                        return False
                wait_for(answered, "an answer at the second try")


def test_half_close_idle_time_and_bulk(lab, names):
    with DnsProxy(lab, TABLE, DNS_PROXY_IDLE_TIMEOUT="1s") as proxy:
        proxy.wait_for("www.example.com", A)
        with connect("client", "tcp", pod(lab), 80) as peer:
            peer.sendall(b"all of it")
            peer.shutdown(1)
            assert receive(peer, 9) == b"all of it"
            assert peer.recv(1) == b""
        from peers import transfer
        transfer("client", pod(lab), 80, 16 << 20).close()
        with connect("client", "tcp", pod(lab), 80) as peer:
            began = time.monotonic()
            with pytest.raises(ConnectionResetError):
                assert peer.recv(1) != b""
            assert 0.8 < time.monotonic() - began < 5
        log, _ = proxy.stop()
        assert " idle " in log and log.count(" complete ") == 2


def test_term_lets_connections_finish(lab, names):
    with DnsProxy(lab, TABLE) as proxy:
        proxy.wait_for("www.example.com", A)
        with connect("client", "tcp", pod(lab), 80) as peer:
            peer.sendall(b"one")
            assert receive(peer, 3) == b"one"
            proxy.process.send_signal(signal.SIGTERM)
            wait_for(lambda: ask_in_turn(pod(lab), 80, 1) != [], "the listener to close")
            assert not proxy.is_ready()
            peer.sendall(b"two")
            assert receive(peer, 3) == b"two"
        assert proxy.process.wait(5) == 0


def test_at_the_limit_of_files_it_waits_and_recovers(lab, names):
    few = ("prlimit", "--nofile=96", *UNPRIVILEGED)
    with DnsProxy(lab, TABLE, prefix=few) as proxy:
        proxy.wait_for("www.example.com", A)
        peers = [connect("client", "tcp", pod(lab), 80) for _ in range(200)]  # the kernel queues what is too many
        before = cpu_ticks(proxy)
        time.sleep(1)
        assert cpu_ticks(proxy) - before < 30  # it does not spin
        assert proxy.is_ready()  # and the endpoint answers
        for peer in peers:
            peer.close()
        wait_for(lambda: ask_in_turn(pod(lab), 80, 1, seconds=2) == [], "it to recover", 20)


def cpu_ticks(proxy):
    fields = run("pod", "cat", f"/proc/{proxy.process.pid}/stat").stdout.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_it_runs_without_any_privilege(lab, names):
    with DnsProxy(lab, TABLE) as proxy:
        status = run("pod", "cat", f"/proc/{proxy.process.pid}/status").stdout
        assert "Uid:\t1001" in status and "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status
        proxy.wait_for("www.example.com", A)
        assert ask_in_turn(pod(lab), 80, 1) == []


def test_hang_up_reloads_the_table_and_readiness_ends_before_the_listeners(lab, names, table_file):
    path = table_file
    path.write_text("80 www.example.com 80\n")
    path.chmod(0o644)
    with DnsProxy(lab, None, DNS_PROXY_DESTINATION_FILE=path, DNS_PROXY_DRAIN_DELAY="2s") as proxy:
        proxy.wait_for("www.example.com", A)
        before = path.stat()
        path.write_text("81 www.example.com 80\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: ask_in_turn(pod(lab), 81, 1) == [], "the new port")
        proxy.process.terminate()
        told = time.monotonic()
        wait_for(lambda: not proxy.is_ready(), "readiness to end")
        assert time.monotonic() - told < 1
        while time.monotonic() - told < 1.5:
            assert ask_in_turn(pod(lab), 81, 1) == []
        assert proxy.process.wait(5) == 0
        assert time.monotonic() - told > 1.9


def test_at_the_connection_limit_it_says_so(lab, names):
    with DnsProxy(lab, TABLE, DNS_PROXY_CONNECTIONS="2", THREADS="1") as proxy:
        proxy.wait_for("www.example.com", A)
        peers = [connect("client", "tcp", pod(lab), 80) for _ in range(3)]
        wait_for(lambda: proxy.metric("accept_waits_total", '{reason="connections"}') > 30, "a wait of more than a second")
        for peer in peers:
            peer.close()
        assert proxy.stop()[1].count("maximum of 2 connections is reached") == 1


def test_the_end_cuts_clients_that_wait_for_an_address(lab, names, fate):
    """Exit status 0, and a line in the log for each; no attempt goes on."""
    fate.set(**{Fate.name(A): "silent"})
    with DnsProxy(lab, TABLE, DNS_PROXY_DRAIN_TIMEOUT="30s") as proxy:
        proxy.wait_for("www.example.com", A)
        peers = [connect("client", "tcp", pod(lab), 80) for _ in range(20)]
        wait_for(lambda: proxy.metric("connections") == len(peers), "all to be accepted")
        proxy.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not proxy.is_ready(), "the drain to begin")
        proxy.process.send_signal(signal.SIGTERM)
        lines, _ = proxy.process.communicate(timeout=5)
        assert proxy.process.returncode == 0
        assert lines.count(" aborted ") == len(peers)
        for peer in peers:
            peer.close()
