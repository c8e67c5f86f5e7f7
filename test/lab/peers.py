"""What clients do: one question over TCP or UDP, or a long transfer, from a namespace. Every call has a deadline."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from netns import family_of, open_socket

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def connect(netns, protocol, address, port, source=None, seconds=3.0):
    """A connected socket; the caller's. OSError says why there is none, TimeoutError that nobody answered."""
    peer = open_socket(netns, family_of(address), KINDS[protocol])
    try:
        peer.settimeout(seconds)
        if source:
            peer.bind((source, 0))
        peer.connect((address, port))
    except OSError:
        peer.close()
        raise
    return peer


def ask(netns, protocol, address, port, data=b"hello", **options):
    """Sends `data` and returns as many bytes of the answer."""
    with connect(netns, protocol, address, port, **options) as peer:
        peer.sendall(data)
        return receive(peer, len(data)) if protocol == "tcp" else peer.recv(1 << 16)


def transfer(netns, address, port, size, seconds=20.0):
    """Sends `size` bytes over TCP, gets them back, and returns the socket, for what the kernel learnt of the way."""
    data = bytes(range(256)) * (size // 256)
    peer = connect(netns, "tcp", address, port)
    peer.settimeout(seconds)
    sender = threading.Thread(target=peer.sendall, args=(data,), daemon=True)
    sender.start()
    try:
        if receive(peer, len(data)) != data:
            raise AssertionError("what came back is not what was sent")
    except OSError:
        peer.close()
        raise
    sender.join()
    return peer


def answers(*arguments, seconds=1.0, **options):
    """Whether ask() gets an answer."""
    try:
        ask(*arguments, seconds=seconds, **options)
    except OSError:
        return False
    return True


def which_answer(attempts, seconds):
    """Those of the attempts, each the arguments of ask(), that get an answer; all are made at once."""
    with ThreadPoolExecutor(len(attempts)) as pool:
        answered = list(pool.map(lambda attempt: answers(*attempt, seconds=seconds), attempts))
    return [attempt for attempt, answer in zip(attempts, answered) if answer]


def receive(peer, size):
    got = bytearray()
    while len(got) < size:
        part = peer.recv(1 << 16)
        if not part:
            raise ConnectionError(f"ended after {len(got)} of {size} bytes")
        got += part
    return bytes(got)
