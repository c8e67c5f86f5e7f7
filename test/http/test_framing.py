"""How long is a message: inputs that two readers could take for two lengths, and the answer that each is owed. Nothing
of a refused message reaches the origin, and no refused connection goes on."""

import time

import pytest
from client import Client
from origin import Origin, answering, ok
from proxy import Proxy

CHUNKED = "POST {url} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(*fields, method="GET", version="HTTP/1.1"):
    return f"{method} {{url}} {version}\r\n" + "".join(f"{f}\r\n" for f in ("Host: x", *fields)) + "\r\n"


REFUSED = {
    "both lengths": (400, head("Content-Length: 5", "Transfer-Encoding: chunked", method="POST") + "0\r\n\r\n"),
    "two lengths": (400, head("Content-Length: 5", "Content-Length: 6", method="POST") + "hello"),
    "list of lengths": (400, head("Content-Length: 5, 6", method="POST") + "hello"),
    **{f"length {value!r}": (400, head(f"Content-Length: {value}", method="POST") + "hello")
       for value in ("+5", "-5", "0x5", "5 5", "", "9223372036854775808", "99999999999999999999")},
    "xchunked": (501, head("Transfer-Encoding: xchunked", method="POST") + "0\r\n\r\n"),
    **{f"coding {value!r}": ((400, 501), head(f"Transfer-Encoding: {value}", method="POST") + "0\r\n\r\n")
       for value in ("chunked, identity", "identity, chunked", "chunked, chunked", "\tchunked", "gzip, chunked")},
    "coding twice": (400, head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", method="POST") + "0\r\n\r\n"),
    "coding folded": (400, head("Transfer-Encoding:\r\n chunked", method="POST") + "0\r\n\r\n"),
    "coding in 1.0": (400, head("Transfer-Encoding: chunked", method="POST", version="HTTP/1.0") + "0\r\n\r\n"),
    "space before colon": (400, head("Transfer-Encoding : chunked", method="POST") + "0\r\n\r\n"),
    "bad name": (400, head("X(y): 1")),
    "empty name": (400, head(": 1")),
    "no colon": (400, head("nonsense")),
    "obs-fold": (400, head("X: 1\r\n 2")),
    "bare LF": (400, "GET {url} HTTP/1.1\nHost: x\n\n"),
    "bare CR": (400, head("X: 1\r2")),
    "NUL": (400, head("X: 1\x002")),
    "no host": (400, "GET {url} HTTP/1.1\r\n\r\n"),
    "two hosts": (400, head("Host: y")),
    "two spaces": (400, "GET  {url} HTTP/1.1\r\nHost: x\r\n\r\n"),
    "tab": (400, "GET\t{url} HTTP/1.1\r\nHost: x\r\n\r\n"),
    "HTTP/0.9": ((400, 505), "GET {url}\r\n\r\n"),
    "HTTP/2.0": (505, head(version="HTTP/2.0")),
    "HTTP/1.1x": (400, head(version="HTTP/1.1x")),
    "preface of HTTP/2": ((400, 505), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "origin-form": (400, "GET /path HTTP/1.1\r\nHost: x\r\n\r\n"),
    "https": (400, "GET https://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n"),
    "user": (400, "GET http://user:secret@127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "head over 64 KiB": (431, head(*[f"X-{i}: " + "y" * 1000 for i in range(70)])),
    "line over 64 KiB": (431, head("X: " + "y" * 66000)),
    "target over 64 KiB": (414, "GET {url}" + "y" * 66000 + " HTTP/1.1\r\nHost: x\r\n\r\n"),
    "over 500 fields": (431, head(*["X: 1"] * 501)),
    "other expectation": (417, head("Expect: 200-ok")),
    "CONNECT with a length": (400, "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
    **{f"CONNECT to {port!r}": (400, f"CONNECT 127.0.0.1{port} HTTP/1.1\r\nHost: x\r\n\r\n")
       for port in ("", ":0", ":65536", ":99999999999", ":+80", ":80:80")},
}
BAD_CHUNKS = ["0x5\r\nhello", "+5\r\nhello", "5 5\r\nhello", "-1\r\nhello", "1" * 17 + "\r\nhello", "\r\nhello",
              "5\nhello", "5\r\nhelloXX0\r\n\r\n", "5;" + "x" * 70000 + "\r\nhello", "5\r\nhello\n0\r\n\r\n"]


@pytest.fixture
def origin():
    with Origin(answering(ok())) as running:
        yield running


@pytest.mark.parametrize("name", REFUSED)
def test_refused(proxy, origin, name):
    status, text = REFUSED[name]
    with Client(proxy.port) as client:
        url = f"http://127.0.0.1:{origin.port}/"
        smuggled = f"GET {url}smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = client.ask(text.replace("{url}", url) + smuggled)
        assert answer.status in (status if isinstance(status, tuple) else (status,)), answer.text
        assert (answer.get("connection"), client.is_closed()) == ("close", True)
        assert "secret" not in answer.text
        assert origin.heads == []


@pytest.mark.parametrize("chunks", BAD_CHUNKS)
def test_bad_chunks(proxy, chunks):
    """The head may have gone on, as the body is streamed: what is malformed ends both connections."""
    got = []

    def script(peer):
        peer.read_head()
        got.append(peer.read_to_end())

    with Origin(script) as origin, Client(proxy.port) as client:
        answer = client.ask(CHUNKED.replace("{url}", f"http://127.0.0.1:{origin.port}/") + chunks)
        assert (answer.status, client.is_closed()) == (400, True)
        assert not any(b"0\r\n\r\n" in body for body in got)


@pytest.mark.parametrize("request_text, heads", [
    (head("Content-Length: 5", method="GET") + "hello" + head(), 2),
    (head("Content-Length: 5", "Content-Length: 5", method="POST") + "hello", (0, 1)),
    (head("Transfer-Encoding: CHUNKED", method="POST") + "1\r\nx\r\n0\r\n\r\n" + head(), 2),
    (head("Connection: close, Host, Content-Length", "Content-Length: 0", method="POST"), 1),
    (head("Connection: ,"), 1), (head("Connection: connection"), 1), (head("Connection: , close ,"), 1),
    ("get {url} HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    ("\r\n" + head(), 1),
    (head("Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "Connection: Upgrade, HTTP2-Settings"), 1),
])
def test_framed_right(proxy, request_text, heads):
    def script(peer):
        while (text := peer.read_head()) is not None:
            lower = text.lower()
            if "content-length: 5" in lower:
                peer.read_exactly(5)
            if "transfer-encoding" in lower:
                peer.read_until(b"0\r\n\r\n")
            peer.send(ok())

    with Origin(script) as origin, Client(proxy.port) as client:
        client.send(request_text.replace("{url}", f"http://127.0.0.1:{origin.port}/"))
        expected = heads if isinstance(heads, int) else (1 if client.read().status == 200 else 0)
        if isinstance(heads, int):
            for _ in range(heads):
                assert client.read().status == 200
        assert len(origin.heads) == expected
        for text in origin.heads:
            assert "h2c" not in text and "HTTP2" not in text


def test_denied_tunnel_with_bytes_behind(proxy, origin):
    with Client(proxy.port) as client:
        answer = client.ask("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n"
                            f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, client.is_closed(), origin.heads) == (403, True, [])


def test_a_byte_at_a_time(client, origin):
    for byte in head().replace("{url}", f"http://127.0.0.1:{origin.port}/"):
        client.send(byte)
    assert client.read().status == 200


def test_header_deadline(proxy):
    """Bytes that keep coming do not put it off."""
    with Client(proxy.port) as client:
        started = time.monotonic()
        client.send("GET http://127.0.0.1/ HTTP/1.1\r\n")
        client.socket.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - started < 5:
            try:
                client.send("X")
                answer = client.socket.recv(65536)
            except TimeoutError:
                pass
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert 1.9 < time.monotonic() - started < 3


def test_many_tiny_chunks_cost_little(proxy):
    def script(peer):
        peer.read_head()
        peer.send(ok(str(len(peer.read_until(b"\r\n0\r\n\r\n")))))

    with Origin(script) as origin, Client(proxy.port) as client:
        before = proxy.cpu_ticks()
        client.send(CHUNKED.replace("{url}", f"http://127.0.0.1:{origin.port}/"))
        client.send(b"1\r\nx\r\n" * 150_000 + b"0\r\n\r\n")
        assert client.read().status == 200
        assert proxy.cpu_ticks() - before < 100  # hundredths of a second
        assert proxy.memory_kib() < 64 * 1024


def test_deep_pipeline_is_bounded(proxy):
    """Requests wait in the kernel while nobody reads the answers."""
    with Origin(answering(ok("x" * 1000))) as origin, Client(proxy.port) as client:
        request = head().replace("{url}", f"http://127.0.0.1:{origin.port}/").encode()
        client.socket.settimeout(1)
        sent = 0
        try:
            for _ in range(300):
                sent += client.socket.send(request * 500)
        except TimeoutError:
            pass
        assert proxy.memory_kib() < 64 * 1024


def test_limits_are_settings():
    with Proxy(HTTP_PROXY_HEAD_BYTES="2k", HTTP_PROXY_LINE_BYTES="1k", HTTP_PROXY_FIELDS="10") as small:
        for fields, limit in ((["X: 1"] * 12, "10 fields (EGRESS_HTTP_PROXY_FIELDS)"),
                              (["X: " + "y" * 1200], "1024 bytes (EGRESS_HTTP_PROXY_LINE_BYTES)"),
                              (["X: " + "y" * 900] * 3, "2048 bytes (EGRESS_HTTP_PROXY_HEAD_BYTES)")):
            with Client(small.port) as client:
                answer = client.ask(head(*fields).replace("{url}", "http://127.0.0.1:1/"))
                assert (answer.status, limit in answer.text) == (431, True), answer.text


def test_kerberos_and_many_fields_fit_the_defaults(client):
    """20 KB of Authorization: Negotiate to the origin, 250 fields back."""
    negotiate = "Authorization: Negotiate " + "A" * 20480
    many = "".join(f"X-{number}: value\r\n" for number in range(250))
    with Origin(answering(ok(extra=many))) as origin:
        answer = client.ask(head(negotiate).replace("{url}", f"http://127.0.0.1:{origin.port}/"))
        assert (answer.status, answer.text) == (200, "hello")
        assert negotiate in origin.heads[0] and sum(name.startswith("x-") for name, _ in answer.fields) == 250
