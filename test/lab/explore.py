"""Builds the lab, sets the router pod up from the reference table, and gives a shell inside; leaving the shell
removes all.

    test/lab/sandbox /usr/bin/python3 test/lab/explore.py [SHAPE]"""

import os
import subprocess
import sys

import shapes
from lab import NAMESPACES, Lab, programs

CLUSTER_TABLE = 3180  # kClusterTable of router-init/plan.hpp

HELP = """
The lab stands, in the shape {shape}: {namespaces}.
The router pod is set up, and egress-wait holds it. The client reaches it at {pod}, and {pod6}.
Each namespace is a command of this shell that runs another inside it:

  client curl -m 2 http://{pod}:8080/       what the outside saw of it, in its own words
  client ping -c 1 {pod}                    goes to the fallback, {fallback}
  neighbour curl -m 2 http://{source}/       from outside: no answer
  pod egress-router --explain 'tcp 8443'      which entry takes it
  pod egress-router --plan                    what would be done, and is done already
  pod egress-router                           once more: changes nothing
  pod nft list table inet egress_router       the translation, with a counter for each entry
  pod ip rule; pod ip route show table {table}   which way what goes
  gateway tcpdump -ni lan                     what the external segment sees

`exit` removes all of it.
"""

SHELL = """
{functions}
PS1='egress lab ({shape}, exit removes it): \\w\\$ '
"""


def main(name):
    shape = shapes.SHAPES[name]
    with Lab(shape) as lab:
        variables = lab.dual_stack()
        done = lab.router(variables, check=False)
        print(done.stderr, end="")
        if done.returncode != 0:
            return done.returncode
        wait = lab.start("egress-wait", variables, stdout=None, stderr=None)
        try:
            print(HELP.format(shape=shape.name, namespaces=", ".join(NAMESPACES), pod=shape.pod(4),
                              pod6=shape.pod(6), source=shapes.SOURCE4, table=CLUSTER_TABLE,
                              fallback=shapes.OUTSIDE4[2]), flush=True)
            return _shell(shape, variables)
        finally:
            wait.terminate()
            wait.wait(timeout=5)


def _shell(shape, variables):
    functions = "\n".join(f'{name}() {{ ip netns exec {name} "$@"; }}' for name in NAMESPACES)
    rc = os.memfd_create("egress-lab-bashrc")  # a file that needs no removal
    os.write(rc, SHELL.format(functions=functions, shape=shape.name).encode())
    path = f"{programs()}:/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(["bash", "--noprofile", "--rcfile", f"/proc/self/fd/{rc}", "-i"], pass_fds=(rc,),
                          env=os.environ | variables | {"PATH": path}).returncode


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else shapes.OPENSHIFT_SDN.name
    if chosen not in shapes.SHAPES:
        sys.exit(f"no shape {chosen}; there are: {', '.join(shapes.SHAPES)}")
    sys.exit(main(chosen))
