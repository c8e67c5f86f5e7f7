"""Redirect mode as pods: the init container sets the network up, the main container holds it. What the outside saw
decides."""

import pathlib

import played

NO_CAPABILITY = {f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
CLASSIC, POD, SOURCE = "classic/redirect.yaml", "egress-redirect-0", "10.42.253.46"


def served(cluster, pod=POD, source=SOURCE):
    """One connection passes, and carries the source address."""
    cluster.lab.outside.forget()
    assert cluster.ask(pod, 80) == b"hello"
    assert [(each.source, each.destination, each.port) for each in cluster.lab.outside.seen()] == [
        (source, "203.0.113.25", 80)]


def test_classic_manifest(sdn):
    sdn.play(CLASSIC)
    assert sdn.node.inspect(f"{POD}-egress-router")["State"]["ExitCode"] == 0
    assert sdn.node.is_running(f"{POD}-wait")
    served(sdn)
    assert sdn.ask(POD, 8080) == b"hello"
    assert ("203.0.113.26", 80) in {(each.destination, each.port) for each in sdn.lab.outside.seen()}
    assert sdn.sources() == {SOURCE}


def test_wait_ends_at_once(sdn):
    sdn.play(CLASSIC)
    assert sdn.seconds_to_stop(f"{POD}-wait") < 2
    assert sdn.node.inspect(f"{POD}-wait")["State"]["ExitCode"] == 0


def test_pod_stopped_and_started_again(sdn):
    sdn.play(CLASSIC)
    served(sdn)
    sdn.node.podman("pod", "stop", POD)
    sdn.node.podman("pod", "start", POD)
    served(sdn)
    assert sdn.node.log(f"{POD}-egress-router").count("ready: mode init") == 2


def test_legacy_mode_in_one_container(sdn):
    text = (pathlib.Path(__file__).parent / "manifests/legacy.yaml").read_text()
    sdn.node.play(played.to_text(played.pods(played.read(text), sdn.folder)))
    sdn.node.wait_for_log("alone-egress-router", "ready: mode legacy")
    served(sdn, "alone")
    assert sdn.seconds_to_stop("alone-egress-router") < 2
    assert sdn.node.inspect("alone-egress-router")["State"]["ExitCode"] == 0


def test_refused_table_ends_the_init_container(sdn):
    done = sdn.play(CLASSIC, check=False, table="80   tcp 203.0.113.256\n")
    assert done.returncode != 0 and "exited with code 3" in done.stderr
    assert 'EGRESS_DESTINATION:1:10: error: found "203.0.113.256"' in sdn.node.log(f"{POD}-egress-router")
    assert not sdn.node.is_running(f"{POD}-wait")
