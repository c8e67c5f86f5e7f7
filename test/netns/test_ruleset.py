"""The ruleset is verified in the kernel, not trusted by its comment: whatever was changed by hand, a rerun restores it."""

import json

import pytest

import shapes
from netns import run
from peers import answers, ask
from state import essence

FAST = {"EGRESS_ADDRESS_PROBE": "off"}
TABLE = "inet egress_router"
TABLE_OF_DESTINATIONS = shapes.DUAL_STACK_TABLE.replace("80 tcp 203", "7000-7009 udp 203.0.113.25\n80 tcp 203", 1)


@pytest.fixture
def ready(make_lab):
    lab = make_lab(shapes.OPENSHIFT_SDN)
    lab.router(variables(lab))
    return lab


def variables(lab):
    return lab.dual_stack(EGRESS_DESTINATION=TABLE_OF_DESTINATIONS, **FAST)


def rules(lab):
    return essence(lab.state())["nftables"]


@pytest.mark.parametrize("chain", ["address_filter", "translate", "masquerade_as_source", "input", "forward",
                                   "error_guard", "leak_guard"])
def test_a_flushed_chain_is_restored(ready, chain):
    before = rules(ready)
    run("pod", "nft", f"flush chain {TABLE} {chain}")
    assert rules(ready) != before
    done = ready.router(variables(ready))
    assert rules(ready) == before
    assert f"was changed by another program: chain {chain}: it is loaded again" in done.stderr


@pytest.mark.parametrize("change", [
    f"insert rule {TABLE} input accept",
    f"chain {TABLE} forward {{ policy accept; }}",
    f"delete element {TABLE} destinations4 {{ tcp . 80 }}",
    f"delete element {TABLE} udp_ranges4 {{ 7000-7009 }}",
    f"add chain {TABLE} more {{ type filter hook input priority -1; }}",
    f"flush table {TABLE}",
])
def test_a_change_by_hand_is_undone(ready, change):
    before = rules(ready)
    run("pod", "nft", change)
    assert rules(ready) != before
    ready.router(variables(ready))
    assert rules(ready) == before
    for family in (4, 6):
        ask("client", "tcp", ready.shape.pod(family), 8443)
        assert not answers("neighbour", "tcp", shapes.SOURCE[family], 80, seconds=0.2)


def test_counters_are_no_change(ready):
    """Traffic counts in the table, and a rerun leaves it alone."""
    for family in (4, 6):
        ask("client", "tcp", ready.shape.pod(family), 8443)
        ask("client", "udp", ready.shape.pod(family), 9000)
    steps = json.loads(ready.router(variables(ready), "--plan=json").stdout)["steps"]
    assert [step["present"] for step in steps if step["action"] == "load_ruleset"] == [True]
