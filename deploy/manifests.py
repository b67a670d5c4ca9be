"""Writes the manifests that repeat other generated files, dashboards and alert rules. ``--check`` only compares.

Kustomize takes only files below a kustomization, so the list of dashboards stands beside them.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
DASHBOARDS: Final = Path("grafana/kustomization.yaml")
RULES: Final = Path("deploy/kubernetes/monitoring/rules.yaml")
ALERTS: Final = Path("deploy/prometheus/alerts.yaml")
HEAD: Final = "# Made by `make generate` (deploy/manifests.py); do not edit.\n"
# What the sidecar of Grafana's chart looks for.
DASHBOARD_LABEL: Final = {"grafana_dashboard": "1"}
ALERT_LABEL: Final = {"grafana_alert": "1"}
OURS: Final = {"app.kubernetes.io/name": "tracefleet"}


def files() -> dict[Path, str]:
    """The text of each file, by its path below the project's folder."""
    return {DASHBOARDS: _page(_kustomization()), RULES: _page(_rules())}


def main() -> int:
    """Write the files, or with ``--check`` say which are not current; the exit status."""
    texts = files()
    stale = [path for path, text in texts.items() if _current(ROOT / path) != text]
    if "--check" in sys.argv[1:]:
        sys.stderr.writelines(f"{path} is not what the code says. Run `make generate`.\n" for path in stale)
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).write_text(texts[path], encoding="utf-8")
    return 0


def _kustomization() -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        # A sidecar that finds another name takes it for another dashboard.
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [*_generators()],
    }


def _generators() -> Iterator[dict[str, Any]]:
    """One for each dashboard: a ConfigMap holds a mebibyte."""
    folder = ROOT / "grafana"
    for path in sorted((folder / "dashboards").glob("*.json")):
        name = path.name.removesuffix(".json").replace(".", "-")
        yield _generator(f"tracefleet-dashboard-{name}", path.relative_to(folder), DASHBOARD_LABEL)
    for path in sorted((folder / "provisioning" / "alerting").glob("*.yaml")):
        yield _generator(f"tracefleet-alerting-{path.stem}", path.relative_to(folder), ALERT_LABEL)


def _generator(name: str, path: Path, label: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "files": [path.as_posix()], "options": {"labels": {**OURS, **label}}}


def _rules() -> dict[str, Any]:
    alerts = yaml.safe_load((ROOT / ALERTS).read_text(encoding="utf-8"))
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "tracefleet-alerts", "labels": dict(OURS)},
        "spec": {"groups": alerts["groups"]},
    }


def _page(document: Mapping[str, Any]) -> str:
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _current(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
