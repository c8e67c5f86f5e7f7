"""What the benches of the two proxies share: processes pinned to a core, their CPU time and memory, the origin, the load."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("EGRESS_BIN_DIR", ROOT / "build/bin"))
TICK = os.sysconf("SC_CLK_TCK")
PROXY_CPU, LOAD_CPU = "0", "1"
ORIGIN_PORT, PROXY_PORT = 18000, 18001
BULK_MEBIBYTES = 1024


def pinned(cpu, *command, **options):
    return subprocess.Popen(["taskset", "-c", cpu, *map(str, command)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def family_of(pid):
    """The process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except FileNotFoundError:  # that thread has ended since
            continue
        for child in children:
            found += family_of(int(child))
    return found


def cpu_seconds(pid):
    ticks = 0
    for each in family_of(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def resident_kib(pid):
    total = 0
    for each in family_of(pid):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
        total += int(found.group(1)) if found else 0
    return total


def wait_for_port(port, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def start_origin(folder):
    (folder / "www").mkdir()
    (folder / "www/1k").write_bytes(b"x" * 1024)
    with open(folder / "www/bulk", "wb") as bulk:
        bulk.truncate(BULK_MEBIBYTES << 20)
    (folder / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
        worker_rlimit_nofile 20000;
        events {{ worker_connections 9000; }}
        http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600;
               client_header_timeout 600;
               server {{ listen 127.0.0.1:{ORIGIN_PORT} backlog=4096; root {folder}/www; }} }}""")
    return pinned(LOAD_CPU, "nginx", "-c", folder / "nginx.conf", "-p", folder)


def bare(_folder):
    """What the kernel alone costs: no peer, and no goal."""
    return pinned(PROXY_CPU, BIN / "bare_relay", PROXY_PORT, ORIGIN_PORT)


def load(*arguments, timeout=120):
    subprocess.run(["taskset", "-c", LOAD_CPU, BIN / "http_load", *map(str, arguments)], check=True, timeout=timeout,
                   stdin=subprocess.DEVNULL)


def per_piece(pid, mode, count):
    load(mode, PROXY_PORT, ORIGIN_PORT, 200, 16)
    before = cpu_seconds(pid)
    load(mode, PROXY_PORT, ORIGIN_PORT, count, 16)
    return (cpu_seconds(pid) - before) / count * 1e6


def bulk_direct(pid, port):
    """CPU seconds for one long answer through a port that forwards by TCP alone."""
    before = cpu_seconds(pid)
    subprocess.run(["taskset", "-c", LOAD_CPU, "curl", "-s", "-o", "/dev/null", "--max-time", "60",
                    f"http://127.0.0.1:{port}/bulk"], check=True)
    return cpu_seconds(pid) - before


def judge(rows):
    """Prints (what, ratio, goal or none) as held or missed."""
    for name, ratio, goal in rows:
        verdict = "" if goal is None else "held" if ratio <= goal else "MISSED"
        print(f"{verdict:7} {name}: {ratio:.2f}" + ("" if goal is None else f", at most {goal}"))
