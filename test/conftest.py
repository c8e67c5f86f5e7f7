"""What the tests that need the lab share. They run inside test/lab/sandbox; anywhere else they are skipped by name,
or fail where CI says so."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lab"))
# kubectl and helm as test/manifests/needs installs them
TOOLS = Path(__file__).parent / "manifests/node_modules/.tools"
os.environ["PATH"] = os.pathsep.join([*(str(TOOLS / name) for name in ("kubectl", "helm")), os.environ["PATH"]])

import shapes
from lab import Lab, Options, programs


def _need_sandbox():
    if "EGRESS_SANDBOX" in os.environ:
        return
    reason = "needs namespaces of its own: run it with test/lab/sandbox"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def binaries():
    _need_sandbox()
    for name in ("egress-router", "egress-wait"):
        if not (programs() / name).exists():
            pytest.fail(f"{programs() / name} is not there: build first, or set EGRESS_BIN_DIR")
    return programs()


@pytest.fixture
def make_lab(binaries):
    """make_lab(SHAPE, OPTION=...): one lab at a time, removed at the end of the test."""
    open_labs = []

    def make(shape=shapes.OPENSHIFT_SDN, **options):
        while open_labs:
            open_labs.pop().close()
        open_labs.append(Lab(shape, Options(**options)))
        return open_labs[-1]

    yield make
    while open_labs:
        open_labs.pop().close()


@pytest.fixture(params=shapes.SHAPES.values(), ids=shapes.SHAPES)
def shape(request):
    return request.param


@pytest.fixture(params=(4, 6), ids=("ipv4", "ipv6"))
def family(request):
    return request.param
