"""Names that lead to the pod itself, to its node or to a cloud's metadata service: never connected to, in any form, by
clients' connections, health checks or datagrams. An entry that names such an address itself may."""

import ipaddress
import socket

import pytest
import shapes
from dns_proxy import DnsProxy
from kit import A, ask_in_turn
from lab import programs
from nameserver import Nameserver
from netns import open_socket, run, wait_for
from peers import answers, connect
from test_hostile import cpu_seconds, files

HOST = "self.example.com"
TABLE = f"80 {HOST}\n81 {HOST} 9180\n82 {HOST} 80\n53 udp {HOST}\n"


def pod(lab):
    return lab.shape.pod(4)


def mapped(address):
    return f"::ffff:{address}"


def nat64(address):
    return str(ipaddress.ip_address((0x64ff9b << 96) + int(ipaddress.ip_address(address))))


def forms(address):
    return [address, mapped(address), nat64(address)]


def own(lab):
    return [lab.shape.pod(6), shapes.SOURCE6, "::1", *forms(lab.shape.pod(4)), *forms(shapes.SOURCE4), *forms("127.0.0.1")]


SPECIAL = [*forms("169.254.169.254"), *forms("100.100.100.200"), *forms("192.0.0.192"), "fd00:ec2::254", "0.0.0.1",
           "240.0.0.1", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1"]


def assert_leads_nowhere(lab, proxy, count):
    wait_for(lambda: proxy.metric("name_restricted_addresses", f'{{host="{HOST}"}}') == count, "the answer", 15)
    assert proxy.addresses(HOST) == {}
    for port in (80, 81, 82):
        assert ask_in_turn(pod(lab), port, 2) != []
    assert not answers("client", "udp", pod(lab), 53, seconds=0.3)
    spent = cpu_seconds(proxy)
    assert not answers("client", "udp", pod(lab), 53, seconds=1)
    assert cpu_seconds(proxy) - spent < 0.5
    assert files(proxy) < 100
    assert proxy.metric("udp_flows") == 0 and proxy.metric("connections") == 0
    entries = proxy.status()["entries"]
    assert {each["address"] for each in entries[0]["hosts"][0]["restricted"]} <= {*own(lab), *SPECIAL}


def test_a_name_that_leads_to_the_pod_leads_nowhere(lab):
    with Nameserver(lab, {HOST: own(lab)}), \
            DnsProxy(lab, TABLE, DNS_PROXY_CHECK_INTERVAL="100ms", DNS_PROXY_CONNECT_TIMEOUT="1s") as proxy:
        assert_leads_nowhere(lab, proxy, len(own(lab)))
        assert not proxy.is_ready()
        log, said = proxy.stop()
        assert "self.example.com" in said and "an address of the pod itself" in said
        assert said.count("127.0.0.1") < 10  # each second anew, and logged now and then
        assert "upstream=" not in log


def test_a_name_that_leads_to_special_purpose_addresses_leads_nowhere(lab):
    with Nameserver(lab, {HOST: SPECIAL}), \
            DnsProxy(lab, TABLE, DNS_PROXY_CHECK_INTERVAL="100ms", DNS_PROXY_CONNECT_TIMEOUT="1s") as proxy:
        lab.outside.forget()
        assert_leads_nowhere(lab, proxy, len(SPECIAL))
        assert [seen for seen in lab.outside.seen() if seen.port != 53] == []
        assert "a cloud's metadata service" in proxy.stop()[1]


def test_the_others_of_an_answer_are_used(lab):
    with Nameserver(lab, {HOST: [A, "169.254.169.254", pod(lab)]}), DnsProxy(lab, f"80 {HOST}\n") as proxy:
        proxy.wait_for(HOST, A)
        assert ask_in_turn(pod(lab), 80, 10) == []
        assert proxy.metric("name_restricted_addresses", f'{{host="{HOST}"}}') == 2


def test_an_entry_that_names_the_address_itself_reaches_it(lab):
    with open_socket("pod", socket.AF_INET, socket.SOCK_STREAM) as sidecar, \
            DnsProxy(lab, "8443 127.0.0.1 8444\n80 203.0.113.25\n") as proxy:
        sidecar.bind(("127.0.0.1", 8444))
        sidecar.listen()
        sidecar.settimeout(5)
        assert proxy.is_ready()
        with connect("client", "tcp", pod(lab), 8443):
            sidecar.accept()[0].close()


@pytest.mark.parametrize("table, at", [("80 127.0.0.1\n", 1), ("81 www.example.com\n80 127.0.0.1 81\n", 2),
                                       ("80 192.0.2.1,127.0.0.1 9180\n", 1), ("53 udp ::1\n", 1)])
def test_an_entry_that_would_lead_back_to_the_proxy_is_an_error(lab, table, at):
    proxy = DnsProxy(lab, table)
    assert proxy.process.wait(5) == 3
    said = proxy.stop()[1]
    assert f"EGRESS_DNS_PROXY_DESTINATION:{at}:" in said and "a listener of this proxy" in said


def test_explain_says_what_is_not_used_and_why(lab):
    with Nameserver(lab, {HOST: [A, "169.254.169.254", shapes.SOURCE4]}):
        lab.router(lab.dual_stack(EGRESS_ROUTER_MODE="dns-proxy", EGRESS_DESTINATION=None, EGRESS_ADDRESS_PROBE="off"))
        said = run("pod", programs() / "egress-dns-proxy", "--explain", "tcp 80", "--resolve",
                   env={"EGRESS_DNS_PROXY_DESTINATION": f"80 {HOST}"}).stdout
        assert f"now {A}:80" in said
        assert "169.254.169.254 is not used: a link-local address" in said
        assert f"{shapes.SOURCE4} is not used: an address of the pod itself" in said
