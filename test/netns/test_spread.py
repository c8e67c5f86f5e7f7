"""Several source addresses: each replica its own by its number, or one pod that spreads connections over all."""

import pytest

import shapes
from netns import ip_batch, run
from peers import ask

SECOND4 = "10.42.253.47"
SECOND6 = shapes.SOURCE6[:shapes.SOURCE6.rindex(":") + 1] + "47"


def sources_seen(lab):
    return {seen.source for seen in lab.outside.seen()}


@pytest.fixture
def lab(make_lab):
    return make_lab(shapes.OVN_KUBERNETES)


BOTH = f"{shapes.SOURCE4}/24 {SECOND4}/24 {shapes.SOURCE6}/64 {SECOND6}/64"


def test_each_replica_has_its_own(lab):
    for ordinal, expected in ((1, (SECOND4, SECOND6)), (0, (shapes.SOURCE4, shapes.SOURCE6))):
        run("pod", "ip", "link", "delete", "macvlan0", check=False)
        lab.router(lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_SOURCE_ASSIGN="ordinal", EGRESS_ADDRESS_PROBE="off",
                                  EGRESS_POD_NAME=f"egress-router-{ordinal}"))
        lab.outside.forget()
        for family in (4, 6):
            ask("client", "tcp", lab.shape.pod(family), 80)
        assert sources_seen(lab) == set(expected)


def test_a_replica_too_many_changes_nothing(lab):
    before = lab.state()
    done = lab.router(lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_SOURCE_ASSIGN="ordinal", EGRESS_POD_ORDINAL="2"),
                      check=False)
    assert done.returncode == 3
    assert "EGRESS_SOURCE: error: has 2 IPv4 addresses, expected one for replica 2" in done.stderr
    assert not lab.changes(before)


def more_clients():
    """More addresses of the client; each has a hash of its own."""
    own = run("client", "ip", "-4", "-o", "address", "show", "scope", "global").stdout.split()[3]
    network, _, length = own.rpartition("/")
    more = [f"{network.rpartition('.')[0]}.{last}" for last in range(150, 166)]
    ip_batch("client", [f"address add {address}/{length} dev eth0" for address in more])
    ip_batch("cluster", [f"route replace {address}/32 dev client" for address in more])
    return more


def test_a_client_keeps_its_address_and_clients_are_spread(lab):
    lab.router(lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_ADDRESS_PROBE="off"))
    seen = {}
    for client in more_clients():
        lab.outside.forget()
        for _ in range(4):
            ask("client", "tcp", lab.shape.pod(4), 80, source=client)
        seen[client] = sources_seen(lab)
        assert len(seen[client]) == 1
    assert set().union(*seen.values()) == {shapes.SOURCE4, SECOND4}
    lab.outside.forget()
    for _ in range(4):
        ask("client", "tcp", lab.shape.pod(6), 80)
    assert len(sources_seen(lab)) == 1 and sources_seen(lab) <= {shapes.SOURCE6, SECOND6}


def test_connections_are_spread(lab):
    lab.router(lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_SOURCE_SPREAD="connection", EGRESS_ADDRESS_PROBE="off"))
    for _ in range(40):
        ask("client", "tcp", lab.shape.pod(4), 80)
        ask("client", "tcp", lab.shape.pod(6), 80)
    assert sources_seen(lab) == {shapes.SOURCE4, SECOND4, shapes.SOURCE6, SECOND6}


@pytest.mark.parametrize("spread", ["client", "connection"])
def test_a_proxy_mode_spreads_what_the_pod_opens(lab, spread):
    lab.router(lab.dual_stack(EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None, EGRESS_SOURCE=BOTH,
                              EGRESS_SOURCE_SPREAD=spread, EGRESS_ADDRESS_PROBE="off"))
    for address in shapes.OUTSIDE4:
        lab.outside.forget()
        for _ in range(20):
            ask("pod", "tcp", address, 80)
        assert len(sources_seen(lab)) == (1 if spread == "client" else 2)
        assert sources_seen(lab) <= {shapes.SOURCE4, SECOND4}


def test_all_are_probed_and_announced_and_a_second_run_changes_nothing(lab):
    given = lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_ADDRESS_PROBE="100ms")
    done = lab.router(given)
    for address in (shapes.SOURCE4, SECOND4, shapes.SOURCE6, SECOND6):
        assert address in done.stderr
    before = lab.state()
    lab.router(given)
    assert not lab.changes(before)


def test_a_conflict_in_any_takes_all_back(lab):
    ip_batch("neighbour", [f"address add {SECOND4}/24 dev eth0"])
    before = lab.state()
    done = lab.router(lab.dual_stack(EGRESS_SOURCE=BOTH, EGRESS_ADDRESS_PROBE="200ms"), check=False)
    assert done.returncode == 7 and f"EGRESS_SOURCE {SECOND4}" in done.stderr
    assert not lab.changes(before)
