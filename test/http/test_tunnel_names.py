"""Server names in tunnels: hellos of a real TLS library, as they are and with the extension of Encrypted ClientHello."""

import ssl

import pytest
from client import Client
from origin import Origin
from proxy import Proxy, wait_until_idle

ECH = b"\xfe\x0d" + (4).to_bytes(2, "big") + b"\x00\x00\x01\x02"  # a type and some of what would follow it
RULES = "!denied.test\nlocalhost\n127.0.0.1\n::1\n*"


def hello(name, extension=b""):
    """What OpenSSL sends first for this server name, with an extension more."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    if not name:
        context.check_hostname = False
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name or None)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    record = out.read()
    body = record[9:] + extension  # record header 5, type 1, length 3
    at = 2 + 32
    at += 1 + body[at]  # session id
    at += 2 + int.from_bytes(body[at:at + 2], "big")  # cipher suites
    at += 1 + body[at]  # compression methods
    extensions = int.from_bytes(body[at:at + 2], "big") + len(extension)
    body = body[:at] + extensions.to_bytes(2, "big") + body[at + 2:]
    return record[:3] + (len(body) + 4).to_bytes(2, "big") + b"\x01" + len(body).to_bytes(3, "big") + body


# server name, extension, what the log says, whether enforcement lets it pass
CASES = [
    ("localhost", b"", "match", True),
    ("localhost", ECH, "match", True),  # browsers send the extension with nothing in it
    ("LOCALHOST", b"", "match", True),
    ("other.test", b"", "mismatch", False),
    ("other.test", ECH, "encrypted", False),  # the name inside could be any
    ("denied.test", b"", "denied", False),
    ("denied.test", ECH, "denied", False),
    ("", b"", "absent", True),
    ("", ECH, "encrypted", False),
]


@pytest.mark.parametrize("mode", ["check", "enforce"])
@pytest.mark.parametrize("name, extension, outcome, passes", CASES)
def test_server_name(mode, name, extension, outcome, passes):
    first = hello(name, extension)
    received = []

    def script(peer):
        received.append(peer.socket.recv(65536))
        peer.send("hello yourself")

    with Origin(script) as origin, Proxy(rules=RULES, HTTP_PROXY_SNI=mode) as proxy:
        with Client(proxy.port) as client:
            client.send(f"CONNECT localhost:{origin.port} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read("CONNECT").status == 200
            client.send(first)
            if passes or mode == "check":
                assert client._exactly(14) == b"hello yourself"
            else:
                assert client.is_closed()
        wait_until_idle(proxy)
        (line,) = proxy.stop()
        assert line["sni"] == outcome
    assert b"".join(received) == (first if passes or mode == "check" else b"")


# rules, server name, extension, what the log says, whether enforcement lets it pass: in tunnels to an address
ADDRESS_CASES = [
    (RULES, "other.test", b"", "match", True),
    (RULES, "OTHER.test", ECH, "match", True),  # what the name outside says comes first, as above
    (RULES, "denied.test", b"", "denied", False),
    (RULES, "denied.test", ECH, "denied", False),
    (RULES, "", b"", "absent", True),
    (RULES, "", ECH, "absent", True),  # browsers at https://ADDRESS/
    ("good.test\n127.0.0.1\n::1", "other.test", b"", "match", True),  # the address is allowed, whatever the name
    ("127.0.0.1\n::1\n!denied.test", "denied.test", b"", "match", True),  # the first rule decides
    ("!*.denied.test\n127.0.0.1\n::1", "a.denied.test", b"", "denied", False),
]


@pytest.mark.parametrize("mode", ["check", "enforce"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("rules, name, extension, outcome, passes", ADDRESS_CASES)
def test_server_name_in_a_tunnel_to_an_address(mode, host, rules, name, extension, outcome, passes):
    """The name is evaluated with the address, as if CONNECT had asked for that name."""
    first = hello(name, extension)
    received = []

    def script(peer):
        received.append(peer.socket.recv(65536))
        peer.send("hello yourself")

    with Origin(script, host=host) as origin, Proxy(rules=rules, HTTP_PROXY_SNI=mode) as proxy:
        with Client(proxy.port) as client:
            at = f"[{host}]" if ":" in host else host
            client.send(f"CONNECT {at}:{origin.port} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read("CONNECT").status == 200
            client.send(first)
            if passes or mode != "enforce":
                assert client._exactly(14) == b"hello yourself"
            else:
                assert client.is_closed()
        wait_until_idle(proxy)
        (line,) = proxy.stop()
        assert (line["sni"], line.get("server_name", "")) == (outcome, name.lower())
    assert b"".join(received) == (first if passes or mode != "enforce" else b"")


@pytest.mark.parametrize("request_head", [
    "POST http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nContent-Length: {}\r\n\r\n",
    "PUT http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nTransfer-Encoding: chunked\r\n\r\n",
    "CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test\r\n\r\n",
])
def test_what_follows_a_denial_is_no_request(request_head):
    with Origin(lambda peer: received.append(peer.read_head())) as origin, Proxy(rules=RULES) as proxy:
        received = []
        inner = f"GET http://127.0.0.1:{origin.port}/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        with Client(proxy.port) as client:
            answer = client.ask(request_head.format(len(inner)) + inner)
            assert answer.status == 403 and answer.get("connection") == "close"
            assert client.is_closed()
        wait_until_idle(proxy)
        assert [each["status"] for each in proxy.stop()] == [403]
        assert not received
