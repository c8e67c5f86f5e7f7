"""One proxy for the tests that ask nothing special of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from client import Client  # noqa: E402
from proxy import Proxy  # noqa: E402


@pytest.fixture(scope="module")
def proxy():
    with Proxy(HTTP_PROXY_HEADER_TIMEOUT="2s", HTTP_PROXY_RESPONSE_TIMEOUT="3s",
               HTTP_PROXY_CONNECT_TIMEOUT="2s") as running:
        yield running
        assert running.is_running(), running.process.stderr.read()


@pytest.fixture
def client(proxy):
    with Client(proxy.port) as connected:
        yield connected
