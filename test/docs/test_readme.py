"""The documents against the programs and each other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("EGRESS_BIN_DIR") or ROOT / "build" / "bin")
PROGRAMS = ("egress-router", "egress-wait", "egress-http-proxy", "egress-dns-proxy")


def test_reference_is_what_help_declares():
    subprocess.run([ROOT / "docs/generate", "--check"], check=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_fits_a_terminal(program):
    text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("program", (*PROGRAMS, "egress-lint"))
def test_version(program):
    told = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", told)


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
