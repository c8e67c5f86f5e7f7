"""Redirect mode as pods: the init container sets the network up, the main container holds it. What the outside saw
decides."""

import shapes

NO_CAPABILITY = {f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def served(cluster, pod="egress-router-0", source=shapes.SOURCE4):
    """One connection passes, and carries the source address."""
    cluster.lab.outside.forget()
    assert cluster.ask(pod, 80) == b"hello"
    assert [(each.source, each.destination, each.port) for each in cluster.lab.outside.seen()] == [
        (source, "203.0.113.25", 80)]


def test_classic_manifest_with_our_images(sdn):
    sdn.play("redirect.yaml")
    assert sdn.node.inspect("egress-router-0-egress-router")["State"]["ExitCode"] == 0
    assert sdn.node.is_running("egress-router-0-wait")
    served(sdn)
    assert sdn.ask("egress-router-0", 8080) == b"hello"
    assert ("203.0.113.26", 80) in {(each.destination, each.port) for each in sdn.lab.outside.seen()}
    assert sdn.sources() == {shapes.SOURCE4}


def test_wait_ends_at_once(sdn):
    sdn.play("redirect.yaml")
    assert sdn.seconds_to_stop("egress-router-0-wait") < 2
    assert sdn.node.inspect("egress-router-0-wait")["State"]["ExitCode"] == 0


def test_pod_stopped_and_started_again(sdn):
    sdn.play("redirect.yaml")
    served(sdn)
    sdn.node.podman("pod", "stop", "egress-router-0")
    sdn.node.podman("pod", "start", "egress-router-0")
    served(sdn)
    assert sdn.node.log("egress-router-0-egress-router").count("ready: mode init") == 2


def test_legacy_mode_in_one_container(sdn):
    sdn.play("legacy.yaml")
    sdn.node.wait_for_log("alone-egress-router", "ready: mode legacy")
    served(sdn, "alone")
    assert sdn.seconds_to_stop("alone-egress-router") < 2
    assert sdn.node.inspect("alone-egress-router")["State"]["ExitCode"] == 0


def test_refused_table_ends_the_init_container(sdn):
    done = sdn.play("redirect.yaml", check=False, **{"80   tcp 203.0.113.25": "80   tcp 203.0.113.256"})
    assert done.returncode != 0 and "exited with code 3" in done.stderr
    log = sdn.node.log("egress-router-0-egress-router")
    assert 'EGRESS_DESTINATION:1:10: error: found "203.0.113.256"' in log
    assert not sdn.node.is_running("egress-router-0-wait")
