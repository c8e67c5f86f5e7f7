#!/usr/bin/python3
"""The DNS proxy beside HAProxy in TCP mode as the predecessor sets it up, its log included, with splice and without, in turn in one run on one machine: the proxy pinned
to one core, load and origin (nginx) on the other. Prints CPU microseconds of the proxy for a new connection and CPU
seconds for 1 GiB, and the ratios to the goals. Run it in test/lab/sandbox."""

import argparse
import signal
import statistics
import tempfile
import time
from pathlib import Path

from measuring import BIN, ORIGIN_PORT, PROXY_CPU, PROXY_PORT, bare, bulk_direct, judge, per_piece, pinned, start_origin, wait_for_port


def egress(_folder):
    return pinned(PROXY_CPU, BIN / "egress-dns-proxy", env={
        "EGRESS_DNS_PROXY_DESTINATION": f"{PROXY_PORT} 127.0.0.1 {ORIGIN_PORT}", "EGRESS_ADMIN_LISTEN": "off", "EGRESS_THREADS": "1"})


def haproxy(folder, splice=""):
    (folder / "haproxy.cfg").write_text(f"""
        global
          log 127.0.0.1 local2
          nbthread 1
          maxconn 4000
        defaults
          log global
          mode tcp
          option dontlognull
          option tcplog
          {splice}
          option redispatch
          retries 3
          timeout connect 10s
          timeout client 1m
          timeout server 1m
          timeout check 10s
        listen tcp
          bind 127.0.0.1:{PROXY_PORT}
          server origin 127.0.0.1:{ORIGIN_PORT} check\n""")
    return pinned(PROXY_CPU, "haproxy", "-db", "-f", folder / "haproxy.cfg")


STARTERS = {"egress": egress, "haproxy": haproxy,
            "haproxy+splice": lambda folder: haproxy(folder, "option splice-auto"), "bare": bare}


def measure(start, folder, count):
    process = start(folder)
    try:
        wait_for_port(PROXY_PORT)
        time.sleep(0.5)
        return {"new connection, us": per_piece(process.pid, "new" if start is not bare else "tunnel", count),
                "1 GiB, s": None if start is bare else bulk_direct(process.pid, PROXY_PORT)}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(15)
        time.sleep(0.3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        origin = start_origin(folder)
        try:
            wait_for_port(ORIGIN_PORT)
            for _ in range(options.rounds):
                rounds.append({name: measure(start, folder, options.count) for name, start in STARTERS.items()})
        finally:
            origin.kill()
            origin.wait(10)
    table = {name: {column: statistics.median(each[name][column] for each in rounds)
                    for column in rounds[0][name] if rounds[0][name][column] is not None} for name in STARTERS}
    for name, row in table.items():
        print(f"{name}: " + ", ".join(f"{column} {value:.2f}" for column, value in row.items()))

    def ratio(column, peer):
        return table["egress"][column] / table[peer][column]

    judge([("new connection to HAProxy", ratio("new connection, us", "haproxy"), 1.0),
           ("new connection to a bare relay that speaks CONNECT (no goal)", ratio("new connection, us", "bare"), None),
           ("1 GiB to HAProxy", ratio("1 GiB, s", "haproxy"), 0.6),
           ("1 GiB to HAProxy with splice", ratio("1 GiB, s", "haproxy+splice"), 0.6)])


if __name__ == "__main__":
    main()
