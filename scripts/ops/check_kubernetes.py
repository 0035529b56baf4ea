"""The Kubernetes manifests, as kustomize puts them together: of the schemas' form, confined, and fitting
one another and the program. `kubectl` or `kustomize` builds the overlay where there is one; else the
parts of kustomize that the manifests use are done here, and the output says so."""

import copy
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VERSIONS = ["1.32", "1.34"]

passed, failed = 0, []


def check(holds, what):
    global passed
    if holds:
        passed += 1
    else:
        failed.append(what)


def keys():
    section, found = "", set()
    for line in (ROOT / "src/config/default.toml").read_text().splitlines():
        if match := re.match(r"\[([a-z.]+)\]", line):
            section = match[1]
        elif match := re.match(r"(?:# )?([a-z_]+) = ", line):
            found.add(f"{section}.{match[1]}")
    return found


def assemble(folder):
    """Resources, labels, namespace, images, generators: what a kustomization of ours uses."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "labels", "namespace", "resources", "images", "configMapGenerator", "secretGenerator"}
    check(set(kustomization) <= known, f"{folder}: assembled by a tool alone: {set(kustomization) - known}")
    objects = []
    for resource in kustomization["resources"]:
        path = folder / resource
        if path.is_dir():
            objects += assemble(path)
        else:
            objects += [entry for entry in yaml.safe_load_all(path.read_text()) if entry]
    for kind, generator in (("ConfigMap", "configMapGenerator"), ("Secret", "secretGenerator")):
        for made in kustomization.get(generator, []):
            names = {Path(file).name: (folder / file).read_text() for file in made["files"]}
            member = "data" if kind == "ConfigMap" else "stringData"
            objects.append({"apiVersion": "v1", "kind": kind, "metadata": {"name": made["name"]}, member: names})
    for image in kustomization.get("images", []):
        for entry in objects:
            for container in containers(entry):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    if namespace := kustomization.get("namespace"):
        for entry in objects:
            if entry["kind"] != "Namespace":
                entry["metadata"]["namespace"] = namespace
    return objects


def containers(entry):
    return entry["spec"]["template"]["spec"]["containers"] if entry["kind"] == "Deployment" else []


def build(folder):
    for tool in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(tool[0]):
            ran = subprocess.run([*tool, "--load-restrictor=LoadRestrictionsNone", folder], capture_output=True, text=True)
            if ran.returncode != 0:
                sys.exit(f"{' '.join(tool)}: {ran.stderr}")
            print(f"built by {' '.join(tool)}")
            return [entry for entry in yaml.safe_load_all(ran.stdout) if entry]
    print("neither kustomize nor kubectl is here: put together by this check itself")
    return assemble(folder)


def fits(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


def base_name(name):
    """Generated names end in a hash."""
    return re.sub(r"-[0-9a-z]{10}$", "", name)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "kubernetes"
        shutil.copytree(FOLDER, folder)
        example = folder / "example"
        for made in yaml.safe_load((example / "kustomization.yaml").read_text())["secretGenerator"]:
            for file in made["files"]:
                (example / file).write_text("of the check")
        objects = build(example)
        simple = assemble(example)
    count = lambda entries: sorted((entry["kind"], base_name(entry["metadata"]["name"])) for entry in entries)
    check(count(objects) == count(simple), f"put together differently: {count(objects)} {count(simple)}")

    for entry in objects:
        for version in VERSIONS:
            what = f"{entry['kind']} {entry['metadata']['name']}, Kubernetes {version}"
            try:
                kubernetes_validate.validate(copy.deepcopy(entry), version, strict=True)
                check(True, what)
            except kubernetes_validate.ValidationError as error:
                check(False, f"{what}: {'.'.join(map(str, error.path))}: {error.message}")

    def only(kind):
        found = [entry for entry in objects if entry["kind"] == kind]
        check(len(found) == 1, f"{len(found)} of {kind}")
        return found[0]

    deployment = only("Deployment")
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    check(spec["replicas"] >= 2, "two replicas")
    check(fits(spec["selector"]["matchLabels"], labels), "the deployment selects its pods")
    check(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0, "not root")
    check(pod["automountServiceAccountToken"] is False, "no token of the cluster")
    ports = {}
    for container in pod["containers"]:
        ports |= {port["name"]: port["containerPort"] for port in container["ports"]}
        security = container["securityContext"]
        check(security["readOnlyRootFilesystem"], "read-only root")
        check(security["allowPrivilegeEscalation"] is False and security["capabilities"]["drop"] == ["ALL"], "no privileges")
        check("memory" in container["resources"]["limits"] and container["resources"]["requests"], "resources")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            check(f"{path}:" in (ROOT / "openapi.yaml").read_text(), f"{probe}: no route {path}")
            check(container[probe]["httpGet"]["port"] in ports, f"{probe}: no such port")
        check(not container["image"].endswith(":latest") and ":" in container["image"], "a pinned image")
    service, budget, policy, ingress = map(only, ("Service", "PodDisruptionBudget", "NetworkPolicy", "Ingress"))
    check(fits(service["spec"]["selector"], labels), "the service selects the pods")
    check(all(port["targetPort"] in ports for port in service["spec"]["ports"]), "the service's port")
    check(fits(budget["spec"]["selector"]["matchLabels"], labels), "the budget selects the pods")
    check(budget["spec"]["minAvailable"] < spec["replicas"], "the budget lets one go")
    check(fits(policy["spec"]["podSelector"]["matchLabels"], labels), "the policy selects the pods")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    check(backend["name"] == service["metadata"]["name"], "the ingress leads to the service")
    host = ingress["spec"]["rules"][0]["host"]

    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    config, secret = only("ConfigMap"), only("Secret")
    check(volumes["config"]["configMap"]["name"] == config["metadata"]["name"], "the configuration is mounted")
    check(volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"], "the secrets are mounted")
    held = set(secret.get("data") or secret["stringData"])
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    known = keys()
    for variable in pod["containers"][0]["env"]:
        name, value = variable["name"], variable["value"]
        key = name.removeprefix("TRIBELINK_").lower().replace("__", ".")
        check(key in known or key.removesuffix("_file") in known, f"no key is named {key}")
        if key.endswith("_file"):
            path = Path(value)
            check(str(path.parent) == mounts["secrets"] and path.name in held, f"{value} is no file of the secret")
    toml = tomllib.loads(config["data"]["tribelink.toml"])
    for section, members in toml.items():
        for key in members:
            check(f"{section}.{key}" in known, f"tribelink.toml: no key is named {section}.{key}")
    check(toml["server"]["public_url"] == f"https://{host}", "the ingress has the public address")

    for what in failed:
        print(f"FAIL  {what}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
