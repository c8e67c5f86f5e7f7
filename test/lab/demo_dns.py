"""Act three of the demo: the DNS proxy behind EGRESS_ROUTER_MODE=dns-proxy. Connections to its ports go to names, one
of which changes its address while the demo looks on."""

import shapes
from dns_proxy import DnsProxy
from nameserver import Nameserver
from peers import ask

TABLE = "80 www.example.com\n8443 tcp www.example.com,203.0.113.27 443\n5353 udp dns.example.com\n9000 later.example.com\n"
RECORDS = {"www.example.com": ["203.0.113.25"], "dns.example.com": ["203.0.113.26"]}
MOVED = RECORDS | {"www.example.com": ["203.0.113.26"], "later.example.com": ["203.0.113.27"]}


class DnsProxyDemo:
    def __init__(self, lab):
        self.lab = lab
        self.wrong = []

    def show(self):
        print("  EGRESS_DNS_PROXY_DESTINATION:")
        for line in TABLE.splitlines():
            print(f"    {line}")
        with Nameserver(self.lab, RECORDS) as names, DnsProxy(self.lab, TABLE) as proxy:
            print("  $ egress-router; egress-dns-proxy   by a user without capabilities, on port 80 too")
            self._before(proxy)
            print("  the nameserver's answer for www.example.com changes, later.example.com comes to be:")
            names.change(MOVED)
            self._after(proxy)
            log, errors = proxy.stop()
        self._expect(proxy.process.returncode == 0, f"egress-dns-proxy ended with {proxy.process.returncode}: {errors}")
        print("  what it said, and its log of connections:")
        for line in sorted([*errors.splitlines(), *log.splitlines()]):
            print(f"    | {line}")

    def _before(self, proxy):
        proxy.wait_for("www.example.com", "203.0.113.25")
        self._connect("tcp", 80, ("203.0.113.25", 80))
        self._connect("tcp", 8443, ("203.0.113.25", 443), ("203.0.113.27", 443))
        self._connect("tcp", 8443, ("203.0.113.25", 443), ("203.0.113.27", 443))
        self._connect("udp", 5353, ("203.0.113.26", 5353))
        self._connect("tcp", 9000)
        try:
            ask("neighbour", "tcp", shapes.SOURCE4, 80, seconds=0.4)
            answer = "ANSWERED"
        except OSError:
            answer = "no answer"
        mark = self._expect(answer == "no answer", "the outside reaches the proxy")
        print(f"    neighbour tried {shapes.SOURCE4}:80 -> {answer}{mark}")

    def _after(self, proxy):
        proxy.wait_for("www.example.com", "203.0.113.26")
        proxy.wait_for("later.example.com", "203.0.113.27")
        self._connect("tcp", 80, ("203.0.113.26", 80))
        self._connect("tcp", 9000, ("203.0.113.27", 9000))

    def _connect(self, protocol, port, *expected):
        """Asks, and expects to be seen at one of these places; at none where there are none."""
        self.lab.outside.forget()
        try:
            ask("client", protocol, self.lab.shape.pod(4), port, seconds=2)
            answer = "answered"
        except OSError as error:
            answer = "refused" if isinstance(error, (ConnectionError, BrokenPipeError)) else f"no answer: {error}"
        # Connections that carry no byte are the proxy's own tests of an address.
        seen = [s for s in self.lab.outside.seen() if s.protocol == protocol]
        told = sorted({f"{s.source} to {s.destination}:{s.port}" for s in seen}) or ["nothing"]
        right = {s.source for s in seen} <= {shapes.SOURCE4} and (
            answer == "refused" if not expected else
            answer == "answered" and any((s.destination, s.port) in expected for s in seen))
        mark = self._expect(right, f"{protocol} {port}: {answer}, outside saw {told}")
        print(f"    client asked {protocol} {self.lab.shape.pod(4)}:{port:<5} -> {answer}, outside saw {'; '.join(told)}{mark}")

    def _expect(self, holds, otherwise):
        if not holds:
            self.wrong.append(f"{self.lab.shape.name}, DNS proxy: {otherwise}")
        return "" if holds else "   <-- WRONG"
