"""The README against the programs: a variable that --help lists stands in the README's table with the same default and
meaning, and the other way round."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("EGRESS_BIN_DIR") or ROOT / "build" / "bin")
PROGRAMS = ("egress-router", "egress-wait", "egress-http-proxy", "egress-dns-proxy")


def told_by_help(program):
    """{variable: (default, meaning)} out of --help: `  NAME = DEFAULT`, and the meaning on the next line."""
    text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^ +(EGRESS_\w+)(?: = (.*))?\n +(\S.*)$", text, re.MULTILINE)
    return {name: (default, meaning) for name, default, meaning in found}


def told_by_readme(program):
    text = (ROOT / "README.md").read_text()
    section = text.split("## Variables")[1].split("\n## ")[0]
    part = section.split(f"`{program}`")[1].split("\n`egress-")[0]
    rows = re.findall(r"^\| (EGRESS_\w+) \| ?(.*?) \| (.*) \|$", part, re.MULTILINE)
    return {name: (default, meaning) for name, default, meaning in rows}


@pytest.mark.parametrize("program", PROGRAMS)
def test_variables_are_those_of_help(program):
    assert told_by_help(program), "no variables in --help"
    assert told_by_readme(program) == told_by_help(program)


@pytest.mark.parametrize("program", (*PROGRAMS, "egress-lint"))
def test_version(program):
    told = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", told)


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
