"""What the configuration of a namespace consists of, as values that can be compared: links, addresses, routes,
rules, nftables, kernel settings. Reads only."""

import json

from netns import read_sysctls, run


def read_state(netns):
    """Without counters, and without what the kernel derives from addresses and links, later and by itself."""
    def ip(*arguments):
        listed = json.loads(run(netns, "ip", "-json", "-details", *arguments).stdout or "[]")
        return [_without_derived(record) for record in listed if record.get("table") != "local"]

    ruleset = json.loads(run(netns, "nft", "--json", "--stateless", "list", "ruleset").stdout)
    return {
        "links": ip("link", "show"),
        "addresses": ip("address", "show"),
        "routes4": ip("-4", "route", "show", "table", "all"),
        "routes6": ip("-6", "route", "show", "table", "all"),
        "rules4": ip("-4", "rule", "show"),
        "rules6": ip("-6", "rule", "show"),
        "nftables": _without_counts(ruleset)["nftables"],
        "sysctls": [{key: value} for key, value in
                    (read_sysctls(netns, "net/ipv4") | read_sysctls(netns, "net/ipv6")).items()],
    }


def differences(before, after):
    """A line for each record that is gone, that is new, or that differs, with no more than what differs."""
    lines = []
    for part in before:
        gone = [record for record in before[part] if record not in after[part]]
        new = [record for record in after[part] if record not in before[part]]
        for old in gone:
            same = next((record for record in new if _name(record) == _name(old)), None)
            if same is None:
                lines.append(f"{part}: gone: {old}")
                continue
            new.remove(same)
            lines += [f"{part}: {_name(old)}: {key} was {old.get(key)}, is {same.get(key)}"
                      for key in dict(old) | dict(same) if old.get(key) != same.get(key)]
        lines += [f"{part}: new: {record}" for record in new]
        if not gone and not new and before[part] != after[part]:
            lines.append(f"{part}: in another order")
    return lines


def _name(record):
    """By which a record is the same one, although something about it differs."""
    if "ifname" in record:
        return record["ifname"]
    return (record["dst"], record.get("table")) if "dst" in record else tuple(record)


def essence(state):
    """What must be equal in two namespaces: all but what the kernel draws at random or numbers as it goes."""
    def pick(records, *keys):
        return [tuple(str(record.get(key)) for key in keys) for record in records]

    links = [(link["ifname"], link["mtu"], "UP" in link["flags"], link.get("linkinfo", {}).get("info_kind"),
              link.get("linkinfo", {}).get("info_data", {}).get("mode")) for link in state["links"]]
    addresses = [(link["ifname"], address["local"], address["prefixlen"])
                 for link in state["addresses"] for address in link["addr_info"] if address["scope"] == "global"]
    routes = [sorted(pick([route for route in state[part] if "fe80" not in route["dst"]],
                          "dst", "gateway", "dev", "table", "metric", "prefsrc", "scope"))
              for part in ("routes4", "routes6")]
    nftables = [{kind: {key: value for key, value in item.items() if key != "handle"} for kind, item in entry.items()}
                for entry in state["nftables"]]
    sysctls = [setting for setting in state["sysctls"]
               if not any(part in key for key in setting for part in ("stable_secret", "/neigh/"))]
    return {"links": links, "addresses": addresses, "routes": routes, "rules4": state["rules4"],
            "rules6": state["rules6"], "nftables": nftables, "sysctls": sorted(sysctls, key=str)}


def _without_derived(record):
    kept = {key: value for key, value in record.items() if key not in ("operstate", "qdisc", "tentative")}
    if "addr_info" in kept:
        kept["addr_info"] = [_without_derived(address) for address in kept["addr_info"]]
    return kept


def _without_counts(node):
    if isinstance(node, dict):
        return {key: _without_counts(value) for key, value in node.items() if key not in ("packets", "bytes")}
    return [_without_counts(each) for each in node] if isinstance(node, list) else node
