"""The DNS proxy in the lab's pod, as its container runs it: behind egress-router, by a user without capabilities."""

import json
import re
import socket
import subprocess

from lab import programs
from netns import inside, start, wait_for

# As a container without privilege is started: any user, no capability.
UNPRIVILEGED = ("setpriv", "--reuid=1001", "--regid=0", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                "--no-new-privs")


def get(path, port=9180):
    """What an endpoint in the pod answers: (status, text)."""
    with inside("pod"), socket.create_connection(("127.0.0.1", port), timeout=5) as admin:
        admin.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: admin.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


class DnsProxy:
    def __init__(self, lab, table, program="egress-dns-proxy", prefix=UNPRIVILEGED, **variables):
        """Sets the pod up too. `variables` come without EGRESS_; DESTINATION_FILE in them takes the table's place."""
        lab.router(lab.dual_stack(EGRESS_ROUTER_MODE="dns-proxy", EGRESS_DESTINATION=None, EGRESS_ADDRESS_PROBE="off"))
        variables = {"DNS_PROXY_DRAIN_DELAY": "0"} | variables
        environment = {f"EGRESS_{name}": str(value) for name, value in variables.items()}
        if "EGRESS_DNS_PROXY_DESTINATION_FILE" not in environment:
            environment["EGRESS_DNS_PROXY_DESTINATION"] = table
        self.process = start("pod", *prefix, programs() / program, env=environment)
        wait_for(lambda: self.process.poll() is not None or self._listens(), "the DNS proxy to start")

    def _listens(self):
        try:
            return get("/livez")[0] == 200
        except OSError:
            return False

    def status(self):
        return json.loads(get("/status")[1])

    def addresses(self, host):
        return {address["address"]: address["up"] for entry in self.status()["entries"] for each in entry["hosts"]
                if each["host"] == host for address in each["addresses"]}

    def metric(self, name, labels=""):
        found = re.search(rf"^egress_dns_proxy_{name}{re.escape(labels)} (\S+)$", get("/metrics")[1], re.M)
        return float(found.group(1)) if found else None

    def is_ready(self):
        return get("/readyz")[0] == 200

    def wait_for(self, host, *addresses, seconds=15):
        wait_for(lambda: set(self.addresses(host)) == set(addresses), f"{host} to be {addresses}", seconds)

    def stop(self, seconds=40):
        """Ends it; returns its log of connections and its messages."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        try:
            print(self.process.communicate(timeout=10)[1])  # for a test that failed
        except (ValueError, subprocess.TimeoutExpired):
            self.process.wait(10)
