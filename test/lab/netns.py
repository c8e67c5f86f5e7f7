"""Does things inside a named network namespace: opens sockets, runs commands, reads and writes kernel settings. A
socket stays in the namespace that it was opened in, so one process can hold sockets of all of them. Knows nothing of
the lab's shape."""

import contextlib
import ctypes
import os
import socket
import subprocess
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


def _set_namespace(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(name):
    """Moves the calling thread, and no other, into the namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _set_namespace(there)
        yield
    finally:
        _set_namespace(home)
        os.close(there)
        os.close(home)


def open_socket(name, family, kind, protocol=0):
    with inside(name):
        return socket.socket(family, kind, protocol)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def run(name, *command, env=None, stdin=None, timeout=20, check=True):
    """Runs a command in the namespace and returns the CompletedProcess, its output as text."""
    done = subprocess.run(
        ["ip", "netns", "exec", name, *map(str, command)],
        env=environment(env), input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"in {name}: {' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done


def start(name, *command, env=None, **options):
    """Starts a command in the namespace; the Popen is the caller's."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(["ip", "netns", "exec", name, *map(str, command)], env=environment(env), **options)


def environment(variables):
    """What a container would see: the variables given, and a PATH."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"} | dict(variables or {})


def ip_batch(name, lines):
    """`ip` commands, one a line, without the leading `ip`."""
    done = subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"in {name}: {done.stderr}")


def set_sysctls(name, settings):
    with inside(name):
        for key, value in settings.items():
            Path("/proc/sys", key).write_text(f"{value}\n")


def read_sysctls(name, below):
    """All readable settings below a folder of /proc/sys, as text."""
    values = {}
    with inside(name):
        for path in Path("/proc/sys", below).rglob("*"):
            if path.is_file():
                with contextlib.suppress(OSError):  # write-only, or not set yet (stable_secret)
                    values[str(path.relative_to("/proc/sys"))] = path.read_text().strip()
    return values


def wait_for(condition, what, seconds=5.0):
    """Polls until `condition()` is true and returns its value; AssertionError names `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
