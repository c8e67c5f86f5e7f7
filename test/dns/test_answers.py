"""Names whose answers change, grow, shrink, vanish, or do not come: the client notices nothing while one address is
good."""

import socket
import threading

from kit import A, A6, B, C, ask_in_turn, places
from dns_proxy import DnsProxy, get
from nameserver import Nameserver
from netns import open_socket, wait_for
from peers import answers, ask
import shapes

TABLE = "80 www.example.com\n"


def pod(lab):
    return lab.shape.pod(4)


def test_both_families_on_each_side(lab):
    with Nameserver(lab, {"www.example.com": [A6]}), DnsProxy(lab, TABLE) as proxy:
        proxy.wait_for("www.example.com", A6)
        for family in (4, 6):
            ask("client", "tcp", lab.shape.pod(family), 80)
        assert {(s.source, s.destination) for s in lab.outside.seen()} == {(shapes.SOURCE6, A6)}


def test_answers_grow_and_shrink_and_the_last_good_one_is_kept(lab):
    with Nameserver(lab, {"www.example.com": [A]}) as names, \
            DnsProxy(lab, TABLE, DNS_PROXY_HOLD_GONE="2s") as proxy:
        proxy.wait_for("www.example.com", A)
        names.change({"www.example.com": [A, B, C]})
        proxy.wait_for("www.example.com", A, B, C)
        lab.outside.forget()
        assert ask_in_turn(pod(lab), 80, 30) == []
        assert places(lab) == {A, B, C}
        names.change({"www.example.com": [C]})
        proxy.wait_for("www.example.com", C)
        lab.outside.forget()
        assert ask_in_turn(pod(lab), 80, 10) == []
        assert places(lab) == {C}
        # Gone: used for a while yet, then no more.
        names.change({"other.com": [A]})
        wait_for(lambda: proxy.metric("name_stale", '{host="www.example.com"}') == 1, "the name to be gone")
        assert ask_in_turn(pod(lab), 80, 1) == []
        wait_for(lambda: proxy.addresses("www.example.com") == {}, "the addresses to be dropped", 10)
        assert not proxy.is_ready() and ask_in_turn(pod(lab), 80, 1) != []


def test_ten_thousand_connections_across_changes_of_the_answer(lab):
    with Nameserver(lab, {"www.example.com": [A]}) as names, DnsProxy(lab, TABLE) as proxy:
        proxy.wait_for("www.example.com", A)
        turns, failed, changed = [[B], [A, B], [C], [A]], [], threading.Event()

        def connect():
            made = 0
            while made < 10_000 or not changed.is_set():
                failed.extend(ask_in_turn(pod(lab), 80, 100))
                made += 100

        client = threading.Thread(target=connect)
        client.start()
        try:
            for turn in turns:
                names.change({"www.example.com": turn})
                proxy.wait_for("www.example.com", *turn)
        finally:
            changed.set()
            client.join()
        assert failed == []
        assert places(lab) == {A, B, C}
        assert proxy.metric("answer_changes_total", '{host="www.example.com"}') == 1 + len(turns)


def test_a_name_that_does_not_resolve_stops_nothing_but_itself(lab):
    table = "80 www.example.com\n81 later.example.com 80\n"
    with Nameserver(lab, {"www.example.com": [A]}) as names, DnsProxy(lab, table) as proxy:
        proxy.wait_for("www.example.com", A)
        assert ask_in_turn(pod(lab), 80, 1) == []
        assert "Connection" in ask_in_turn(pod(lab), 81, 1)[0]  # refused or reset, and at once
        assert proxy.is_ready()  # one entry can be served
        assert proxy.metric("entry_up", '{entry="tcp/80"}') == 1
        assert proxy.metric("entry_up", '{entry="tcp/81"}') == 0
        assert proxy.metric("name_resolved", '{host="later.example.com"}') == 0
        names.change({"www.example.com": [A], "later.example.com": [B]})
        proxy.wait_for("later.example.com", B)
        assert proxy.metric("name_resolved", '{host="later.example.com"}') == 1
        assert ask_in_turn(pod(lab), 81, 1) == []


def test_without_any_address_it_is_not_ready(lab):
    table = "80 www.example.com\n53 udp later.example.com\n"
    with Nameserver(lab, {"other.example.com": [A]}) as names, DnsProxy(lab, table) as proxy:
        status, why = get("/readyz")
        assert status == 503 and "later.example.com" in why and "www.example.com" in why
        names.change({"later.example.com": [A]})
        wait_for(proxy.is_ready, "one name to resolve", 15)


def test_one_label_by_the_search_list(lab):
    with Nameserver(lab, {"db.default.svc.cluster.local": [B]}), DnsProxy(lab, "5432 db 80\n") as proxy:
        proxy.wait_for("db", B)
        assert ask_in_turn(pod(lab), 5432, 1) == []


def test_dns_dies_and_comes_back(lab):
    with DnsProxy(lab, TABLE, DNS_TIMEOUT="1s") as proxy:
        with Nameserver(lab, {"www.example.com": [A]}):
            proxy.wait_for("www.example.com", A)
        wait_for(lambda: proxy.metric("name_stale", '{host="www.example.com"}') == 1, "the proxy to notice", 10)
        assert ask_in_turn(pod(lab), 80, 20) == []
        assert proxy.is_ready() and proxy.metric("resolve_age_seconds", '{entry="tcp/80",host="www.example.com"}') > 0
        with Nameserver(lab, {"www.example.com": [B]}):
            proxy.wait_for("www.example.com", B)
            assert ask_in_turn(pod(lab), 80, 1) == []
        assert "the last good answer is kept" in proxy.stop()[1]


def test_junk_changes_nothing(lab):
    """Answers that are cut, of another id, for another name, with a loop of compression."""
    def lie():
        sent = 0
        while not stop.is_set():
            try:
                query, peer = server.recvfrom(4096)
            except TimeoutError:
                continue
            junk = (query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:] + b"\xc0\x0c",
                    bytes([query[0] ^ 255]) + query[1:2] + b"\x81\x80" + query[4:],
                    query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",
                    b"", b"\xff" * 600)
            server.sendto(junk[sent % len(junk)], peer)
            sent += 1
            lies.append(sent)

    lies, stop = [], threading.Event()
    with DnsProxy(lab, TABLE, DNS_TIMEOUT="1s") as proxy:
        with Nameserver(lab, {"www.example.com": [A]}):
            proxy.wait_for("www.example.com", A)
        server = open_socket("cluster", socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((shapes.DNS4, 53))
        server.settimeout(0.1)
        liar = threading.Thread(target=lie)
        liar.start()
        try:
            wait_for(lambda: len(lies) > 5, "each lie to be told", 20)
            assert ask_in_turn(pod(lab), 80, 5) == []
            assert set(proxy.addresses("www.example.com")) == {A}
        finally:
            stop.set()
            liar.join()
            server.close()


def test_addresses_that_no_name_should_lead_to(lab):
    lies = ["127.0.0.1", "169.254.169.254", "224.0.0.1"]
    with Nameserver(lab, {"www.example.com": lies}), DnsProxy(lab, TABLE) as proxy:
        wait_for(lambda: proxy.metric("resolve_failures_total", '{host="www.example.com"}'), "an answer")
        assert proxy.addresses("www.example.com") == {}
        assert not answers("client", "tcp", pod(lab), 80)
