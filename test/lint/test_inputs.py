"""What egress-lint reads: files, directories, globs, kustomizations; and what it writes: SARIF, corrected files."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_lint import HERE, LINT, lint, sound

MANIFESTS = HERE.parents[1] / "manifests"
CLEAN = "0 errors, 0 warnings, 0 notes\n"


@pytest.fixture
def tree(tmp_path):
    """A directory with a correct manifest, a faulty one below it, and files of other kinds."""
    (tmp_path / "router.yaml").write_text(sound("redirect"))
    (tmp_path / "README.md").write_text("# no manifest: [\n")
    (tmp_path / "values.yaml").write_text("replicas: 1\nreplicas: 2\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/proxy.yml").write_text(sound("http-proxy").replace("*.example.com", "*.exa mple.com"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/broken.yaml").write_text("kind: [\n")
    return tmp_path


def copied(tmp_path, *names):
    """Overlays of the project with what they include, at another place."""
    for name in ("base", "components", *names):
        shutil.copytree(MANIFESTS / name, tmp_path / name)
    return tmp_path


def test_a_directory_is_searched(tree):
    ran = lint(tree)
    assert ran.returncode == 3 and ran.stderr == ""
    assert re.search(r"more/proxy\.yml:\d+:\d+: error: .*\[configuration\]", ran.stdout)
    assert ran.stdout.endswith("1 error, 0 warnings, 0 notes\n")


def test_a_glob_that_no_shell_expanded(tree):
    assert lint(f"{tree}/*.y*ml").stdout == CLEAN  # values.yaml too: it is no object of a cluster
    assert lint(*tree.iterdir()).returncode == 3
    ran = lint(f"{tree}/*.nothing")
    assert ran.returncode == 2 and "ENOENT" in ran.stderr


def test_what_is_no_manifest_is_left_out_of_many(tree):
    assert lint(tree / "router.yaml", tree / "README.md").stdout == CLEAN
    alone = lint(tree / "README.md")  # named alone, it is read
    assert alone.returncode == 2 and "nothing to lint" in alone.stderr


@pytest.mark.parametrize("empty", ["", "readme"])
def test_an_empty_directory_is_no_success(tmp_path, empty):
    if empty:
        (tmp_path / "README.md").write_text("nothing\n")
    ran = lint(tmp_path)
    assert ran.returncode == 2 and "nothing to lint" in ran.stderr


def test_what_cannot_be_read_is_reported_and_the_rest_is_linted(tree):
    ran = lint(tree / "router.yaml", "/proc/self/mem", tree / "none.yaml")
    assert ran.returncode == 2 and ran.stdout == CLEAN
    assert ran.stderr == ("egress-lint: /proc/self/mem: EIO (Input/output error)\n"
                          f"egress-lint: {tree}/none.yaml: ENOENT (No such file or directory)\n")


def test_a_kustomization_is_rendered(tmp_path):
    overlay = copied(tmp_path, "ovn-kubernetes") / "ovn-kubernetes/dns-proxy"
    assert lint(overlay).returncode == 0
    assert lint(*sorted(overlay.iterdir())).stdout == lint(overlay).stdout != ""  # by its files: rendered once
    table = overlay / "destination"
    table.write_text(table.read_text().replace("5432 tcp", "54321234 tcp"))
    ran = lint(overlay)
    assert ran.returncode == 3 and '"54321234"' in ran.stdout and f"{overlay} (rendered):" in ran.stdout


def test_kustomizations_below_a_directory_are_deployments_of_their_own(tmp_path):
    """Overlays for several platforms have the same names and addresses; bases and components are no deployments."""
    copied(tmp_path, "ovn-kubernetes", "kubernetes")
    ran = lint(tmp_path)
    assert ran.returncode == 0 and " 0 warnings" in ran.stdout
    both = lint(tmp_path / "ovn-kubernetes/redirect", tmp_path / "kubernetes/redirect")
    assert both.returncode == 3 and "duplicate-object" in both.stdout


def test_a_kustomization_that_cannot_be_rendered(tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    ran = lint(tmp_path)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1
    assert "cannot render it: " in ran.stderr and "missing.yaml" in ran.stderr
    ran = subprocess.run([LINT, tmp_path], capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert ran.returncode == 2 and "neither kustomize, kubectl nor oc is installed" in ran.stderr


def test_a_helm_chart_is_left_to_helm(tmp_path):
    (tmp_path / "router.yaml").write_text(sound("redirect"))
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: some\n")
    (chart / "templates/router.yaml").write_text("kind: {{ .Values.kind }}\n")
    ran = lint(chart)
    assert ran.returncode == 2 and f"{chart}: a Helm chart: helm template" in ran.stderr
    ran = lint(tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, CLEAN, "")


def test_the_projects_own_manifests_pass():
    for each in (MANIFESTS, *[MANIFESTS / name for name in ("classic", "kubernetes", "multus", "openshift-sdn", "ovn-kubernetes",
                                                            "scaled", "second-router")]):
        ran = lint("--strict", each)
        assert ran.returncode == 0 and "0 errors, 0 warnings" in ran.stdout, ran.stdout


def test_strict_makes_errors_of_warnings(tmp_path):
    path = tmp_path / "router.yaml"
    path.write_text(sound("redirect").replace("port: 8080, targetPort: 8080", "port: 8081, targetPort: 80"))
    assert (lint(path).returncode, lint("--strict", path).returncode) == (0, 3)
    assert lint("--strict", path).stdout.endswith("1 error, 0 warnings, 0 notes\n")


def test_sarif(tmp_path):
    path = tmp_path / "a file.yaml"
    path.write_text(sound("redirect").replace("value: 10.42.253.46", "value: “10.42.253.999”"))
    report = json.loads(lint("--format=sarif", path).stdout)
    assert report["version"] == "2.1.0"
    (run,) = report["runs"]
    assert run["tool"]["driver"]["name"] == "egress-lint"
    rules = {each["id"] for each in run["tool"]["driver"]["rules"]}
    assert {each["ruleId"] for each in run["results"]} == rules == {"typographic-character", "configuration"}
    for each in run["results"]:
        place = each["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("/a%20file.yaml")
        assert place["region"]["startLine"] == 51 and each["level"] == "error" and each["message"]["text"]
    columns = [each["locations"][0]["physicalLocation"]["region"]["startColumn"] for each in run["results"]]
    assert columns == [18, 19]  # characters, not bytes
    assert json.loads(lint("--format=sarif", "redirect.yaml").stdout)["runs"][0]["results"] == []


def test_fix_replaces_typographic_characters_and_nothing_else(tmp_path):
    path = tmp_path / "pasted.yaml"
    text = "\ufeff" + (HERE / "pasted.yaml").read_text().replace("\n", "\r\n").rstrip()
    path.write_bytes(text.encode())
    path.chmod(0o640)
    ran = lint("--fix", path)
    assert ran.stderr == f"egress-lint: {path}: typographic characters replaced: 7\n"
    assert ran.returncode == 3 and "typographic-character" not in ran.stdout  # its other faults are still reported
    for old, new in (("“true”", '"true"'), ("‘10.42.253.300’", "'10.42.253.300'"), ("– name", "- name"), ("— name", "- name")):
        text = text.replace(old, new)
    assert path.read_bytes() == text.encode()  # dashes in the table are the table's
    assert path.stat().st_mode & 0o777 == 0o640 and [each.name for each in tmp_path.iterdir()] == ["pasted.yaml"]
    assert lint("--fix", path).stderr == ""


def test_what_is_named_twice_is_read_once(tmp_path):
    path = tmp_path / "router.yaml"
    path.write_text(sound("redirect"))
    assert lint(path, path, tmp_path, f"{tmp_path}/*.yaml").stdout == CLEAN
    overlay = copied(tmp_path / "copy", "ovn-kubernetes") / "ovn-kubernetes/redirect"
    assert lint(overlay, overlay).stdout == lint(overlay).stdout


def test_a_copy_that_was_not_edited(tmp_path):
    """Of second-router, or of a file: one finding names the other place, and no address is contested."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(sound("redirect"))
    ran = lint(tmp_path)
    assert ran.returncode == 0 and ran.stdout.count("[duplicate-object]") == 1 and "1 warning" in ran.stdout
    assert f"the same object as at {tmp_path}/a.yaml:" in ran.stdout and "namePrefix" in ran.stdout


@pytest.mark.parametrize("text", ["", "\n---\n", "# nothing\n", "bad bad\n", "- a\n", "name: x\n"])
def test_a_file_without_an_object_is_no_manifest(tmp_path, text):
    path = tmp_path / "some.yaml"
    path.write_text(text)
    for ran in (lint(path), lint("-", text=text)):
        assert ran.returncode == 2 and "nothing to lint" in ran.stderr
    ran = lint("bad", "bad")
    assert ran.returncode == 2 and ran.stderr == "egress-lint: bad: ENOENT (No such file or directory)\n"


@pytest.mark.parametrize("encoding, name", [("utf-16", "UTF-16 (little endian)"), ("utf-16-le", "UTF-16 (little endian)"),
                                            ("utf-16-be", "UTF-16 (big endian)"), ("latin-1", "Latin-1")])
def test_an_encoding_is_named(tmp_path, encoding, name):
    path = tmp_path / "router.yaml"
    path.write_bytes(("# J\u00fcrgen's router\n" + sound("redirect").encode("ascii", "ignore").decode()).encode(encoding))
    ran = lint("--format=json", path)
    (finding,) = json.loads(ran.stdout)["findings"]
    assert ran.returncode == 3 and finding["id"] == "encoding"
    assert name in finding["message"] and "iconv -f" in finding["message"]
    assert finding["line"] == (1 if encoding == "latin-1" else 0)


def test_no_exception_ends_the_linter(tmp_path):
    """SCTP in a DNS proxy's table ended the linter with std::out_of_range."""
    text = sound("scaled").replace("5432 db.example.com", "80 sctp a.com")
    path = tmp_path / "dns.yaml"
    path.write_text(text)
    ran = lint(path, "redirect.yaml")
    assert ran.returncode == 3 and "[configuration]" in ran.stdout


def test_sarif_of_a_rendered_text_has_no_line(tmp_path):
    overlay = copied(tmp_path, "ovn-kubernetes") / "ovn-kubernetes/dns-proxy"
    for each in json.loads(lint("--format=sarif", overlay).stdout)["runs"][0]["results"]:
        place = each["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("/dns-proxy") and "region" not in place


@pytest.mark.parametrize("arguments", [["--fix", "-"], [], ["--format=xml", "redirect.yaml"], ["--check"], ["--lint", "redirect.yaml"]])
def test_usage(arguments):
    ran = lint(*arguments)
    assert ran.returncode == 2 and ran.stdout == "" and ran.stderr


def test_help_fits_a_terminal():
    ran = lint("--help")
    assert ran.returncode == 0 and max(map(len, ran.stdout.splitlines())) <= 80
