"""A StatefulSet of two replicas on a plugin that gives no outside interface: each init container makes its own from
the node's (hostPID), and takes the address that its ordinal names."""

from test_redirect import NO_CAPABILITY


def test_each_replica_has_its_own_address(ovn):
    ovn.play("scaled.yaml")
    for ordinal, source in enumerate(("10.42.253.46", "10.42.253.47")):
        ovn.lab.outside.forget()
        assert ovn.ask(f"egress-router-{ordinal}", 80) == b"hello"
        assert ovn.sources() == {source}
        assert ovn.node.status(f"egress-router-{ordinal}-wait").items() >= NO_CAPABILITY.items()


def test_one_replica_replaced_while_the_other_serves(ovn):
    ovn.play("scaled.yaml")
    ovn.node.podman("pod", "stop", "egress-router-1")
    assert ovn.ask("egress-router-0", 80) == b"hello"
    ovn.node.podman("pod", "start", "egress-router-1")
    ovn.lab.outside.forget()
    assert ovn.ask("egress-router-1", 80) == b"hello"
    assert ovn.sources() == {"10.42.253.47"}
