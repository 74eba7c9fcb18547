"""The edge: what Traefik is told, and the resources that tell it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pulumi
import pulumi_docker as docker
import yaml
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import run_in_stack

from components.edge.edge import (
    DOKPLOY,
    Certificate,
    Edge,
    EdgeArgs,
    HttpRoute,
    TcpRoute,
    static_configuration,
)
from components.edge.routes import dynamic_configuration
from components.hosts.docker_host import DockerHost, DockerHostArgs
from tests.unit.conftest import SECRET_MARK, Program, Providers, RecordingMonitor

S3 = HttpRoute(
    name="s3",
    hosts=["s3.shop.example", "203.0.113.1"],
    servers=["http://10.0.1.11:9000", "http://10.0.1.12:9000"],
    health_path="/live",
)
CONSOLE = HttpRoute(
    name="console",
    hosts=["console.shop.example"],
    servers=["http://10.0.1.11:9001"],
    health_path=None,
    admins_only=True,
    sticky=True,
)
POSTGRES = TcpRoute(name="postgres", port=5432, server="10.0.1.10:5432")
ARGS = EdgeArgs(
    image="traefik",
    helper_image="busybox",
    address="203.0.113.1",
    http=[S3, CONSOLE],
    tcp=[POSTGRES],
    admin_cidrs=["198.51.100.0/24"],
    certificate=Certificate(certificate="CHAIN", key="KEY"),
    acme_email=None,
)


def text(
    http: Sequence[HttpRoute] = (),
    tcp: Sequence[TcpRoute] = (),
    certificate: tuple[str, str] | None = None,
) -> str:
    return dynamic_configuration(
        http,
        tcp,
        hosts={route.name: [str(host) for host in route.hosts] for route in http},
        admin_cidrs=["198.51.100.0/24"],
        certificate=certificate,
    )


def test_routes_are_written_as_traefik_reads_them() -> None:
    assert (
        text([S3, CONSOLE], [POSTGRES], ("CHAIN", "KEY"))
        == """\
http:
  routers:
    s3:
      entryPoints:
      - websecure
      rule: Host(`s3.shop.example`) || Host(`203.0.113.1`)
      middlewares:
      - other-server
      service: s3
    console:
      entryPoints:
      - websecure
      rule: Host(`console.shop.example`)
      middlewares:
      - admins-only
      - other-server
      service: console
  services:
    s3:
      loadBalancer:
        servers:
        - url: http://10.0.1.11:9000
        - url: http://10.0.1.12:9000
        healthCheck:
          path: /live
          interval: 2s
          timeout: 2s
    console:
      loadBalancer:
        servers:
        - url: http://10.0.1.11:9001
        sticky:
          cookie:
            secure: true
            httpOnly: true
  middlewares:
    admins-only:
      ipAllowList:
        sourceRange:
        - 198.51.100.0/24
    other-server:
      retry:
        attempts: 2
tcp:
  routers:
    postgres:
      entryPoints:
      - postgres
      rule: HostSNI(`*`)
      service: postgres
  services:
    postgres:
      loadBalancer:
        servers:
        - address: 10.0.1.10:5432
tls:
  stores:
    default:
      defaultCertificate:
        certFile: CHAIN
        keyFile: KEY
"""
    )


def test_what_is_not_there_is_not_written() -> None:
    assert not any(line in text([S3]).splitlines() for line in ("tcp:", "tls:"))


def test_every_tcp_route_has_an_entry_point_without_a_timeout() -> None:
    arguments = static_configuration(
        replace(ARGS, tcp=[POSTGRES, replace(POSTGRES, name="mail", port=25)])
    )
    for name, port in (("postgres", 5432), ("mail", 25)):
        assert f"--entryPoints.{name}.address=:{port}" in arguments
        assert f"--entryPoints.{name}.transport.respondingTimeouts.readTimeout=0" in arguments


def test_lets_encrypt_is_not_asked_with_a_certificate() -> None:
    arguments = static_configuration(replace(ARGS, acme_email="ops@shop.example"))
    assert not any("acme" in argument or "certResolver" in argument for argument in arguments)


def test_lets_encrypt_certifies_every_name_without_one() -> None:
    arguments = static_configuration(replace(ARGS, certificate=None, acme_email="ops@shop.example"))
    assert "--entryPoints.websecure.http.tls.certResolver=letsencrypt" in arguments
    assert "--certificatesResolvers.letsencrypt.acme.email=ops@shop.example" in arguments


def test_applications_bring_labels_and_certificates_of_their_own() -> None:
    arguments = static_configuration(replace(ARGS, applications=DOKPLOY))
    for provider in ("docker", "swarm"):
        assert f"--providers.{provider}.exposedByDefault=false" in arguments
        assert f"--providers.{provider}.network=dokploy-network" in arguments
    # Their names only: the services have the stack's certificate.
    assert any(a.startswith("--certificatesResolvers.letsencrypt.acme.") for a in arguments)
    assert not any("http.tls.certResolver" in argument for argument in arguments)
    assert not any("acme.email" in argument for argument in arguments)


def test_a_route_of_some_paths_goes_before_that_of_all() -> None:
    some = replace(S3, name="some", hosts=["s3.shop.example"], hidden=(), paths=["/a", "/b"])
    routers = yaml.safe_load(text([some]))["http"]["routers"]
    assert (
        routers["some"]["rule"]
        == "Host(`s3.shop.example`) && (PathPrefix(`/a`) || PathPrefix(`/b`))"
    )


def made(args: EdgeArgs) -> Program:
    """What an edge registers. The certificate's key is made a secret, as the program's is."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    monitor = RecordingMonitor()
    mocks.set_mocks(Providers(), project="arquitectura", stack="prod", monitor=monitor)
    settings.set_root_resource(None)  # type: ignore[arg-type]

    def program() -> None:
        host = DockerHost(
            "test:index:Host",
            "main",
            DockerHostArgs(stack="prod", prefix="prod-", address="10.0.1.10"),
        )
        host.use(docker.Provider("engine"))
        own = args.certificate
        secret = own and replace(own, key=pulumi.Output.secret(own.key))
        Edge("edge", replace(args, certificate=secret), host)

    loop.run_until_complete(run_in_stack(program))
    settings.reset_options()
    return Program(monitor.registered, monitor.outputs)


def test_ports_are_published_on_the_given_address() -> None:
    edge = made(ARGS).named("edge", "Container")
    assert [(port["external"], port["ip"]) for port in edge.inputs["ports"]] == [
        (80, "203.0.113.1"),
        (443, "203.0.113.1"),
        (5432, "203.0.113.1"),
    ]
    assert edge.inputs["name"] == "prod-edge"


def test_other_routes_and_certificates_replace_no_traefik() -> None:
    other = replace(
        ARGS,
        http=[S3],
        admin_cidrs=["192.0.2.1/32"],
        certificate=Certificate(certificate="OTHER", key="KEY"),
    )
    before, after = made(ARGS), made(other)
    assert before.named("edge", "Container").wire == after.named("edge", "Container").wire
    written, writer = (
        program.named("edge-routes-writer", "Container") for program in (before, after)
    )
    assert written.inputs["uploads"] != writer.inputs["uploads"]


def test_the_routes_are_there_before_traefik_starts() -> None:
    edge = made(ARGS).named("edge", "Container")
    assert edge.depends_on("edge-routes-writer")


def test_the_key_is_a_secret() -> None:
    program = made(ARGS)
    writer = program.named("edge-routes-writer", "Container")
    assert "keyFile: KEY" in writer.inputs["uploads"][0]["content"]
    assert SECRET_MARK in str(writer.wire["uploads"])
    others = [r for r in program.resources if r is not writer]
    assert not any("KEY" in str(r.inputs) for r in others)


def test_what_lets_encrypt_issues_outlives_the_container() -> None:
    program = made(replace(ARGS, certificate=None, acme_email="ops@shop.example"))
    edge = program.named("edge", "Container")
    assert program.named("edge-acme", "Volume").inputs["name"] == "prod-edge-acme"
    mounts = {mount["volumeName"]: mount for mount in edge.inputs["volumes"]}
    assert mounts["prod-edge-acme"]["containerPath"] == "/var/lib/acme"
    assert mounts["prod-edge-routes"]["readOnly"]


def test_applications_share_the_folder_of_routes_and_the_network() -> None:
    program = made(replace(ARGS, applications=DOKPLOY))
    edge = program.named("edge", "Container")
    routes = program.named("edge-shared-routes", "Volume")
    assert routes.inputs["driverOpts"]["device"] == "/etc/dokploy/traefik/dynamic"
    mounts = {
        m.get("volumeName") or m["hostPath"]: m["containerPath"] for m in edge.inputs["volumes"]
    }
    assert mounts[routes.inputs["name"]] == "/etc/traefik/routes"
    assert "/var/run/docker.sock" in mounts
    assert "dokploy-network" in [network["name"] for network in edge.inputs["networksAdvanced"]]
    assert "prod-edge-acme" in mounts
