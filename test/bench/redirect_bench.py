"""Figures of the redirect router, side by side with the same table as linear nft rules, in one run in the lab: how
long set-up takes, and what the last entry of a long table costs a new connection. Exit 1 where a goal is missed.
Take the ratios; the rest is the machine's.

    test/lab/sandbox /usr/bin/python3 test/bench/redirect_bench.py"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

import shapes
from lab import Lab
from netns import run, start

ROUNDS = 5          # of each set-up time; the middle one counts
RATE_ROUNDS = 7     # first and last entry by turns
CONNECTIONS = 3000  # in each
PROBE_SECONDS = 0.5
TARGET = shapes.OUTSIDE4[0]
SERVED = 8000       # the port at TARGET that all entries lead to
SMALL, MIDDLE, LARGE = 4, 4_500, 60_000  # entries


def table(entries):
    return "".join(f"{port} tcp {TARGET} {SERVED}\n" for port in range(1, entries + 1))


class Bench:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.missed = 0
        self.load = self.folder / "connect_rate"
        source = Path(__file__).with_name("connect_rate.cpp")
        subprocess.run(["g++", "-std=c++20", "-O2", "-o", self.load, source], check=True)

    def row(self, what, ours, linear="", goal="", met=True):
        self.missed += not met
        print(f"  {what:52} {ours:>12} {linear:>14}   {goal}{'' if met else '   MISSED'}", flush=True)

    def run(self):
        self.row("", "egress-router", "linear rules", "goal")
        self.set_up_times()
        for entries in (MIDDLE, LARGE):
            with Lab(shapes.OPENSHIFT_SDN) as lab:
                server = start("outside", self.load, "serve", TARGET, SERVED)
                server.stdout.readline()
                try:
                    self.rates(lab, entries)
                finally:
                    server.kill()
                    server.communicate()
        return self.missed

    # Set-up

    def set_up_times(self):
        probed = self._median(self._set_up, SMALL, None)
        small = self._median(self._set_up, SMALL, "off")
        self.row(f"set-up, {SMALL} entries, with the address probe", _s(probed), "", "under 1 s", probed < 1)
        middle = self._median(self._set_up, MIDDLE, "off")
        linear = self._median(self._load_linear, MIDDLE)
        self.row(f"set-up, {MIDDLE} entries, without the probe", _s(middle), _s(linear), "within 100 ms", middle < 0.1)
        large = self._median(self._set_up, LARGE, "off")
        self.row(f"set-up, {LARGE} entries, without the probe", _s(large), _s(self._load_linear(LARGE)),
                 "within 1 s", large < 1)
        self.row(f"  for comparison: {SMALL} entries, without the probe", _s(small))

    def _median(self, measure, *arguments):
        return statistics.median(measure(*arguments) for _ in range(ROUNDS))

    def _set_up(self, entries, probe):
        with Lab(shapes.OPENSHIFT_SDN) as lab:
            variables = self._variables(lab, entries, probe)
            started = time.monotonic()
            lab.router(variables)
            return time.monotonic() - started

    def _variables(self, lab, entries, probe):
        path = self.folder / f"table-{entries}"
        path.write_text(table(entries))
        return lab.variables(EGRESS_DESTINATION=None, EGRESS_DESTINATION_FILE=str(path), EGRESS_ADDRESS_PROBE=probe)

    def _load_linear(self, entries):
        with Lab(shapes.OPENSHIFT_SDN) as lab:
            started = time.monotonic()
            load_linear(lab, entries)
            return time.monotonic() - started

    # New connections

    def rates(self, lab, entries):
        lab.router(self._variables(lab, entries, "off"))
        ours = self._rates(lab, entries, CONNECTIONS)
        run("pod", "nft", "delete", "table", "inet", "egress_router")
        load_linear(lab, entries)
        linear = self._rates(lab, entries, CONNECTIONS if entries <= MIDDLE else CONNECTIONS // 10)
        ratio = ours[1] / ours[0]
        self.row(f"new connections/s to the first of {entries}", f"{ours[0]:.0f}", f"{linear[0]:.0f}")
        self.row(f"new connections/s to the last of {entries}", f"{ours[1]:.0f}", f"{linear[1]:.0f}")
        self.row("  last to first", f"{ratio:.2f}", f"{linear[1] / linear[0]:.2f}", "at least 0.90", ratio >= 0.9)

    def _rates(self, lab, entries, connections):
        """Of the first entry and of the last."""
        found = {1: [], entries: []}
        for _ in range(RATE_ROUNDS):
            for port, rates in found.items():
                rates.append(float(run("client", self.load, lab.shape.pod(4), port, connections).stdout))
        return [statistics.median(rates) for rates in found.values()]


def load_linear(lab, entries):
    """The same table as the predecessor would make it: a rule an entry."""
    rules = "".join(f"tcp dport {port} dnat to {TARGET}:{SERVED}\n" for port in range(1, entries + 1))
    run("pod", "nft", "-f", "-", timeout=120, stdin=f"""
        table ip linear {{
          chain prerouting {{ type nat hook prerouting priority dstnat; iifname != "eth0" return
            {rules} }}
          chain postrouting {{ type nat hook postrouting priority srcnat; oifname "macvlan0" snat to {shapes.SOURCE4}
          }}
        }}""")


def _s(seconds):
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(1 if Bench(folder).run() else 0)
