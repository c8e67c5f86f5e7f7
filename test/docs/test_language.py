"""The project's vocabulary: terms that were replaced appear nowhere, neither in prose and messages nor in names."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Left: what must not appear. Right: the term of the field that replaces it.
REPLACED = {
    r"\bthe outside\b|\boutside sees\b|\boutside world\b": "the external network; the egress IP",
    r"\baddress alone\b|\bfallback[_ ]?[46l]|\ball else goes": "default destination",
    r"\basks? the wire|\bon the wire\b|\bfind_holder|\bholders?\b": "ARP probe, neighbor discovery; address conflict with MAC ...",
    r"\bin force\b|\bput in force\b": "applied",
    r"\btaken back\b|\btakes? back\b|\bis undone\b|\bas it was\b": "rolled back; unchanged",
    r"\bof before\b|\bmoved[_ ]flows?\b": "previous; stale conntrack entries",
    r"\bjudg\w+|\bJudg\w+|\bstruct Question\b|\bVerdict\b": "evaluate; request; decision",
    r"HEAD_BYTES|\bhead_bytes\b|\bthe head\b|\bwhole head\b": "header section; MAX_HEADER_BYTES",
    r"\b\w*_?(LEAST|MOST)_\w+|\bkMost\w*|\b(least|most)_(ttl|negative_ttl)\b": "MIN_, MAX_",
    r"(?i)dangerous": "special-purpose addresses",
    r"(?i)\b(leak_)?guard\b|link_?guard": "lockdown ruleset, address defense, destination policy",
    r"(?i)masquerade\b": "SNAT",
    r"\b[Kk]eeper\b|\blook_?alike|\bwanted\b": "named by what it is: supervisor, confusables, desired state",
    r"\btold with\b|\bis told\b|\bare told\b|\btells of\b": "reported",
    r"\bgoes? without\b": "disabled, and why",
    r"\bnot to be had\b|\bcannot be had\b": "not available",
    r"\basked for (so|again)\b|\bis made anew\b": "plain word order",
    r"(?i)\b(neighbour|behaviour|defence|colour|honour|licence|favour)\w*": "American spelling",
}
NOT_PROSE = re.compile(r"^(LICENSE|test/fuzz/corpus/|test/wire/goldens/|test/docs/test_language\.py|.*\.(json|svg)$)")


def files():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if not NOT_PROSE.match(name)]


@pytest.mark.parametrize("pattern", REPLACED, ids=REPLACED.values())
def test_replaced_words_appear_nowhere(pattern):
    found = []
    for name in files():
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
        if re.search(pattern, name):
            found.append(f"{name}: the file's name")
    assert found == [], f"write: {REPLACED[pattern]}"
