"""A real dnsmasq as the cluster's nameserver, at the address that the pods' resolv.conf names; its records can change
while it runs."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import shapes
from netns import run, start, wait_for


class Nameserver:
    def __init__(self, lab, records):
        """`records`: name to its addresses; what is below no name of them does not exist."""
        lab.dns.close()
        self._folder = tempfile.TemporaryDirectory()
        self._hosts = Path(self._folder.name, "hosts")
        os.chmod(self._folder.name, 0o755)
        self._write(records)
        self._process = start(
            "cluster", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--user=root", "--pid-file", "--cache-size=0", "--local-ttl=1", "--bind-interfaces", "--log-facility=-",
            f"--listen-address={shapes.DNS4},{shapes.DNS6}", f"--addn-hosts={self._hosts}",
            *(f"--local=/{name}/" for name in {"local", *(name.split(".")[-1] for name in records)}), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(lambda: run("cluster", "ss", "-Hlun", f"src {shapes.DNS4}:53").stdout, "dnsmasq to listen")

    def change(self, records):
        """From here on it answers by these; the TTL of what it said before is one second."""
        self._write(records)
        self._process.send_signal(signal.SIGHUP)

    def close(self):
        self._process.terminate()
        self._process.wait(5)
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _write(self, records):
        lines = [f"{address} {name}\n" for name, addresses in records.items() for address in addresses]
        self._hosts.write_text("".join(lines))
        self._hosts.chmod(0o644)
