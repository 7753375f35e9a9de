"""What the checks of manifests and chart share: paths, builders, the schema check."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

import kubernetes_validate
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
KUBERNETES = DEPLOY / "kubernetes"
CHART = DEPLOY / "helm" / "sensor"
# The oldest that is promised and the newest, between which the package has all schemas, and those
# that changed something used here (appArmorProfile came in 1.30).
VERSIONS = ("1.25", "1.29", "1.30", "1.33", "1.37")


def has_app_armor_field(version):
    """Whether that Kubernetes takes `appArmorProfile`; before, an annotation says it."""
    return [int(part) for part in version.split(".")] >= [1, 30]


def kustomize(directory):
    """The objects that `kubectl kustomize` makes of a directory."""
    if not shutil.which("kubectl"):
        raise AssertionError("kubectl is not installed: these checks build the manifests with `kubectl kustomize`")
    done = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"kubectl kustomize {directory}: {done.stderr}")
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def invalid(item, version):
    """Why the object does not fit the OpenAPI schema of that Kubernetes, or None."""
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{item['kind']}/{item['metadata']['name']} for {version}: {list(error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return f"{item['kind']}: {error}"
    return None


def one(items, kind, name=None):
    """The only object of a kind (and name)."""
    found = [i for i in items if i["kind"] == kind and name in (None, i["metadata"]["name"])]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} objects {kind}/{name}")
    return found[0]


def container(items):
    """The sensor's container."""
    [only] = one(items, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    return only


def volumes(items):
    """Volumes of the sensor's pod by name."""
    return {v["name"]: v for v in one(items, "DaemonSet")["spec"]["template"]["spec"]["volumes"]}


@contextlib.contextmanager
def quiet():
    """Helm's engine reports each symbolic link on file descriptor 2."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
