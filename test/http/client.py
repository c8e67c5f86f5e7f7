"""A client of bytes: sends what it is told and reads responses as RFC 9112 frames them, with nothing lenient."""

import socket
from dataclasses import dataclass, field

DEADLINE = 10  # seconds, for each wait


@dataclass
class Response:
    status: int
    version: str
    fields: list = field(default_factory=list)  # (lower-case name, value), in order
    body: bytes = b""
    trailers: bytes = b""

    def get(self, name):
        return next((value for key, value in self.fields if key == name.lower()), None)

    @property
    def text(self):
        return self.body.decode("latin-1")


class CutShort(Exception):
    """The connection ended within a response."""


class Client:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def _more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def _line(self):
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise CutShort(self.buffer)
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _exactly(self, size):
        while len(self.buffer) < size:
            if not self._more():
                raise CutShort(self.buffer)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read(self, method="GET"):
        """The next response, interim ones included."""
        version, status, *_ = self._line().decode("latin-1").split(" ")
        response = Response(int(status), version)
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            response.fields.append((name.lower(), value.strip()))
        if method in ("HEAD", "CONNECT") or response.status < 200 or response.status in (204, 304):
            return response
        if response.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                response.body += self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            while line := self._line():
                response.trailers += line + b"\n"
        elif response.get("content-length") is not None:
            response.body = self._exactly(int(response.get("content-length")))
        else:
            while self._more():
                pass
            response.body, self.buffer = self.buffer, b""
        return response

    def ask(self, request, method="GET"):
        return self.send(request).read(method)

    def is_closed(self):
        """The proxy closed, after no more bytes than were read."""
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
