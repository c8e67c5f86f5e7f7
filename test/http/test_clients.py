"""Real clients through the proxy: each fetches a page by a plain request or a tunnel, and meets a refusal."""

import base64
import hashlib
import shutil
import ssl
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from client import Client
from origin import Origin
from proxy import OPEN, Proxy, wait_until_idle

PAGE = "the page of the origin\n"


def run(*command, timeout=60, **options):
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"} | options.pop("env", {})
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout,
                          env=environment, **options)


def need(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder served by HTTP and by HTTPS, with a bare git repository in it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "page").write_text(PAGE)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")

    def make(*_):
        return lambda *arguments: Handler(*arguments, directory=str(folder))

    plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), make()) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for server in (plain, secure):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(folder, plain.server_address[1], secure.server_address[1])
    plain.shutdown()
    secure.shutdown()


class Site:
    def __init__(self, folder, plain, secure):
        self.folder, self.certificate = folder, folder / "certificate"
        self.http, self.https = f"http://localhost:{plain}", f"https://localhost:{secure}"
        self.secure_port = secure


@pytest.fixture(scope="module")
def clients_proxy():
    with Proxy(rules="!denied.test\n" + OPEN, HTTP_PROXY_SNI="enforce") as proxy:
        yield proxy


@need("curl")
def test_curl(clients_proxy, site):
    proxy = clients_proxy.url
    assert run("curl", "-sf", "-x", proxy, site.http + "/page").stdout == PAGE
    assert run("curl", "-sf", "-p", "-x", proxy, site.http + "/page").stdout == PAGE
    assert run("curl", "-sf", "-x", proxy, "--cacert", site.certificate, site.https + "/page").stdout == PAGE
    refused = run("curl", "-s", "-i", "-x", proxy, "http://denied.test/")
    assert "403 Forbidden" in refused.stdout and 'Line: 1 of EGRESS_HTTP_PROXY_DESTINATION' in refused.stdout
    assert "response 403" in run("curl", "-sS", "-x", proxy, "https://denied.test/").stderr


@need("wget")
def test_wget(clients_proxy, site):
    environment = {"http_proxy": clients_proxy.url, "https_proxy": clients_proxy.url}
    assert run("wget", "-qO-", site.http + "/page", env=environment).stdout == PAGE
    done = run("wget", "-qO-", f"--ca-certificate={site.certificate}", site.https + "/page", env=environment)
    assert done.stdout == PAGE
    assert "403: Forbidden" in run("wget", "-O-", "-t1", "http://denied.test/", env=environment).stderr


@need("git")
def test_git(clients_proxy, site, tmp_path):
    work = tmp_path / "work"
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
                "HOME": str(tmp_path)}
    for command in (["init", "-q", work], ["-C", work, "commit", "-q", "--allow-empty", "-m", "first"],
                    ["clone", "-q", "--bare", work, site.folder / "repo.git"],
                    ["-C", site.folder / "repo.git", "update-server-info"]):
        assert run("git", *command, env=identity).returncode == 0
    for i, url in enumerate((site.http, site.https)):
        done = run("git", "-c", f"http.proxy={clients_proxy.url}", "-c", f"http.sslCAInfo={site.certificate}", "clone", "-q",
                   url + "/repo.git", tmp_path / f"clone{i}", env=identity)
        assert done.returncode == 0, done.stderr


def test_python(clients_proxy, site):
    program = ("import urllib.request,sys\n"
               "print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end='')")
    environment = {"http_proxy": clients_proxy.url, "https_proxy": clients_proxy.url,
                   "SSL_CERT_FILE": str(site.certificate)}
    for url in (site.http, site.https):
        done = run("/usr/bin/python3", "-c", program, url + "/page", env=environment)
        assert done.stdout == PAGE, done.stderr


@need("node")
def test_node(clients_proxy, site):
    """Node has no proxy setting of its own: as its libraries do, an absolute target, and CONNECT under TLS."""
    program = """
        const http = require('http'), tls = require('tls'), fs = require('fs');
        const [proxy, plain, port, ca] = process.argv.slice(1);
        http.get({port: proxy, path: plain}, r => r.pipe(process.stdout)).on('close', () =>
          http.request({port: proxy, method: 'CONNECT', path: 'localhost:' + port}).on('connect', (r, socket) => {
            const s = tls.connect({socket, servername: 'localhost', ca: fs.readFileSync(ca)}, () =>
              s.write('GET /page HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'));
            s.pipe(process.stdout);
          }).end());"""
    done = run("node", "-e", program, clients_proxy.port, site.http + "/page", site.secure_port, site.certificate)
    assert done.stdout.count(PAGE) == 2, done.stderr


@need("java", "javac")
def test_java(clients_proxy, site, tmp_path):
    (tmp_path / "Get.java").write_text("""
        import java.net.*; import java.net.http.*;
        public class Get { public static void main(String[] a) throws Exception {
          var client = HttpClient.newBuilder().proxy(ProxySelector.of(
              new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])))).build();
          for (int i = 0; i < 2; i++)
            System.out.print(client.send(HttpRequest.newBuilder(URI.create(a[1])).build(),
                                         HttpResponse.BodyHandlers.ofString()).body());
        } }""")
    done = run("java", tmp_path / "Get.java", clients_proxy.port, site.http + "/page")
    assert done.stdout == PAGE * 2, done.stderr


@need("openssl")
def test_openssl(clients_proxy, site):
    def connect(name):
        return run("openssl", "s_client", "-proxy", f"127.0.0.1:{clients_proxy.port}", "-connect",
                   f"localhost:{site.secure_port}", "-servername", name, "-CAfile", site.certificate, "-quiet",
                   input="GET /page HTTP/1.0\r\n\r\n")

    assert PAGE in connect("localhost").stdout
    assert PAGE not in connect("other.test").stdout  # the server name is enforced
    assert clients_proxy.metric("tls_names_total", '{outcome="mismatch"}') >= 1


def test_server_names_are_only_counted_by_default(site):
    with Proxy() as proxy:
        run("openssl", "s_client", "-proxy", f"127.0.0.1:{proxy.port}", "-connect", f"localhost:{site.secure_port}",
            "-servername", "other.test", "-quiet", input="GET /page HTTP/1.0\r\n\r\n")
        run("curl", "-sk", "-x", proxy.url, site.https + "/page")
        with Client(proxy.port) as client:
            client.send(f"CONNECT localhost:{site.secure_port} HTTP/1.1\r\nHost: x\r\n\r\n").read("CONNECT")
            client.send("no hello of TLS\r\n")
        wait_until_idle(proxy)
        lines = proxy.stop()
        assert sorted(line.get("sni") for line in lines) == ["match", "mismatch", "not_tls"]
        assert [line.get("server_name") for line in lines if line["sni"] == "mismatch"] == ["other.test"]


def test_websocket(clients_proxy):
    """The handshake of RFC 6455 and a frame each way, plain."""
    def script(peer):
        head = peer.read_head()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {accept}\r\n\r\n")
        header = peer.read_exactly(6)
        mask, size = header[2:], header[1] & 127
        text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(peer.read_exactly(size)))
        peer.send(bytes([0x81, len(text)]) + text[::-1])

    with Origin(script) as origin, Client(clients_proxy.port) as client:
        answer = client.send(
            f"GET http://127.0.0.1:{origin.port}/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").read()
        assert (answer.status, answer.get("sec-websocket-accept")) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        client.send(bytes([0x81, 0x85, 1, 2, 3, 4]) + bytes(b ^ m for b, m in zip(b"hello", (1, 2, 3, 4, 1))))
        assert client._exactly(7) == b"\x81\x05olleh"


@need("chromium")
def test_chromium(clients_proxy, site, tmp_path):
    (site.folder / "index.html").write_text("<title>origin</title><p id=x></p><script>x.textContent = 6 * 7</script>")

    def load(url):
        return run("chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
                   f"--proxy-server={clients_proxy.url}", "--proxy-bypass-list=<-loopback>", "--dump-dom", url,
                   env={"HOME": str(tmp_path)}).stdout

    assert '<p id="x">42</p>' in load(site.http + "/index.html")
    refusal = load("http://denied.test/")
    assert "<h1>403 Forbidden</h1>" in refusal and "denied.test" in refusal
