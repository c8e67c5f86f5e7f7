"""The proxies as pods: the init container sets the network up, the proxy serves without any privilege, as a user that
no file knows."""

import pytest
from netns import wait_for
from test_redirect import NO_CAPABILITY

HTTP, DNS = "egress-http-proxy-0", "egress-dns-proxy-0"
HTTP_SOURCE, DNS_SOURCE = "10.42.253.47", "10.42.253.48"
RULES = "!203.0.113.26\n*.test\n203.0.113.0/24\n"
# Which OpenShift gives from the range of the namespace.
ANY_USER = ("runAsUser: 1001", "runAsUser: 1000730000")


@pytest.fixture
def http(sdn):
    sdn.play("openshift-sdn/http-proxy", table=RULES, changes=[ANY_USER])
    sdn.wait_until_ready(HTTP)
    return sdn


@pytest.fixture
def dns(sdn):
    sdn.play("openshift-sdn/dns-proxy", table="80 origin.test\n8001 203.0.113.26 8080\n", changes=[ANY_USER])
    sdn.wait_until_ready(DNS)
    return sdn


def has_no_privilege(cluster, container):
    status = cluster.node.status(container)
    assert status.items() >= NO_CAPABILITY.items()
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter
    assert status["Uid"].split() == ["1000730000"] * 4
    assert status["Gid"].split() == ["0"] * 4
    pid = cluster.node.inspect(container)["State"]["Pid"]
    tried = cluster.node.run("touch", f"/proc/{pid}/root/usr/bin/new", check=False)
    assert "Read-only file system" in tried.stderr


def test_http_proxy(http):
    status, answer = http.http(HTTP, 8080, "http://origin.test/")
    assert status == 200 and f"the outside saw tcp from {HTTP_SOURCE}" in answer
    status, answer = http.http(HTTP, 8080, "http://203.0.113.26/")
    assert status == 403 and "!203.0.113.26" in answer
    assert http.http(HTTP, 8080, "http://192.0.2.1/")[0] == 403
    assert {(each.source, each.destination) for each in http.lab.outside.seen()} == {
        (HTTP_SOURCE, "203.0.113.25")}


def test_http_proxy_has_no_privilege(http):
    has_no_privilege(http, f"{HTTP}-proxy")


def test_http_proxy_takes_a_changed_config_map(http):
    assert http.http(HTTP, 8080, "http://203.0.113.27/")[0] == 200
    http.change_table(HTTP, "*.test\n")
    wait_for(lambda: http.http(HTTP, 8080, "http://203.0.113.27/")[0] == 403, "the new rules to hold", 10)
    assert http.http(HTTP, 8080, "http://origin.test/")[0] == 200


def test_http_proxy_ends_after_its_drain_delay(http):
    assert 5 <= http.seconds_to_stop(f"{HTTP}-proxy") < 9
    assert http.node.inspect(f"{HTTP}-proxy")["State"]["ExitCode"] == 0


def test_http_proxy_pod_started_again(http):
    http.node.podman("pod", "stop", HTTP)
    http.node.podman("pod", "start", HTTP)
    http.wait_until_ready(HTTP)
    assert http.http(HTTP, 8080, "http://origin.test/")[0] == 200


def test_dns_proxy(dns):
    assert dns.ask(DNS, 80) == b"hello"
    assert dns.ask(DNS, 8001) == b"hello"
    assert {(each.source, each.destination, each.port) for each in dns.lab.outside.seen()} >= {
        (DNS_SOURCE, "203.0.113.25", 80), (DNS_SOURCE, "203.0.113.26", 8080)}
    assert dns.sources() == {DNS_SOURCE}


def test_dns_proxy_has_no_privilege(dns):
    has_no_privilege(dns, f"{DNS}-proxy")


def test_dns_proxy_takes_a_changed_config_map(dns):
    dns.change_table(DNS, "8002 203.0.113.27 443\n")

    def moved():
        try:
            return dns.ask(DNS, 8002, seconds=1) == b"hello"
        except OSError:
            return False
    wait_for(moved, "the new table to hold", 10)
    with pytest.raises(OSError):
        dns.ask(DNS, 80, seconds=1)


def test_dns_proxy_ends_after_its_drain_delay(dns):
    assert 5 <= dns.seconds_to_stop(f"{DNS}-proxy") < 9
    assert dns.node.inspect(f"{DNS}-proxy")["State"]["ExitCode"] == 0
