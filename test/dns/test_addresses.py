"""Addresses that refuse, fall silent, die under load and come back: no client's connection fails while one lives."""

import threading
import time

from dns_proxy import DnsProxy
from kit import A, B, C, Fate, ask_in_turn, places
from nameserver import Nameserver
from netns import wait_for

TABLE = "80 www.example.com\n"
ALL = {"www.example.com": [A, B, C]}


def pod(lab):
    return lab.shape.pod(4)


def test_round_robin_over_all(lab):
    with Nameserver(lab, ALL), DnsProxy(lab, TABLE, THREADS="1", DNS_PROXY_CHECK_INTERVAL="0") as proxy:
        proxy.wait_for("www.example.com", A, B, C)
        lab.outside.forget()
        assert ask_in_turn(pod(lab), 80, 30) == []
        seen = [s.destination for s in lab.outside.seen()]
        assert [seen.count(each) for each in (A, B, C)] == [10, 10, 10]


def test_a_refusing_and_a_silent_address_cost_no_connection(lab, fate):
    with Nameserver(lab, ALL), DnsProxy(lab, TABLE, DNS_PROXY_CHECK_INTERVAL="0") as proxy:
        proxy.wait_for("www.example.com", A, B, C)
        fate.set(**{Fate.name(A): "refused", Fate.name(B): "silent"})
        lab.outside.forget()
        began = time.monotonic()
        assert ask_in_turn(pod(lab), 80, 60) == []
        # A silent address is passed over after a second, and left out for a while that doubles.
        assert time.monotonic() - began < 15
        assert places(lab) == {C}
        labels = '{entry="tcp/80",host="www.example.com",address="%s:80"}'
        assert proxy.metric("address_failures_total", labels % A) > 0
        assert proxy.metric("address_failures_total", labels % B) > 0
        assert proxy.metric("failures_total", '{entry="tcp/80"}') == 0


def test_checks_find_the_dead_and_those_who_come_back(lab, fate):
    with Nameserver(lab, ALL), DnsProxy(lab, TABLE, DNS_PROXY_CHECK_INTERVAL="200ms") as proxy:
        proxy.wait_for("www.example.com", A, B, C)
        fate.set(**{Fate.name(A): "silent"})
        wait_for(lambda: proxy.addresses("www.example.com")[A] is False, "the check to fail", 10)
        began = time.monotonic()
        assert ask_in_turn(pod(lab), 80, 30) == []
        assert time.monotonic() - began < 2  # nobody waits for the dead one
        fate.clear()
        wait_for(lambda: proxy.addresses("www.example.com")[A] is True, "the check to succeed", 10)
        lab.outside.forget()
        assert ask_in_turn(pod(lab), 80, 30) == []
        assert places(lab) == {A, B, C}
        told = proxy.stop()[1]
        assert f"{A}:80 is down" in told and f"{A}:80 is up again" in told


def test_dying_in_turn_under_load(lab, fate):
    with Nameserver(lab, ALL), DnsProxy(lab, TABLE, DNS_PROXY_CHECK_INTERVAL="200ms") as proxy:
        proxy.wait_for("www.example.com", A, B, C)
        failed, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                failed.extend(ask_in_turn(pod(lab), 80, 20))

        clients = [threading.Thread(target=load) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for dead in (A, B, C, A):
                others = [each for each in (A, B, C) if each != dead]
                fate.set(**{Fate.name(dead): "refused", Fate.name(others[0]): "refused"})
                wait_for(lambda: not proxy.addresses("www.example.com")[dead], "the check to fail", 10)
                fate.clear()
                wait_for(lambda: all(proxy.addresses("www.example.com").values()), "all to be up", 10)
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert failed == []


def test_all_dead_is_told_and_a_restart_is_waited_for(lab, fate):
    with Nameserver(lab, {"www.example.com": [A]}), \
            DnsProxy(lab, TABLE, DNS_PROXY_CONNECT_TIMEOUT="3s", DNS_PROXY_CHECK_INTERVAL="0") as proxy:
        proxy.wait_for("www.example.com", A)
        fate.set(**{Fate.name(A): "refused"})
        began = time.monotonic()
        assert "Connection" in ask_in_turn(pod(lab), 80, 1)[0]
        assert 1 < time.monotonic() - began < 4  # four attempts, half a second apart
        back = threading.Timer(0.8, fate.clear)
        back.start()
        assert ask_in_turn(pod(lab), 80, 1) == []  # it came back within the attempts
        back.join()
        log, _ = proxy.stop()
        assert "no_connection" in log and "Connection refused" in log


def test_least_connections(lab):
    with Nameserver(lab, {"www.example.com": [A, B]}), \
            DnsProxy(lab, TABLE, THREADS="1", DNS_PROXY_BALANCE="leastconn") as proxy:
        proxy.wait_for("www.example.com", A, B)
        from peers import connect
        held = [connect("client", "tcp", pod(lab), 80) for _ in range(6)]
        counts = '{entry="tcp/80",host="www.example.com",address="%s:80"}'
        wait_for(lambda: [proxy.metric("address_connections", counts % each) for each in (A, B)] == [3, 3],
                 "three each")
        for peer in held:
            peer.close()
