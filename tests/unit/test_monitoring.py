"""What measures a stack: its plan, its files, and its containers under mocks."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from components.cloudbeaver.connections import DatabaseConnection, data_sources
from components.monitoring import grafana
from components.monitoring.exporters import QUERIES
from components.monitoring.targets import Target, target_files
from config.monitoring import JOBS
from config.plan import make_plan
from config.settings import parse_settings
from tests.committed import on_servers
from tests.unit.conftest import SECRET_MARK, Program, Registered, public_ip

Run = Callable[..., Program]

ON = {"monitoring": {"enabled": True}}
PROJECTS: dict[str, Any] = {"shop": {"buckets": {"uploads": {}}}}
PROD = ["main", "data-1", "data-2", "data-3", "data-4"]


def containers(program: Program) -> dict[str, Registered]:
    return {c.name: c for c in program.of_type("Container")}


def uploads(container: Registered) -> dict[str, str]:
    return {file["file"]: file["content"] for file in container.inputs["uploads"]}


def environment(container: Registered) -> dict[str, str]:
    return dict(line.split("=", 1) for line in container.inputs["envs"])


# -- The plan ----------------------------------------------------------------------------------


def test_a_stack_without_monitoring_has_none() -> None:
    plan = make_plan(parse_settings({}), "dev")
    assert plan.monitoring is None
    assert plan.cloudbeaver is None
    assert len(plan.published_ports) == 3


def test_the_targets_of_a_laptop() -> None:
    plan = make_plan(parse_settings({**ON, "citus": {"workers": 1}}), "lab")
    assert plan.monitoring
    assert {(t.job, t.address, *t.labels.values()) for t in plan.monitoring.targets} == {
        ("node", "lab-node-exporter-local:9100", "local", "local"),
        ("cadvisor", "lab-cadvisor-local:8080", "local", "local"),
        (
            "postgres",
            "lab-postgres-exporter-citus-coordinator:9187",
            *("citus-coordinator", "local", "coordinator"),
        ),
        (
            "postgres",
            "lab-postgres-exporter-citus-worker-1:9187",
            *("citus-worker-1", "local", "worker"),
        ),
        ("citus", "lab-citus-exporter:9187", "citus-coordinator", "local"),
        ("minio", "lab-minio-1:9000", "minio-1", "local"),
        ("prometheus", "lab-prometheus:9090", "prometheus", "local"),
        ("alertmanager", "lab-alertmanager:9093", "alertmanager", "local"),
    }


def test_the_targets_of_servers() -> None:
    plan = make_plan(parse_settings({**on_servers("prod"), **ON}), "prod")
    assert plan.monitoring
    found = {
        (t.job, t.labels["instance"]): (t.address, t.labels["host"])
        for t in plan.monitoring.targets
    }
    assert found["node", "data-2"] == ("10.0.1.12:9100", "data-2")
    assert found["cadvisor", "main"] == ("10.0.1.10:9101", "main")
    assert found["postgres", "citus-coordinator"] == ("10.0.1.10:9187", "main")
    assert found["postgres", "citus-worker-3"] == ("10.0.1.13:9190", "data-3")
    assert found["citus", "citus-coordinator"] == ("10.0.1.10:9186", "main")
    assert found["minio", "minio-4"] == ("10.0.1.14:9000", "data-4")
    assert found["traefik", "edge"] == ("10.0.1.10:9102", "main")
    assert found["prometheus", "prometheus"] == ("prod-prometheus:9090", "main")


@given(st.integers(1, 12), st.sampled_from([1, 4]), st.booleans(), st.booleans())
def test_every_host_and_node_is_measured_once(
    workers: int, nodes: int, servers: bool, cadvisor: bool
) -> None:
    sections: dict[str, Any] = on_servers("prod") if servers else {}
    sections |= {
        "citus": {"workers": workers},
        "minio": {"pools": [{"nodes": nodes}]},
        "monitoring": {"enabled": True, "cadvisor": cadvisor},
    }
    plan = make_plan(parse_settings(sections), "prod")
    assert plan.monitoring
    hosts = {server.name for server in plan.hetzner.servers} if plan.hetzner else {"local"}
    measured: dict[str, list[str]] = {job: [] for job in JOBS}
    for target in plan.monitoring.targets:
        measured[target.job].append(target.labels["instance"])
        assert target.labels["host"] in hosts
    assert sorted(measured["node"]) == sorted(hosts)
    assert sorted(measured["cadvisor"]) == (sorted(hosts) if cadvisor else [])
    assert len(set(measured["postgres"])) == len(measured["postgres"]) == workers + 1
    assert len(set(measured["minio"])) == len(measured["minio"]) == nodes
    assert measured["traefik"] == (["edge"] if servers else [])
    names = [service.name for service in plan.monitoring.services]
    assert len(set(names)) == len(names)
    published = [(s.host, s.published) for s in plan.monitoring.services if s.published]
    assert len(set(published)) == len(published)


def test_servers_are_planned_with_what_measures_them() -> None:
    sections = {**on_servers("prod"), **ON, "cloudbeaver": {"enabled": True}}
    plan = make_plan(parse_settings(sections), "prod")
    assert plan.hetzner
    main, data, *_ = plan.hetzner.servers
    assert [load.name for load in main.loads if load.name != "edge"] == [
        "prod-citus-coordinator",
        "prometheus",
        "alertmanager",
        "grafana",
        "node-exporter-main",
        "cadvisor-main",
        "postgres-exporter-citus-coordinator",
        "citus-exporter",
        "cloudbeaver",
        "dokploy",
    ]
    assert {load.name for load in data.loads if "prod" not in load.name} == {
        "node-exporter-data-1",
        "cadvisor-data-1",
        "postgres-exporter-citus-worker-1",
    }


# -- Files -------------------------------------------------------------------------------------


def test_a_job_without_targets_has_an_empty_file() -> None:
    target = Target(job="node", address="a:1", labels={"instance": "a", "host": "a"})
    files = target_files(["node", "minio"], [target])
    assert json.loads(files["node.json"]) == [
        {"targets": ["a:1"], "labels": {"instance": "a", "host": "a"}}
    ]
    assert json.loads(files["minio.json"]) == []


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Column(Strict):
    usage: str
    description: str


class Queries(Strict):
    """What the exporter knows of a query (its `UserQuery`)."""

    query: str
    metrics: list[dict[str, Column]]
    cache_seconds: int = 0


def test_the_queries_of_citus_give_these_metrics() -> None:
    metrics = {}
    for name, text in yaml.safe_load(QUERIES).items():
        query = Queries.model_validate(text)
        columns = {key: column for entry in query.metrics for key, column in entry.items()}
        labels = {key for key, column in columns.items() if column.usage == "LABEL"}
        for key, column in columns.items():
            assert column.usage in ("LABEL", "GAUGE")
            assert f" AS {key}" in query.query or f'AS "{key}"' in query.query
            if column.usage == "GAUGE":
                metrics[f"{name}_{key}"] = labels
    assert metrics == {
        "citus_node_active": {"datname", "node", "role"},
        "citus_node_has_shards": {"datname", "node", "role"},
        "citus_node_shard_count": {"datname", "node"},
        "citus_node_shard_bytes": {"datname", "node"},
        "citus_tables_distributed": {"datname"},
        "citus_tables_reference": {"datname"},
        "citus_largest_local_table_rows": {"datname", "table"},
        "citus_database_size_bytes": {"datname"},
    }


class SourceOptions(Strict):
    """Of Grafana's documentation, "Provision Grafana", as far as it is used here."""

    httpMethod: str | None = None  # noqa: N815
    timeInterval: str | None = None  # noqa: N815
    manageAlerts: bool | None = None  # noqa: N815
    implementation: str | None = None
    handleGrafanaManagedAlerts: bool | None = None  # noqa: N815


class Source(Strict):
    name: str
    uid: str
    type: str
    access: str
    url: str
    isDefault: bool = False  # noqa: N815
    editable: bool
    jsonData: SourceOptions  # noqa: N815


class Sources(Strict):
    apiVersion: int  # noqa: N815
    datasources: list[Source]


class ProviderOptions(Strict):
    path: str
    foldersFromFilesStructure: bool  # noqa: N815


class Provider(Strict):
    name: str
    type: str
    allowUiUpdates: bool  # noqa: N815
    disableDeletion: bool  # noqa: N815
    options: ProviderOptions


class Providers(Strict):
    apiVersion: int  # noqa: N815
    providers: list[Provider]


def test_what_grafana_is_provisioned_with() -> None:
    text = grafana.data_sources("http://prometheus:9090", "http://alertmanager:9093", 30)
    sources = Sources.model_validate(yaml.safe_load(text)).datasources
    assert [(source.uid, source.type) for source in sources] == [
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
    ]
    (provider,) = Providers.model_validate(yaml.safe_load(grafana.dashboard_providers())).providers
    assert provider.options.path == grafana.DASHBOARDS
    assert not provider.allowUiUpdates


# -- Containers --------------------------------------------------------------------------------


def test_dev_is_measured_by_these(run: Run) -> None:
    names = containers(run(**ON)).keys() - containers(run()).keys()
    assert names == {
        "alertmanager",
        "cadvisor-local",
        "citus-exporter",
        "grafana",
        "monitoring-targets-writer",
        "node-exporter-local",
        "postgres-exporter-citus-coordinator",
        "postgres-exporter-citus-worker-1",
        "postgres-exporter-citus-worker-2",
        "prometheus",
    }


def test_to_measure_replaces_no_node(run: Run) -> None:
    before, after = containers(run(projects=PROJECTS)), containers(run(projects=PROJECTS, **ON))
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"citus-secrets-local-writer"}


def test_a_new_worker_changes_no_container_but_the_writer(run: Run) -> None:
    before, after = (containers(run(**ON, citus={"workers": workers})) for workers in (2, 3))
    assert after.keys() - before.keys() == {
        "citus-worker-3",
        "postgres-exporter-citus-worker-3",
    }
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"monitoring-targets-writer"}


def test_a_new_project_changes_no_container_but_the_passfile(run: Run) -> None:
    before = containers(run(**ON, projects=PROJECTS))
    after = containers(run(**ON, projects={**PROJECTS, "blog": {}}))
    assert after.keys() == before.keys()
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"citus-secrets-local-writer"}


def test_new_servers_change_no_container_but_writers(run: Run) -> None:
    sections = {**on_servers("prod"), **ON}
    before = containers(run(stack="prod", **sections))
    grown = {**sections, "citus": {**sections["citus"], "workers": 5}}
    after = containers(run(stack="prod", **grown))
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"monitoring-targets-writer"}
    assert after.keys() - before.keys() == {
        "citus-secrets-data-5-writer",
        "citus-worker-5",
        "node-exporter-data-5",
        "cadvisor-data-5",
        "postgres-exporter-citus-worker-5",
    }


def test_other_thresholds_replace_prometheus_alone(run: Run) -> None:
    other = {"monitoring": {"enabled": True, "thresholds": {"cpu_percent": 90}}}
    before, after = containers(run(**ON)), containers(run(**other))
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"prometheus"}
    rules = uploads(after["prometheus"])["/etc/arquitectura/rules/thresholds.yaml"]
    assert "vector(90.0)" in rules


def test_the_configuration_of_prometheus(run: Run) -> None:
    monitoring = {"enabled": True, "interval": 5, "retention_days": 3, "retention_gb": 7}
    prometheus = containers(run(stack="lab", monitoring=monitoring))["prometheus"]
    files = uploads(prometheus)
    config = yaml.safe_load(files["/etc/arquitectura/prometheus.yml"])
    assert config["global"] == {
        "scrape_interval": "5s",
        "scrape_timeout": "5s",
        "evaluation_interval": "5s",
        "external_labels": {"stack": "lab"},
    }
    assert [job["job_name"] for job in config["scrape_configs"]] == list(JOBS)
    paths = {job["job_name"]: job.get("metrics_path") for job in config["scrape_configs"]}
    assert paths["minio"] == "/minio/metrics/v3"
    (static,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    assert static["targets"] == ["lab-alertmanager:9093"]
    assert "--storage.tsdb.retention.time=3d" in prometheus.inputs["command"]
    assert "--storage.tsdb.retention.size=7GB" in prometheus.inputs["command"]
    assert {Path(name).name for name in files if "/rules/" in name} >= {
        "thresholds.yaml",
        "citus.yaml",
        "hosts.yaml",
        "minio.yaml",
        "postgres.yaml",
    }


def test_every_exporter_logs_in_by_a_file(run: Run) -> None:
    program = run(**ON)
    exporters = [c for c in program.services if "exporter-citus" in c.name]
    exporters.append(containers(program)["citus-exporter"])
    assert len(exporters) == 4
    for exporter in exporters:
        given_ = environment(exporter)
        assert given_["DATA_SOURCE_USER"] == "monitoring"
        assert given_["DATA_SOURCE_PASS_FILE"] == "/etc/arquitectura/password"
        assert uploads(exporter)["/etc/arquitectura/password"] == "secret-of-citus-monitoring"
        assert exporter.depends_on("monitoring-role")
    worker = containers(program)["postgres-exporter-citus-worker-2"]
    assert environment(worker)["DATA_SOURCE_URI"] == (
        "citus-worker-2:5432/postgres"
        "?sslmode=require&application_name=postgres-exporter-citus-worker-2"
    )


def test_names_that_the_exporter_cannot_read_are_left_out(run: Run) -> None:
    projects = {"shop": {}, "odd": {"database": "Odd One"}}
    exporter = containers(run(**ON, projects=projects))["citus-exporter"]
    assert environment(exporter)["PG_EXPORTER_EXCLUDE_DATABASES"] == "Odd One"


def test_the_role_comes_after_whatever_joins_a_worker(run: Run) -> None:
    program = run(**ON, projects=PROJECTS)
    role = program.named("monitoring-role", "MonitoringRole")
    assert role.depends_on("shop-members")
    assert role.inputs["databases"] == ["shop"]
    assert role.inputs["workers"] == ["citus-worker-1:5432", "citus-worker-2:5432"]


def in_the_clear(value: Any) -> Any:
    if isinstance(value, Mapping):
        if SECRET_MARK in value:
            return None
        return {key: in_the_clear(item) for key, item in value.items()}
    return [in_the_clear(item) for item in value] if isinstance(value, list) else value


SECRETS = {
    "email": {
        "to": "ops@example.com",
        "from": "stack@example.com",
        "smarthost": "smtp.example.com:587",
        "username": "stack",
        "password": "secret-of-email",
    },
    "slack": {"url": "https://secret-of-slack"},
    "webhook": {"url": "https://secret-of-webhook"},
    "telegram": {"token": "secret-of-telegram", "chat_id": -7},
}


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_no_secret_is_in_the_clear(run: Run, stack: str) -> None:
    sections = {
        **(on_servers("prod") if stack == "prod" else {"projects": PROJECTS}),
        "monitoring": {"enabled": True, "alerts": SECRETS},
        "cloudbeaver": {"enabled": True},
    }
    program = run(stack=stack, **sections)
    for resource in program.resources:
        assert "secret-of-" not in json.dumps(in_the_clear(resource.wire)), resource.name
    assert "secret-of-" not in json.dumps(in_the_clear(program.outputs))
    for container in program.of_type("Container"):
        for key in ("envs", "command", "entrypoints", "labels"):
            assert "secret-of-" not in json.dumps(container.inputs.get(key, []))
    given_ = json.dumps(uploads(containers(program)["alertmanager"]))
    for name in SECRETS:
        assert f"secret-of-{name}" in given_
    for output in ("grafana_admin_password", "cloudbeaver_admin_password"):
        assert SECRET_MARK in program.outputs[output]


def test_every_container_has_what_each_must_have(run: Run) -> None:
    for service in run(**ON, cloudbeaver={"enabled": True}).services:
        inputs = service.inputs
        assert inputs["memory"] == inputs["memorySwap"] > 0
        assert inputs["restart"] == "unless-stopped"
        assert inputs["healthcheck"]["tests"][0] == "CMD"
        assert service.options.deleteBeforeReplace


def test_every_published_port_is_on_loopback(run: Run) -> None:
    program = run(**ON, cloudbeaver={"enabled": True})
    ports = [port for c in program.of_type("Container") for port in c.inputs.get("ports", ())]
    assert sorted(int(port["external"]) for port in ports) == [
        *(3000, 5432, 8978, 9000, 9001, 9090, 9093)
    ]
    assert {port["ip"] for port in ports} == {"127.0.0.1"}


def test_on_servers_everything_is_on_private_addresses(run: Run) -> None:
    sections = {**on_servers("prod"), **ON, "cloudbeaver": {"enabled": True}}
    program = run(stack="prod", **sections)
    for name, container in containers(program).items():
        if name == "edge":
            continue
        for port in container.inputs.get("ports") or ():
            assert port["ip"].startswith("10.0.1."), name
    for number, server in enumerate(PROD):
        exporter = containers(program)[f"node-exporter-{server}"]
        assert exporter.inputs["networkMode"] == "host"
        address = f"10.0.1.{10 + number}:9100"
        assert f"--web.listen-address={address}" in exporter.inputs["command"]
        assert f"http://{address}/" in exporter.inputs["healthcheck"]["tests"]
    edge = {
        f"{port['ip']}:{port['external']:g}" for port in containers(program)["edge"].inputs["ports"]
    }
    main = public_ip("main")
    assert edge == {f"{main}:80", f"{main}:443", f"{main}:5432", "10.0.1.10:9102"}


def test_exporters_on_servers_verify_the_nodes(run: Run) -> None:
    program = run(stack="prod", **{**on_servers("prod"), **ON})
    exporter = containers(program)["postgres-exporter-citus-worker-2"]
    assert environment(exporter)["DATA_SOURCE_URI"] == (
        "10.0.1.12:5432/postgres?sslmode=verify-full"
        "&application_name=postgres-exporter-citus-worker-2"
        "&sslrootcert=/etc/arquitectura/ca.crt"
    )
    assert uploads(exporter)["/etc/arquitectura/ca.crt"] == "certificate-of-ca"


def test_consoles_are_for_administrators_behind_the_edge(run: Run) -> None:
    sections = {**on_servers("prod"), **ON, "cloudbeaver": {"enabled": True}}
    program = run(stack="prod", **sections)
    routes = yaml.safe_load(
        uploads(containers(program)["edge-shared-routes-writer"])["/in/routes.yml"]
    )
    http = routes["http"]
    for name, port in (("grafana", 3001), ("cloudbeaver", 8978), ("dokploy", 3000)):
        assert "admins-only" in http["routers"][name]["middlewares"]
        (server,) = http["services"][name]["loadBalancer"]["servers"]
        assert server["url"] == f"http://10.0.1.10:{port}"
        assert program.outputs[name].startswith(f"https://{name}.")
    assert program.outputs["prometheus"] == "http://10.0.1.10:9090"


def test_the_edge_passes_no_metrics_of_minio_on(run: Run) -> None:
    program = run(stack="prod", **on_servers("prod"))
    routes = yaml.safe_load(
        uploads(containers(program)["edge-shared-routes-writer"])["/in/routes.yml"]
    )
    rule = routes["http"]["routers"]["s3"]["rule"]
    for path in ("/minio/metrics", "/minio/v2/metrics", "/minio/prometheus"):
        assert f"&& !PathPrefix(`{path}`)" in rule
    assert rule.startswith("(Host(")


def test_names_of_consoles_have_records(run: Run) -> None:
    zone = {"domain": "example.com", "acme_email": "a@example.com", "dns_zone": "example.com"}
    program = run(stack="prod", **{**on_servers("prod", **zone), **ON})
    assert {r.inputs["name"] for r in program.of_type("ZoneRrset")} == {
        *("s3", "console", "db", "grafana", "dokploy")
    }


# -- Grafana and CloudBeaver -------------------------------------------------------------------


def test_dashboards_are_the_platforms_and_the_users(run: Run, tmp_path: Path) -> None:
    # The program runs in an empty folder.
    own = Path("mine")
    own.mkdir()
    (own / "sales.json").write_text('{"uid": "sales"}')
    monitoring = {"enabled": True, "grafana": {"dashboards": "mine"}}
    container = containers(run(monitoring=monitoring))["grafana"]
    dashboards = {
        name.removeprefix("/etc/grafana/dashboards/"): text
        for name, text in uploads(container).items()
        if "/dashboards/" in name and "provisioning" not in name
    }
    assert dashboards["own/sales.json"] == '{"uid": "sales"}'
    assert "home.json" in dashboards
    given_ = environment(container)
    assert given_["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].endswith("/home.json")
    assert given_["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/etc/arquitectura/grafana-password"
    assert given_["GF_SERVER_ROOT_URL"] == "http://127.0.0.1:3000"


def test_a_folder_of_dashboards_that_is_missing_stops_it(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match="'nowhere' is no folder"):
        run(monitoring={"enabled": True, "grafana": {"dashboards": "nowhere"}})


class Configuration(Strict):
    host: str
    port: str
    database: str
    configurationType: str  # noqa: N815
    type: str
    properties: dict[str, str]
    auth_model: str
    auth_properties: dict[str, str]


def test_a_connection_of_cloudbeaver() -> None:
    text = data_sources(
        [DatabaseConnection(name="shop", database="Shop", role="shop")],
        host="citus-coordinator",
        port=5432,
        properties={"sslmode": "require"},
    )
    known = json.loads(text)
    assert known.keys() == {"folders", "connections"}
    connection = known["connections"]["citus-shop"]
    assert connection.keys() == {"provider", "driver", "name", "save-password", "configuration"}
    assert (connection["provider"], connection["driver"]) == ("postgresql", "postgres-jdbc")
    configuration = Configuration.model_validate(
        {key.replace("auth-", "auth_"): v for key, v in connection["configuration"].items()}
    )
    assert configuration.database == "Shop"
    assert configuration.auth_properties == {"name": "shop"}
    assert "password" not in text.replace("save-password", "")


def test_cloudbeaver_needs_no_wizard(run: Run) -> None:
    program = run(cloudbeaver={"enabled": True}, projects={"shop": {}, "blog": {}})
    container = containers(program)["cloudbeaver"]
    given_ = environment(container)
    assert given_["CB_SERVER_NAME"]
    assert given_["CB_ADMIN_NAME"] == "administrator"
    assert "CB_ADMIN_PASSWORD" not in given_
    assert "CB_ADMIN_PASSWORD" in container.inputs["entrypoints"][-1]
    assert given_["CLOUDBEAVER_APP_ANONYMOUS_ACCESS_ENABLED"] == "false"
    files = uploads(container)
    connections = json.loads(files["/opt/cloudbeaver/conf/initial-data-sources.conf"])
    assert connections["connections"].keys() == {"citus-shop", "citus-blog"}
    password = program.named("cloudbeaver-admin", "RandomPassword").inputs
    assert min(password[f"min{kind}"] for kind in ("Lower", "Upper", "Numeric")) == 1
    assert program.outputs["cloudbeaver"] == "http://127.0.0.1:8978"
