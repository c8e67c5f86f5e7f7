"""The same rules and the same questions to Squid, set up as OpenShift's egress-http-proxy sets it up, and to this
project's proxy. Where the two differ on purpose, INTENDED says so and why; any other difference fails, and so does a
line of INTENDED that no longer differs."""

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


def answers_of_squid(rules, hosts, folder, origin_port):
    port = free_port()
    (folder / "squid.conf").write_text(squid_configuration(rules, port, hosts))
    squid = subprocess.Popen(["squid", "-N", "-n", f"test{os.getpid()}p{port}", "-f", folder / "squid.conf"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        def is_up():
            try:
                Client(port).close()
                return True
            except OSError:
                return False
        wait_for(is_up, "squid to listen", 20)
        return {question: ask(port, question, origin_port) for question in QUESTIONS}
    finally:
        squid.kill()
        squid.wait(10)
        for leftover in Path("/dev/shm").glob(f"test{os.getpid()}p{port}-*"):
            leftover.unlink()


@pytest.mark.parametrize("name", RULES)
def test_same_decisions(name, hosts, tmp_path):
    with Origin(answering(ok()), host="0.0.0.0") as origin:
        theirs = answers_of_squid(RULES[name], hosts, tmp_path, origin.port)
        with Proxy(rules=RULES[name], HTTP_PROXY_DANGEROUS_ADDRESSES="allow", DNS_TIMEOUT="1s") as proxy:
            ours = {question: ask(proxy.port, question, origin.port) for question in QUESTIONS}
    different = {question: (theirs[question], ours[question]) for question in QUESTIONS if theirs[question] != ours[question]}
    intended = {question for rules, question in INTENDED if rules in (name, "any")}
    unexpected = {question: pair for question, pair in different.items() if question not in intended}
    assert not unexpected, f"(squid, ours): {unexpected}"
    assert intended <= set(different), f"no longer different: {intended - set(different)}"
