"""Redirect mode as a pod: the init container sets the network up, the main container holds it. What the outside saw
decides."""

import shapes

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: egress-router
  annotations: { pod.network.openshift.io/assign-macvlan: "true" }
spec:
  restartPolicy: OnFailure
  initContainers:
  - name: egress-router
    image: localhost/egress-router
    securityContext: { privileged: true }
    env:
    - { name: EGRESS_ROUTER_MODE, value: init }
    - { name: EGRESS_SOURCE, value: 10.42.253.46 }
    - { name: EGRESS_GATEWAY, value: 10.42.253.1 }
    - name: EGRESS_DESTINATION
      value: |
        80   tcp 203.0.113.25
        8080 tcp 203.0.113.26 80
  containers:
  - name: wait
    image: localhost/egress-wait
    securityContext: { readOnlyRootFilesystem: true }
"""


def test_init_container_then_wait(sdn):
    sdn.node.play(POD)
    assert sdn.node.inspect("egress-router-egress-router")["State"]["ExitCode"] == 0
    assert sdn.node.is_running("egress-router-wait")
    assert sdn.ask("egress-router", 80) == b"hello"
    assert sdn.ask("egress-router", 8080) == b"hello"
    seen = {(each.source, each.destination, each.port) for each in sdn.lab.outside.seen()}
    assert seen == {(shapes.SOURCE4, "203.0.113.25", 80), (shapes.SOURCE4, "203.0.113.26", 80)}
