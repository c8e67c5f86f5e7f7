#!/usr/bin/python3
"""Turns manifests of a cluster into pods that `podman play kube` (4.3) plays, one for each replica:

    test/image/played.py FOLDER FILE...       prints the pods; the volumes' files are written below FOLDER

    in the cluster                               as played
    ReplicationController, Deployment,           pods NAME-0, NAME-1, ..., which is what a StatefulSet calls them
      StatefulSet
    restartPolicy: Always                        OnFailure: under Always, podman starts ended init containers again
    valueFrom, envFrom                           values: ConfigMaps are looked up, the downward API is answered from the
                                                 pod (metadata.name, its namespace, labels, annotations)
    label apps.kubernetes.io/pod-index           set, as Kubernetes does since 1.28
    configMap and secret volumes                 folders with the kubelet's ..data link, which update() turns over
    emptyDir                                     a folder of its own
    image: NAME, without a registry              localhost/NAME, where the images are built
    probes, resources, affinity, ...             left out: podman would run httpGet with a curl inside the container
    all other kinds                              left out

What a container may do (securityContext, users, capabilities, read-only root) is handed on as it stands.
"""

import base64
import copy
import os
import re
import sys
from pathlib import Path

import yaml

WORKLOADS = ("ReplicationController", "Deployment", "StatefulSet")
CONTAINER_FIELDS = ("name", "image", "command", "args", "env", "securityContext", "volumeMounts", "workingDir")
POD_FIELDS = ("hostNetwork", "securityContext")


def read(*texts):
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def pods(documents, folder, namespace="default"):
    """The pods, as dictionaries."""
    config_maps = {each["metadata"]["name"]: each for each in documents if each["kind"] in ("ConfigMap", "Secret")}
    played = []
    for each in documents:
        name = each["metadata"].get("name")
        if each["kind"] == "Pod":
            played.append(_pod(each, name, config_maps, Path(folder), namespace))
        elif each["kind"] in WORKLOADS:
            for ordinal in range(each["spec"].get("replicas", 1)):
                template = copy.deepcopy(each["spec"]["template"])
                template["metadata"].setdefault("labels", {})["apps.kubernetes.io/pod-index"] = str(ordinal)
                played.append(_pod(template, f"{name}-{ordinal}", config_maps, Path(folder), namespace))
    return played


def to_text(played):
    return yaml.safe_dump_all(played, sort_keys=False)


def update(folder, files):
    """Replaces a volume's files at once, as kubelet does: a new folder, and the link ..data turned to it."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "..data"
    generation = int(os.readlink(link).removeprefix("..")) + 1 if link.is_symlink() else 0
    data = folder / f"..{generation}"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(link)


def _pod(template, name, config_maps, folder, namespace):
    # "once", podman's default, removes an init container behind itself: a restarted pod would have none.
    metadata = {"name": name} | {key: value for key, value in template["metadata"].items()
                                 if key in ("labels", "annotations")}
    metadata["annotations"] = metadata.get("annotations", {}) | {"io.podman.annotations.init.container.type": "always"}
    spec = template["spec"]
    volumes = {each["name"]: _volume(each, name, config_maps, folder) for each in spec.get("volumes", [])}
    containers = {kind: [_container(each, metadata, namespace, config_maps, volumes) for each in spec.get(kind, [])]
                  for kind in ("initContainers", "containers")}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {key: spec[key] for key in POD_FIELDS if key in spec}
        | {"restartPolicy": spec.get("restartPolicy", "OnFailure").replace("Always", "OnFailure")}
        | {kind: each for kind, each in containers.items() if each}
        | ({"volumes": [each for each in volumes.values() if each]} if volumes else {}),
    }


def _container(container, metadata, namespace, config_maps, volumes):
    played = {key: container[key] for key in CONTAINER_FIELDS if key in container}
    played["image"] = played["image"] if "/" in played["image"] else f"localhost/{played['image']}"
    given = {}
    for source in container.get("envFrom", []):
        reference = source.get("configMapRef") or source.get("secretRef")
        if reference["name"] in config_maps or not reference.get("optional"):
            given |= {source.get("prefix", "") + key: value
                      for key, value in _contents(config_maps[reference["name"]]).items()}
    for variable in container.get("env", []):
        value = _value(variable, metadata, namespace, config_maps)
        if value is not None:
            # $(NAME) is expanded from what stands before it.
            given[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda m: given.get(m[1], m[0]), value)
    played["env"] = [{"name": name, "value": value} for name, value in given.items()]
    if "volumeMounts" in played:
        played["volumeMounts"] = [mount for mount in played["volumeMounts"] if volumes[mount["name"]]]
    return played


def _contents(config_map):
    secrets = {key: base64.b64decode(value).decode() for key, value in config_map.get("data", {}).items()
               } if config_map["kind"] == "Secret" else config_map.get("data", {})
    return secrets | config_map.get("stringData", {})


def _value(variable, metadata, namespace, config_maps):
    source = variable.get("valueFrom")
    if not source:
        return variable.get("value", "")
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        if path == "metadata.name":
            return metadata["name"]
        if path == "metadata.namespace":
            return namespace
        found = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
        return metadata.get(found[1], {}).get(found[2], "") if found else None  # status.podIP and such: not known yet
    reference = source.get("configMapKeyRef") or source.get("secretKeyRef")
    contents = _contents(config_maps[reference["name"]]) if reference["name"] in config_maps else {}
    if reference["key"] not in contents and not reference.get("optional"):
        raise KeyError(f"{variable['name']}: no key {reference['key']} in ConfigMap or Secret {reference['name']}")
    return contents.get(reference["key"])


def _volume(volume, pod, config_maps, folder):
    """The same volume as a hostPath; None where it is optional and not there."""
    path = folder / pod / volume["name"]
    source = volume.get("configMap") or volume.get("secret")
    if source:
        name = source.get("name") or source["secretName"]
        if name not in config_maps:
            if source.get("optional"):
                return None
            raise KeyError(f"volume {volume['name']}: no ConfigMap or Secret {name}")
        contents = _contents(config_maps[name])
        keys = {item["key"]: item["path"] for item in source.get("items", [])} or {key: key for key in contents}
        update(path, {place: contents[key] for key, place in keys.items()})
    elif "emptyDir" in volume:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
    elif "hostPath" in volume:
        return volume
    else:
        raise KeyError(f"volume {volume['name']}: cannot be played")
    return {"name": volume["name"], "hostPath": {"path": str(path.resolve()), "type": "Directory"}}


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print(to_text(pods(read(*(Path(name).read_text() for name in sys.argv[2:])), sys.argv[1])), end="")
