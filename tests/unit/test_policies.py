"""The checks of the policy pack, and that the program keeps to them."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pulumi_hcloud
import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from config.cost import Cost, CostLine
from config.plan import Plan, make_plan
from config.settings import parse_settings
from ops.stack import REPOSITORY
from policies.budget import budget_is_checked, cost_is_within_budget
from policies.containers import (
    CONTAINER,
    REMOTE_IMAGE,
    health_is_checked,
    images_are_pinned,
    memory_is_limited,
    ports_are_private,
)
from policies.data import data_is_protected, must_be_protected
from policies.hetzner import DEPRECATED, FIREWALL, firewalls_are_closed, nothing_is_deprecated
from policies.pack import POLICIES
from policies.registered import Check, Registered
from tests.committed import committed, on_servers
from tests.unit.conftest import Program

Run = Callable[..., Program]

CHECKS: tuple[Check, ...] = (
    images_are_pinned,
    memory_is_limited,
    health_is_checked,
    ports_are_private,
    firewalls_are_closed,
    nothing_is_deprecated,
)
EDGE = [{"label": "service", "value": "edge"}]


def resource(kind: str, properties: Any, *, name: str = "it", parent: str = "") -> Registered:
    urn = f"urn:pulumi:prod::arquitectura::{parent}{kind}::{name}"
    return Registered(type=kind, urn=urn, name=name, properties=properties)


def said(check: Check, kind: str, **properties: Any) -> list[str]:
    return list(check(resource(kind, properties)))


# -- Containers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("redis", False),
        ("redis:latest", False),
        ("registry.example.com:443/redis", False),
        ("redis:7.4.1", True),
        ("registry.example.com:443/library/redis:7", True),
        (f"redis@sha256:{'0' * 64}", True),
        (f"sha256:{'0' * 64}", True),  # the id of an image that was pulled
    ],
)
def test_an_image_is_pinned(image: str, pinned: bool) -> None:
    for found in (
        said(images_are_pinned, CONTAINER, image=image),
        said(images_are_pinned, REMOTE_IMAGE, name=image),
    ):
        assert (found == []) == pinned
        assert all(f"it uses {image}, which may be another image tomorrow" in s for s in found)


def test_the_id_of_an_image_that_is_not_pulled_yet_is_not_asked_for() -> None:
    unknown = unknown_checking_proxy({"image": UNKNOWN_STRING_VALUE, "name": UNKNOWN_STRING_VALUE})
    assert list(images_are_pinned(resource(CONTAINER, unknown))) == []
    with pytest.raises(UnknownValueError):
        list(images_are_pinned(resource(REMOTE_IMAGE, unknown)))


def test_memory_is_limited() -> None:
    assert said(memory_is_limited, CONTAINER, memory=512) == []
    for properties in ({}, {"memory": 0}):
        (sentence,) = said(memory_is_limited, CONTAINER, **properties)
        assert sentence == "it may take all memory of its host: set memory, in MiB"


@pytest.mark.parametrize(
    ("properties", "right"),
    [
        ({"healthcheck": {"tests": ["CMD", "true"]}}, True),
        ({"mustRun": False}, True),
        ({"mustRun": True}, False),
        ({}, False),
        ({"healthcheck": {"tests": ["NONE"]}}, False),
        ({"healthcheck": {"interval": "10s"}}, False),
    ],
)
def test_a_service_has_a_healthcheck(properties: Any, right: bool) -> None:
    assert (said(health_is_checked, CONTAINER, **properties) == []) == right


@pytest.mark.parametrize(
    ("port", "right"),
    [
        ({"external": 9000, "ip": "127.0.0.1"}, True),
        ({"external": 9000, "ip": "::1"}, True),
        ({"external": 9000, "ip": "10.0.1.10"}, True),
        ({"external": 9000}, False),
        ({"external": 9000, "ip": "0.0.0.0"}, False),
        ({"external": 9000, "ip": "::"}, False),
        ({"external": 9000, "ip": "203.0.113.7"}, False),
        ({"external": 5432, "ip": "203.0.113.7"}, False),
        ({}, False),
    ],
)
def test_a_port_is_private(port: Any, right: bool) -> None:
    found = said(ports_are_private, CONTAINER, ports=[{"internal": 9000, **port}])
    assert (found == []) == right
    assert all("let the edge serve it" in sentence for sentence in found)


def test_the_edge_is_public_on_its_own_ports_whatever_its_address() -> None:
    def published(port: int) -> Any:
        ports = [{"internal": port, "external": port, "ip": UNKNOWN_STRING_VALUE}]
        return unknown_checking_proxy({"ports": ports, "labels": EDGE})

    for port in (80, 443, 5432):
        assert list(ports_are_private(resource(CONTAINER, published(port)))) == []
    with pytest.raises(UnknownValueError):
        list(ports_are_private(resource(CONTAINER, published(8080))))
    assert said(ports_are_private, CONTAINER, labels=EDGE, publishAllPorts=True)


# -- Hetzner -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ({"port": "443"}, True),
        ({"port": "22", "sourceIps": ["203.0.113.7/32"]}, True),
        ({"port": "22", "direction": "out", "sourceIps": []}, True),
        ({"port": "22"}, False),
        ({"port": "22", "sourceIps": ["203.0.113.7/32", "::/0"]}, False),
        ({"port": "22", "sourceIps": ["128.0.0.0/1"]}, False),
        ({"port": "80-443"}, False),
        ({"protocol": "icmp"}, False),
    ],
)
def test_only_the_web_is_for_everyone(rule: Any, right: bool) -> None:
    full = {"direction": "in", "protocol": "tcp", "sourceIps": ["0.0.0.0/0"], **rule}
    found = said(firewalls_are_closed, FIREWALL, rules=[full])
    assert (found == []) == right
    assert all("name your own addresses in source_ips" in sentence for sentence in found)


def test_what_hetzner_gives_up_is_not_used() -> None:
    server = "hcloud:index/server:Server"
    assert said(nothing_is_deprecated, server, location="fsn1", allowDeprecatedImages=False) == []
    (sentence,) = said(nothing_is_deprecated, server, datacenter="fsn1-dc14")
    assert "it sets datacenter, " in sentence
    assert sentence.endswith("set location instead, such as fsn1")


def test_everything_that_the_sdk_calls_deprecated_is_known() -> None:
    deprecated = {}
    for module in Path(pulumi_hcloud.__file__).parent.glob("[!_]*.py"):
        if module.name.startswith(("get_", "outputs")):
            continue
        names = re.findall(r'log\.warn\("""(\w+) is deprecated', module.read_text())
        camel = {re.sub("_(.)", lambda found: found[1].upper(), name) for name in names}
        if camel:
            deprecated[re.sub("_(.)", lambda found: found[1].upper(), module.stem)] = camel
    known = {kind.partition("/")[2].partition(":")[0]: set(DEPRECATED[kind]) for kind in DEPRECATED}
    assert deprecated == known


# -- Data --------------------------------------------------------------------------------------


def plan_of(stack: str, **more: Any) -> Plan:
    return make_plan(parse_settings({**on_servers(stack), **more}), stack)


VOLUME = "docker:index/volume:Volume"
POOL = "arquitectura:minio:Cluster$arquitectura:minio:Pool$"
MEMBERSHIP = "pulumi-python:dynamic:Membership"


@pytest.mark.parametrize(
    ("held", "right"),
    [
        (resource(VOLUME, {}, name="minio-1", parent=POOL), False),
        (resource(VOLUME, {}, name="citus-coordinator"), False),
        (resource(VOLUME, {}, name="citus-worker-1"), True),
        (resource("minio:index/s3Bucket:S3Bucket", {"bucket": "shop-uploads"}), False),
        (resource("minio:index/s3Bucket:S3Bucket", {"bucket": "of-another-program"}), False),
        (resource("postgresql:index/database:Database", {"name": "shop"}), False),
        (resource("postgresql:index/role:Role", {"name": "shop"}), False),
        (resource(MEMBERSHIP, {"database": "shop"}), False),
        (resource(MEMBERSHIP, {"database": "postgres"}), True),
        (resource("hcloud:index/server:Server", {"name": "prod-main"}), False),
        (resource("hcloud:index/server:Server", {"name": "prod-data-5"}), True),  # a worker's
        (resource("hcloud:index/network:Network", {"name": "prod"}), True),
    ],
)
def test_data_is_protected(held: Registered, right: bool) -> None:
    workers = {**committed("prod")["citus"], "workers": 5}
    found = list(data_is_protected(held, plan_of("prod", citus=workers)))
    assert (found == []) == right
    assert all("holds data" in sentence for sentence in found)
    delete_protection = {**held.properties, "deleteProtection": True}
    kept = replace(held, protect=True, properties=delete_protection)
    assert not list(data_is_protected(kept, plan_of("prod")))


def test_a_project_or_a_stack_may_go_without_protection() -> None:
    database = resource("postgresql:index/database:Database", {"name": "shop"})
    going = {"shop": {"protect": False}}
    assert list(data_is_protected(database, plan_of("prod")))
    assert not list(data_is_protected(database, plan_of("prod", protect=False)))
    assert not list(data_is_protected(database, plan_of("prod", projects=going)))


@pytest.mark.parametrize("stack", ["dev", "small", "prod"])
def test_the_program_keeps_to_all_and_protects_what_the_policy_says(run: Run, stack: str) -> None:
    sections = on_servers(stack) if stack != "dev" else {**committed("dev"), "protect": True}
    plan = make_plan(parse_settings(sections), stack)
    protected, wanted = set(), set()
    for made in run(stack=stack, preview=True, **sections).resources:
        parent = made.options.parent.split("::")[2] if made.options.parent else ""
        seen = Registered(
            type=made.type,
            urn=f"urn:pulumi:{stack}::arquitectura::{parent}${made.type}::{made.name}",
            name=made.name,
            properties=made.inputs,
            protect=made.options.protect,
        )
        found = [sentence for check in CHECKS for sentence in check(seen)]
        assert found + list(data_is_protected(seen, plan)) == []
        if must_be_protected(seen, plan):
            wanted.add((made.type, made.name))
        if made.options.protect:
            protected.add((made.type, made.name))
    assert wanted
    attached = {"ServerNetwork", "VolumeAttachment"}  # they lose nothing
    assert {one for one in protected if one[0].rpartition(":")[2] not in attached} == wanted


# -- Budget ------------------------------------------------------------------------------------

LINE = CostLine(what="ccx23", count=2, each=Decimal("24.50"))
KNOWN = Cost(lines=(LINE,), unknown=(), currency="EUR")


def test_a_stack_over_its_budget_is_refused() -> None:
    assert list(cost_is_within_budget(KNOWN, 49)) == []
    (sentence,) = cost_is_within_budget(KNOWN, 48.5)
    assert sentence == (
        "49.00 a month. Over budget_eur (48.50) by 0.50: choose smaller server types or volumes, "
        "fewer servers, or raise it."
    )


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (KNOWN, None),
        (replace(KNOWN, currency="USD"), "budget_eur is in EUR and cannot be compared with USD."),
        (
            Cost(lines=(), unknown=("1 × cx43 for main", "1 × primary IPv4"), currency=""),
            "budget_eur (40.00) was not compared with 1 × cx43 for main, 1 × primary IPv4: "
            "Hetzner's prices could not be had.",
        ),
    ],
)
def test_without_prices_the_budget_only_warns(cost: Cost, sentence: str | None) -> None:
    assert bool(list(cost_is_within_budget(cost, 40))) == (sentence is None)
    warned = list(budget_is_checked(cost, 40))
    assert warned == [] if sentence is None else warned[0].startswith(sentence)


# -- The pack ----------------------------------------------------------------------------------


def test_the_page_lists_every_policy() -> None:
    page = (REPOSITORY / "docs" / "policies.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [one.name for one in POLICIES]
