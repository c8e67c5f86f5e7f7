"""The HTTP proxy and a cluster's DNS that falls silent: tunnels do not notice, requests for names that nobody asked for before
are told in time, and with DNS all is as it was at once."""

import socket
import time

import pytest
import shapes
from dns_proxy import UNPRIVILEGED, get
from kit import A
from lab import programs
from nameserver import Nameserver
from netns import inside, run, start, wait_for

SILENCE = """
table inet silence
delete table inet silence
table inet silence {
  chain input {
    type filter hook input priority 0
    %s
  }
}
"""


@pytest.fixture
def proxy(lab):
    lab.router(lab.dual_stack(EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None, EGRESS_ADDRESS_PROBE="off"))
    process = start("pod", *UNPRIVILEGED, programs() / "egress-http-proxy",
                    env={"EGRESS_HTTP_PROXY_DESTINATION": "*", "EGRESS_DNS_TIMEOUT": "2s", "EGRESS_THREADS": "1"})

    def is_ready():
        try:
            return get("/readyz")[0] == 200
        except OSError:
            return False
    wait_for(is_ready, "the proxy to be ready", 10)
    yield f"{lab.shape.pod(4)}", 8080
    process.terminate()
    process.communicate(timeout=40)
    assert process.returncode == 0


def be_silent(silent):
    run("cluster", "nft", "-f", "-", stdin=SILENCE % ("udp dport 53 drop; tcp dport 53 drop" if silent else ""))


def answer(proxy, host):
    """(status, the whole answer, seconds)."""
    started = time.monotonic()
    with inside("client"), socket.create_connection(proxy, timeout=15) as peer:
        peer.sendall(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        text = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    return int(text.split()[1]), text, time.monotonic() - started


def test_dns_is_silent_for_a_while(lab, proxy):
    names = {f"{name}.example.com": [A] for name in ("www", "asked", "new", "later")}
    with Nameserver(lab, names):
        assert answer(proxy, "www.example.com")[0] == 200
        with inside("client"):
            tunnel = socket.create_connection(proxy, timeout=15)
        tunnel.sendall(b"CONNECT www.example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in tunnel.recv(4096)

        be_silent(True)
        started = time.monotonic()
        while time.monotonic() - started < 8:
            status, text, seconds = answer(proxy, "new.example.com")
            assert status == 504 and "dns_timeout" in text and seconds < 3.5, text
            # What was resolved before is served: by its last good answer.
            assert answer(proxy, "www.example.com")[0] == 200
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        assert b"200 OK" in tunnel.recv(4096)

        be_silent(False)
        started = time.monotonic()
        wait_for(lambda: answer(proxy, "new.example.com")[0] == 200, "the name to resolve", 5)
        assert answer(proxy, "later.example.com")[0] == 200
        assert time.monotonic() - started < 1
        assert {seen.source for seen in lab.outside.seen()} == {shapes.SOURCE4}
        tunnel.close()
