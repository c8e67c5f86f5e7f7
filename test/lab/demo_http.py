"""Act two of the demo: the HTTP proxy behind EGRESS_ROUTER_MODE=http-proxy, asked by curl for what its rules allow and
for what they deny. Prints what came back, and what the outside saw."""

import re

import shapes
from dns_proxy import UNPRIVILEGED
from nameserver import Nameserver
from netns import run, start, wait_for
from lab import programs
from peers import ask

RULES = "!perdu.com\n!*.perdu.com\n!10.42.253.0/24\n*\n"
PORT = 8080
RECORDS = {
    "example.com": ["203.0.113.26"],
    "perdu.com": ["203.0.113.25"],
    "www.perdu.com": ["203.0.113.25"],
    "intranet.example.com": [shapes.NEIGHBOUR4],
}
# What curl asks for, whether by CONNECT, the status owed, and where the outside must see it or what the answer names.
REQUESTS = (
    ("http://example.com/", False, 200, ("203.0.113.26", 80)),
    ("http://example.com:8080/", True, 200, ("203.0.113.26", 8080)),
    ("http://203.0.113.27:9000/", False, 200, ("203.0.113.27", 9000)),
    ("http://perdu.com/", False, 403, 'by line 1 of EGRESS_HTTP_PROXY_DESTINATION, "!perdu.com"'),
    ("http://WWW.Perdu.com.:443/", True, 403, ""),
    (f"http://{shapes.NEIGHBOUR4}/", False, 403, 'by line 3 of EGRESS_HTTP_PROXY_DESTINATION, "!10.42.253.0/24"'),
    ("http://intranet.example.com/", False, 403, 'by line 3 of EGRESS_HTTP_PROXY_DESTINATION, "!10.42.253.0/24"'),
    ("http://169.254.169.254/latest/", False, 403, "link-local"),
    ("http://nowhere.example.com/", False, 502, "the name does not resolve"),
)


class HttpProxyDemo:
    def __init__(self, lab):
        self.lab = lab
        self.wrong = []

    def show(self):
        print("  EGRESS_HTTP_PROXY_DESTINATION:")
        for line in RULES.splitlines():
            print(f"    {line}")
        done = self.lab.router(self.lab.variables(EGRESS_ROUTER_MODE="http-proxy", EGRESS_DESTINATION=None), check=False)
        print(f"  $ egress-router       exit {done.returncode}"
              f"{self._expect(done.returncode == 0, 'egress-router: ' + done.stderr)}")
        with Nameserver(self.lab, RECORDS):
            proxy = start("pod", *UNPRIVILEGED, programs() / "egress-http-proxy",
                          env={"EGRESS_HTTP_PROXY_DESTINATION": RULES, "EGRESS_HTTP_PROXY_VIA": "egress-router"})
            try:
                self._status(proxy)
                for request in REQUESTS:
                    self._ask(*request)
                self._from_outside()
            finally:
                proxy.terminate()
                log, errors = proxy.communicate(timeout=10)
        self._expect(proxy.returncode == 0, f"egress-http-proxy ended with {proxy.returncode}: {errors}")
        self._access_log(log)

    def _expect(self, holds, otherwise):
        if not holds:
            self.wrong.append(f"{self.lab.shape.name}, HTTP proxy: {otherwise}")
        return "" if holds else "   <-- WRONG"

    def _status(self, proxy):
        pod = self.lab.shape.pod(4)
        wait_for(lambda: proxy.poll() is not None or
                 run("pod", "ss", "-Hltn", f"sport = {PORT}").stdout, "egress-http-proxy to listen")
        status = run("pod", "cat", f"/proc/{proxy.pid}/status").stdout
        facts = {name: re.search(rf"^{name}:\s+(\S+)", status, re.M).group(1) for name in ("Uid", "CapEff", "CapBnd")}
        mark = self._expect(facts == {"Uid": "1001", "CapEff": "0" * 16, "CapBnd": "0" * 16}, f"its privileges: {facts}")
        print(f"  $ egress-http-proxy   listens on {pod}:{PORT}; user {facts['Uid']}, capabilities {facts['CapEff']}{mark}")

    def _ask(self, url, tunnel, owed, where):
        self.lab.outside.forget()
        done = run("client", "curl", "-sS", "--max-time", "15", *(["--proxytunnel"] if tunnel else []),
                   "-x", f"http://{self.lab.shape.pod(4)}:{PORT}", "-w", "\n%{http_connect} %{http_code}", url, check=False)
        body, _, codes = done.stdout.rpartition("\n")
        connected, answered = codes.split()
        status = int(answered) if answered != "000" else int(connected)
        seen = self.lab.outside.seen()
        if owed == 200:
            told = "outside saw " + ("; ".join(f"{s.source} to {s.destination}:{s.port}" for s in seen) or "nothing")
            right = [(s.source, (s.destination, s.port)) for s in seen] == [(shapes.SOURCE4, where)]
        else:
            # curl shows no body of an answer to CONNECT; the access log has the rule.
            told = "(see the access log)" if tunnel else _sentence(body)
            right = not seen and (tunnel or where in told)
        mark = self._expect(right and status == owed, f"{url}: {status}, {told}, {done.stderr}")
        print(f"    curl {'-p ' if tunnel else ''}{url:{31 if tunnel else 34}} -> {status}  {told}{mark}")

    def _from_outside(self):
        try:
            ask("neighbour", "tcp", shapes.SOURCE4, PORT, seconds=0.4)
            answer = "ANSWERED"
        except OSError:
            answer = "no answer"
        mark = self._expect(answer == "no answer", "the outside reaches the proxy")
        print(f"    neighbour tried the proxy at {shapes.SOURCE4}:{PORT} -> {answer}{mark}")

    def _access_log(self, log):
        lines = sorted(log.splitlines())  # by time; each thread writes its own in batches
        right = len(lines) == len(REQUESTS) and sum("CONNECT WWW.Perdu.com.:443 403 deny rule=2 " in line for line in lines)
        mark = self._expect(right, f"the access log: {lines}")
        print(f"  its access log, a line for each request:{mark}")
        for line in lines:
            print(f"    | {line}")


def _sentence(page):
    """What the text page says happened."""
    return next((line for line in page.splitlines() if line.startswith(("The request", "No ", "DNS "))), page.strip())
