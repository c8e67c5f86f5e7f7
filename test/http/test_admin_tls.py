"""The administrator's endpoint over TLS, as OpenShift's service CA and Prometheus use it."""

import http.client
import select
import shutil
import socket
import ssl
import subprocess

import pytest
from origin import wait_for
from proxy import BINARY, OPEN, Proxy, free_port


def make_pair(folder, name):
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=20)
    return certificate, key


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path, "first")


def tls_proxy(pair):
    return Proxy(ADMIN_TLS_CERT=pair[0], ADMIN_TLS_KEY=pair[1])


def get(proxy, trusted, path="/readyz"):
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.admin_port, timeout=5,
                                             context=ssl.create_default_context(cafile=trusted))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_serves_metrics_over_tls_and_nothing_in_the_clear(pair):
    with tls_proxy(pair) as proxy:
        assert get(proxy, pair[0]) == (200, "ok\n")
        assert "egress_http_proxy_connections_limit" in get(proxy, pair[0], "/metrics")[1]
        with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=5) as plain:
            plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"egress_" not in plain.recv(65536)
        curl = subprocess.run(["curl", "-s", "--cacert", pair[0], f"https://127.0.0.1:{proxy.admin_port}/livez"],
                              capture_output=True, text=True, timeout=10)
        assert curl.stdout == "ok\n"


def test_old_tls_is_refused(pair):
    with tls_proxy(pair) as proxy:
        old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.admin_port}", "-tls1_1", "-cipher",
                              "ALL@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        assert old.returncode != 0 and "Cipher is (NONE)" in old.stdout


def test_a_new_certificate_is_served_and_a_broken_one_is_not(pair, tmp_path):
    second, first = make_pair(tmp_path, "second"), tmp_path / "kept"
    shutil.copy(pair[0], first)

    def serves(trusted):
        try:
            return get(proxy, trusted)[0] == 200
        except ssl.SSLError:
            return False

    with tls_proxy(pair) as proxy:
        assert serves(first)
        pair[0].write_text("no certificate")
        # Looked for with each connection, at most once a second.
        wait_for(lambda: serves(first) and readable(proxy.process.stderr), "the broken certificate to be told of")
        assert str(pair[0]) in proxy.process.stderr.readline()
        assert serves(first)
        for source, target in zip(second, pair):
            shutil.copy(source, target)
        wait_for(lambda: serves(second[0]), "the new certificate")


def readable(stream):
    return bool(select.select([stream], [], [], 0)[0])


def run_with(certificate, key):
    return subprocess.run([BINARY], capture_output=True, text=True, timeout=10, env={
        "EGRESS_HTTP_PROXY_DESTINATION": OPEN, "EGRESS_HTTP_PROXY_LISTEN": f"127.0.0.1:{free_port()}",
        "EGRESS_ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "EGRESS_ADMIN_TLS_CERT": str(certificate),
        "EGRESS_ADMIN_TLS_KEY": str(key)})


def test_pairs_that_cannot_serve_end_the_start(pair, tmp_path):
    other = make_pair(tmp_path, "second")
    for certificate, key, named in ((pair[0], other[1], other[1]), (tmp_path / "none", pair[1], tmp_path / "none"),
                                    (pair[1], pair[1], pair[1])):
        done = run_with(certificate, key)
        assert done.returncode == 3 and str(named) in done.stderr and "EGRESS_ADMIN_TLS_KEY" in done.stderr
