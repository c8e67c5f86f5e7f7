"""Packets that no socket would send: made with scapy, sent from a namespace, found again in a capture."""

import logging
import socket

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402,F401
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

from netns import open_socket, run  # noqa: E402

LAYER = {4: IP, 6: IPv6}


def send_ip(netns, packet):
    """The kernel of the namespace chooses the link and the next hop; all else stays as given."""
    family = socket.AF_INET if IP in packet else socket.AF_INET6
    with open_socket(netns, family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(bytes(packet), (packet[0].dst, 0))


def send_frame(netns, link, frame):
    with open_socket(netns, socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((link, 0))
        raw.send(bytes(frame))


def ip_of(frame):
    """The IP or IPv6 layer of a captured frame, or None."""
    ether = Ether(frame)
    return ether.getlayer(IP) or ether.getlayer(IPv6)


def between(source, destination, protocol=None):
    """Matches frames with these addresses; None is any."""
    def matches(frame):
        layer = ip_of(frame)
        return (layer is not None and source in (None, layer.src) and destination in (None, layer.dst)
                and (protocol is None or protocol in layer))
    return matches


def add_route(netns, destination, *how):
    run(netns, "ip", "-6" if ":" in destination else "-4", "route", "add", destination, *how)
