"""The documents against the programs and each other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("EGRESS_BIN_DIR") or ROOT / "build" / "bin")
PROGRAMS = ("egress-router", "egress-wait", "egress-http-proxy", "egress-dns-proxy", "egress-lint")


def test_reference_is_what_help_declares():
    subprocess.run([ROOT / "docs/generate", "--check"], check=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_fits_a_terminal(program):
    text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program):
    told = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+ \([0-9a-f]{{12}}\)\n", told)


PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})


def anchors_of(page):
    """As GitHub makes them: lower case, spaces to hyphens, punctuation dropped."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", page.read_text()):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if path.startswith("http"):
            continue
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_linked():
    linked = "".join(page.read_text() for page in PAGES)
    assert [page.name for page in PAGES if page.name != "README.md" and page.name not in linked] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_readme_commands_run_as_printed(tmp_path):
    """In a clean clone with the built programs. What needs a cluster, a registry, or is tested by itself is left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    left_out = re.compile(r"(oc|make|podman|for|done)\b|  podman")
    commands = [line for block in blocks for line in block.splitlines() if not left_out.match(line)]
    assert len(commands) >= 7
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    (clone / "build").mkdir()
    (clone / "build/bin").symlink_to(BIN)
    script = "set -eu -o pipefail\n" + "\n".join(commands)
    ran = subprocess.run(["bash", "-c", script], cwd=clone, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
