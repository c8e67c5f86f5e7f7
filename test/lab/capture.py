"""Sees the frames on a link: a packet socket, read with deadlines. Understands ARP, and leaves the rest to the
caller."""

import socket
import struct
import time
from dataclasses import dataclass

from netns import open_socket

ETH_P_ALL = 0x0003  # linux/if_ether.h
ETH_P_ARP = 0x0806
SO_TIMESTAMPNS = 35  # asm-generic/socket.h


@dataclass(frozen=True)
class Arp:
    """RFC 826, for Ethernet and IPv4."""
    operation: str  # "request" or "reply"
    sender_mac: str
    sender: str
    target: str
    destination_mac: str

    @property
    def is_announcement(self):
        return self.sender == self.target

    @property
    def is_probe(self):
        return self.sender == "0.0.0.0"


def parse_arp(frame):
    """The Arp in a frame, or None."""
    if len(frame) < 42 or struct.unpack("!H", frame[12:14])[0] != ETH_P_ARP:
        return None
    operation, mac, sender, _, target = struct.unpack("!6xH6s4s6s4s", frame[14:42])
    return Arp("request" if operation == 1 else "reply", mac.hex(":"), socket.inet_ntoa(sender),
               socket.inet_ntoa(target), frame[:6].hex(":"))


class Capture:
    """Keeps all frames, both ways, from its construction on, in `frames`, and when the kernel saw each, in seconds of
    time.time(), in `times`."""

    def __init__(self, netns, link):
        self._socket = open_socket(netns, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((link, ETH_P_ALL))
        self.link = f"{netns}/{link}"
        self.frames = []
        self.times = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def wait_for(self, matches, what, seconds=5.0):
        """The first frame, of those kept and those to come, for which `matches(frame)` is true."""
        deadline = time.monotonic() + seconds
        index = 0
        while True:
            while index < len(self.frames):
                if matches(self.frames[index]):
                    return self.frames[index]
                index += 1
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"not on {self.link} within {seconds} s: {what}")

    def all(self, matches=lambda frame: True):
        """What has arrived so far."""
        while self._read(0):
            pass
        return [frame for frame in self.frames if matches(frame)]

    def arps(self):
        """Pairs of time and Arp."""
        parsed = zip(self.times, map(parse_arp, self.all()))
        return [(at, arp) for at, arp in parsed if arp]

    def _read(self, seconds):
        self._socket.settimeout(max(seconds, 0))
        try:
            frame, ancillary, _, _ = self._socket.recvmsg(1 << 17, 64)
        except (BlockingIOError, TimeoutError):
            return False
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        self.frames.append(frame)
        self.times.append(seconds + nanoseconds / 1e9)
        return True
