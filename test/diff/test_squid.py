"""The same rules, requests and origins' responses to Squid, set up as OpenShift's egress-http-proxy sets it up, and to
this project's proxy. Where the two differ on purpose, a table INTENDED... says so and why; any other difference fails,
and so does a line of it that no longer differs."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from client import Client, CutShort  # noqa: E402
from origin import Origin, answering, ok, wait_for  # noqa: E402
from proxy import Proxy, free_port  # noqa: E402

pytestmark = pytest.mark.skipif(
    shutil.which("squid") is None or not os.environ.get("EGRESS_SANDBOX"), reason="needs squid and test/lab/sandbox")

HOSTS = {
    "good.test": ["192.0.2.1"], "www.good.test": ["192.0.2.1"], "bad.test": ["192.0.2.2"], "a.bad.test": ["192.0.2.2"],
    "inside.test": ["10.9.8.7"], "both.test": ["10.9.8.7", "192.0.2.1"], "under_score.test": ["192.0.2.1"],
    "notbad.test": ["192.0.2.1"],
}
ADDRESSES = ["192.0.2.1", "192.0.2.2", "10.9.8.7"]

RULES = {
    "reference": "!bad.test\n!*.bad.test\n!10.0.0.0/8\n*",
    "allow list": "good.test\n*.bad.test\n10.9.8.7",
    "addresses": "192.0.2.0/31\n!*",
    "first match": "a.bad.test\n!*.bad.test\n*",
}
QUESTIONS = [
    "http://good.test/", "http://GOOD.test/", "http://good.test./", "http://www.good.test/", "http://bad.test/",
    "http://BAD.test/", "http://bad.test./", "http://a.bad.test/", "http://a.BAD.TEST./", "http://notbad.test/",
    "http://inside.test/", "http://both.test/", "http://10.9.8.7/", "http://192.0.2.1/", "http://192.0.2.2/",
    "http://under_score.test/", "http://missing.test/", "http://bad.test../", "http://b%61d.test/",
    "http://good.test@bad.test/", "http://0x0a090807/", "http://168364039/", "http://10.9.2055/", "http://010.9.8.7/",
    "http://[::ffff:10.9.8.7]/",
    "CONNECT good.test", "CONNECT bad.test", "CONNECT a.bad.test", "CONNECT inside.test", "CONNECT 10.9.8.7",
    "CONNECT 192.0.2.2", "CONNECT missing.test",
]

MALFORMED = "malformed, 400: one reader's host must not be another's"
NUMERIC = "addresses are dotted quads: other spellings are read in as many ways as there are readers"
REVERSE = "a rule about a name never holds for an address by reverse DNS, which the address's owner controls"
MISSING = "the name does not exist, which is an error of the gateway and no denial"

# (rules or any, question): why.
INTENDED = {
    ("any", "http://bad.test../"): MALFORMED,
    ("any", "http://b%61d.test/"): MALFORMED,
    ("any", "http://good.test@bad.test/"): MALFORMED,
    ("any", "http://0x0a090807/"): NUMERIC,
    ("any", "http://168364039/"): NUMERIC,
    ("any", "http://10.9.2055/"): NUMERIC,
    ("any", "http://010.9.8.7/"): NUMERIC,
    ("reference", "http://both.test/"): "any address that a rule denies denies the name, not the first alone",
    ("reference", "http://192.0.2.2/"): REVERSE,
    ("reference", "CONNECT 192.0.2.2"): REVERSE,
    ("reference", "CONNECT missing.test"): MISSING,
    ("allow list", "http://both.test/"): "an allowed address admits the name, and is the one that is dialled",
    ("allow list", "http://192.0.2.2/"): REVERSE,
    ("allow list", "CONNECT 192.0.2.2"): REVERSE,
    ("allow list", "http://missing.test/"): MISSING,
    ("allow list", "CONNECT missing.test"): MISSING,
    ("addresses", "http://missing.test/"): MISSING,
    ("addresses", "CONNECT missing.test"): MISSING,
    ("first match", "CONNECT missing.test"): MISSING,
}


def squid_configuration(rules, port, hosts):
    lines = [f"http_port 127.0.0.1:{port}", "cache deny all", "access_log none", "debug_options ALL,0",
             "shutdown_lifetime 0 seconds", "pinger_enable off", "cache_log /dev/null",
             "pid_filename none", "coredump_dir /tmp", f"hosts_file {hosts}", "dns_nameservers 127.0.0.1",
             "dns_timeout 1 seconds"]
    for number, rule in enumerate(rules.splitlines()):
        verdict, name = ("deny", rule[1:]) if rule.startswith("!") else ("allow", rule)
        if name == "*":
            lines.append(f"http_access {verdict} all")
            continue
        kind = "dst" if name[0].isdigit() else "dstdomain"
        lines.append(f"acl dest{number} {kind} {name[1:] if name.startswith('*.') else name}")
        lines.append(f"http_access {verdict} dest{number}")
    return "\n".join([*lines, "http_access deny all"]) + "\n"


@pytest.fixture(scope="module")
def hosts():
    """Names and addresses of the world, in this sandbox alone. Squid reads them as another user."""
    descriptor, name = tempfile.mkstemp()
    os.close(descriptor)
    path = Path(name)
    path.chmod(0o644)
    path.write_text("127.0.0.1 localhost\n" + "".join(
        f"{address} {name}\n" for name, addresses in HOSTS.items() for address in addresses))
    subprocess.run(["mount", "--bind", path, "/etc/hosts"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    yield path
    subprocess.run(["umount", "/etc/hosts"], check=True)
    path.unlink()
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True)


def ask(port, question, origin_port):
    """`pass`, or the status of the refusal."""
    with Client(port) as client:
        try:
            if question.startswith("CONNECT "):
                answer = client.send(f"{question}:{origin_port} HTTP/1.1\r\nHost: x\r\n\r\n").read("CONNECT")
            else:
                host = question[7:-1]
                answer = client.send(f"GET http://{host}:{origin_port}/ HTTP/1.1\r\nHost: {host}\r\n\r\n").read()
        except (CutShort, ConnectionResetError, TimeoutError):
            return "nothing"
        return "pass" if answer.status == 200 else answer.status


@contextlib.contextmanager
def squid(rules, hosts, folder):
    """Its port, while it runs."""
    port = free_port()
    (folder / "squid.conf").write_text(squid_configuration(rules, port, hosts))
    process = subprocess.Popen(["squid", "-N", "-n", f"test{os.getpid()}p{port}", "-f", folder / "squid.conf"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        def is_up():
            try:
                Client(port).close()
                return True
            except OSError:
                return False
        wait_for(is_up, "squid to listen", 20)
        yield port
    finally:
        process.kill()
        process.wait(10)
        for leftover in Path("/dev/shm").glob(f"test{os.getpid()}p{port}-*"):
            leftover.unlink()


def check(theirs, ours, intended):
    different = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    unexpected = {name: pair for name, pair in different.items() if name not in intended}
    assert not unexpected, f"(squid, ours): {unexpected}"
    assert set(intended) <= set(different), f"no longer different: {set(intended) - set(different)}"


@pytest.mark.parametrize("name", RULES)
def test_same_decisions(name, hosts, tmp_path):
    with Origin(answering(ok()), host="0.0.0.0") as origin:
        with squid(RULES[name], hosts, tmp_path) as port:
            theirs = {question: ask(port, question, origin.port) for question in QUESTIONS}
        with Proxy(rules=RULES[name], HTTP_PROXY_DANGEROUS_ADDRESSES="allow", DNS_TIMEOUT="1s") as proxy:
            ours = {question: ask(proxy.port, question, origin.port) for question in QUESTIONS}
    check(theirs, ours, {question for rules, question in INTENDED if rules in (name, "any")})


OK, LENGTH, CHUNKED = "HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
END, CHUNKS = "\r\nhello", "\r\n5\r\nhello\r\n0\r\n\r\n"
MANY = "".join(f"X-{number}: 1\r\n" for number in range(400))

RESPONSES = {
    # What RFC 9112 lets a proxy repair.
    "plain": OK + LENGTH + END,
    "LF": "HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\nhello",
    "LF here and there": OK + "A: b\nContent-Length: 5\r\n\nhello",
    "folded": OK + "A: b\r\n c\r\n\td\r\n" + LENGTH + END,
    "folded, LF": OK + "A: b\n c\nContent-Length: 5\n\nhello",
    "space before a colon": OK + "A : b\r\n" + LENGTH + END,
    "both lengths": OK + "Content-Length: 3\r\n" + CHUNKED + CHUNKS,
    "equal lengths": OK + LENGTH + LENGTH + END,
    "list of equal lengths": OK + "Content-Length: 5, 5\r\n" + END,
    "equal lengths, zero in front": OK + "Content-Length: 5, 05\r\n" + END,
    "white space around a length": OK + "Content-Length:\t5 \t\r\n" + END,
    "white space around a coding": OK + "Transfer-Encoding:\tchunked \r\n" + CHUNKS,
    "identity": OK + "Transfer-Encoding: identity\r\n" + END,
    "identity with a length": OK + "Transfer-Encoding: identity\r\n" + LENGTH + END,
    "chunk extension behind white space": OK + CHUNKED + CHUNKS.replace("5\r\n", "5 ;a=b\r\n"),
    "no reason": "HTTP/1.1 200\r\n" + LENGTH + END,
    "HTTP/1.2": "HTTP/1.2 200 OK\r\n" + LENGTH + END,
    "8-bit value": OK + "A: b\xe9\r\n" + LENGTH + END,
    "interim with a length": "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + OK + LENGTH + END,
    "204 with a body": "HTTP/1.1 204 No Content\r\n" + LENGTH + END,
    "304 with a body": "HTTP/1.1 304 Not Modified\r\n" + LENGTH + END,
    "more than the length": OK + LENGTH + END + "EVIL",
    "400 fields": OK + MANY + LENGTH + END,
    "line of 60 KB": OK + "A: " + "x" * 60_000 + "\r\n" + LENGTH + END,
    # What neither forwards.
    "line of 80 KB": OK + "A: " + "x" * 80_000 + "\r\n" + LENGTH + END,
    "different lengths": OK + LENGTH + "Content-Length: 6\r\n" + END,
    "list of different lengths": OK + "Content-Length: 5, 6\r\n" + END,
    "negative length": OK + "Content-Length: -5\r\n" + END,
    "length with a sign": OK + "Content-Length: +5\r\n" + END,
    "empty length": OK + "Content-Length:\r\n" + END,
    "identity, chunked": OK + "Transfer-Encoding: identity, chunked\r\n" + CHUNKS,
    "chunked, identity": OK + "Transfer-Encoding: chunked, identity\r\n" + CHUNKS,
    "chunked twice": OK + CHUNKED + CHUNKED + CHUNKS,
    "unknown coding": OK + "Transfer-Encoding: xchunked\r\n" + END,
    "gzip, chunked": OK + "Transfer-Encoding: gzip, chunked\r\n" + CHUNKS,
    "chunk size with 0x": OK + CHUNKED + CHUNKS.replace("5\r\n", "0x5\r\n"),
    "chunks with LF": OK + CHUNKED + CHUNKS.replace("\r", ""),
    "white space behind a chunk size": OK + CHUNKED + CHUNKS.replace("5\r\n", "5 \r\n"),
    "no colon": OK + "nonsense\r\n" + LENGTH + END,
    "no name": OK + ": b\r\n" + LENGTH + END,
    "no token": OK + "A(: b\r\n" + LENGTH + END,
    "space in a name": OK + "A B: c\r\n" + LENGTH + END,
    "NUL": OK + "A: b\0c\r\n" + LENGTH + END,
    "status 99": "HTTP/1.1 99 x\r\n" + LENGTH + END,
    "status 999": "HTTP/1.1 999 x\r\n" + LENGTH + END,
    "two spaces in the status line": "HTTP/1.1  200 OK\r\n" + LENGTH + END,
    "101 that nobody asked for": "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "nothing": "",
    # What Squid forwards.
    "empty line in front": "\r\n" + OK + LENGTH + END,
    "no HTTP": "<html>hello</html>",
    "ICY": "ICY 200 OK\r\n\r\nhello",
    "HTTP/2.0": "HTTP/2.0 200 OK\r\n" + LENGTH + END,
    "http in lower case": "http/1.1 200 OK\r\n" + LENGTH + END,
    "tab in the status line": "HTTP/1.1\t200 OK\r\n" + LENGTH + END,
    "first line begins with a space": OK + " A: b\r\n" + LENGTH + END,
    "folded line of white space": OK + "A: b\r\n \r\n" + LENGTH + END,
    "folded name": OK + "A\r\n : b\r\n" + LENGTH + END,
    "folded length": OK + "Content-Length:\r\n 5\r\n" + END,
    "folded coding": OK + "Transfer-Encoding:\r\n chunked\r\n" + CHUNKS,
    "length with a space before its colon": OK + "Content-Length : 5\r\n" + END,
    "coding with a space before its colon": OK + "Transfer-Encoding : chunked\r\n" + CHUNKS,
    "chunked and a length that is no number": OK + "Content-Length: x\r\n" + CHUNKED + CHUNKS,
    "chunked and different lengths": OK + LENGTH + "Content-Length: 6\r\n" + CHUNKED + CHUNKS,
    "length with an empty element": OK + "Content-Length: 5,\r\n" + END,
    "chunked in HTTP/1.0": "HTTP/1.0 200 OK\r\n" + CHUNKED + CHUNKS,
    "bare CR": OK + "A: b\rc\r\n" + LENGTH + END,
    "CR CR LF": OK + "A: b\r\r\n" + LENGTH + END,
    "control character": OK + "A: b\x01c\r\n" + LENGTH + END,
    "600 fields": OK + MANY + MANY[:2200] + LENGTH + END,
    "20 interim responses": "HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + OK + LENGTH + END,
    "Connection lists 40 fields": OK + "Connection: " + ", ".join(f"x{n}" for n in range(40)) + "\r\n" + LENGTH + END,
}

NO_HTTP = "not HTTP/1.x: 502, where Squid takes the bytes for the body of an HTTP/0.9 response"
FRAMING = "a reader that does not repair it finds another length or other messages: 502"
CONTROL = "readers replace, drop or keep it: 502"
LIMIT = "over a limit here: 502"
CHUNKS = "Squid has sent the header section by the time that it refuses the chunks: 502"
INTENDED_RESPONSES = {
    "empty line in front": NO_HTTP,
    "no HTTP": NO_HTTP,
    "ICY": NO_HTTP,
    "HTTP/2.0": NO_HTTP,
    "http in lower case": NO_HTTP,
    "tab in the status line": "malformed: 502",
    "first line begins with a space": "RFC 9112 2.2: dropped by some readers, a field to others: 502",
    "folded line of white space": "the end of the header section to some readers: 502",
    "folded name": "a line without a colon to some readers: 502",
    "folded length": FRAMING,
    "folded coding": FRAMING,
    "length with a space before its colon": FRAMING,
    "coding with a space before its colon": FRAMING,
    "chunked and a length that is no number": FRAMING,
    "chunked and different lengths": FRAMING,
    "length with an empty element": FRAMING,
    "chunked in HTTP/1.0": "RFC 9112 6.1: HTTP/1.0 knows no transfer coding: 502",
    "bare CR": CONTROL,
    "CR CR LF": CONTROL,
    "control character": CONTROL,
    "600 fields": LIMIT,
    "20 interim responses": LIMIT,
    "Connection lists 40 fields": LIMIT,
    "chunk size with 0x": CHUNKS,
    "chunks with LF": CHUNKS,
    "white space behind a chunk size": CHUNKS,
}


def forwarded(port, response):
    """Status and body as the client has them, or that it saw the break."""
    with Origin(answering(response, times=1)) as origin, Client(port) as client:
        try:
            answer = client.ask(f"GET http://127.0.0.1:{origin.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
            while answer.status < 200:
                answer = client.read()
        except (CutShort, ConnectionResetError):
            return "cut short"
        return (answer.status, answer.body if answer.status < 400 else b"")


def test_same_responses(hosts, tmp_path):
    with squid("*", hosts, tmp_path) as port:
        theirs = {name: forwarded(port, response) for name, response in RESPONSES.items()}
    with Proxy() as proxy:
        ours = {name: forwarded(proxy.port, response) for name, response in RESPONSES.items()}
    check(theirs, ours, INTENDED_RESPONSES)


def test_what_squid_forwards_and_this_proxy_does_not(hosts, tmp_path):
    """All that differs is refused here: nothing of it reaches the client, and nothing is forwarded that Squid refuses."""
    with Proxy() as proxy:
        assert {forwarded(proxy.port, RESPONSES[name]) for name in INTENDED_RESPONSES} == {(502, b"")}


# Sent for a POST or GET; {url} is the origin's.
REQUESTS = {
    "plain": "GET {url} HTTP/1.1\r\nHost: x\r\n\r\n",
    "20 KB of Negotiate": "GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate " + "A" * 20_480 + "\r\n\r\n",
    "60 KB of Negotiate": "GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate " + "A" * 60_000 + "\r\n\r\n",
    "80 KB of Negotiate": "GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate " + "A" * 80_000 + "\r\n\r\n",
    "400 fields": "GET {url} HTTP/1.1\r\nHost: x\r\n" + MANY + "\r\n",
    "600 fields": "GET {url} HTTP/1.1\r\nHost: x\r\n" + MANY + MANY[:2200] + "\r\n",
    "target of 20 KB": "GET {url}" + "a" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "TE: trailers": "GET {url} HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    "Upgrade": "GET {url} HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "Upgrade on POST": "POST {url} HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nab",
    "white space around a length": "POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: \t2 \r\n\r\nab",
    "ftp": "GET ftp://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n",
}
INTENDED_REQUESTS = {
    "600 fields": LIMIT,
    "target of 20 KB": "one limit for all lines; Squid's is 8 KB for a target",
    "Upgrade": "passed on (WebSocket); Squid drops it unless configured",
    "ftp": "http:// alone is forwarded; Squid speaks FTP for its clients",
}


def received(port, request):
    """The status, and the fields of `request` that the origin got."""
    with Origin(answering(ok(), times=1)) as origin, Client(port) as client:
        status = client.ask(request.replace("{url}", f"http://127.0.0.1:{origin.port}/")).status
        names = ("authorization", "te", "upgrade", "content-length")
        fields = {name.lower(): value.strip() for head in origin.heads for line in head.split("\r\n")[1:]
                  for name, _, value in [line.partition(":")] if name.lower() in names}
        return (status, fields)


def test_same_requests(hosts, tmp_path):
    with squid("*", hosts, tmp_path) as port:
        theirs = {name: received(port, request) for name, request in REQUESTS.items()}
    with Proxy() as proxy:
        ours = {name: received(proxy.port, request) for name, request in REQUESTS.items()}
    check(theirs, ours, INTENDED_REQUESTS)
