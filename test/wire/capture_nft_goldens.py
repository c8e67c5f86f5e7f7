#!/usr/bin/env python3
"""Captures what nft(8) sends for each text in ../unit/goldens into goldens/, for nft_wire_test.

Runs in namespaces of its own, as root. A golden is the command and the bytes of its one transaction, a message after
a blank line each.
"""

import os
import sys
from pathlib import Path

from capture_ip_goldens import GOLDENS, requests_of

ROOT = Path(__file__).resolve().parents[2]
BATCH_BEGIN = 0x10  # linux/netfilter/nfnetlink.h


def messages_of(transaction):
    while transaction:
        length = int.from_bytes(transaction[:4], sys.byteorder)
        yield transaction[:length]
        transaction = transaction[(length + 3) // 4 * 4 :]


def is_transaction(request):
    return int.from_bytes(request[4:6], sys.byteorder) == BATCH_BEGIN


def capture(text):
    command = f"nft -f {text.relative_to(ROOT)}"
    transactions = [request for request in requests_of(command) if is_transaction(request)]
    if len(transactions) != 1:
        sys.exit(f"{command}: {len(transactions)} transactions instead of one")
    lines = [f"# {command}"]
    for message in messages_of(transactions[0]):
        lines += ["", *(message[at : at + 32].hex(" ") for at in range(0, len(message), 32))]
    (GOLDENS / f"nft_{text.stem}.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def main():
    if "--inside" not in sys.argv:
        unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*unshare, sys.executable, __file__, "--inside"])
    os.chdir(ROOT)
    for text in sorted((ROOT / "test/unit/goldens").glob("*.nft")):
        capture(text)


if __name__ == "__main__":
    main()
