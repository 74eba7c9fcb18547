"""The program on servers, under mocks: what it would make of the configs as they are committed.

What measures a stack is looked at in `test_monitoring`, and left out here but for the count;
Dokploy is in the last tests only.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from config.offer import ExistingServer
from tests.committed import ADMIN_CIDRS, PUBLIC_KEY, RESOURCES, TOKEN, on_servers
from tests.unit.conftest import OFFER, SECRET_MARK, Program, Registered, number, public_ip

Run = Callable[..., Program]

SERVERS = ["main", "data-1", "data-2", "data-3", "data-4"]
ALONE: Mapping[str, Any] = {"monitoring": {}, "dokploy": {}}
PRIVATE = {name: f"10.0.1.{10 + n}" for n, name in enumerate(SERVERS)}


@pytest.fixture(scope="module")
def as_committed() -> dict[str, Program]:
    """What the stacks make without a change: most tests look at nothing else."""
    return {}


@pytest.fixture
def prod(run: Run, as_committed: dict[str, Program]) -> Run:
    """Runs `prod`, with more of its `hosts` and other sections if wanted."""

    def prod(
        hosts: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None, **how: Any
    ) -> Program:
        if hosts or more or how:
            sections = on_servers("prod", **(hosts or {}))
            return run(stack="prod", **how, **{**sections, **ALONE, **(more or {})})
        if "prod" not in as_committed:
            as_committed["prod"] = run(stack="prod", **{**on_servers("prod"), **ALONE})
        return as_committed["prod"]

    return prod


@pytest.fixture
def small(run: Run, as_committed: dict[str, Program]) -> Run:
    """Runs `small`."""

    def small() -> Program:
        if "small" not in as_committed:
            as_committed["small"] = run(stack="small", **{**on_servers("small"), **ALONE})
        return as_committed["small"]

    return small


# -- What there is -----------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["prod", "small"])
def test_a_stack_consists_of_this(run: Run, stack: str) -> None:
    program = run(stack=stack, **on_servers(stack))
    made = Counter(
        resource.type
        for resource in program.resources
        if resource.options.custom and not resource.type.startswith("pulumi:")
    )
    assert made == RESOURCES[stack]
    providers = Counter(r.type for r in program.resources if r.type.startswith("pulumi:providers:"))
    assert providers == {
        "pulumi:providers:docker": len(program.of_type("Server")),
        "pulumi:providers:hcloud": 1,
        "pulumi:providers:minio": 1,
        "pulumi:providers:postgresql": 1,
    }


def test_every_container_runs_on_the_engine_of_its_server(prod: Run) -> None:
    where = {c.name: engine(c) for c in prod().of_type("Container")}
    assert where == {
        "edge": "main",
        "edge-routes-writer": "main",
        "citus-coordinator": "main",
        "citus-secrets-main-writer": "main",
        **{f"citus-secrets-data-{n}-writer": f"data-{n}" for n in (1, 2, 3, 4)},
        **{f"citus-worker-{n}": f"data-{n}" for n in (1, 2, 3, 4)},
        **{f"minio-{n}": f"data-{n}" for n in (1, 2, 3, 4)},
    }


def engine(resource: Registered) -> str:
    """The server whose docker provider a resource is made with."""
    urn = resource.options.provider.rpartition("::")[0]
    return str(urn.rpartition("::")[2].removesuffix("-docker"))


def test_everything_at_hetzner_is_the_stacks(prod: Run) -> None:
    for resource in prod().resources:
        if resource.type.startswith("hcloud:") and "name" in resource.inputs:
            assert resource.inputs["labels"] == {"stack": "prod"}
            assert resource.inputs["name"].startswith("prod")


def test_names_at_hetzner_are_given_once(prod: Run) -> None:
    named = [
        (resource.type, resource.inputs["name"])
        for resource in prod().resources
        if resource.type.startswith("hcloud:") and "name" in resource.inputs
    ]
    assert len(set(named)) == len(named)


def test_a_server(prod: Run) -> None:
    inputs = dict(prod().named("data-2-server", "Server").inputs)
    inputs.pop("userData")
    assert inputs == {
        "name": "prod-data-2",
        "serverType": "ccx23",
        "image": "debian-12",
        "location": "fsn1",
        "labels": {"stack": "prod"},
        "sshKeys": [str(number(key_resource()))],
        "firewallIds": [number("hetzner-admin")],
        "placementGroupId": number("hetzner-group-1"),
        "publicNets": [
            {"ipv4Enabled": True, "ipv4": number("data-2-ip"), "ipv6Enabled": False},
        ],
        "keepDisk": True,
        "deleteProtection": True,
        "rebuildProtection": True,
    }


def key_resource() -> str:
    import hashlib

    without_comment = " ".join(PUBLIC_KEY.split()[:2])
    return f"hetzner-key-{hashlib.sha256(without_comment.encode()).hexdigest()[:8]}"


def test_what_a_server_was_made_with_changes_it_no_more(prod: Run) -> None:
    for server in prod().of_type("Server"):
        assert set(server.options.ignoreChanges) == {"image", "sshKeys", "userData", "serverType"}


def test_keys_by_name_and_by_content(prod: Run) -> None:
    program = prod({"ssh_keys": ["laptop", PUBLIC_KEY]})
    (made,) = program.of_type("SshKey")
    assert made.inputs["publicKey"] == PUBLIC_KEY
    for server in program.of_type("Server"):
        assert server.inputs["sshKeys"] == ["77", str(number(made.name))]


def test_the_private_network(prod: Run) -> None:
    program = prod()
    assert program.named("hetzner-network", "Network").inputs["ipRange"] == "10.0.0.0/16"
    subnet = program.named("hetzner-subnet", "NetworkSubnet").inputs
    assert (subnet["ipRange"], subnet["networkZone"]) == ("10.0.1.0/24", "eu-central")
    attached = {
        r.name.removesuffix("-network-attachment"): r.inputs["ip"]
        for r in program.of_type("ServerNetwork")
    }
    assert attached == PRIVATE


def test_more_servers_than_fit_in_a_placement_group(prod: Run) -> None:
    program = prod(more={"citus": {"workers": 10}})
    groups = [str(s.inputs["placementGroupId"]) for s in program.of_type("Server")]
    assert sorted(Counter(groups).values()) == [1, 10]
    assert len(program.of_type("PlacementGroup")) == 2


# -- Who reaches what --------------------------------------------------------------------------


def allowed(firewall: Registered) -> dict[str, list[str]]:
    """Who may come in, by port."""
    for rule in firewall.inputs["rules"]:
        assert (rule["direction"], rule["protocol"]) == ("in", "tcp")
    return {rule["port"]: rule["sourceIps"] for rule in firewall.inputs["rules"]}


@pytest.mark.parametrize("stack", ["prod", "small"])
def test_the_firewalls_let_in_this_and_nothing_else(run: Run, stack: str) -> None:
    program = run(stack=stack, **on_servers(stack))
    everyone = ["0.0.0.0/0"]
    assert {f.inputs["name"]: allowed(f) for f in program.of_type("Firewall")} == {
        f"{stack}-admin": {"22": ADMIN_CIDRS},
        f"{stack}-edge": {"80": everyone, "443": everyone, "5432": ADMIN_CIDRS},
    }
    admin, edge = number("hetzner-admin"), number("hetzner-edge")
    for server in program.of_type("Server"):
        behind = [admin, edge] if server.name == "main-server" else [admin]
        assert server.inputs["firewallIds"] == behind


def published(program: Program) -> dict[str, list[str]]:
    """The addresses and ports on which each container is published."""
    return {
        c.name: [f"{port['ip']}:{port['external']:g}" for port in c.inputs["ports"]]
        for c in program.of_type("Container")
        if c.inputs.get("ports")
    }


def test_only_the_edge_is_on_a_public_address(prod: Run) -> None:
    main = public_ip("main")
    assert published(prod()) == {
        "edge": [f"{main}:80", f"{main}:443", f"{main}:5432"],
        "citus-coordinator": ["10.0.1.10:5432"],
        **{f"citus-worker-{n}": [f"10.0.1.1{n}:5432"] for n in (1, 2, 3, 4)},
    }


def test_nodes_on_one_server_have_ports_of_their_own(small: Run) -> None:
    main = public_ip("main")
    assert published(small()) == {
        "edge": [f"{main}:80", f"{main}:443", f"{main}:5432"],
        "citus-coordinator": ["10.0.1.10:5432"],
        "citus-worker-1": ["10.0.1.10:5433"],
        "citus-worker-2": ["10.0.1.10:5434"],
    }


def test_minio_listens_on_the_private_address_alone(prod: Run) -> None:
    nodes = [c for c in prod().services if c.inputs.get("networkMode") == "host"]
    assert sorted(node.name for node in nodes) == ["minio-1", "minio-2", "minio-3", "minio-4"]
    for node in nodes:
        address = PRIVATE[engine(node)]
        assert node.inputs["command"] == [
            "server",
            "--address",
            f"{address}:9000",
            "--console-address",
            f"{address}:9001",
            "http://10.0.1.{11...14}:9000/data",
        ]
        assert not node.inputs["ports"]
        assert f"http://{address}:9000/" in node.inputs["healthcheck"]["tests"][-1]


def test_consoles_are_for_administrators(prod: Run) -> None:
    routes = yaml.safe_load(routes_file(prod()))["http"]
    assert "admins-only" in routes["routers"]["console"]["middlewares"]
    assert "admins-only" not in routes["routers"]["s3"]["middlewares"]
    assert routes["middlewares"]["admins-only"] == {"ipAllowList": {"sourceRange": ADMIN_CIDRS}}
    nodes = [f"http://10.0.1.1{n}" for n in (1, 2, 3, 4)]
    for service, port in (("s3", 9000), ("console", 9001)):
        servers = routes["services"][service]["loadBalancer"]["servers"]
        assert servers == [{"url": f"{node}:{port}"} for node in nodes]


def routes_file(program: Program) -> str:
    (upload,) = program.named("edge-routes-writer", "Container").inputs["uploads"]
    return str(upload["content"])


def test_pulumi_reaches_the_services_through_the_edge(prod: Run) -> None:
    program, main = prod(), public_ip("main")
    minio = program.named("minio-minio", "minio").inputs
    assert minio["minioServer"] == main
    assert (minio["minioSsl"], minio["minioCacertFile"]) == ("true", ".arquitectura/prod/ca.crt")
    postgres = program.named("citus-postgresql", "postgresql").inputs
    assert (postgres["host"], postgres["port"], postgres["sslmode"], postgres["sslrootcert"]) == (
        main,
        "5432",
        "verify-full",
        ".arquitectura/prod/ca.crt",
    )


def test_every_provider_is_explicit(prod: Run) -> None:
    checked = Counter[str]()
    for resource in prod().resources:
        package = resource.type.partition(":")[0]
        if resource.options.custom and package in ("docker", "hcloud", "minio", "postgresql"):
            assert resource.options.provider, resource.name
            checked[package] += 1
    assert checked.keys() == {"docker", "hcloud", "minio", "postgresql"}


def test_a_stack_of_the_sandbox_talks_to_no_other_hetzner(prod: Run) -> None:
    endpoint = "http://127.0.0.1:8450/v1"
    program = prod({"endpoint": endpoint})
    endpoints = [r.inputs["endpoint"] for r in program.resources if "endpoint" in r.inputs]
    # The provider, and of each server what resizes it and what attaches its volume.
    assert len(endpoints) == 1 + 2 * 5
    assert set(endpoints) == {endpoint}
    assert "hetzner.cloud" not in json.dumps([dict(r.inputs) for r in program.resources])
    hosts = {p.inputs["host"] for p in program.of_type("docker")}
    assert hosts == {f"ssh://root@{public_ip(server)}" for server in SERVERS}


def test_ssh_knows_each_server_before_it_dials(prod: Run) -> None:
    for provider in prod({"ssh_identity_file": "~/.ssh/prod"}).of_type("docker"):
        server = provider.name.removesuffix("-docker")
        options = json.loads(provider.inputs["sshOpts"])
        assert "StrictHostKeyChecking=yes" in options
        assert f"KnownHostsCommand=/bin/echo %H ssh-ed25519 public-of-{server}-host-key" in options
        assert "IdentityFile=~/.ssh/prod" in options


def test_the_files_that_providers_and_people_read(prod: Run) -> None:
    prod({"ssh_identity_file": "~/.ssh/prod"})
    files = Path(".arquitectura/prod")
    assert (files / "ca.crt").read_text() == "certificate-of-ca"
    lines = (files / "ssh_config").read_text().splitlines()
    assert [line for line in lines if line.startswith("Host ")] == [f"Host {s}" for s in SERVERS]
    assert f"  HostName={public_ip('data-4')}" in lines
    assert lines.count("  IdentityFile=~/.ssh/prod") == len(SERVERS)


# -- Containers --------------------------------------------------------------------------------


def test_containers_come_back_with_their_server(prod: Run) -> None:
    program = prod()
    assert len(program.services) == 10
    assert {service.inputs["restart"] for service in program.services} == {"always"}
    for service in program.services:
        assert service.inputs["memory"] == service.inputs["memorySwap"] > 0
        assert service.inputs["name"].startswith("prod-")
        assert service.options.deleteBeforeReplace


def test_networks_have_the_mtu_of_hetzners(prod: Run) -> None:
    for network in prod().of_type("Network"):
        if network.type.startswith("docker:"):
            assert network.inputs["options"] == {"com.docker.network.driver.mtu": "1450"}


def test_images_come_from_the_registry(prod: Run) -> None:
    program = prod({"registry": "10.9.0.2:5000"})
    images = program.of_type("RemoteImage")
    assert all(image.inputs["name"].startswith("10.9.0.2:5000/docker.io/") for image in images)
    for server in program.of_type("Server"):
        assert '"insecure-registries": [' in server.inputs["userData"]
    for server in prod().of_type("Server"):
        assert "insecure-registries" not in server.inputs["userData"]


def test_citus_nodes_verify_each_other(prod: Run) -> None:
    program = prod()
    requests = {
        r.name.removesuffix("-tls-request"): (r.inputs["dnsNames"], r.inputs["ipAddresses"])
        for r in program.of_type("CertRequest")
    }
    assert requests["citus-coordinator"] == (
        ["localhost"],
        ["127.0.0.1", "10.0.1.10", public_ip("main")],
    )
    assert requests["citus-worker-2"] == (["localhost"], ["127.0.0.1", "10.0.1.12"])
    for node in program.services:
        if node.name.startswith("citus-"):
            assert "ssl=on" in node.inputs["command"]
            assert any("sslmode=verify-full" in part for part in node.inputs["command"])
    for membership in program.of_type("Membership"):
        assert membership.inputs["coordinator"] == "10.0.1.10:5432"
        assert membership.inputs["workers"] == [f"10.0.1.1{n}:5432" for n in (1, 2, 3, 4)]


# -- Secrets -----------------------------------------------------------------------------------


def in_the_clear(value: Any) -> Any:
    """What is left of a value on the wire once the secrets are gone."""
    if isinstance(value, Mapping):
        if SECRET_MARK in value:
            return None
        return {key: in_the_clear(item) for key, item in value.items()}
    return [in_the_clear(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stack", ["prod", "small"])
def test_no_secret_is_in_the_clear(run: Run, stack: str) -> None:
    program = run(stack=stack, **on_servers(stack))
    secrets = Counter[str]()
    for resource in program.resources:
        sent, seen = json.dumps(dict(resource.inputs)), json.dumps(in_the_clear(resource.wire))
        for mark in (TOKEN, "secret-of-"):
            assert mark not in seen, resource.name
            secrets[mark] += sent.count(mark)
    servers = len(program.of_type("Server"))
    assert secrets[TOKEN] == 1 + 2 * servers
    assert secrets["secret-of-"] > 20
    outputs = json.dumps(in_the_clear(program.outputs))
    assert TOKEN not in outputs and "secret-of-" not in outputs


def test_a_host_key_is_in_its_servers_user_data_only(prod: Run) -> None:
    program = prod()
    for server in SERVERS:
        holders = [
            resource.name
            for resource in program.resources
            if f"secret-of-{server}-host-key" in json.dumps(dict(resource.inputs))
        ]
        assert holders == [f"{server}-server"]
        assert SECRET_MARK in program.named(f"{server}-server", "Server").wire["userData"]


def test_the_key_of_the_authority_is_on_no_server(prod: Run) -> None:
    holders = {
        resource.type.rpartition(":")[2]
        for resource in prod().resources
        if "secret-of-ca-key" in json.dumps(dict(resource.inputs))
    }
    assert holders == {"SelfSignedCert", "LocallySignedCert"}


def test_no_secret_is_in_an_environment_or_a_command(prod: Run) -> None:
    for container in prod().of_type("Container"):
        for key in ("envs", "command", "entrypoints", "labels"):
            assert "secret-of-" not in json.dumps(container.inputs.get(key, []))


# -- Protection --------------------------------------------------------------------------------


def protected(program: Program) -> set[str]:
    return {f"{r.type.split(':')[-1]} {r.name}" for r in program.resources if r.options.protect}


def of_server(server: str) -> set[str]:
    return {
        f"PrimaryIp {server}-ip",
        f"Volume {server}-volume",
        f"Server {server}-server",
        f"ServerNetwork {server}-network-attachment",
        f"VolumeAttachment {server}-volume-attachment",
    }


DATA_OF_PROJECT = {
    "Volume citus-coordinator",
    "Role citus-shop",
    "Database shop-database",
    "Membership shop-members",
    "S3Bucket shop-uploads",
    "BucketContents shop-uploads-contents",
}


def test_what_prod_protects(prod: Run) -> None:
    assert protected(prod()) == {
        *DATA_OF_PROJECT,
        *(f"Volume minio-{n}" for n in (1, 2, 3, 4)),
        *(part for server in SERVERS for part in of_server(server)),
    }


def test_what_small_protects(small: Run) -> None:
    assert protected(small()) == {*DATA_OF_PROJECT, "Volume minio-1", *of_server("main")}


def test_a_server_with_workers_alone_leaves_by_config(prod: Run) -> None:
    program = prod(more={"citus": {"workers": 5}})
    assert not any("data-5" in name or "worker-5" in name for name in protected(program))
    for kind in ("Server", "PrimaryIp"):
        by_name = {r.inputs["name"]: r.inputs["deleteProtection"] for r in program.of_type(kind)}
        assert by_name == {f"prod-{s}": True for s in SERVERS} | {"prod-data-5": False}


def test_without_protect_hetzner_protects_nothing_either(prod: Run) -> None:
    program = prod(more={"protect": "false"})
    assert not protected(program)
    for resource in program.resources:
        assert not resource.inputs.get("deleteProtection")
        assert not resource.inputs.get("rebuildProtection")


# -- One after the other -----------------------------------------------------------------------


def test_citus_nodes_are_replaced_one_after_the_other(prod: Run) -> None:
    program = prod()
    nodes = ["citus-coordinator", *(f"citus-worker-{n}" for n in (1, 2, 3, 4))]
    order = [r.name for r in program.of_type("Container") if r.name in nodes]
    assert order == nodes
    for before, node in pairwise(nodes):
        # The component waits, and its container for the component.
        assert program.named(node, "Node").depends_on(before)
        container = program.named(node, "Container")
        assert container.options.parent.endswith(f"arquitectura:citus:Node::{node}")
        assert container.inputs["wait"]


def test_minio_nodes_wait_for_none(prod: Run) -> None:
    for node in prod().of_type("Container"):
        if node.name.startswith("minio-"):
            assert not node.inputs.get("wait")
            assert not any(":Container::" in urn for urn in node.options.dependencies)


def test_servers_are_resized_one_after_the_other(prod: Run) -> None:
    program = prod()
    for server in SERVERS:
        size = program.named(f"{server}-size", "ServerSize")
        assert size.depends_on(f"{server}-network-attachment")
        assert size.depends_on(f"{server}-volume-attachment")
        assert program.named(f"{server}-ready", "ServerReady").depends_on(f"{server}-size")
        assert program.named(f"{server}-docker", "docker").depends_on(f"{server}-ready")
    for before, server in pairwise(SERVERS):
        assert program.named(f"{server}-size", "ServerSize").depends_on(f"{before}-ready")


def test_servers_are_made_all_at_once(prod: Run) -> None:
    for server in prod().of_type("Server"):
        assert not any("ServerReady" in urn for urn in server.options.dependencies)


def test_nothing_is_touched_before_the_placement_is_checked(prod: Run) -> None:
    for resource in prod().resources:
        if resource.type.startswith("hcloud:"):
            assert resource.depends_on("hetzner-placement"), resource.name


def test_a_service_is_used_once_the_edge_serves_it(prod: Run) -> None:
    program = prod()
    for kind, name in (("MinioReady", "minio-ready"), ("Membership", "citus-members")):
        for before in ("edge", "edge-routes-writer"):
            assert program.named(name, kind).depends_on(before)


# -- Growth ------------------------------------------------------------------------------------


def changes(before: Program, after: Program) -> tuple[set[str], set[str]]:
    """What is new, and what has other inputs; nothing may be gone."""
    was, now = (
        {f"{r.type.split(':')[-1]} {r.name}": r.inputs for r in program.resources}
        for program in (before, after)
    )
    assert was.keys() <= now.keys()
    return now.keys() - was.keys(), {name for name in was if was[name] != now[name]}


def test_another_worker_changes_no_container(prod: Run) -> None:
    new, changed = changes(
        prod(), prod(more={"citus": {**on_servers("prod")["citus"], "workers": 5}})
    )
    assert changed == {
        "Placement hetzner-placement",
        "Membership citus-members",
        "Membership shop-members",
    }
    assert new >= {
        *of_server("data-5"),
        "ServerSize data-5-size",
        "ServerReady data-5-ready",
        "Container citus-worker-5",
        "Volume citus-worker-5",
    }
    assert all("-5" in name for name in new)


def test_another_pool_changes_the_arguments_of_minio_and_the_routes(prod: Run) -> None:
    minio = on_servers("prod")["minio"]
    new, changed = changes(
        prod(), prod(more={"minio": {**minio, "pools": [{"nodes": 4}, {"nodes": 4}]}})
    )
    assert changed == {
        "Placement hetzner-placement",
        "PoolLayout minio-layout",
        "MinioReady minio-ready",
        "Container edge-routes-writer",
        *(f"Container minio-{n}" for n in (1, 2, 3, 4)),
    }
    assert {name for name in new if name.startswith("Server ")} == {
        f"Server data-{n}-server" for n in (5, 6, 7, 8)
    }


def test_another_type_resizes_and_replaces_nothing(prod: Run) -> None:
    new, changed = changes(prod(), prod({"data": {"server_type": "cx43", "volume_gb": 500}}))
    assert not new
    # The Server's own type is ignored.
    kinds = {"Server": "server", "ServerSize": "size", "ServerReady": "ready"}
    assert changed == {
        f"{kind} data-{n}-{name}" for kind, name in kinds.items() for n in (1, 2, 3, 4)
    }


def test_larger_volumes_replace_nothing(prod: Run) -> None:
    new, changed = changes(prod(), prod({"data": {"server_type": "ccx23", "volume_gb": 750}}))
    assert not new
    # The Volume's own size is ignored.
    kinds = {
        "Volume": "volume",
        "VolumeAttachment": "volume-attachment",
        "ServerReady": "ready",
    }
    assert changed == {"Placement hetzner-placement"} | {
        f"{kind} data-{n}-{name}" for kind, name in kinds.items() for n in (1, 2, 3, 4)
    }


def test_another_project_changes_no_node(prod: Run) -> None:
    projects = {**on_servers("prod")["projects"], "blog": {"buckets": {"up": {}}}}
    _, changed = changes(prod(), prod(more={"projects": projects}))
    assert {name for name in changed if name.startswith("Container ")} == {
        f"Container citus-secrets-{server}-writer" for server in SERVERS
    }


# -- With a domain -----------------------------------------------------------------------------

DOMAIN = {"domain": "shop.example.com", "acme_email": "admin@example.com"}


def test_without_a_domain_the_own_authority_certifies_the_edge(prod: Run) -> None:
    program, main = prod(), public_ip("main")
    dashes = main.replace(".", "-")
    request = program.named("edge-tls-request", "CertRequest").inputs
    assert request["ipAddresses"] == [main]
    assert request["dnsNames"] == [f"{dashes}.sslip.io", f"*.{dashes}.sslip.io"]
    rules = yaml.safe_load(routes_file(program))["http"]["routers"]
    assert f"(Host(`s3.{dashes}.sslip.io`) || Host(`{main}`)) && " in rules["s3"]["rule"]
    assert "acme" not in " ".join(program.named("edge", "Container").inputs["command"]).lower()
    assert program.outputs["s3_endpoint"] == f"https://{main}"
    assert program.outputs["s3_console"] == f"https://console.{dashes}.sslip.io"
    assert program.outputs["postgres"] == f"{main}:5432"


def test_with_a_domain_lets_encrypt_certifies_the_edge(prod: Run) -> None:
    program = prod(DOMAIN)
    command = program.named("edge", "Container").inputs["command"]
    assert "--certificatesResolvers.letsencrypt.acme.email=admin@example.com" in command
    assert "--certificatesResolvers.letsencrypt.acme.httpChallenge.entryPoint=web" in command
    assert "--entryPoints.websecure.http.tls.certResolver=letsencrypt" in command
    assert program.named("edge-acme", "Volume")
    assert not [r for r in program.of_type("CertRequest") if r.name.startswith("edge")]
    configuration = yaml.safe_load(routes_file(program))
    assert "tls" not in configuration
    assert "Host(`s3.shop.example.com`) && " in configuration["http"]["routers"]["s3"]["rule"]
    minio = program.named("minio-minio", "minio").inputs
    assert minio["minioServer"] == "s3.shop.example.com"
    assert "minioCacertFile" not in minio
    assert program.outputs["s3_endpoint"] == "https://s3.shop.example.com"
    assert program.outputs["s3_console"] == "https://console.shop.example.com"


def test_with_a_domain_postgresql_keeps_the_own_authority(prod: Run) -> None:
    program = prod(DOMAIN)
    request = program.named("citus-coordinator-tls-request", "CertRequest").inputs
    assert request["dnsNames"] == ["localhost", "db.shop.example.com"]
    postgres = program.named("citus-postgresql", "postgresql").inputs
    assert postgres["sslrootcert"] == ".arquitectura/prod/ca.crt"
    assert program.outputs["postgres"] == "db.shop.example.com:5432"
    url = program.outputs["projects"]["shop"]["value"]["database_url"]
    assert url == (
        "postgresql://shop:secret-of-citus-role-shop@db.shop.example.com:5432/shop"
        "?sslmode=verify-full"
    )


def test_without_a_zone_the_records_are_the_users(prod: Run) -> None:
    assert not prod(DOMAIN).of_type("ZoneRrset")


@pytest.mark.parametrize(("zone", "below"), [("example.com", ".shop"), ("shop.example.com", "")])
def test_records_in_a_zone(prod: Run, zone: str, below: str) -> None:
    program = prod({**DOMAIN, "dns_zone": zone})
    records = program.of_type("ZoneRrset")
    assert {r.inputs["name"] for r in records} == {f"{s}{below}" for s in ("s3", "console", "db")}
    for record in records:
        assert (record.inputs["zone"], record.inputs["type"]) == (zone, "A")
        assert record.inputs["records"] == [{"value": public_ip("main")}]
        assert program.named("names-ready", "NamesReady").depends_on(record.name)
    # Let's Encrypt is asked for a name only when it leads here.
    assert program.named("edge", "Edge").depends_on("names-ready")


def test_names_of_another_zone_are_waited_for(prod: Run) -> None:
    program = prod(DOMAIN)
    assert not program.of_type("ZoneRrset")
    waits = program.named("names-ready", "NamesReady").inputs
    domain = DOMAIN["domain"]
    assert waits["names"] == [f"s3.{domain}", f"console.{domain}", f"db.{domain}"]
    assert waits["address"] == public_ip("main")
    assert program.named("edge", "Edge").depends_on("names-ready")


# -- Before anything is made -------------------------------------------------------------------


def existing(server: str, kind: str = "ccx23", status: str = "running") -> ExistingServer:
    return ExistingServer(
        name=f"prod-{server}", status=status, ipv4="192.0.2.1", type=kind, disk_gb=80, volume_gb=0
    )


def test_what_hetzner_would_refuse_stops_it(prod: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"hosts\.location: 'fsn9' is not one of ash, fsn1"):
        prod({"location": "fsn9"})


def test_a_silent_server_stops_an_update_and_no_preview(prod: Run) -> None:
    silent = ["prod-data-1 takes no SSH connection"]
    with pytest.raises(pulumi.RunError, match="nothing was changed:\n  prod-data-1 takes no SSH"):
        prod(silent=silent)
    assert prod(silent=silent, preview=True).of_type("Server")


def test_a_server_is_told_as_what_it_was_found(prod: Run) -> None:
    there = [existing("main"), existing("data-1", "cx33"), existing("data-2", status="off")]
    program = prod(offer=replace(OFFER, servers=there))
    found = {r.inputs["name"]: r.inputs.get("found") for r in program.of_type("ServerSize")}
    assert found == {
        "main": "ccx23 running",
        "data-1": "cx33 running",
        "data-2": "ccx23 off",
        "data-3": None,
        "data-4": None,
    }


def test_the_cost_is_said_and_is_an_output(prod: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.info", said.append)
    outputs = prod(preview=True).outputs
    assert outputs["monthly_cost"] == {
        "currency": "EUR",
        "total": "187.50",
        "lines": {
            "1 × ccx23 for main": "16.00",
            "4 × ccx23 for data": "64.00",
            "1 × volume of 100 GB": "5.00",
            "4 × volume of 500 GB": "100.00",
            "5 × primary IPv4": "2.50",
        },
        "unknown": [],
    }
    (report,) = said
    assert "4 × ccx23 for data" in report
    assert "Within budget_eur (450.00)." in report


def test_unknown_prices_stop_nothing(prod: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.info", said.append)
    cost = prod(prices=None).outputs["monthly_cost"]
    assert len(cost["unknown"]) == 5
    assert not cost["lines"]
    assert "prices could not be had" in said[0]


def test_the_outputs(prod: Run) -> None:
    outputs = prod().outputs
    assert outputs["ca_certificate"] == "certificate-of-ca"
    assert outputs["servers"] == {server: public_ip(server) for server in SERVERS}
    assert outputs["projects"]["shop"].keys() == {SECRET_MARK, "value"}
    assert outputs["s3_root_password"].keys() == {SECRET_MARK, "value"}


# -- Dokploy -----------------------------------------------------------------------------------


@pytest.fixture
def applied(run: Run) -> Run:
    """Runs `prod` with Dokploy, and with more of its `hosts` and other sections."""

    def applied(hosts: Mapping[str, Any] | None = None, **more: Any) -> Program:
        sections = {**on_servers("prod", **(hosts or {})), "monitoring": {}, **more}
        return run(stack="prod", **sections)

    return applied


def test_dokploy_has_an_owner_before_the_edge_serves_it(applied: Run) -> None:
    program = applied()
    installation = program.named("dokploy-installation", "DokployInstallation")
    assert installation.depends_on("main-ready")
    assert program.named("dokploy-account", "DokployAccount").depends_on("dokploy-installation")
    assert program.named("edge", "Edge").depends_on("dokploy-account")
    assert installation.depends_on("dokploy-admin")  # which so outlives it
    assert installation.inputs["installer"] == (
        "https://github.com/Dokploy/dokploy/releases/download/v0.30.2/install.sh"
    )
    assert installation.inputs["edge"] == "prod-edge"
    assert (installation.inputs["server"], installation.inputs["private_ip"]) == (
        "main",
        PRIVATE["main"],
    )


@pytest.mark.parametrize(("enabled", "server"), [(True, "main"), (False, None)])
def test_the_edge_leaves_dokploy_only_through_the_gate(
    applied: Run, enabled: bool, server: str | None
) -> None:
    program = applied(dokploy={"enabled": enabled})
    assert program.named("dokploy-gate", "DokployGate").inputs.get("server") == server
    assert program.named("edge", "Edge").depends_on("dokploy-gate")


def test_its_secrets_are_secrets(applied: Run) -> None:
    program = applied()
    account = program.named("dokploy-account", "DokployAccount")
    assert SECRET_MARK in str(account.wire["password"])
    (destination,) = program.of_type("DokployDestination")
    assert SECRET_MARK in str(destination.wire["secret_key"])


def test_each_bucket_is_a_destination_with_the_projects_own_key(applied: Run) -> None:
    projects: dict[str, Any] = {"shop": {"buckets": {"uploads": {}, "backups": {}}}, "blog": {}}
    made = applied(projects=projects).of_type("DokployDestination")
    assert {one.inputs["bucket"] for one in made} == {"shop-uploads", "shop-backups"}
    assert all(one.depends_on("shop-key") for one in made)
    assert {one.inputs["endpoint"] for one in made} == {"http://10.0.1.11:9000"}


def test_with_a_domain_the_edge_balances_backups_too(applied: Run) -> None:
    (made,) = applied(DOMAIN).of_type("DokployDestination")
    assert made.inputs["endpoint"] == "https://s3.shop.example.com"


def test_applications_dial_the_private_network(applied: Run) -> None:
    shop = applied().outputs["dokploy_projects"]["shop"]["value"]
    assert shop["database_url"].endswith("@10.0.1.10:5432/shop?sslmode=require")
    assert shop["s3_endpoint"] == "http://10.0.1.11:9000"
    assert shop["buckets"] == {"uploads": "shop-uploads"}
    assert shop["s3_access_key"]


def test_only_webhooks_of_dokploy_are_for_everyone(applied: Run) -> None:
    program = applied()
    (upload,) = program.named("edge-shared-routes-writer", "Container").inputs["uploads"]
    routers = yaml.safe_load(upload["content"])["http"]["routers"]
    assert "admins-only" in routers["dokploy"]["middlewares"]
    webhooks = routers["dokploy-webhooks"]
    assert "admins-only" not in webhooks["middlewares"]
    assert webhooks["rule"] == routers["dokploy"]["rule"] + " && PathPrefix(`/api/deploy`)"
    ports = {rule["port"] for f in program.of_type("Firewall") for rule in f.inputs["rules"]}
    assert ports == {"80", "443", "22", "5432"}


def test_on_a_server_of_its_own_dokploy_has_its_own_traefik(applied: Run) -> None:
    program = applied({"apps": {"server_type": "cx33"}})
    installation = program.named("dokploy-installation", "DokployInstallation")
    assert (installation.inputs["server"], installation.inputs["private_ip"]) == (
        "apps",
        "10.0.1.9",
    )
    assert not installation.inputs.get("edge")
    assert installation.depends_on("apps-ready")
    edge = program.named("edge", "Container")
    assert "docker.sock" not in str(edge.inputs)
    assert "dokploy-network" not in str(edge.inputs["networksAdvanced"])
    (upload,) = program.named("edge-routes-writer", "Container").inputs["uploads"]
    services = yaml.safe_load(upload["content"])["http"]["services"]
    assert services["dokploy"]["loadBalancer"]["servers"] == [{"url": "http://10.0.1.9:3000"}]
    server = program.named("apps-server", "Server").inputs
    assert len(server["firewallIds"]) == 2
    assert "placementGroupId" not in server
