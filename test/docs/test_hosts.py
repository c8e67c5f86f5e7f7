"""The project names no host of a registry or package mirror: those are the user's, from the configuration of the tools."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = re.compile(
    r"(deb|ftp|security)\.debian\.org|\b(docker|quay|ghcr|gcr|pypi|nodesource)\.(io|org|com)\b|pythonhosted|registry\.(k8s|npmjs"
    r"|redhat|access|connect|fedoraproject|gitlab)\b|archive\.ubuntu\.com|\bmirrors?\.[a-z]+\.(org|com|net)\b")


def test_no_file_names_a_registry_or_mirror():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    found = [f"{name}: {match[0]}" for name in names if name and (ROOT / name).is_file() and ROOT / name != Path(__file__)
             for match in [HOST.search((ROOT / name).read_text(errors="replace"))] if match]
    assert len(names) > 100 and found == []


def test_the_builder_takes_archives_from_apt():
    ran = subprocess.run(["images/builder", "--sources"], cwd=ROOT, capture_output=True, text=True, check=True)
    indexes = subprocess.run(["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)"],
                             capture_output=True, text=True, check=True).stdout.split()
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert lines and all(kind == "deb" and uri in indexes and part == "main" for kind, uri, _, part in lines)
