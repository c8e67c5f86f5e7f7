#!/usr/bin/python3
"""The HTTP proxy beside Squid, tinyproxy and HAProxy, in turn in one run on one machine: the proxy pinned to one core,
load and origin (nginx) on the other. Prints a table of CPU microseconds of the proxy for each piece of work, and the
ratios to the goals. Takes some minutes; run it in test/lab/sandbox."""

import argparse
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from measuring import (BIN, LOAD_CPU, ORIGIN_PORT, PROXY_CPU, PROXY_PORT, BULK_MEBIBYTES, bare, bulk_direct, cpu_seconds, judge,
                       load, per_piece, pinned, resident_kib, start_origin, wait_for_port)

FORWARD_PORT = 18002


def egress(folder):
    environment = {
        "EGRESS_HTTP_PROXY_DESTINATION": "127.0.0.1\n!perdu.com\n*", "EGRESS_HTTP_PROXY_LISTEN": f"127.0.0.1:{PROXY_PORT}",
        "EGRESS_ADMIN_LISTEN": "off", "EGRESS_THREADS": "1", "EGRESS_HTTP_PROXY_ACCESS_LOG": "text"}
    return pinned(PROXY_CPU, BIN / "egress-http-proxy", env=environment)


def squid(folder):
    (folder / "squid.conf").write_text(f"""
        http_port 127.0.0.1:{PROXY_PORT}
        cache deny all
        access_log none
        cache_log /dev/null
        pid_filename none
        coredump_dir /tmp
        pinger_enable off
        shutdown_lifetime 1 second
        acl dest1 dst 127.0.0.1/32
        http_access allow dest1
        http_access deny all""")
    # A name of its own, for the shared memory that a killed Squid leaves behind.
    return pinned(PROXY_CPU, "squid", "-N", "-n", f"bench{os.getpid()}", "-f", folder / "squid.conf")


def tinyproxy(folder):
    (folder / "tinyproxy.conf").write_text(
        f"Port {PROXY_PORT}\nListen 127.0.0.1\nTimeout 600\nMaxClients 9000\nLogLevel Critical\nLogFile \"{folder}/tp.log\"\n")
    return pinned(PROXY_CPU, "tinyproxy", "-d", "-c", folder / "tinyproxy.conf")


def haproxy(folder, tcp_splice=False):
    """No forward proxy: it sends all to the origin, by HTTP on one port and by TCP on the other."""
    splice = "option splice-response" if tcp_splice else ""
    (folder / "haproxy.cfg").write_text(f"""
        global
          nbthread 1
          maxconn 2000
        defaults
          timeout connect 5s
          timeout client 600s
          timeout server 600s
        listen http
          mode http
          http-reuse always
          bind 127.0.0.1:{PROXY_PORT}
          server origin 127.0.0.1:{ORIGIN_PORT}
        listen tcp
          mode tcp
          {splice}
          bind 127.0.0.1:{FORWARD_PORT}
          server origin 127.0.0.1:{ORIGIN_PORT}\n""")
    return pinned(PROXY_CPU, "haproxy", "-db", "-f", folder / "haproxy.cfg")


def keep_alive(folder, pid, seconds):
    """CPU microseconds a request, and requests a second."""
    script = folder / "absolute.lua"
    script.write_text(f'wrk.headers["Host"] = "127.0.0.1:{ORIGIN_PORT}"\n'
                      f'request = function() return wrk.format("GET", "http://127.0.0.1:{ORIGIN_PORT}/1k") end\n')
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", "-c64", "-s", script, f"http://127.0.0.1:{PROXY_PORT}/"]
    subprocess.run([*command, "-d1s"], capture_output=True, check=True, timeout=30)
    before = cpu_seconds(pid)
    out = subprocess.run([*command, f"-d{seconds}s"], capture_output=True, check=True, timeout=60, text=True).stdout
    spent = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    if "Non-2xx" in out:
        raise RuntimeError(out)
    return spent / requests * 1e6, requests / seconds


def bulk(pid):
    before = cpu_seconds(pid)
    load("bulk", PROXY_PORT, ORIGIN_PORT, BULK_MEBIBYTES, 1)
    return cpu_seconds(pid) - before


def idle(pid, count):
    """KiB of resident memory for each tunnel."""
    before = resident_kib(pid)
    holder = subprocess.Popen(
        ["taskset", "-c", LOAD_CPU, str(BIN / "http_load"), "idle", str(PROXY_PORT), str(ORIGIN_PORT), str(count), "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"ready\n":
            return None
        return (resident_kib(pid) - before) / count
    finally:
        holder.stdin.close()
        holder.wait(30)


def measure(name, start, folder, options):
    process = start(folder)
    row = {}
    try:
        wait_for_port(PROXY_PORT)
        time.sleep(0.5)
        if name == "bare":
            return {"new tunnel, us": per_piece(process.pid, "tunnel", options.count)}
        row["keep-alive GET, us"], row["requests/s"] = keep_alive(folder, process.pid, options.seconds)
        row["new connection, us"] = per_piece(process.pid, "new", options.count)
        if name.startswith("haproxy"):
            row["1 GiB, s"] = bulk_direct(process.pid, FORWARD_PORT)
        else:
            row["new tunnel, us"] = per_piece(process.pid, "tunnel", options.count)
            row["1 GiB, s"] = bulk(process.pid)
            tunnels = options.tunnels if name == "egress" else min(options.tunnels, 800)
            row["idle tunnel, KiB"] = idle(process.pid, tunnels)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(15)
        for leftover in Path("/dev/shm").glob(f"bench{os.getpid()}-*"):
            leftover.unlink()
        time.sleep(0.3)
    return row


def goals(table):
    ours = table["egress"]

    def others(column, *names):
        return [table[n][column] for n in names if table.get(n, {}).get(column)]

    rows = [
        ("keep-alive GET to HAProxy", "keep-alive GET, us", others("keep-alive GET, us", "haproxy"), 1.0),
        ("keep-alive GET to Squid", "keep-alive GET, us", others("keep-alive GET, us", "squid"), 0.25),
        ("new connection to HAProxy", "new connection, us", others("new connection, us", "haproxy"), 1.0),
        ("new tunnel to the best", "new tunnel, us", others("new tunnel, us", "squid", "tinyproxy"), 0.5),
        ("new tunnel to a bare relay (no goal)", "new tunnel, us", others("new tunnel, us", "bare"), None),
        ("1 GiB to the best of Squid and tinyproxy", "1 GiB, s", others("1 GiB, s", "squid", "tinyproxy"), 0.5),
        ("1 GiB to the best", "1 GiB, s", others("1 GiB, s", "squid", "tinyproxy", "haproxy+splice"), 0.5),
        ("idle tunnel, KiB", "idle tunnel, KiB", [1.0], 4.0),
    ]
    for name, column, peers, goal in rows:
        if peers and ours.get(column) is not None:
            ratio = ours[column] / min(peers)
            yield name, ratio, goal


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--tunnels", type=int, default=8000)
    parser.add_argument("--only", nargs="*", default=["egress", "bare", "haproxy", "haproxy+splice", "squid", "tinyproxy"])
    parser.add_argument("--json")
    options = parser.parse_args()
    starters = {"egress": egress, "bare": bare, "haproxy": haproxy, "haproxy+splice": lambda f: haproxy(f, True), "squid": squid,
                "tinyproxy": tinyproxy}
    table = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        origin = start_origin(folder)
        try:
            wait_for_port(ORIGIN_PORT)
            for proxy in options.only:
                table[proxy] = measure(proxy, starters[proxy], folder, options)
                print(f"{proxy}: " + ", ".join(f"{k} {v:.2f}" for k, v in table[proxy].items() if v is not None), flush=True)
        finally:
            origin.kill()
            origin.wait(10)
    if "egress" in table:
        judge(goals(table))
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
