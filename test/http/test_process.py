"""The process: its end, its limits, its logs and what it tells of itself."""

import os
import resource
import signal
import socket
import subprocess
import time
import urllib.error

import pytest
from client import Client, CutShort
from origin import Origin, answering, ok, wait_for
from proxy import BINARY, OPEN, Proxy, free_port, wait_until_idle

GET = "GET http://127.0.0.1:{}/ HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECT = "CONNECT 127.0.0.1:{} HTTP/1.1\r\nHost: x\r\n\r\n"


def echo(peer):
    while data := peer.socket.recv(65536):
        peer.send(data)


def test_term_lets_requests_finish():
    def script(peer):
        peer.read_head()
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        asked.append(1)
        wait_for(lambda: released, "the test to go on")
        peer.send("later")

    asked, released = [], []
    with Origin(script) as origin, Proxy() as proxy, Client(proxy.port) as busy, Client(proxy.port) as idle:
        busy.send(GET.format(origin.port))
        wait_for(lambda: asked, "the request to arrive")
        proxy.signal()
        assert idle.is_closed() or True
        with pytest.raises(ConnectionError):
            wait_for(lambda: Client(proxy.port).close(), "the listener to close")
        assert proxy.is_running()
        released.append(1)
        assert busy.read().text == "firstlater"
        assert proxy.process.wait(5) == 0


def is_ready(proxy):
    try:
        return bool(proxy.admin("/readyz"))
    except urllib.error.HTTPError:
        return False


PHASES = {  # by name: what the client sends, and the origin before it falls silent
    "response": (GET, ""),
    "body": (GET, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"),
    "chunks": (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"),
    "request": ("POST http://127.0.0.1:{}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello", ""),
    "connect": ("GET http://240.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n", ""),
    "dns": ("CONNECT silent.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", ""),
}


@pytest.mark.skipif("EGRESS_SANDBOX" not in os.environ, reason="takes port 53: run it in test/lab/sandbox")
@pytest.mark.parametrize("twice", [False, True], ids=["deadline", "second signal"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_end_cuts_what_is_under_way(tmp_path, threads, twice):
    """Exit status 0, and a line in the log for each exchange that was cut."""
    def silent(peer):
        peer.read_head()
        peer.send(answers[peer])
        peer.socket.recv(1)

    class Answers(dict):
        def __missing__(self, peer):
            self[peer] = pending.pop(0)
            return self[peer]

    answers, pending = Answers(), []
    subprocess.run(["ip", "route", "replace", "240.0.0.0/4", "dev", "lo"], check=True)
    log = tmp_path / "access"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nameserver, Origin(silent) as origin, log.open("w") as stdout:
        nameserver.bind(("127.0.0.1", 53))
        proxy = Proxy(rules="240.0.0.0/4\n" + OPEN, stdout=stdout, THREADS=threads, DNS_TIMEOUT="30s",
                      HTTP_PROXY_DRAIN_TIMEOUT="30s" if twice else "300ms")
        clients = []
        for sent, answer in PHASES.values():
            if "{}" in sent:
                pending.append(answer)
            clients.append(Client(proxy.port).send(sent.format(origin.port)))
            if "{}" in sent:
                wait_for(lambda: not pending, "the origin to be asked")
        wait_for(lambda: proxy.status()["connections"]["open"] == len(clients), "all to be under way")
        proxy.signal()
        if twice:  # not before the first one was taken: equal signals that wait are one
            wait_for(lambda: not is_ready(proxy), "the drain to begin")
            proxy.signal()
        assert proxy.process.wait(5) == 0, proxy.process.stderr.read()
        for client in clients:
            client.close()
    assert len(log.read_text().splitlines()) == len(PHASES)


def test_addresses_that_come_later_are_own_addresses_too():
    with Proxy(rules="*") as proxy:
        subprocess.run(["ip", "address", "add", "10.77.8.1/32", "dev", "lo"], check=True)
        try:
            def status(request):
                with Client(proxy.port) as client:
                    return client.ask(request).status
            wait_for(lambda: status(f"GET http://10.77.8.1:{proxy.admin_port}/ HTTP/1.1\r\nHost: x\r\n\r\n") == 403, "a denial")
            assert status(f"CONNECT 10.77.8.1:{proxy.port} HTTP/1.1\r\nHost: x\r\n\r\n") == 403
        finally:
            subprocess.run(["ip", "address", "del", "10.77.8.1/32", "dev", "lo"], check=True)


@pytest.mark.parametrize("variables", [{"HTTP_PROXY_DANGEROUS_ADDRESSES": "allow"}, {"HTTP_PROXY_ENFORCE": "off"}], ids=str)
def test_no_setting_opens_the_own_listeners(variables):
    with Proxy(rules="*", **variables) as proxy:
        for port in (proxy.port, proxy.admin_port):
            with Client(proxy.port) as client:
                assert client.ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n").status == 403


def test_term_closes_tunnels_at_the_deadline():
    with Origin(echo) as origin, Proxy(HTTP_PROXY_DRAIN_TIMEOUT="1s") as proxy, Client(proxy.port) as client:
        client.send(CONNECT.format(origin.port)).read("CONNECT")
        proxy.signal()
        client.send("still")
        assert client._exactly(5) == b"still"
        started = time.monotonic()
        assert client.is_closed()
        assert time.monotonic() - started < 3
        lines = proxy.stop()
        assert proxy.process.returncode == 0
        assert [line["method"] for line in lines] == ["CONNECT"]


def test_second_signal_ends_at_once():
    with Origin(echo) as origin, Proxy() as proxy, Client(proxy.port) as client:
        client.send(CONNECT.format(origin.port)).read("CONNECT")
        proxy.signal()
        wait_for(lambda: "draining" in proxy.process.stderr.readline(), "the drain to begin")
        proxy.signal(signal.SIGINT)
        assert proxy.process.wait(3) == 0


def test_admin():
    with Origin(answering(ok())) as origin, Proxy() as proxy, Client(proxy.port) as client:
        assert client.ask(GET.format(origin.port)).status == 200
        client.ask("GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "ok" in proxy.admin("/healthz").lower() and proxy.admin("/readyz") is not None
        assert proxy.metric("responses_total", '{class="2xx"}') == 1
        assert proxy.metric("rule_hits_total", '{line="1",verdict="allow"}') == 1
        assert proxy.metric("denials_total", '{reason="link_local"}') == 1
        assert "169.254" not in proxy.admin("/metrics")
        assert proxy.status()["rules"]["count"] == 3
        checked = subprocess.run(["promtool", "check", "metrics"], input=proxy.admin("/metrics"), text=True,
                                 capture_output=True) if os.path.exists("/usr/bin/promtool") else None
        assert checked is None or checked.returncode == 0, checked.stdout + checked.stderr


def test_access_log():
    with Origin(answering(ok())) as origin, Proxy(rules="!bad.test\n" + OPEN) as proxy:
        with Client(proxy.port) as client:
            client.ask(GET.format(origin.port))
            client.ask("GET http://BAD.test./x HTTP/1.1\r\nHost: x\r\n\r\n")
            client.ask("GET /\x7f\x80 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until_idle(proxy)
        good, denied, malformed = proxy.stop()
        assert good["status"] == 200 and good["verdict"] == "allow" and good["rule"] == 2
        assert good["upstream"] == f"127.0.0.1:{origin.port}" and good["connect_ms"] >= 0
        assert good["bytes_out"] > 40 and good["bytes_in"] == len(GET.format(origin.port))
        assert (denied["status"], denied["verdict"], denied["rule"], denied["reason"]) == (403, "deny", 1, "name_rule")
        assert malformed["status"] == 400


# Each ends a kept connection within the header section of its second request.
BROKEN_SECONDS = {
    "line too long": (431, "GET http://second.test/ HTTP/1.1\r\nX: " + "a" * 66 * 1024 + "\r\n\r\n", ""),
    "bare LF": (400, "GET http://second.test/ HTTP/1.1\nHost: x\r\n\r\n", ""),
    "bad field": (400, "PUT http://second.test/ HTTP/1.1\r\nHost : x\r\n\r\n", "http://second.test/"),
    "unfinished": (408, "GET http://second.test/ HTTP/1.1\r\nX: " + "a" * 5000, ""),
}


@pytest.mark.parametrize("name", BROKEN_SECONDS)
def test_access_log_of_a_request_that_follows_a_good_one(name):
    """The line shows what was read of this request, never text of the request before it."""
    status, second, target = BROKEN_SECONDS[name]
    with Origin(answering(ok())) as origin, Proxy(HTTP_PROXY_HEADER_TIMEOUT="500ms") as proxy:
        with Client(proxy.port) as client:
            assert client.ask(GET.format(origin.port)).status == 200
            assert client.ask(second).status == status
        wait_until_idle(proxy)
        good, broken = proxy.stop()
        assert good["method"] == "GET" and good["status"] == 200
        assert (broken["status"], broken["target"]) == (status, target)
        assert broken["method"] == ("PUT" if target else "")


def test_report_only():
    with Origin(answering(ok())) as origin, Proxy(rules="nothing.test", HTTP_PROXY_ENFORCE="off") as proxy:
        with Client(proxy.port) as client:
            assert client.ask(GET.format(origin.port)).status == 200
        assert proxy.metric("decisions_total", '{verdict="would-deny"}') == 1
        wait_until_idle(proxy)
        [line] = proxy.stop()
        assert (line["status"], line["verdict"]) == (200, "would-deny")


def test_reload(tmp_path):
    rules = tmp_path / "rules"
    rules.write_text("127.0.0.1\n")
    with Origin(answering(ok())) as origin, Proxy(rules=None, HTTP_PROXY_DESTINATION_FILE=rules) as proxy:
        def status():
            with Client(proxy.port) as client:
                return client.ask(GET.format(origin.port)).status

        def replace(text):
            (tmp_path / "next").write_text(text)
            (tmp_path / "next").rename(rules)

        assert status() == 200
        replace("!127.0.0.1\n*\n")
        wait_for(lambda: status() == 403, "the new rules")
        for broken in ("10.0.0.300\n", ""):
            replace(broken)
            wait_for(lambda: proxy.status()["rules"]["newer_rules_refused"], "the broken rules to be refused")
            assert status() == 403
            replace("!127.0.0.1\n*\n")
            wait_for(lambda: not proxy.status()["rules"]["newer_rules_refused"], "good rules")
        rules.unlink()
        wait_for(lambda: proxy.status()["rules"]["newer_rules_refused"], "the missing file to be noticed")
        assert status() == 403
        replace("127.0.0.1\n")
        wait_for(lambda: status() == 200, "the first rules again")


@pytest.mark.parametrize("rules", ["", "10.0.0.300", "*\nexample.com", "a*"])
def test_start_refused(rules, tmp_path):
    (tmp_path / "rules").write_text(rules)
    done = subprocess.run([BINARY], env={"EGRESS_HTTP_PROXY_DESTINATION_FILE": str(tmp_path / "rules")},
                          capture_output=True, text=True, timeout=10)
    assert (done.returncode, "error" in done.stderr) == (3, True)


def test_command_line(tmp_path):
    def run(*arguments, **variables):
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10,
                              env={f"EGRESS_{k}": v for k, v in variables.items()})

    assert "EGRESS_HTTP_PROXY_DESTINATION" in run("--help").stdout
    assert run("--version").stdout.startswith("egress-http-proxy ")
    assert run("--nonsense").returncode == 2
    rules = {"HTTP_PROXY_DESTINATION": "!bad.test\n!10.0.0.0/8\n*"}
    assert run("--check", **rules).returncode == 0
    denied = run("--explain", "http://bad.test/", **rules)
    assert (denied.returncode, "line 1" in denied.stdout) == (1, True)
    assert "line 2" in run("--explain", "10.1.2.3:443", **rules).stdout
    assert run("--explain", "http://192.0.2.1/", **rules).returncode == 0
    assert "--resolve" in run("--explain", "http://good.test/", **rules).stdout
    assert run("--explain", "http://user@x/", **rules).returncode == 2
    log = tmp_path / "log"
    log.write_text("2026-11-23T06:00:00.123Z 10.128.0.7:40312 GET http://example.com/ 200 would-deny reason=no_rule "
                   "bytes_in=1 bytes_out=2 total_ms=1\n")
    assert "example.com" in run("--suggest", str(log)).stdout
    assert run("--suggest", str(tmp_path / "missing")).returncode == 2


def test_port_in_use():
    with Proxy() as proxy:
        taken = free_port()
        import socket
        with socket.create_server(("127.0.0.1", taken)):
            done = subprocess.run(
                [BINARY], env=proxy.environment | {"EGRESS_HTTP_PROXY_LISTEN": f"127.0.0.1:{taken}"},
                capture_output=True, text=True, timeout=10)
        assert (done.returncode != 0, "EADDRINUSE" in done.stderr) == (True, True)


@pytest.mark.parametrize("stdout", ["full", "closed"])
def test_standard_output_never_blocks(stdout):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    if stdout == "closed":
        os.close(reader)
    try:
        with Origin(answering(ok())) as origin, Proxy(stdout=writer) as proxy, Client(proxy.port) as client:
            for _ in range(200):
                assert client.ask(GET.format(origin.port)).status == 200
            if stdout == "closed":
                wait_for(lambda: proxy.metric("access_log_dropped_total") > 0, "lost lines to be counted")
            client.close()
            proxy.signal()
            assert proxy.process.wait(8) == 0
    finally:
        os.close(writer)
        if stdout == "full":
            os.close(reader)


def test_file_limit():
    """At the limit it neither spins nor dies; health answers; it recovers by itself."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # noqa: E731
    with Origin(answering(ok())) as origin, Proxy(preexec=limit) as proxy:
        clients = [Client(proxy.port) for _ in range(60)]
        assert clients[0].ask(GET.format(origin.port)).status == 200
        before = proxy.cpu_ticks()
        time.sleep(1)
        assert proxy.cpu_ticks() - before < 20
        assert proxy.admin("/healthz") is not None
        assert clients[0].ask(GET.format(origin.port)).status == 200
        for client in clients:
            client.close()
        with Client(proxy.port) as late:
            assert late.ask(GET.format(origin.port)).status == 200


def test_connections_of_one_client():
    with Origin(answering(ok())) as origin, Proxy(HTTP_PROXY_CLIENT_CONNECTIONS="3") as proxy:
        clients = [Client(proxy.port) for _ in range(3)]
        assert [client.ask(GET.format(origin.port)).status for client in clients] == [200] * 3
        with Client(proxy.port) as over:
            assert over.read().status == 503
        for client in clients:
            client.close()
        wait_until_idle(proxy)
        with Client(proxy.port) as again:
            assert again.ask(GET.format(origin.port)).status == 200


def test_idle_times():
    with Origin(echo) as origin, Proxy(HTTP_PROXY_TUNNEL_TIMEOUT="1s", HTTP_PROXY_KEEP_ALIVE_TIMEOUT="1s") as proxy:
        with Client(proxy.port) as client:
            client.send(CONNECT.format(origin.port)).read("CONNECT")
            started = time.monotonic()
            assert client.is_closed()
            assert 0.9 < time.monotonic() - started < 3
        with Client(proxy.port) as client:
            client.ask("GET http://169.254.1.1/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.is_closed()


def test_many_idle_tunnels():
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Origin(lambda peer: peer.read_to_end()) as origin, Proxy() as proxy:
            before = proxy.memory_kib()
            clients = []
            for _ in range(count):
                clients.append(client := Client(proxy.port))
                client.send(CONNECT.format(origin.port)).read("CONNECT")
            assert (proxy.memory_kib() - before) / count < 4
            wait_for(lambda: proxy.metric("tunnels") == count, "all tunnels to be counted")
            for client in clients:
                client.close()
            wait_until_idle(proxy)
            assert proxy.descriptors() < 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_threads_share_the_work():
    with Origin(answering(ok())) as origin, Proxy(THREADS="2") as proxy:
        for _ in range(50):
            with Client(proxy.port) as client:
                assert client.ask(GET.format(origin.port)).status == 200
        assert proxy.metric("connections_total") == 50


def test_an_exception_reaches_the_edge(tmp_path):
    """Memory that runs out, wherever that is: exit code 1, and the reason in the termination log. Below what the
    program itself needs, the kernel does not start it."""
    left = tmp_path / "termination-log"
    ends = set()
    for mebibytes in range(16, 140, 4):
        left.write_text("")
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))  # noqa: B023, E731
        process = subprocess.Popen(
            [BINARY], preexec_fn=limit, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={"EGRESS_HTTP_PROXY_DESTINATION": "*", "EGRESS_TERMINATION_LOG": str(left), "EGRESS_THREADS": "4",
                 "EGRESS_HTTP_PROXY_LISTEN": f"127.0.0.1:{free_port()}", "EGRESS_ADMIN_LISTEN": "off",
                 "EGRESS_HTTP_PROXY_DRAIN_DELAY": "0"})
        log = ""
        for line in process.stderr:
            log += line
            if " ready" in line:
                process.terminate()
        ends.add(process.wait(10))
        if process.returncode == 1:
            assert left.read_text().startswith("internal error: ") and left.read_text() in log
    process.stderr.close()
    assert ends == {0, 1}, ends


def get_readyz(proxy):
    try:
        return proxy.admin("/readyz")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_readiness_ends_at_once_and_new_connections_are_served_for_the_delay():
    with Origin(answering(ok())) as origin, Proxy(HTTP_PROXY_DRAIN_DELAY="2s") as proxy:
        proxy.signal()
        told = time.monotonic()
        wait_for(lambda: get_readyz(proxy) == (503, "draining\n"), "readiness to end")
        assert time.monotonic() - told < 1
        while time.monotonic() - told < 1.5:
            with Client(proxy.port) as late:
                assert late.ask(GET.format(origin.port)).status == 200
        assert proxy.process.wait(5) == 0
        assert time.monotonic() - told > 1.9


def test_hang_up_reloads_the_rules(tmp_path):
    """Also where the file looks as it did: same inode, size and time."""
    rules = tmp_path / "rules"
    rules.write_text("127.0.0.1\n")
    with Origin(answering(ok())) as origin, Proxy(rules=None, HTTP_PROXY_DESTINATION_FILE=rules) as proxy:
        before = rules.stat()
        rules.write_text("127.0.0.2\n")
        os.utime(rules, ns=(before.st_atime_ns, before.st_mtime_ns))
        proxy.signal(signal.SIGHUP)
        wait_for(lambda: "new rules" in proxy.process.stderr.readline(), "the rules to be read")
        with Client(proxy.port) as client:
            assert client.ask(GET.format(origin.port)).status == 403
    with Proxy() as proxy:
        proxy.signal(signal.SIGHUP)
        wait_for(lambda: "nothing to reload" in proxy.process.stderr.readline(), "the answer")
        assert proxy.is_running()


def test_at_the_connection_limit_it_says_so():
    with Proxy(HTTP_PROXY_CONNECTIONS="3") as proxy:
        clients = [Client(proxy.port) for _ in range(3)]
        wait_for(lambda: proxy.status()["connections"]["open"] == 3, "all to be accepted")
        assert proxy.metric("accept_waits_total", '{reason="connections"}') == 0
        waiting = Client(proxy.port)
        wait_for(lambda: proxy.metric("accept_waits_total", '{reason="connections"}') > 1, "the wait to be counted")
        assert "maximum of 3 connections is reached" in proxy.process.stderr.readline()
        for client in clients:
            client.close()
        assert waiting.ask("GET http://169.254.1.1/ HTTP/1.1\r\nHost: x\r\n\r\n").status == 403
        waiting.close()
        proxy.stop()
        assert "maximum" not in proxy.stderr.partition(" ready")[2]  # once a minute


def test_a_connection_limit_above_the_file_limit_is_reduced():
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))  # noqa: E731
    with Proxy(preexec=limit, HTTP_PROXY_CONNECTIONS="100000") as proxy:
        maximum = proxy.status()["connections"]["limit"]
        assert 100 < maximum < 256
        assert f"EGRESS_HTTP_PROXY_CONNECTIONS=100000 exceeds what the limit of 512 open files permits: at most {maximum} " in proxy.stderr
    with Proxy(preexec=limit, HTTP_PROXY_CONNECTIONS="100") as proxy:  # the file limit is raised all the same
        assert (proxy.status()["connections"]["limit"], resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE)) == (
            100, (512, 512))


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n"], ids=["idle", "half a request"])
def test_idle_connections_do_not_starve_the_probes(sent):
    with Proxy() as proxy:
        idle = []
        for _ in range(200):
            idle.append(socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=5))
            idle[-1].sendall(sent)
        for _ in range(20):
            asked = time.monotonic()
            assert proxy.admin("/readyz") == "ok\n"
            assert time.monotonic() - asked < 0.1
        assert proxy.descriptors() < 80
        for each in idle:
            each.close()
