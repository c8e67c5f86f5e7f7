"""What comes back: origins that are broken or hostile. What is wrong is answered 502 or 504, a break is passed on as a
break, and no byte of one exchange reaches another."""

import threading
import time

import pytest
from client import Client, CutShort
from origin import Origin, answering, ok, wait_for
from proxy import Proxy, free_port

GET = "GET http://127.0.0.1:{}/ HTTP/1.1\r\nHost: x\r\n\r\n"

@pytest.fixture(scope="module")
def strict():
    with Proxy(HTTP_PROXY_RESPONSES="strict") as running:
        yield running


BROKEN = {
    "garbage": b"\x00\xff garbage\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n",
    "status 20": b"HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "head over 64 KiB": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 1000 + b"\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 70,
    "endless 1xx": b"HTTP/1.1 102 Processing\r\n\r\n" * 20,
    "101 nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "xchunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: 1\r2\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "length folded": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 0\r\n\r\n",
    "closed before the head": b"",
    "closed within the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "chunk too long, with the head": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n",
    "no chunk size, with the head": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_head(proxy, name):
    with Origin(answering(BROKEN[name], times=1)) as origin, Client(proxy.port) as client:
        client.send(GET.format(origin.port))
        answer = client.read()
        while answer.status < 200:
            answer = client.read()
        assert answer.status == 502, answer.text
        assert "proxy-under-test" in answer.get("proxy-status")
        assert "garbage" not in answer.text
        assert client.is_closed()
        assert origin.connections == 1


STATUS = b"HTTP/1.1 200 OK\r\n"
# Response, the fields that are forwarded of it (without Via), whether the origin's connection is used again.
REPAIRED = {
    "LF": (b"HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\nhello", ["a: b", "content-length: 5"], False),
    "LF here and there": (STATUS + b"A: b\nContent-Length: 5\r\n\nhello", ["a: b", "content-length: 5"], False),
    "folded": (STATUS + b"A: b\r\n\tc\r\nContent-Length: 5\r\n\r\nhello", ["a: b  \tc", "content-length: 5"], True),
    "space before the colon": (STATUS + b"A : b\r\nContent-Length: 5\r\n\r\nhello", ["a: b", "content-length: 5"], True),
    "both lengths": (STATUS + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                     ["transfer-encoding: chunked"], False),
    "equal lengths": (STATUS + b"Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", ["content-length: 5"], False),
    "identity": (STATUS + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", ["content-length: 5"], False),
    "chunk extension": (STATUS + b"Transfer-Encoding: chunked\r\n\r\n5 ;a=b\r\nhello\r\n0\r\n\r\n",
                      ["transfer-encoding: chunked"], True),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_repaired(proxy, name):
    """Two of them: what comes behind a response whose end another reader sees elsewhere reaches nobody."""
    response, fields, reused = REPAIRED[name]
    with Origin(answering(response)) as origin, Client(proxy.port) as client:
        for _ in range(2):
            answer = client.ask(GET.format(origin.port))
            assert (answer.status, answer.text) == (200, "hello")
            assert [f"{name}: {value}" for name, value in answer.fields if name != "via"] == fields
        assert origin.connections == (1 if reused else 2)


@pytest.mark.parametrize("name", REPAIRED)
def test_strict_responses(strict, name):
    with Origin(answering(REPAIRED[name][0])) as origin, Client(strict.port) as client:
        assert client.ask(GET.format(origin.port)).status == (200 if name == "chunk extension" else 502)


@pytest.mark.parametrize("first, statuses", [
    (b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\n\n", [200]),
    (b"HTTP/1.1 103 Early Hints\r\nLink: a\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", [103, 200]),
    (b"HTTP/1.1 103 Early Hints\r\nLink: a\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", [103, 200]),
    (STATUS + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [200]),
    (STATUS + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", [200]),
])
def test_what_follows_a_response_with_two_ends_reaches_nobody(proxy, first, statuses):
    """It arrives when the first is over, as the answer to the next request on that connection would."""
    def script(peer):
        if origin.connections > 1:
            return answering(ok("right"))(peer)
        peer.read_head()
        peer.send(first)
        asked.wait(5)
        peer.send(ok("EVIL"))

    asked = threading.Event()
    with Origin(script) as origin, Client(proxy.port) as client, Client(proxy.port) as victim:
        client.send(GET.format(origin.port))
        assert [client.read().status for _ in statuses] == statuses
        victim.send(GET.format(origin.port))
        asked.set()
        assert (victim.read().text, origin.connections) == ("right", 2)
        assert client.ask(GET.format(origin.port)).text == "right"


@pytest.mark.parametrize("body", [
    b"Content-Length: 100\r\n\r\nshort",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
])
def test_body_cut_short(proxy, body):
    with Origin(answering(b"HTTP/1.1 200 OK\r\n" + body, times=1)) as origin, Client(proxy.port) as client:
        with pytest.raises((CutShort, ConnectionResetError)):
            client.ask(GET.format(origin.port))


def test_body_to_the_end_of_a_reset_connection(proxy):
    """HTTP/1.0 has no other mark of a break than a reset."""
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 200 OK\r\n\r\nsome")
        time.sleep(0.2)
        peer.reset()

    with Origin(script) as origin, Client(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            client.ask(GET.format(origin.port).replace("1.1\r\n", "1.0\r\n", 1))


def test_reset(proxy):
    with Origin(lambda peer: (peer.read_head(), peer.reset())) as origin, Client(proxy.port) as client:
        assert client.ask(GET.format(origin.port)).status == 502


def test_refused(client):
    answer = client.ask(GET.format(free_port()))
    assert (answer.status, "connection_refused" in answer.get("proxy-status")) == (502, True)
    assert client.ask(GET.format(free_port())).status == 502  # what was asked was right: the connection goes on


def test_stall(proxy):
    """3 s is the deadline for a response."""
    with Origin(lambda peer: (peer.read_head(), peer.read_to_end())) as origin, Client(proxy.port) as client:
        started = time.monotonic()
        answer = client.ask(GET.format(origin.port))
        assert (answer.status, "http_response_timeout" in answer.get("proxy-status")) == (504, True)
        assert 2.9 < time.monotonic() - started < 4


def test_stall_within_a_body(proxy):
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        peer.read_to_end()

    with Origin(script) as origin, Client(proxy.port) as client:
        with pytest.raises((CutShort, ConnectionResetError)):
            client.ask(GET.format(origin.port))


def test_client_stalls_within_its_body(proxy):
    with Origin(lambda peer: (peer.read_head(), peer.read_to_end())) as origin, Client(proxy.port) as client:
        answer = client.ask(f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        assert answer.status == 408


SURPLUS = {
    "longer than its length": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + b"EVIL"),
    "a second response": ("GET", ok().encode() + ok("EVIL").encode()),
    "body behind HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
    "body behind 304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL"),
    "body behind 204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\nEVIL"),
}


@pytest.mark.parametrize("name", SURPLUS)
def test_surplus_reaches_nobody(proxy, name):
    method, response = SURPLUS[name]
    with Origin(answering(response)) as origin, Client(proxy.port) as client:
        for count in range(1, 4):
            answer = client.send(GET.format(origin.port).replace("GET", method, 1)).read(method)
            assert b"EVIL" not in answer.body
            assert origin.connections == count


def test_bytes_on_an_idle_connection(proxy):
    def script(peer):
        while peer.read_head() is not None:
            peer.send(ok())
            time.sleep(0.1)
            peer.send(ok("EVIL"))

    with Origin(script) as origin, Client(proxy.port) as client:
        for _ in range(3):
            assert client.ask(GET.format(origin.port)).text == "hello"
            time.sleep(0.3)
        assert origin.connections == 3


def test_origin_that_closes_idle_connections(proxy):
    with Origin(answering(ok(), times=1)) as origin, Client(proxy.port) as client:
        for _ in range(5):
            assert client.ask(GET.format(origin.port)).status == 200


def test_client_that_goes_away(proxy):
    def script(peer):
        peer.read_head()
        try:
            while True:
                peer.send("HTTP/1.1 200 OK\r\n\r\n" + "x" * 65536)
        except OSError as error:
            ended.append(error)

    ended = []
    with Origin(script) as origin:
        client = Client(proxy.port)
        client.send(GET.format(origin.port))
        client._exactly(1000)
        client.close()
        wait_for(lambda: ended, "the origin to be told")


def test_nothing_stays_open(proxy):
    for script in (answering(ok()), answering(b"garbage\r\n\r\n", times=1), lambda peer: peer.reset()):
        with Origin(script) as origin:
            for _ in range(5):
                with Client(proxy.port) as client:
                    client.send(GET.format(origin.port))
                    client.read()
    wait_for(lambda: proxy.status()["connections"]["open"] == 0, "all clients to be gone")
    wait_for(lambda: proxy.descriptors() < 40, f"descriptors to be closed, {proxy.descriptors()} are open")
