"""What the proxy speaks: both sides kept alive, answers in order, bodies streamed, tunnels half-closed."""

import socket
import threading

import pytest
from client import Client, CutShort
from origin import Origin, answering, ok, wait_for
from proxy import Proxy


def get(origin, path="/", extra="", version="1.1"):
    return f"GET http://127.0.0.1:{origin.port}{path} HTTP/{version}\r\nHost: x.test\r\n{extra}\r\n"


def test_head_is_rewritten(client):
    with Origin(answering(ok(extra="X-Kept: 1\r\nConnection: X-Dropped\r\nX-Dropped: 1\r\n"))) as origin:
        answer = client.ask(
            f"GET http://127.0.0.1:{origin.port}/a?b=c HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n"
            "Proxy-Authorization: Basic c2VjcmV0\r\nTE: trailers\r\nConnection: X-Mine\r\nX-Mine: 1\r\nX-Stays: 2\r\n\r\n")
        assert (answer.status, answer.text, answer.get("x-kept"), answer.get("x-dropped")) == (200, "hello", "1", None)
        assert answer.get("via") == "1.1 proxy-under-test"
        assert origin.heads == [
            f"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{origin.port}\r\nX-Stays: 2\r\nVia: 1.1 proxy-under-test"]


def test_both_sides_are_kept(client):
    with Origin(answering(ok())) as origin:
        for _ in range(20):
            assert client.ask(get(origin)).status == 200
        assert (origin.connections, len(origin.heads)) == (1, 20)


def test_upstream_serves_other_clients(proxy):
    with Origin(answering(ok())) as origin:
        for _ in range(5):
            with Client(proxy.port) as client:
                assert client.ask(get(origin)).status == 200
        assert origin.connections == 1


def test_pipelined_requests_are_answered_in_order(client):
    def script(peer):
        while (head := peer.read_head()) is not None:
            peer.send(ok(head.split(" ")[1]))

    with Origin(script) as origin:
        paths = [f"/{i}" for i in range(50)]
        client.send("".join(get(origin, path) for path in paths))
        assert [client.read().text for _ in paths] == paths


def test_refusal_keeps_its_place_in_a_pipeline(client):
    with Origin(answering(ok())) as origin:
        client.send(get(origin) + "GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n\r\n" + get(origin))
        assert [client.read().status for _ in range(3)] == [200, 403, 200]


def test_http10_client(proxy):
    with Origin(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")) as origin:
        with Client(proxy.port) as client:
            answer = client.ask(get(origin, version="1.0"))
            assert (answer.text, answer.get("transfer-encoding"), answer.get("connection")) == ("hello", None, "close")
        with Client(proxy.port) as client:
            assert client.ask(get(origin, extra="Proxy-Connection: keep-alive\r\n", version="1.0")).text == "hello"


def test_continue(client):
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 100 Continue\r\n\r\n")
        body = peer.read_exactly(5)
        peer.send(ok(body.decode()))

    with Origin(script) as origin:
        client.send(f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n")
        assert client.read().status == 100
        assert client.ask("world").text == "world"
        assert "Expect: 100-continue" in origin.heads[0]


def test_interim_responses(client, proxy):
    hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with Origin(answering(hints + hints + ok())) as origin:
        client.send(get(origin))
        assert [client.read().status for _ in range(3)] == [103, 103, 200]
        with Client(proxy.port) as old:
            assert old.ask(get(origin, version="1.0")).status == 200


def test_chunked_body_and_trailers_both_ways(client):
    def script(peer):
        peer.read_head()
        body = peer.read_until(b"0\r\nX-Sum: 1\r\n\r\n")
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        peer.send(body)

    with Origin(script) as origin:
        answer = client.ask(
            f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            "Trailer: X-Sum\r\n\r\n3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n")
        assert (answer.body, answer.trailers) == (b"abcdefg", b"X-Sum: 1\n")


def test_bodies_are_streamed(client):
    """Each piece arrives before the next is sent, both ways at once."""
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            piece = peer.read_exactly(3)
            peer.send(b"3\r\n" + piece + b"\r\n")
        peer.send("0\r\n\r\n")

    with Origin(script) as origin:
        client.send(f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
        while client._line():
            pass
        for i in range(5):
            client.send(f"ab{i}")
            assert client._exactly(8) == f"3\r\nab{i}\r\n".encode()
        assert client._exactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 5_000_000])
def test_large_bodies(client, size):
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]

    def script(peer):
        while peer.read_head() is not None:
            got = peer.read_exactly(size)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got) + got)

    with Origin(script) as origin:
        head = f"PUT http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
        for _ in range(2):
            sender = threading.Thread(target=client.send, args=(head + body,))
            sender.start()
            assert client.read().body == body
            sender.join()


def test_body_to_the_end_of_the_connection(client):
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.0 200 OK\r\n\r\nto the end")

    with Origin(script) as origin:
        assert client.ask(get(origin)).text == "to the end"
        assert client.ask(get(origin)).text == "to the end"
        assert origin.connections == 2


@pytest.mark.parametrize("method, response", [
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
])
def test_responses_without_body(client, method, response):
    with Origin(answering(response)) as origin:
        for _ in range(3):
            client.send(get(origin).replace("GET", method, 1))
            assert client.read(method).status == int(response.split(" ")[1])
        assert origin.connections == 1


def test_early_response(client):
    """An answer before the body was read reaches the client; the rest is read and dropped, within a bound."""
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    with Origin(script) as origin:
        client.send(f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
                    + "x" * 1000)
        answer = client.read()
        assert (answer.status, answer.text, answer.get("connection")) == (413, "big", "close")
        assert client.is_closed()


def test_upgrade(client):
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nfirst ")
        peer.send(peer.read_exactly(4))

    with Origin(script) as origin:
        client.send(get(origin, extra="Connection: Upgrade\r\nUpgrade: chat\r\n"))
        answer = client.read()
        assert (answer.status, answer.get("upgrade"), answer.get("connection")) == (101, "chat", "Upgrade")
        client.send("ping")
        assert client._exactly(10) == b"first ping"
        assert client.is_closed()
        assert "Connection: Upgrade\r\nUpgrade: chat" in origin.heads[0]


def test_upgrade_declined(client):
    with Origin(answering(ok())) as origin:
        assert client.ask(get(origin, extra="Connection: Upgrade\r\nUpgrade: chat\r\n")).status == 200
        assert client.ask(get(origin)).status == 200


def tunnel(client, origin, early=""):
    answer = client.send(f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\nHost: x\r\n\r\n" + early).read("CONNECT")
    assert (answer.status, answer.get("content-length"), answer.get("transfer-encoding")) == (200, None, None)


def test_tunnel(client):
    def script(peer):
        while (data := peer.socket.recv(65536)):
            peer.send(data.upper())

    with Origin(script) as origin:
        tunnel(client, origin, early="early ")
        assert client._exactly(6) == b"EARLY "
        client.send("late")
        assert client._exactly(4) == b"LATE"


def test_tunnel_half_closed_by_the_client(client):
    with Origin(lambda peer: peer.send(b"got %d" % len(peer.read_to_end()))) as origin:
        tunnel(client, origin)
        client.send("x" * 100_000)
        client.socket.shutdown(socket.SHUT_WR)
        assert client._exactly(10) == b"got 100000"
        assert client.is_closed()


def test_tunnel_half_closed_by_the_origin(client):
    def script(peer):
        peer.send("all")
        peer.socket.shutdown(socket.SHUT_WR)
        received.append(peer.read_to_end())

    received = []
    with Origin(script) as origin:
        tunnel(client, origin)
        assert client._exactly(3) == b"all"
        assert client.socket.recv(1) == b""
        client.send("y" * 50_000).socket.shutdown(socket.SHUT_WR)
        wait_for(lambda: received, "the origin to see the end")
        assert received == [b"y" * 50_000]


def test_tunnel_moves_megabytes_both_ways(client):
    size = 8_000_000

    def script(peer):
        sender = threading.Thread(target=lambda: peer.send(b"d" * size))
        sender.start()
        peer.read_exactly(size)
        sender.join()
        peer.socket.shutdown(socket.SHUT_WR)

    with Origin(script) as origin:
        tunnel(client, origin)
        sender = threading.Thread(target=lambda: client.send(b"u" * size))
        sender.start()
        assert client._exactly(size) == b"d" * size
        sender.join()
        assert client.is_closed()
        assert not origin.errors


def test_repeated_only_where_permitted(proxy):
    """A kept connection that is reset as it is used: GET is sent again, POST has had one of its own."""
    def script(peer):
        if peer.read_head() is None:
            return
        peer.send(ok())
        if peer.read_head() is not None:
            peer.reset()

    with Origin(script) as origin, Client(proxy.port) as client:
        assert client.ask(get(origin)).status == 200
        assert client.ask(get(origin)).status == 200
        assert (origin.connections, len(origin.heads)) == (2, 3)
        post = f"POST http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
        assert client.ask(post).status == 200
        assert (origin.connections, len(origin.heads)) == (3, 4)


def test_fresh_connection_without_response_is_not_repeated(client):
    def script(peer):
        peer.read_head()

    with Origin(script) as origin:
        answer = client.ask(get(origin))
        assert (answer.status, len(origin.heads)) == (502, 1)
        assert "connection_terminated" in answer.get("proxy-status")


def test_max_forwards_and_trace(client):
    with Origin(answering(ok())) as origin:
        options = f"OPTIONS http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: %d\r\n\r\n"
        answer = client.ask(options % 0)
        assert (answer.status, origin.heads) == (204, [])
        assert client.ask(options % 3).status == 200
        assert "Max-Forwards: 2" in origin.heads[0]
        assert client.ask(get(origin).replace("GET", "TRACE", 1)).status == 405
        assert len(origin.heads) == 1


def test_loop(client):
    with Origin(answering(ok())) as origin:
        answer = client.ask(get(origin, extra="Via: 1.1 other, 1.1 proxy-under-test\r\n"))
        assert (answer.status, origin.heads) == (508, [])
        assert "proxy_loop_detected" in answer.get("proxy-status")


def test_own_listeners(client, proxy):
    for port in (proxy.port, proxy.admin_port):
        answer = client.ask(f"GET http://127.0.0.1:{port}/metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, "loop" in answer.text) == (403, True)


def test_names_are_resolved_and_literals_of_ipv6(proxy):
    with Origin(answering(ok())) as origin, Client(proxy.port) as client:
        answer = client.ask(f"GET http://localhost:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, origin.heads[0].split("\r\n")[1]) == (200, f"Host: localhost:{origin.port}")
    with Origin(answering(ok()), host="::1") as origin, Client(proxy.port) as client:
        assert client.ask(f"GET http://[::1]:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


def test_forwarded_for_only_when_asked(proxy):
    with Origin(answering(ok())) as origin:
        with Client(proxy.port) as client:
            client.ask(get(origin, extra="X-Forwarded-For: 10.1.2.3\r\n"))
        assert "orwarded" not in origin.heads[0]
        with Proxy(HTTP_PROXY_FORWARDED_FOR="on") as telling, Client(telling.port) as client:
            client.ask(get(origin))
        assert "X-Forwarded-For: 127.0.0.1" in origin.heads[1]


def test_cut_short_is_seen(client):
    with Origin(lambda peer: (peer.read_head(), peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive"))) as origin:
        with pytest.raises((CutShort, ConnectionResetError)):
            client.ask(get(origin))
