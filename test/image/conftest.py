"""The images, built anew into storage that vanishes, and a node that plays pods of them in the lab. One lab stands at a
time, so a fixture lives as long as its module."""

import os
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import played  # noqa: E402
import shapes  # noqa: E402
from lab import Lab  # noqa: E402
from netns import wait_for  # noqa: E402
from node import Node  # noqa: E402
from peers import ask, connect  # noqa: E402

# The pods that tests play, in the order of their addresses: 10.128.0.100, .101, ...
PODS = ("alone", "egress-router-0", "egress-router-1", "egress-http-proxy-0", "egress-dns-proxy-0")


class Cluster:
    """A lab whose node has the images."""

    def __init__(self, shape, folder):
        self.folder = folder
        self.lab = Lab(shape)
        try:
            self.node = Node(shape, folder, PODS)
            self.table = self.node.run(ROOT / "images/build").stdout
        except BaseException:
            self.lab.close()
            raise

    def close(self):
        self.node.close()
        self.lab.close()

    def play(self, name, check=True, **changes):
        """Plays a manifest of test/image/manifests; OLD="NEW" replaces text in it first."""
        text = (HERE / "manifests" / name).read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        return self.node.play(played.to_text(played.pods(played.read(text), self.folder)), check)

    def address(self, pod):
        """The IPv4 address that the cluster gave it."""
        return f"{self.lab.shape.pod(4).rpartition('.')[0]}.{100 + PODS.index(pod)}"

    def ask(self, pod, port, data=b"hello", **options):
        return ask("client", "tcp", self.address(pod), port, data, **options)

    def http(self, pod, port, target):
        """The status and the whole answer to a GET through a proxy, or of a server."""
        host = target.split("/")[2] if "://" in target else "pod"
        with connect("client", "tcp", self.address(pod), port) as peer:
            peer.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: peer.recv(1 << 16), b"")).decode()
        return int(answer.split()[1]), answer

    def wait_until_ready(self, pod):
        """As a readiness probe does."""
        def ready():
            try:
                return self.http(pod, 9180, "/readyz")[0] == 200
            except OSError:
                return False
        wait_for(ready, f"{pod} to be ready", 10)

    def sources(self):
        """The addresses that the outside saw."""
        return {each.source for each in self.lab.outside.seen()}

    def seconds_to_stop(self, container):
        started = time.monotonic()
        self.node.podman("stop", container)
        return time.monotonic() - started


def cluster_of(shape, tmp_path_factory):
    made = Cluster(shape, tmp_path_factory.mktemp(shape.name))
    yield made
    made.close()


@pytest.fixture(scope="module")
def sdn_cluster(binaries, tmp_path_factory):
    yield from cluster_of(shapes.OPENSHIFT_SDN, tmp_path_factory)


@pytest.fixture(scope="module")
def ovn_cluster(binaries, tmp_path_factory):
    yield from cluster_of(shapes.OVN_KUBERNETES, tmp_path_factory)


def cleared(cluster):
    yield cluster
    cluster.node.podman("pod", "rm", "--all", "--force", "--time", "0")
    cluster.lab.outside.forget()


@pytest.fixture
def sdn(sdn_cluster):
    yield from cleared(sdn_cluster)


@pytest.fixture
def ovn(ovn_cluster):
    yield from cleared(ovn_cluster)
