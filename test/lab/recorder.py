"""A peer that answers: listens on addresses and ports in a namespace, sends back what it gets, and records who
asked; a browser gets a page that says it. One thread for all of its sockets; close() ends it."""

import selectors
import socket
import threading
from dataclasses import dataclass

from netns import family_of, open_socket, wait_for


@dataclass(frozen=True)
class Seen:
    protocol: str
    source: str
    source_port: int
    destination: str
    port: int

    def __str__(self):
        return f"{self.protocol} from {self.source} port {self.source_port} to {self.destination} port {self.port}"


def echo(data, seen):
    if not data.startswith(b"GET "):
        return data
    page = f"the outside saw {seen}\n".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)


def dns_answer(query, _):
    """An A record, 203.0.113.25, for whatever was asked."""
    return (query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:]
            + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\xcb\x00\x71\x19")


IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h


def _bind_freely(listener):
    """An IPv6 address may be tentative for a moment after it was added."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)


class Recorder:
    def __init__(self, netns):
        self.netns = netns
        self._seen = []
        self._selector = selectors.DefaultSelector()
        self._wake, waker = socket.socketpair()
        self._selector.register(waker, selectors.EVENT_READ, lambda _: None)
        self._sockets = [self._wake, waker]
        self._running = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def listen(self, protocol, addresses, ports, answer=echo):
        for address in addresses:
            for port in ports:
                kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
                listener = open_socket(self.netns, family_of(address), kind)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                _bind_freely(listener)
                listener.setblocking(False)
                listener.bind((address, port))
                self._sockets.append(listener)
                if protocol == "tcp":
                    listener.listen(1024)
                    self._watch(listener, lambda s: self._accept(s, answer))
                else:
                    self._watch(listener, lambda s: self._receive(s, answer))

    def seen(self):
        return list(self._seen)

    def forget(self):
        self._seen.clear()

    def wait_for(self, seconds=5.0, **fields):
        """The first record with these field values."""
        def find():
            return next((s for s in self.seen() if all(getattr(s, k) == v for k, v in fields.items())), None)
        return wait_for(find, f"{self.netns} to see {fields}; it saw {self.seen()}", seconds)

    def close(self):
        if not self._running:
            return
        self._running = False
        self._wake.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
        self._wake.close()

    def _watch(self, each, handle):
        self._selector.register(each, selectors.EVENT_READ, handle)

    def _record(self, protocol, peer, local):
        self._seen.append(Seen(protocol, peer[0], peer[1], local[0], local[1]))
        return self._seen[-1]

    def _serve(self):
        while self._running:
            for key, _ in self._selector.select():
                try:
                    key.data(key.fileobj)
                except OSError:  # the peer is gone
                    self._drop(key.fileobj)

    def _drop(self, each):
        if each.type == socket.SOCK_STREAM and each not in self._sockets:
            self._selector.unregister(each)
            each.close()

    def _accept(self, listener, answer):
        connection, peer = listener.accept()
        seen = self._record("tcp", peer, connection.getsockname())
        # A burst is answered whole before the next is read; the peer reads while it sends.
        connection.settimeout(10)
        self._watch(connection, lambda s: self._reply(s, lambda data: answer(data, seen)))

    def _reply(self, connection, answer):
        data = connection.recv(1 << 16)
        if not data:
            self._drop(connection)
            return
        connection.sendall(answer(data))

    def _receive(self, listener, answer):
        data, peer = listener.recvfrom(1 << 16)
        seen = self._record("udp", peer, listener.getsockname())
        listener.sendto(answer(data, seen), peer)
