"""The images, built anew into storage that vanishes, and a node that plays pods of them in the lab."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import shapes  # noqa: E402
from lab import Lab  # noqa: E402
from node import Node  # noqa: E402
from peers import ask  # noqa: E402
from netns import wait_for  # noqa: E402

# Those that a test plays, in the order of their addresses: 10.128.0.100, .101, ...
PODS = ("egress-router", "egress-router-0", "egress-router-1", "egress-http-proxy", "egress-dns-proxy", "alone",
        "egress-router-2", "egress-http-proxy-0", "egress-dns-proxy-0")


def pytest_collection_modifyitems(items):
    for item in items:
        if "EGRESS_SANDBOX" not in os.environ and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason="needs namespaces of its own: run it with test/lab/sandbox"))


class Cluster:
    """A lab with a node that plays pods."""

    def __init__(self, shape, folder):
        self.lab = Lab(shape)
        try:
            self.node = Node(shape, folder, PODS)
            self.node.run(ROOT / "images/build")
        except BaseException:
            self.lab.close()
            raise

    def close(self):
        self.node.close()
        self.lab.close()

    def address(self, pod, family=4):
        text = self.lab.shape.pod(family)
        return (text.rpartition(".")[0] + "." if family == 4 else text.rpartition("::")[0] + "::") + \
            str(100 + PODS.index(pod))

    def ask(self, pod, port, data=b"hello", **options):
        return ask("client", "tcp", self.address(pod), port, data, **options)

    def wait_until_listening(self, pod, port):
        def listening():
            try:
                self.lab_connect(pod, port).close()
                return True
            except OSError:
                return False
        wait_for(listening, f"{pod} to listen on {port}", 10)

    def lab_connect(self, pod, port):
        from peers import connect
        return connect("client", "tcp", self.address(pod), port, seconds=1)

    def clear(self):
        self.node.podman("pod", "rm", "--all", "--force", "--time", "0")
        self.lab.outside.forget()


@pytest.fixture(scope="session")
def openshift_sdn(binaries, tmp_path_factory):
    cluster = Cluster(shapes.OPENSHIFT_SDN, tmp_path_factory.mktemp("sdn"))
    yield cluster
    cluster.close()


@pytest.fixture
def sdn(openshift_sdn):
    yield openshift_sdn
    openshift_sdn.clear()
