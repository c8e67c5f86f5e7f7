"""The proxy under test, as a process with an environment of its own, on ports of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

from origin import wait_for

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("EGRESS_BIN_DIR", ROOT / "build/bin")) / "egress-http-proxy"
SANITIZED = "EGRESS_SANITIZED" in os.environ

# Everything, and the loopback addresses that origins live on, which only a rule that names them opens.
OPEN = "127.0.0.1\n::1\n*"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Proxy:
    def __init__(self, rules=OPEN, stdout=None, preexec=None, **variables):
        self.port, self.admin_port = free_port(), free_port()
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "EGRESS_HTTP_PROXY_LISTEN": f"127.0.0.1:{self.port}",
            "EGRESS_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "EGRESS_HTTP_PROXY_ACCESS_LOG": "json",
            "EGRESS_HTTP_PROXY_VIA": "proxy-under-test",
            "EGRESS_THREADS": "1",
            "EGRESS_HTTP_PROXY_DRAIN_DELAY": "0",
        }
        if rules is not None:
            self.environment["EGRESS_HTTP_PROXY_DESTINATION"] = rules
        self.environment |= {f"EGRESS_{name}": str(value) for name, value in variables.items()}
        self.lines = []
        self.stderr = ""
        self.process = subprocess.Popen(
            [BINARY], env=self.environment, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=preexec)
        self._wait_until_ready()

    def _wait_until_ready(self):
        for line in self.process.stderr:
            self.stderr += line
            if " ready" in line:
                return
        raise RuntimeError(f"the proxy did not start: {self.stderr}")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def admin(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name, labels=""):
        found = re.search(rf"^egress_http_proxy_{name}{re.escape(labels)} (\S+)$", self.admin("/metrics"), re.M)
        return float(found.group(1)) if found else 0.0

    def status(self):
        return json.loads(self.admin("/status"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kib(self):
        """0 under a sanitizer, which has memory of its own."""
        return 0 if SANITIZED else int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()).group(1))

    def cpu_ticks(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def is_running(self):
        return self.process.poll() is None

    def stop(self, seconds=10):
        """Ends it and returns the lines of its access log."""
        if self.is_running():
            self.signal()
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.stderr += err or ""
        self.lines = [json.loads(line) for line in (out or "").splitlines()]
        return self.lines

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.is_running():
            self.process.kill()
        try:
            self.process.communicate(timeout=10)
        except ValueError:  # its pipes are read already
            self.process.wait(10)


def wait_until_idle(proxy):
    wait_for(lambda: proxy.status()["connections"]["open"] == 0, "all connections to end")
