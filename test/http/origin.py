"""Origins that follow a script of bytes: what they got is recorded, what they send is the test's. A thread for each
connection; close() ends them all."""

import socket
import threading
import time

DEADLINE = 10  # seconds, for each wait


class Peer:
    """One accepted connection, as the script sees it."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b""
        connection.settimeout(DEADLINE)

    def read_head(self):
        """Up to the empty line; None where the connection ended before."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def read_exactly(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, end):
        while end not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        data, _, self.buffer = self.buffer.partition(end)
        return data + end

    def read_to_end(self):
        while True:
            data = self.socket.recv(65536)
            if not data:
                data, self.buffer = self.buffer, b""
                return data
            self.buffer += data

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Origin:
    """`script(peer)` runs for each connection, which is closed behind it. Heads read are in `heads`."""

    def __init__(self, script, host="127.0.0.1"):
        self.script = script
        self.connections = 0
        self.heads = []
        self.errors = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.threads = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _run(self, connection):
        peer = Peer(connection)
        original = peer.read_head

        def read_head():
            head = original()
            if head is not None:
                self.heads.append(head)
            return head
        peer.read_head = read_head
        try:
            self.script(peer)
        except (OSError, EOFError) as error:
            self.errors.append(error)
        finally:
            connection.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.accepting.join(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answering(response, times=None):
    """A script: the same bytes for each head, up to `times` requests on a connection."""
    data = response if isinstance(response, bytes) else response.encode("latin-1")

    def script(peer):
        served = 0
        while (times is None or served < times) and peer.read_head() is not None:
            peer.send(data)
            served += 1
    return script


def ok(body="hello", extra=""):
    return f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"


def wait_for(condition, what, seconds=5.0):
    """Polls until `condition()` is true and returns its value; AssertionError names `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
