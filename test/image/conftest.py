"""The images, built anew into a store that vanishes, and a node that plays pods of them in the lab. One lab stands at a
time, so a fixture lives as long as its module."""

import os
import subprocess
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
PODS = ("alone", "egress-redirect-0", "egress-redirect-1", "egress-http-proxy-0", "egress-dns-proxy-0")


class Cluster:
    """A lab whose node has the images."""

    def __init__(self, shape, folder, images):
        self.folder = folder
        self.lab = Lab(shape)
        try:
            self.node = Node(shape, folder, PODS, images)
        except BaseException:
            self.lab.close()
            raise

    def close(self):
        self.node.close()
        self.lab.close()

    def play(self, name, check=True, table=None, more=(), changes=()):
        """Plays a manifest of the project: a file, or a folder as kustomize renders it. `table` takes the place of the
        ConfigMap's text, `more` are objects beside it, and `changes` are (OLD, NEW) in the text."""
        path = ROOT / "manifests" / name
        text = path.read_text() if path.is_file() else rendered(path)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        documents = played.read(text) + list(more)
        if table is not None:
            (config_map,) = [each for each in documents if each["kind"] == "ConfigMap"
                             and each["data"].keys() & {"destination", "rules"}]
            config_map["data"] = dict.fromkeys(config_map["data"], table)
        return self.node.play(played.to_text(played.pods(documents, self.folder)), check)

    def change_table(self, pod, table):
        """As the kubelet does when the ConfigMap was edited."""
        folder = self.folder / pod / "table"
        played.update(folder, {each.name: table for each in folder.iterdir() if not each.name.startswith(".")})

    def address(self, pod):
        """The IPv4 address that the cluster gave it."""
        return f"{self.lab.shape.pod(4).rpartition('.')[0]}.{100 + PODS.index(pod)}"

    def ask(self, pod, port, data=b"hello", **options):
        return ask("client", "tcp", self.address(pod), port, data, **options)

    def http(self, pod, port, target, wrap=None):
        """The status and the whole answer to a GET through a proxy, or of a server; `wrap` makes TLS of the connection."""
        host = target.split("/")[2] if "://" in target else "pod"
        with connect("client", "tcp", self.address(pod), port) as peer:
            peer = wrap(peer) if wrap else peer
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


def rendered(folder):
    subprocess.run([ROOT / "test/manifests/needs"], check=True)
    return subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def images(binaries, tmp_path_factory):
    """The folder of a store with the images of all programs."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n')
    subprocess.run([ROOT / "images/build"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"CONTAINERS_STORAGE_CONF": str(folder / "storage.conf")})
    return folder / "store"


def cluster_of(shape, tmp_path_factory, images):
    made = Cluster(shape, tmp_path_factory.mktemp(shape.name), images)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sdn_cluster(images, tmp_path_factory):
    yield from cluster_of(shapes.OPENSHIFT_SDN, tmp_path_factory, images)


@pytest.fixture(scope="module")
def ovn_cluster(images, tmp_path_factory):
    yield from cluster_of(shapes.OVN_KUBERNETES, tmp_path_factory, images)


def cleared(cluster):
    yield cluster
    # Now and then podman 4.3 finds a container stopped that it is about to kill, and gives up.
    wait_for(lambda: cluster.node.podman("pod", "rm", "--all", "--force", "--time", "0", check=False).returncode == 0,
             "the pods to be gone", 20)
    cluster.lab.outside.forget()


@pytest.fixture
def sdn(sdn_cluster):
    yield from cleared(sdn_cluster)


@pytest.fixture
def ovn(ovn_cluster):
    yield from cleared(ovn_cluster)
