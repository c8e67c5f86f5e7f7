"""What is in the images: the programs and what they need, nothing else, and little of it."""

import json
import os
import subprocess

import pytest

MOST_BYTES = 12 << 20
NAMES = ("egress-router", "egress-wait", "egress-http-proxy", "egress-dns-proxy", "egress-lint")


@pytest.fixture(scope="module", params=NAMES)
def image(request, images):
    """The image's description, and the paths of its files."""
    environment = os.environ | {"CONTAINERS_STORAGE_CONF": str(images.parent / "storage.conf")}
    name = f"localhost/{request.param}:latest"

    def buildah(*arguments):
        return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True, env=environment).stdout
    container = buildah("from", name).strip()
    folder = buildah("mount", container).strip()
    files = {os.path.relpath(os.path.join(at, each), folder): os.lstat(os.path.join(at, each)).st_size
             for at, _, found in os.walk(folder) for each in found}
    yield request.param, json.loads(buildah("inspect", "--type", "image", name)), files
    buildah("rm", container)


def test_an_image_is_small(image):
    name, _, files = image
    assert sum(files.values()) < MOST_BYTES, name


def test_an_image_has_no_shell_and_nothing_that_nobody_needs(image):
    name, _, files = image
    programs = {"egress-router", "egress-wait"} if name == "egress-router" else {name}
    assert {path for path in files if path.startswith("usr/bin/")} == {f"usr/bin/{each}" for each in programs}
    assert {path.split("/")[0] for path in files} <= {"etc", "licenses", "usr"}
    rest = {path for path in files if not path.startswith(("usr/bin/", "licenses/", "usr/share/sbom/"))}
    assert rest == {"etc/passwd", "etc/group"}
    assert not any(path.startswith("usr/lib/") for path in files)


def test_an_image_says_what_it_is(image):
    name, description, _ = image
    config = description["OCIv1"]["config"]
    labels = config["Labels"]
    assert config["Entrypoint"] == [f"/usr/bin/{name}"] and not config.get("Cmd")
    assert labels["name"] == name and labels["version"] and labels["org.opencontainers.image.revision"]
    assert {"io.k8s.description", "io.k8s.display-name", "io.openshift.tags", "org.opencontainers.image.title"} <= labels.keys()
    assert config.get("User", "") == ("" if name == "egress-router" else "1001:0")
