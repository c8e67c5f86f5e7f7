"""A node of the lab: podman inside the lab's `node` namespace, with process and mount namespaces of its own, so that
a pod that mounts the node's /proc finds the node's network at 1/ns/net as it would in a cluster, and that storage, mounts
and processes vanish with it. Plays pods, and nothing else."""

import json
import os
import signal
import subprocess
from pathlib import Path

from netns import wait_for

HERE = Path(__file__).resolve().parent
STORAGE = ("/var/lib/containers", "/var/lib/cni", "/run/containers", "/run/libpod")


class Node:
    def __init__(self, shape, folder, pods, images):
        """`pods` are the names that will be played, in the order of their addresses; `images` a store to take images from."""
        self.folder = Path(folder)
        self._configure(shape, pods, images)
        mounts = "; ".join(f"mkdir -p {path}; mount -t tmpfs tmpfs {path}" for path in STORAGE)
        # catatonit reaps what conmon leaves to process 1.
        self._process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/node", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "unchanged",  # a pod's namespace in /run/netns is to be seen from outside
             "sh", "-euc", f"{mounts}; echo ready; exec catatonit -P"], stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the node did not start")
        pid = self._process.pid
        self._pid = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]

    def _configure(self, shape, pods, images):
        plugins, networks = self.folder / "plugins", self.folder / "networks"
        plugins.mkdir()
        networks.mkdir()
        (plugins / "lab-cni").symlink_to(HERE / "lab-cni")
        (networks / "lab.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "lab", "plugins": [
                {"type": "lab-cni", "shape": shape.name,
                 "pods": {name: number for number, name in enumerate(pods)}}]}))
        (self.folder / "containers.conf").write_text(f"""\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "lab"
[engine.runtimes]
lab = ["{HERE}/lab-runtime"]
[network]
network_backend = "cni"
network_config_dir = "{networks}"
cni_plugin_dirs = ["{plugins}"]
""")
        (self.folder / "storage.conf").write_text(
            '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers"\n'
            f'[storage.options]\nadditionalimagestores = ["{images}"]\n')

    def close(self):
        self.run("podman", "pod", "rm", "--all", "--force", "--time", "0", check=False)
        os.kill(int(self._pid), signal.SIGKILL)  # process 1 of the node: the rest ends with it
        self._process.wait()

    def run(self, *command, check=True, timeout=60):
        """Runs a command on the node and returns the CompletedProcess, its output as text."""
        environment = os.environ | {"CONTAINERS_CONF": str(self.folder / "containers.conf"),
                                    "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}
        done = subprocess.run(["nsenter", "-t", self._pid, "-m", "-p", "-n", *map(str, command)],
                              env=environment, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def podman(self, *arguments, **options):
        return self.run("podman", *arguments, **options)

    def play(self, manifest, check=True):
        """Plays a manifest as text; returns when its init containers have ended and its containers have started."""
        path = self.folder / "played.yaml"
        path.write_text(manifest)
        played = self.podman("play", "kube", "--network", "lab", path, check=False)
        if check and played.returncode != 0:
            logs = "".join(self.log(name)[-600:] for name in self.podman("ps", "--all", "--quiet").stdout.split())
            raise RuntimeError(f"podman play kube: exit {played.returncode}\n{played.stderr}{logs}")
        return played

    def inspect(self, container):
        return json.loads(self.podman("inspect", container).stdout)[0]

    def is_running(self, container):
        return self.inspect(container)["State"]["Running"]

    def log(self, container):
        done = self.podman("logs", container)
        return done.stdout + done.stderr

    def wait_for_log(self, container, text, seconds=5.0):
        wait_for(lambda: text in self.log(container), f"{container} to say {text!r}", seconds)

    def status(self, container):
        """/proc/PID/status of the container's first process, as a dictionary."""
        pid = self.inspect(container)["State"]["Pid"]
        lines = self.run("cat", f"/proc/{pid}/status").stdout.splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def in_pod(self, container, *command, **options):
        """Runs a command of the machine in the container's network namespace."""
        pid = self.inspect(container)["State"]["Pid"]
        return self.run("nsenter", "-t", str(pid), "-n", *command, **options)
