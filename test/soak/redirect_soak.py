"""Runs a router pod for SOAK_MINUTES (10) of connections and restarts, and ends with exit 0 only where nothing was lost
and nothing grew: clients connect without pause, the init container runs again every few seconds as after a restart of
the pod, egress-wait must keep its size, and the pod must keep its state.

    test/lab/sandbox /usr/bin/python3 test/soak/redirect_soak.py"""

import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import shapes
from lab import Lab
from peers import ask

CLIENTS = 8
ASKED = (("tcp", 80), ("tcp", 8080), ("tcp", 8443), ("tcp", 9000), ("udp", 5353), ("udp", 53))
RESTART_SECONDS = 3.0
MOST_WAIT_KIB = 2048  # resident memory of egress-wait


class Clients:
    """Asks without pause until told to stop; counts what was answered and keeps what was not."""

    def __init__(self, pod):
        self.pod = pod
        self.answered = 0
        self.lost = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        while not self._stop.is_set():
            protocol, port = ASKED[(self.answered + number) % len(ASKED)]
            try:
                ask("client", protocol, self.pod, port)
                with self._lock:
                    self.answered += 1
            except OSError as error:
                with self._lock:
                    self.lost.append(f"{protocol} {port}: {error}")
            time.sleep(0.002)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"no VmRSS of {pid}")


def soak(shape, seconds):
    wrong = []
    with Lab(shape) as lab:
        variables = lab.variables()
        lab.router(variables)
        wait = lab.start("egress-wait", variables)
        clients = Clients(shape.pod(4))
        before = lab.state()
        restarts = 0
        most_kib = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(RESTART_SECONDS)
            done = lab.router(variables, check=False)
            restarts += 1
            if done.returncode != 0:
                wrong.append(f"restart {restarts}: exit {done.returncode}: {done.stderr}")
            most_kib = max(most_kib, resident_kib(wait.pid))
            lab.outside.forget()
        clients.stop()
        wrong += lab.changes(before)
        wait.terminate()
        if wait.wait(timeout=5) != 0:
            wrong.append(f"egress-wait ended with {wait.returncode}")
    if clients.lost:
        wrong.append(f"{len(clients.lost)} connections lost, the first: {clients.lost[0]}")
    if most_kib > MOST_WAIT_KIB:
        wrong.append(f"egress-wait grew to {most_kib} KiB")
    print(f"{shape.name}: {clients.answered} answered, {len(clients.lost)} lost, {restarts} restarts, "
          f"egress-wait at most {most_kib} KiB", flush=True)
    return [f"{shape.name}: {one}" for one in wrong]


def main():
    minutes = float(os.environ.get("SOAK_MINUTES", "10"))
    wrong = []
    for shape in shapes.SHAPES.values():
        wrong += soak(shape, minutes * 60 / len(shapes.SHAPES))
    print("\n".join(wrong) or "nothing lost, nothing grew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
