"""What the tests of the DNS proxy share: addresses that die in the ways that addresses do, and connections one after
another."""

import socket

import pytest

import shapes
from netns import inside, run

A, B, C = shapes.OUTSIDE4
A6 = shapes.OUTSIDE6[0]


@pytest.fixture
def lab(make_lab):
    return make_lab(shapes.OVN_KUBERNETES)


class Fate:
    """What befalls connections to an address at the outside: `refused` or `silent`."""

    def set(self, **by_address):
        rules = "".join(
            f"ip daddr {address.replace('_', '.').lstrip('a')} tcp flags & (syn | ack) == syn "
            + ("reject with tcp reset;" if fate == "refused" else "drop;") + "\n"
            for address, fate in by_address.items())
        run("outside", "nft", "-f", "-", stdin=f"""
            table inet fate
            delete table inet fate
            table inet fate {{ chain input {{ type filter hook input priority 0;
{rules}}} }}""")

    def clear(self):
        self.set()

    @staticmethod
    def name(address):
        """As a keyword: 203.0.113.25 is a203_0_113_25."""
        return "a" + address.replace(".", "_")


@pytest.fixture
def fate(lab):
    return Fate()


def ask_in_turn(address, port, count, data=b"x", seconds=15):
    """`count` connections of the client, one after the other, each with a question and its answer. Returns how many
    failed, and their errors."""
    failed = []
    with inside("client"):
        for _ in range(count):
            try:
                with socket.create_connection((address, port), timeout=seconds) as peer:
                    peer.sendall(data)
                    if peer.recv(len(data)) != data:
                        failed.append("no answer")
            except OSError as error:
                failed.append(repr(error))
    return failed


def places(lab, protocol="tcp"):
    """Where the outside was asked, each once."""
    return {seen.destination for seen in lab.outside.seen() if seen.protocol == protocol}
