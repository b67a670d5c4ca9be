"""The manifests of ``deploy/kubernetes`` as the tests look at them: by file, by kind, by the pods they make."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.unit import strict_yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy" / "kubernetes"
BASE: Final = FOLDER / "base"
CITY: Final = FOLDER / "city"
WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")
Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    """That of a folder."""
    read: Manifest = strict_yaml.read(folder / "kustomization.yaml")
    return read


@cache
def manifests() -> tuple[tuple[Path, Manifest], ...]:
    """Every object of every file that is one, with its file."""
    return tuple(
        (path, document)
        for path in sorted(FOLDER.rglob("*.yaml"))
        for document in strict_yaml.read_all(path)
        if isinstance(document, dict) and document["kind"] != "Kustomization"
    )


def of_kind(*kinds: str) -> list[Manifest]:
    """Every object of these kinds."""
    return [manifest for _, manifest in manifests() if manifest["kind"] in kinds]


def literals(folder: Path, name: str) -> dict[str, str]:
    """What a generated ConfigMap of a kustomization holds."""
    (found,) = (one for one in kustomization(folder)["configMapGenerator"] if one["name"] == name)
    return dict(literal.split("=", 1) for literal in found.get("literals", []))


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector takes these labels."""
    wanted: dict[str, str] = selector.get("matchLabels", {})
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return wanted.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Pods:
    """What a workload makes: the name, the labels, and the one container with its pod."""

    workload: Manifest

    @property
    def name(self) -> str:
        """Of the workload."""
        return str(self.workload["metadata"]["name"])

    @property
    def component(self) -> str:
        """Which part of the system it is."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def labels(self) -> dict[str, str]:
        """Of each pod."""
        labels: dict[str, str] = self.workload["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def spec(self) -> Manifest:
        """Of each pod."""
        spec: Manifest = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        """The only one."""
        (container,) = self.spec["containers"]
        assert isinstance(container, dict)
        return container

    @property
    def ports(self) -> dict[str, int]:
        """What it listens on, by name."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}

    @property
    def environment(self) -> dict[str, Any]:
        """Name and value, or where the value comes from."""
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.container["env"]}

    @property
    def files(self) -> set[str]:
        """The paths of the secrets' files in the container."""
        sources = {volume["name"]: volume for volume in self.spec["volumes"]}
        return {
            f"{mount['mountPath']}/{item['path']}"
            for mount in self.container["volumeMounts"]
            for item in sources.get(mount["name"], {}).get("secret", {}).get("items", [])
        }

    @property
    def secrets(self) -> set[str]:
        """The names of the secrets it is given."""
        mounted = {volume["secret"]["secretName"] for volume in self.spec["volumes"] if "secret" in volume}
        referred = {
            value["secretKeyRef"]["name"]
            for value in self.environment.values()
            if isinstance(value, dict) and "secretKeyRef" in value
        }
        return mounted | referred


PODS: Final = {pods.component: pods for pods in map(Pods, of_kind(*WORKLOADS))}
OURS: Final = {name: pods for name, pods in PODS.items() if pods.container["image"] == "tracefleet"}
