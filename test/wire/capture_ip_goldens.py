#!/usr/bin/env python3
"""Captures what ip(8) sends for each command below into goldens/ip_*.txt, for rtnl_wire_test.

Runs in namespaces of its own, as root. A golden is the command and the bytes of its one request,
the sequence number cleared; rtnl_wire_test names the same files. What the kernel answers does not
matter, the message is sent either way.
"""

import os
import pathlib
import re
import subprocess
import sys

GOLDENS = pathlib.Path(__file__).parent / "goldens"

COMMANDS = {
    "create_macvlan": "ip link add link ens3 name macvlan0 mtu 1500 netns /proc/self/ns/net type macvlan mode private",
    "create_macvlan_bridge": "ip link add link ens3 name net1 mtu 9000 netns /proc/self/ns/net type macvlan mode bridge",
    "set_link_up": "ip link set dev macvlan0 up",
    "set_link_down": "ip link set dev macvlan0 down",
    "add_address4": "ip address add 10.42.253.46/24 dev macvlan0",
    "add_address4_host": "ip address add 10.42.253.46/32 dev macvlan0",
    "add_address6": "ip -6 address add 2001:db8:42::46/64 dev macvlan0 nodad",
    "add_address4_link_scope": "ip address add 169.254.7.7/16 dev macvlan0 scope link",
    "delete_address4": "ip address delete 10.42.253.46/24 dev macvlan0",
    "delete_address6": "ip -6 address delete 2001:db8:42::46/64 dev macvlan0",
    "put_route4_host": "ip route replace 10.42.253.1 dev macvlan0 scope link src 10.42.253.46 proto static",
    "put_route4_default": "ip route replace default via 10.42.253.1 dev macvlan0 proto static",
    "put_route4_table": "ip route replace 10.128.0.0/14 dev eth0 table 3180 scope link src 10.128.0.5"
    " metric 100 mtu 1400 proto static",
    "put_route4_onlink": "ip route replace default via 169.254.1.1 dev eth0 onlink table 3180 proto static",
    "put_route4_multipath": "ip route replace 172.30.0.0/16 table 3180 mtu 1400 proto static"
    " nexthop via 10.128.0.1 dev eth0 nexthop via 10.128.0.2 dev macvlan0 onlink",
    "put_route4_via6": "ip -4 route replace default via inet6 fe80::1 dev eth0 proto static",
    "put_route6_default": "ip -6 route replace default via fe80::1 dev eth0 table 3180 metric 1024 proto static",
    "put_route6_onlink": "ip -6 route replace 2001:db8:42::/64 dev macvlan0 metric 256 proto static",
    "put_route6_metrics": "ip -6 route replace default via fe80::1 dev eth0 metric 1024 pref high"
    " mtu lock 1400 advmss 1340 initcwnd 20 proto static",
    "put_route6_multipath": "ip -6 route replace fd00:10::/32 metric 1024 proto static"
    " nexthop via fd00::1 dev eth0 nexthop via fd00::2 dev eth0",
    "delete_route4": "ip route delete unicast default via 10.128.0.1 dev eth0 scope global metric 100",
    "delete_route4_link": "ip route delete unicast 10.128.0.0/14 dev eth0 table 3180 scope link src 10.128.0.5",
    "delete_route6": "ip -6 route delete unicast default via fe80::1 dev eth0 metric 1024",
    "add_rule4_iif": "ip rule add priority 3180 iif macvlan0 lookup 3180",
    "add_rule4_from": "ip rule add priority 3181 from 10.128.0.5/32 lookup 3180",
    "add_rule4_to": "ip rule add priority 3182 to 172.30.0.10/32 iif lo lookup 3180",
    "add_rule4_mark": "ip rule add priority 3183 iif lo fwmark 0x20000000/0x20000000 lookup 3180",
    "add_rule4_main": "ip rule add priority 100 from 10.0.0.0/8 lookup 254",
    "add_rule6_from": "ip -6 rule add priority 3181 from fd00:10:128::5/128 lookup 3180",
    "delete_rule4": "ip rule delete priority 3182 to 172.30.0.10/32 iif lo lookup 3180",
    "delete_rule6": "ip -6 rule delete priority 3183 iif lo fwmark 0x20000000/0x20000000 lookup 3180",
    # Last, for the others name the links.
    "delete_link": "ip link delete dev macvlan0",
    "rename_link": "ip link set dev eth0 name net1",
}

# rtnl_wire_test counts on these indexes.
LINKS = """
ip link add name eth0 index 2 type veth peer name peer0 index 3
ip link add name ens3 index 4 type veth peer name peer3 index 5
ip link add link peer0 name macvlan0 index 7 type macvlan
"""


def requests_of(command):
    """The bytes of each netlink request that a command sends."""
    trace = subprocess.run(
        ["strace", "-e", "trace=sendmsg", "-e", "write=all", *command.split()],
        capture_output=True, text=True, check=False,
    ).stderr
    for dump in re.split(r"^ \* \d+ bytes in buffer.*$", trace, flags=re.MULTILINE)[1:]:
        lines = re.findall(r"^ \| [0-9a-f]{5}  (.{49}) ", dump, flags=re.MULTILINE)
        yield bytes.fromhex("".join(lines))


def is_change(request):
    return int.from_bytes(request[4:6], "little") % 4 < 2  # RTM_NEW... and RTM_DEL...


def capture(name, command):
    changes = [request for request in requests_of(command) if is_change(request)]
    if len(changes) != 1:
        sys.exit(f"{command}: {len(changes)} requests instead of one")
    request = changes[0][:8] + bytes(8) + changes[0][16:]
    rows = [request[at : at + 16].hex(" ") for at in range(0, len(request), 16)]
    (GOLDENS / f"ip_{name}.txt").write_text("\n".join([f"# {command}", *rows]) + "\n", encoding="ascii")


def main():
    if "--inside" not in sys.argv:
        unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*unshare, sys.executable, __file__, "--inside"])
    for line in LINKS.strip().splitlines():
        subprocess.run(line.split(), check=True)
    for name, command in COMMANDS.items():
        capture(name, command)


if __name__ == "__main__":
    main()
