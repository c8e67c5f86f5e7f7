"""What happens while the proxy waits: the client that leaves is noticed at once, and what was begun for it is cancelled; one that
only finished sending gets its answer."""

import os
import socket
import struct
import threading
import time

import pytest
from client import Client
from origin import Origin, ok, wait_for
from proxy import Proxy, wait_until_idle

NOTICED = 1.0  # seconds; every deadline of the proxy is far longer


def get(port, path="/"):
    return f"GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: x\r\n\r\n"


def leave(client, way):
    if way == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class Silent(Origin):
    """Reads requests, sends `first`, and says when the proxy has closed."""

    def __init__(self, first=b""):
        self.asked, self.closed = threading.Event(), threading.Event()

        def script(peer):
            peer.read_head()
            peer.send(first)
            self.asked.set()
            try:
                peer.read_to_end()
            except OSError:
                pass
            self.closed.set()
        super().__init__(script)


@pytest.fixture(scope="module")
def proxy():
    with Proxy() as running:
        yield running
        assert running.is_running(), running.process.stderr.read()


# The end of a connection that is closed behind bytes that nobody reads cannot be seen.
@pytest.mark.parametrize("way, behind", [
    (way, behind) for way in ("close", "reset") for behind in ("", get(1), "x" * 8000)
    if not (way == "close" and behind.startswith("x"))], ids=lambda value: value[:8] or "alone")
@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"], ids=["before", "within"])
def test_client_that_leaves_while_the_origin_is_silent(proxy, way, first, behind):
    with Silent(first) as origin:
        client = Client(proxy.port).send(get(origin.port) + behind)
        assert origin.asked.wait(5)
        time.sleep(0.1)
        assert not origin.closed.is_set()
        leave(client, way)
        assert origin.closed.wait(NOTICED)
        wait_until_idle(proxy)


@pytest.mark.parametrize("way", ["close", "reset"])
def test_client_that_leaves_after_its_body(proxy, way):
    with Silent() as origin:
        client = Client(proxy.port).send(f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert origin.asked.wait(5)
        time.sleep(0.1)
        leave(client, way)
        assert origin.closed.wait(NOTICED)
        wait_until_idle(proxy)


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_client_that_leaves_during_connect(proxy, way, method):
    """A listener whose queue is full: the kernel drops further SYNs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        before = proxy.descriptors()
        target = f"127.0.0.1:{port}" if method == "CONNECT" else f"http://127.0.0.1:{port}/"
        client = Client(proxy.port).send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: proxy.descriptors() >= before + 2, "the proxy to connect")
        time.sleep(0.1)
        leave(client, way)
        wait_for(lambda: proxy.status()["connections"]["open"] == 0, "the session to end", NOTICED)
        wait_for(lambda: proxy.descriptors() <= before, "the attempt to be cancelled", NOTICED)
        for filler in fillers:
            filler.close()


@pytest.mark.skipif("EGRESS_SANDBOX" not in os.environ, reason="takes port 53: run it in test/lab/sandbox")
@pytest.mark.parametrize("way", ["close", "reset"])
def test_client_that_leaves_during_dns(way):
    """A name server that never answers. Without resolv.conf, it is asked on the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        server.settimeout(5)
        with Proxy(rules="*", DNS_TIMEOUT="30s") as proxy:
            client = Client(proxy.port).send("GET http://silent.test/ HTTP/1.1\r\nHost: x\r\n\r\n")
            server.recv(512)
            time.sleep(0.1)
            leave(client, way)
            wait_for(lambda: proxy.status()["connections"]["open"] == 0, "the session to end", NOTICED)


@pytest.mark.parametrize("kind", ["GET", "POST"])
def test_client_that_finishes_sending_gets_its_answer(proxy, kind):
    def script(peer):
        while peer.read_head() is not None:
            if kind == "POST":
                peer.read_exactly(5)
            time.sleep(0.5)
            peer.send(ok())

    with Origin(script) as origin, Client(proxy.port) as client:
        client.send(get(origin.port) if kind == "GET" else
                    f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read().body == b"hello"
        assert client.is_closed()


def test_client_that_finishes_sending_gets_all_its_answers(proxy):
    """Requests behind each other, and then the end; the origin is slow, or slow from the second one on."""
    for waits in ((0.3, 0.3, 0.3), (0, 0.3, 0.3)):
        left = list(waits)

        def script(peer):
            while peer.read_head() is not None:
                time.sleep(left.pop(0))
                peer.send(ok())

        with Origin(script) as origin, Client(proxy.port) as client:
            client.send(get(origin.port) * 3)
            client.socket.shutdown(socket.SHUT_WR)
            assert [client.read().status for _ in waits] == [200] * 3
            assert client.is_closed()


def test_client_that_resets_after_it_finished_sending(proxy):
    with Silent() as origin:
        client = Client(proxy.port).send(get(origin.port))
        client.socket.shutdown(socket.SHUT_WR)
        assert origin.asked.wait(5)
        assert not origin.closed.wait(0.3)
        leave(client, "reset")
        assert origin.closed.wait(NOTICED)


# A response that lasts to the end of the connection is complete where that is closed.
@pytest.mark.parametrize("framing, way", [
    (framing, way) for framing in ("Content-Length: 6000000\r\n", "Transfer-Encoding: chunked\r\n", "")
    for way in ("close", "reset") if framing or way == "reset"], ids=lambda value: value.split(":")[0] or "to the end")
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_all_that_arrived_of_a_truncated_response_is_delivered(proxy, framing, way, version):
    """3,000,000 bytes, then the end; the client reads slowly, and sees the break behind them."""
    data = bytes(range(256)) * (3_000_000 // 256)

    def script(peer):
        peer.read_head()
        chunked = framing.startswith("Transfer")
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing.encode() + b"\r\n")
        peer.send(b"%x\r\n" % len(data) + data + b"\r\n" if chunked else data)
        if way == "reset":  # once the proxy has read all
            wait_for(lambda: unsent(peer.socket) == 0, "the proxy to read")
            time.sleep(0.2)
            peer.reset()

    with Origin(script) as origin, Client(proxy.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(f"GET http://127.0.0.1:{origin.port}/ HTTP/{version}\r\nHost: x\r\n\r\n")
        received, broken = bytearray(), False
        try:
            while piece := client.socket.recv(65536):
                received += piece
                time.sleep(0.002)
        except ConnectionResetError:
            broken = True
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        if b"chunked" in head:
            assert not body.endswith(b"0\r\n\r\n")
            body = dechunked(body)
        elif b"Content-Length" not in head:
            assert broken
        assert len(body) == len(data) and body == data


def unsent(connection):
    import fcntl
    import termios
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


def dechunked(body):
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        data, body = data + body[:int(size, 16)], body[int(size, 16) + 2:]
    return data


def test_client_over_its_limit_reads_its_answer_to_the_end():
    """Although it has sent a request already, which nobody reads."""
    with Proxy(HTTP_PROXY_CLIENT_CONNECTIONS="1") as proxy, Client(proxy.port) as first:
        first.send("GET ")
        wait_for(lambda: proxy.status()["connections"]["open"] == 1, "the first to be accepted")
        for _ in range(100):
            with Client(proxy.port) as over:
                over.send(get(1) + "x" * 20_000)
                answer = over.read()
                assert answer.status == 503 and "connections, the maximum" in answer.text


def ntlm(peer):
    """Who shows credentials is known on this connection from then on."""
    known = False
    while (head := peer.read_head()) is not None:
        size = next((int(line.split(": ")[1]) for line in head.split("\r\n") if line.startswith("Content-Length")), 0)
        peer.read_exactly(size)
        known = known or "Authorization: NTLM type3" in head
        if known:
            peer.send(ok("secret"))
        else:
            peer.send("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_authenticated_connections_serve_one_client_alone(proxy, method):
    body = "Content-Length: 5\r\n\r\nhello" if method == "POST" else "\r\n"

    def ask(client, extra=""):
        return client.ask(f"{method} http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n{extra}{body}").status

    with Origin(ntlm) as origin:
        with Client(proxy.port) as a, Client(proxy.port) as b:
            assert ask(a) == 401
            assert ask(b) == 401
            assert ask(a, "Authorization: NTLM type1\r\n") == 401
            assert ask(a, "Authorization: NTLM type3\r\n") == 200
            assert ask(b) == 401
            assert ask(a) == 200
            assert origin.connections == 2
            # The rest of a's requests stay on its connection, of whichever kind they are.
            assert a.ask(f"PUT http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").status == 200
            assert a.ask(f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            assert ask(b) == 401
        with Client(proxy.port) as c:
            assert ask(c) == 401
        assert origin.connections == 3


@pytest.mark.parametrize("fields", ["Authorization: NTLM type3", "Authorization: NTLM\ttype3\r\nX: Authorization: NTLM type3",
                                    "Authorization: Basic x\r\nAuthorization: NTLM type3"], ids=["one", "tab", "second"])
def test_credentials_without_a_challenge_bind_too(proxy, fields):
    with Origin(ntlm) as origin:
        with Client(proxy.port) as a:
            assert a.ask(get(origin.port).replace("Host", f"{fields}\r\nHost")).status == 200
            assert a.ask(get(origin.port)).status == 200
            with Client(proxy.port) as b:
                assert b.ask(get(origin.port)).status == 401
        assert origin.connections == 2


def test_pooled_connections_are_kept_by_authority(proxy):
    """Two names of one address are two origins."""
    def script(peer):
        while peer.read_head() is not None:
            peer.send(ok())

    with Origin(script) as origin:
        for host, connections in (("127.0.0.1", 1), ("localhost", 2), ("127.0.0.1", 2), ("LOCALHOST", 2)):
            with Client(proxy.port) as client:
                assert client.ask(f"GET http://{host}:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            assert origin.connections == connections
