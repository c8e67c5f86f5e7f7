"""Every step of an exchange fails in turn: at each byte that a peer sends it closes, resets or falls silent, and each system call
of the proxy fails once. Afterwards nothing is left open, no gauge is off, and the next exchange goes as if nothing had been."""

import re
import shutil
import socket
import subprocess
import time

import pytest
from client import Client, CutShort
from origin import Origin, ok, wait_for
from proxy import Proxy, wait_until_idle

POST = ("POST http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
PIPELINED = "GET http://127.0.0.1:{port}/1 HTTP/1.1\r\nHost: x\r\n\r\n" * 2
TUNNEL = "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = "GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello"
SCRIPTS = {"post": POST, "pipelined": PIPELINED, "tunnel": TUNNEL, "upgrade": UPGRADE}

SIZED = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.fixture(scope="module")
def proxy():
    with Proxy(HTTP_PROXY_HEADER_TIMEOUT="1s", HTTP_PROXY_RESPONSE_TIMEOUT="1s", HTTP_PROXY_CONNECT_TIMEOUT="1s",
               HTTP_PROXY_TUNNEL_TIMEOUT="1s", HTTP_PROXY_HALF_CLOSE_TIMEOUT="1s",
               HTTP_PROXY_KEEP_ALIVE_TIMEOUT="1s") as running:
        with Origin(serve) as origin:  # the pipes of tunnels are made once, and kept
            exchange(running, origin)
        yield running
        assert running.is_running(), running.process.stderr.read()


def serve(peer):
    """Any of the scripts' requests, as a lenient origin answers them."""
    while (head := peer.read_head()) is not None:
        if "upgrade: echo" in head.lower():
            peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            peer.send(peer.read_exactly(5))
            return
        if head.startswith("POST"):
            peer.send("HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_until(b"0\r\nX-Sum: 1\r\n\r\n")
        peer.send(ok("hello" * 200_000 if " /bulk " in head else "hello"))


def end(connection, way):
    if way == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def is_as_before(proxy, before):
    """No client, no tunnel, and no file more than there was."""
    wait_until_idle(proxy)
    wait_for(lambda: proxy.metric("tunnels") == 0, "no tunnel to be counted")
    wait_for(lambda: proxy.metric("pooled_connections") == 0, "kept connections to be closed")
    wait_for(lambda: proxy.descriptors() <= before, f"files to be closed: {before} before, {proxy.descriptors()} now")
    with Origin(serve) as origin, Client(proxy.port) as client:
        assert client.ask(f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").body == b"hello"


@pytest.fixture
def steady(proxy):
    """The proxy, and a look at it afterwards."""
    wait_for(lambda: proxy.metric("pooled_connections") == 0, "kept connections to be closed")
    before = proxy.descriptors()
    yield proxy
    is_as_before(proxy, before)


@pytest.mark.parametrize("way", ["close", "reset", "stall"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_client_that_ends_at_each_byte(steady, script, way):
    with Origin(serve) as origin:
        data = SCRIPTS[script].format(port=origin.port).encode()
        stalled = []
        for length in range(len(data)):
            connection = socket.create_connection(("127.0.0.1", steady.port), timeout=10)
            connection.sendall(data[:length])
            if way == "stall":
                stalled.append(connection)
            else:
                end(connection, way)
        for connection in stalled:  # the proxy's deadline ends each, whatever it answers first
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            connection.close()


@pytest.mark.parametrize("way", ["close", "reset", "stall"])
@pytest.mark.parametrize("response", [SIZED, CHUNKED], ids=["sized", "chunked"])
def test_origin_that_ends_at_each_byte(steady, response, way):
    """Before the end of the head the client is told; after it, the cut is passed on: never a whole answer out of a part."""
    data = response.encode()
    head = data.index(b"\r\n\r\n") + 4

    def script(peer):
        length = int(re.search(r"^GET /(\d+)", peer.read_head()).group(1))
        peer.send(data[:length])
        if way == "stall":
            peer.read_to_end()
        end(peer.socket, way)

    with Origin(script) as origin:
        clients = []
        for length in range(len(data)):
            clients.append(Client(steady.port))
            clients[-1].send(f"GET http://127.0.0.1:{origin.port}/{length} HTTP/1.1\r\nHost: x\r\n\r\n")
        for length, client in enumerate(clients):
            if length < head:
                answer = client.read()
                assert answer.status == (504 if way == "stall" else 502), (length, answer)
                assert b"hello" not in answer.body
            else:
                # What a reset overtakes is lost: the head may be among it, and then the client is told.
                try:
                    answer = client.read()
                    assert way == "reset" and answer.status == 502, (length, answer)
                except (CutShort, ConnectionResetError):
                    pass
            client.close()


@pytest.mark.parametrize("way", ["close", "reset"])
def test_an_answer_that_nobody_waits_for_reaches_nobody(steady, way):
    """A client that closes its side may be waiting still, so the origin is left to answer."""
    def script(peer):
        while (head := peer.read_head()) is not None:
            if "/slow" in head:
                time.sleep(0.3)
            peer.send(ok("slow!" if "/slow" in head else "quick"))

    with Origin(script) as origin:
        for _ in range(3):
            client = Client(steady.port).send(f"GET http://127.0.0.1:{origin.port}/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            end(client.socket, way)
            with Client(steady.port) as other:
                for _ in range(5):
                    time.sleep(0.1)
                    assert other.ask(f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").body == b"quick"


# Each error that the call may give in the middle of things (the manuals' own lists), one at a time.
FAULTS = {
    "accept4": ["EMFILE", "ENFILE", "ECONNABORTED", "ENOBUFS", "EPERM"],
    "socket": ["EMFILE", "ENOBUFS"],
    "connect": ["ENETUNREACH", "EADDRNOTAVAIL", "ECONNREFUSED"],
    "recvfrom": ["ECONNRESET", "ETIMEDOUT", "ENOMEM"],
    "sendto": ["EPIPE", "ECONNRESET", "ENOBUFS"],
    "sendmsg": ["EPIPE", "ECONNRESET"],
    "splice": ["ECONNRESET", "ENOMEM"],
    "epoll_ctl": ["ENOSPC", "ENOMEM"],
    "getsockopt": ["ENOBUFS"],
    "setsockopt": ["ENOBUFS"],
    "shutdown": ["ENOTCONN"],
    "ioctl": ["EINVAL"],
}


def exchange(proxy, origin):
    """One of each kind, of which any may break, but none may hang."""
    answers = []
    for script in (*SCRIPTS.values(), TUNNEL.replace("GET / ", "GET /bulk ")):
        try:
            with Client(proxy.port) as client:
                client.socket.settimeout(6)
                client.send(script.format(port=origin.port))
                try:
                    client.socket.shutdown(socket.SHUT_WR)
                except OSError:  # reset already
                    pass
                data = b""
                while piece := client.socket.recv(65536):
                    data += piece
                answers.append(data)
        except ConnectionError:
            answers.append(None)
    return answers


def traced(proxy, options, act):
    """Runs `act` while strace is attached, and returns what strace wrote."""
    with subprocess.Popen(["strace", "-f", "-p", str(proxy.process.pid), *options], stderr=subprocess.PIPE, text=True) as strace:
        assert "attached" in strace.stderr.readline()
        try:
            act()
        finally:
            strace.terminate()
        return strace.stderr.read()


@pytest.mark.parametrize("call", FAULTS)
def test_each_system_call_fails_in_turn(steady, call):
    assert shutil.which("strace")
    with Origin(serve) as origin:
        calls = traced(steady, ["-e", f"trace={call}"], lambda: exchange(steady, origin))
        count = len(re.findall(rf"\b{call}\(", calls))
        assert count > 0
        for error in FAULTS[call]:
            for when in range(1, min(count, 40) + 1):
                trace = traced(steady, ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"],
                               lambda: exchange(steady, origin))
                assert "(INJECTED)" in trace or when > 1
                assert steady.is_running(), f"{call} {when}: {error}"
        answers = exchange(steady, origin)
        assert all(answer and b"hello" in answer for answer in answers), answers
