"""A hostile owner of a name, and clients that open too much: neither costs the pod much, neither takes it from the
others."""

import contextlib
import os
import socket
import struct
import threading
import time

import pytest
import shapes
from dns_proxy import UNPRIVILEGED, DnsProxy
from kit import A, ask_in_turn
from nameserver import Nameserver
from netns import open_socket, run, wait_for
from peers import answers, connect

ADDRESSES = 128  # in each answer: as many as the resolver keeps of a family
SECONDS = 8.0    # of measurement
MAX_CPU = 0.10   # of a core
MAX_KIB = 32 << 10


def pod(lab):
    return lab.shape.pod(4)


class HostileNameserver:
    """Answers each question for A records with addresses that it never told before, for one second. So many need TCP:
    by UDP it says that the answer was truncated."""

    def __init__(self, lab):
        lab.dns.close()
        self.told = self.answers = 0
        self._sockets = [open_socket("cluster", socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for each, serve in zip(self._sockets, (self._serve_udp, self._serve_tcp)):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((shapes.DNS4, 53))
            threading.Thread(target=serve, args=(each,), daemon=True).start()

    def _serve_udp(self, server):
        with contextlib.suppress(OSError):
            while True:
                query, peer = server.recvfrom(4096)
                server.sendto(query[:2] + b"\x83\x80" + query[4:], peer)

    def _serve_tcp(self, server):
        server.listen(64)
        with contextlib.suppress(OSError):
            while True:
                peer = server.accept()[0]
                threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer):
        with peer, contextlib.suppress(OSError), peer.makefile("rb") as stream:
            while len(size := stream.read(2)) == 2:
                query = stream.read(int.from_bytes(size, "big"))
                end = query.index(b"\0", 12) + 5
                is_a = query[end - 4:end - 2] == b"\0\1"
                records = b"".join(self._record() for _ in range(ADDRESSES)) if is_a else b""
                self.answers += is_a
                answer = query[:2] + struct.pack("!5H", 0x8180, 1, len(records) // 16, 0, 0) + query[12:end] + records
                peer.sendall(len(answer).to_bytes(2, "big") + answer)

    def _record(self):
        self.told += 1
        address = (11 << 24) + 256 + self.told % (1 << 23)
        return struct.pack("!HHHIH4s", 0xC00C, 1, 1, 1, 4, address.to_bytes(4, "big"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self._sockets:
            each.close()


def cpu_seconds(proxy):
    fields = run("pod", "cat", f"/proc/{proxy.process.pid}/stat").stdout.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(proxy):
    status = run("pod", "cat", f"/proc/{proxy.process.pid}/status").stdout
    return int(status.split("VmHWM:")[1].split()[0])


def files(proxy):
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


ONE_NAME = "8000-8999 h0.example.com\n"
LINES_OF_THIRTEEN = "".join(f"{8000 + 76 * i}-{8075 + 76 * i} h{i}.example.com\n" for i in range(13))
POOL_OF_THIRTEEN = "8000-8999 " + ",".join(f"h{i}.example.com" for i in range(13)) + "\n"


@pytest.mark.parametrize("table", [ONE_NAME, LINES_OF_THIRTEEN, POOL_OF_THIRTEEN],
                         ids=["one-name", "thirteen-lines", "pool-of-thirteen"])
def test_names_of_ever_new_addresses_are_cheap(lab, table):
    with HostileNameserver(lab) as names, DnsProxy(lab, table, DNS_PROXY_CONNECT_TIMEOUT="1s") as proxy:
        wait_for(proxy.is_ready, "the names to resolve", 20)
        for port in range(8000, 8900, 30):  # what clients connect to is remembered only while it is in use
            with contextlib.suppress(OSError):
                connect("client", "tcp", pod(lab), port, seconds=1).close()
        began, spent, answered = time.monotonic(), cpu_seconds(proxy), names.answers
        wait_for(lambda: time.monotonic() - began > SECONDS, "the time of measurement", SECONDS + 5)
        share = (cpu_seconds(proxy) - spent) / (time.monotonic() - began)
        print(f"{share:.1%} of a core, {resident_kib(proxy)} KiB, {names.answers - answered} answers")
        assert names.answers - answered >= SECONDS / 2  # it was asked, again and again
        assert share <= MAX_CPU
        assert proxy.metric("answer_changes_total", '{host="h0.example.com"}') > 2
        assert proxy.status()["stage"] == "ready"
        assert resident_kib(proxy) <= MAX_KIB


def test_udp_flows_have_one_limit_and_leave_descriptors_to_the_rest(lab):
    """Ten entries, and more flows than the process has descriptors."""
    table = "80 www.example.com\n" + "".join(f"{5000 + i} udp www.example.com 53\n" for i in range(10))
    few = ("prlimit", "--nofile=512", *UNPRIVILEGED)
    with Nameserver(lab, {"www.example.com": [A]}) as names, \
            DnsProxy(lab, table, prefix=few, THREADS="2", DNS_PROXY_UDP_FLOWS="4096") as proxy:
        proxy.wait_for("www.example.com", A)
        peers = [connect("client", "udp", pod(lab), 5000 + i % 10) for i in range(900)]
        try:
            for peer in peers:
                peer.sendall(b"x")
            wait_for(lambda: proxy.metric("udp_flows") >= 64, "the flows", 10)
            assert proxy.metric("udp_flows") <= proxy.metric("udp_flows_limit") < 256
            assert files(proxy) < 400
            assert proxy.is_ready()
            assert ask_in_turn(pod(lab), 80, 20) == []
            failures = proxy.metric("resolve_failures_total", '{host="www.example.com"}')
            names.change({"www.example.com": [A, shapes.OUTSIDE4[1]]})
            proxy.wait_for("www.example.com", A, shapes.OUTSIDE4[1])
            assert proxy.metric("resolve_failures_total", '{host="www.example.com"}') == failures
            assert answers("client", "udp", pod(lab), 5003)  # a new flow takes the place of the oldest
        finally:
            for peer in peers:
                peer.close()


def test_a_limit_above_the_file_limit_is_reduced_with_a_warning(lab):
    few = ("prlimit", "--nofile=512", *UNPRIVILEGED)
    with Nameserver(lab, {"www.example.com": [A]}), \
            DnsProxy(lab, "80 www.example.com\n53 udp www.example.com\n", prefix=few, DNS_PROXY_CONNECTIONS="5000") as proxy:
        proxy.wait_for("www.example.com", A)
        assert 50 < proxy.metric("connections_limit") < 256
        said = proxy.stop()[1]
        assert "EGRESS_DNS_PROXY_CONNECTIONS" in said and "EGRESS_DNS_PROXY_UDP_FLOWS" in said
