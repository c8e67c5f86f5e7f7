"""--explain and the running proxy: one code path, so that they never disagree."""

import subprocess

import pytest

from client import Client
from origin import Origin, answering, ok
from proxy import BINARY, Proxy

# Rules, and what they open of 127.0.0.1.
RULES = ["*", "127.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "localhost\n127.0.0.0/8", "!localhost\n127.0.0.0/8\n*", "::1\n*"]
HOSTS = ["127.0.0.1", "127.9.9.9", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "localhost", "unknown", "0.0.0.0", "169.254.169.254",
         "100.100.100.200", "192.0.0.192", "[::1]"]


@pytest.fixture(scope="module")
def origin():
    with Origin(answering(ok())) as running:
        yield running


@pytest.mark.parametrize("rules", RULES)
def test_it_says_what_the_proxy_does(origin, rules):
    with Proxy(rules=rules, HTTP_PROXY_CONNECT_TIMEOUT="500ms") as proxy:
        for host in HOSTS:
            for port in (origin.port, proxy.port, proxy.admin_port):
                url = f"http://{host}:{port}/"
                told = subprocess.run([BINARY, "--explain", url, "--resolve"], env=proxy.environment, capture_output=True, text=True)
                with Client(proxy.port) as client:
                    answer = client.ask(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                denied = answer.status == 403
                assert told.returncode == (1 if denied else 0), (url, told.stdout, answer.status)
                if denied:
                    assert told.stdout.strip() in answer.body.decode().replace("&quot;", '"').replace("\n", " "), (url, told.stdout)


def test_each_form_is_the_request_that_a_client_sends():
    with Proxy(rules="example.test\n!*", HTTP_PROXY_CONNECT_PORTS="443") as proxy:
        def explain(asked, **variables):
            done = subprocess.run([BINARY, "--explain", asked], env=proxy.environment | variables, capture_output=True, text=True)
            return done.returncode, done.stdout
        assert explain("https://192.0.2.1/path?x") == explain("192.0.2.1:443")
        assert explain("HTTPS://192.0.2.1:8443/") == explain("192.0.2.1:8443")
        assert "CONNECT_PORTS" in explain("https://192.0.2.1:8443/")[1]
        assert explain("https://[2001:db8::1]") == explain("[2001:db8::1]:443")
        assert explain("192.0.2.1") == explain("http://192.0.2.1/")
        assert explain("example.test") == explain("http://example.test/")
        assert "line 1" in explain("https://example.test/")[1]
        for nonsense in ("https://", "ftp://a.test/", "a b", ""):
            assert explain(nonsense)[0] == 2, nonsense
        code, told = explain("192.0.2.1", EGRESS_HTTP_PROXY_ENFORCE="off")
        assert code == 1 and "ENFORCE=off" in told
        assert "ENFORCE" not in explain("192.0.2.1")[1]


def test_the_documented_rule_opens_loopback(origin):
    with Proxy(rules="127.0.0.0/8") as proxy, Client(proxy.port) as client:
        assert client.ask(f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


def test_a_name_without_a_dot_is_denied_or_completed():
    request = "GET http://myservice/ HTTP/1.1\r\nHost: x\r\n\r\n"
    with Proxy() as proxy, Client(proxy.port) as client:
        answer = client.ask(request)
        assert answer.status == 403 and b"EGRESS_HTTP_PROXY_APPEND_DOMAIN" in answer.body
        assert proxy.metric("denials_total", '{reason="single_label"}') == 1
    with Proxy(rules="!*.svc.cluster.local\n*", HTTP_PROXY_APPEND_DOMAIN="svc.cluster.local") as proxy, Client(proxy.port) as client:
        answer = client.ask(request)
        assert answer.status == 403 and b"myservice.svc.cluster.local" in answer.body and b"line 1" in answer.body


def test_nameservers_are_logged():
    with Proxy() as proxy:
        proxy.stop()
        assert "nameservers: " in proxy.stderr
