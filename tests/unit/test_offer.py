"""What Hetzner offers against what a plan needs."""

import base64
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from config.offer import (
    Architecture,
    ExistingServer,
    Offer,
    ServerType,
    SshKey,
    offer_problems,
    offer_warnings,
)
from config.plan import Plan, make_plan
from config.settings import parse_settings


def public_key(text: str, comment: str = "me@here") -> str:
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + text.encode()
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}"


def kind(
    name: str,
    cores: int,
    memory: int,
    disk: int,
    price: str,
    *,
    architecture: Architecture = "x86",
    places: tuple[str, ...] = ("fsn1", "nbg1"),
) -> ServerType:
    return ServerType(
        name=name,
        cores=cores,
        memory_gb=memory,
        disk_gb=disk,
        architecture=architecture,
        locations=dict.fromkeys(places, True),
        monthly_price=dict.fromkeys(places, Decimal(price)),
    )


TYPES = (
    kind("cx23", 2, 4, 40, "3.49"),
    kind("cx33", 4, 8, 80, "5.49"),
    kind("cx43", 8, 16, 160, "9.49"),
    kind("cpx32", 4, 8, 160, "10.99", places=("fsn1", "ash")),
    kind("cax21", 4, 8, 80, "6.49", architecture="arm"),
)
OFFER = Offer(
    locations={"fsn1": "eu-central", "nbg1": "eu-central", "ash": "us-east"},
    server_types=TYPES,
    ssh_keys=(
        SshKey(id=1, name="laptop", public_key=public_key("laptop"), labels={}),
        SshKey(id=2, name="prod-1", public_key=public_key("made"), labels={"stack": "prod"}),
    ),
    servers=(),
)


def plan(
    main: str = "cx33",
    data: str | None = None,
    *,
    location: str = "fsn1",
    keys: tuple[str, ...] = ("laptop",),
    **sections: object,
) -> Plan:
    hosts = {
        "provider": "hetzner",
        "token": "x" * 64,
        "location": location,
        "main": {"server_type": main},
        "admin_cidrs": ["203.0.113.7/32"],
        "ssh_keys": list(keys),
    }
    if data:
        hosts["data"] = {"server_type": data}
    return make_plan(parse_settings({"hosts": hosts, **sections}), "prod")


def problems(plan: Plan, offer: Offer = OFFER) -> list[str]:
    return [str(problem) for problem in offer_problems(plan, offer)]


def problem(plan: Plan, offer: Offer = OFFER) -> str:
    (found,) = problems(plan, offer)
    return found


def changed(name: str, **fields: object) -> Offer:
    """The offer with one server type changed."""
    return replace(
        OFFER,
        server_types=tuple(replace(t, **fields) if t.name == name else t for t in TYPES),  # type: ignore[arg-type]
    )


def existing(name: str, kind: str, disk: int = 80) -> ExistingServer:
    return ExistingServer(
        name=name, status="running", ipv4="192.0.2.1", type=kind, disk_gb=disk, volume_gb=0
    )


def test_what_can_be_had_is_no_problem() -> None:
    assert problems(plan()) == []
    assert problems(plan("cx33", "cx43")) == []


def test_a_laptop_needs_nothing() -> None:
    assert problems(make_plan(parse_settings({}), "dev")) == []


def test_an_unknown_location_names_those_there_are() -> None:
    assert problem(plan(location="fsn9")) == "hosts.location: 'fsn9' is not one of ash, fsn1, nbg1"


def test_an_unknown_type_names_the_closest_and_those_that_fit() -> None:
    found = problem(plan("cx34"))
    assert "'cx34' is no server type. Did you mean cx43 or cx33 or cx23? " in found
    # Not cx23, which is too small, and not cax21, which is arm64.
    assert found.endswith(
        "fsn1 has cx33 (4 cores, 8 GB), cx43 (8 cores, 16 GB), cpx32 (4 cores, 8 GB)"
    )


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert "Did you mean" not in problem(plan("m5.large"))


def test_a_type_that_is_not_sold_there() -> None:
    assert problem(plan(location="ash")) == (
        "hosts.main.server_type: cx33 is not sold in ash, only in fsn1, nbg1: "
        "ash has cpx32 (4 cores, 8 GB)"
    )


def test_a_type_that_is_sold_out_names_others_as_large_cheapest_first() -> None:
    offer = changed("cx33", locations={"fsn1": False, "nbg1": True})
    assert problem(plan(), offer) == (
        "hosts.main.server_type: cx33 is sold out in fsn1 at present, and main would need it. "
        "With as much memory or more there is cx43 (8 cores, 16 GB), cpx32 (4 cores, 8 GB). "
        "cx33 can be had in nbg1. Or try again later"
    )


def test_a_server_that_exists_needs_no_other() -> None:
    sold_out = changed("cx33", locations={"fsn1": False})
    assert problems(plan(), replace(sold_out, servers=(existing("prod-main", "cx33"),))) == []


def test_only_the_servers_that_are_missing_or_resized_need_the_type() -> None:
    servers = (existing("prod-main", "cx43"), existing("prod-data-1", "cx23"))
    offer = replace(changed("cx33", locations={"fsn1": False, "nbg1": True}), servers=servers)
    found = problem(plan("cx43", "cx33"), offer)
    assert found.startswith("hosts.data.server_type: cx33 is sold out")
    assert "and data-1, data-2 would need it" in found
    assert "nbg1" not in found  # where a stack that has servers cannot go


def test_arm_is_refused_for_an_image_that_has_only_amd64() -> None:
    found = problem(plan("cax21"))
    assert "arm64 architecture, and docker.io/citusdata/citus:13.2.0 is for amd64 only" in found


def test_arm_is_fine_for_images_that_have_both() -> None:
    assert problems(plan("cax21", images={"citus": "example.org/citus:1"})) == []


def test_a_deprecated_type_is_a_warning() -> None:
    offer = changed("cx33", unavailable_after={"fsn1": date(2027, 1, 31)})
    assert problems(plan(), offer) == []
    (warning,) = offer_warnings(plan(), offer)
    assert "hosts.main.server_type: cx33 is deprecated in fsn1" in warning
    assert "after 2027-01-31" in warning
    assert list(offer_warnings(plan(location="nbg1"), offer)) == []


def test_memory_limits_leave_room_for_the_system() -> None:
    found = problem(plan("cx23"))
    assert (
        "the containers of main may take 3840 MiB: edge 256 + prod-citus-coordinator 1024 + "
        "prod-citus-worker-1 1024 + prod-citus-worker-2 1024 + prod-minio-1 512. "
        "cx23 has 3584 for them, besides 512 for the system"
    ) in found
    assert "choose cx33" in found


def test_memory_limits_that_just_fit() -> None:
    citus = {"coordinator": {"memory_mb": 768}}
    assert problems(plan("cx23", citus=citus)) == []


def test_servers_that_are_alike_are_named_once() -> None:
    citus = {"workers": 3, "worker": {"memory_mb": 4096}}
    found = problem(plan("cx33", "cx23", citus=citus))
    assert "the containers of data-1 may take 4608 MiB" in found
    assert "(so do those of data-2, data-3)" in found


def test_a_container_has_no_more_cores_than_its_server() -> None:
    found = problem(plan(citus={"worker": {"cpus": 6}}))
    assert "cx33 has 4 cores, and no container may have more" in found
    assert "prod-citus-worker-1 6, prod-citus-worker-2 6" in found


def test_a_disk_does_not_shrink() -> None:
    small = {"coordinator": {"memory_mb": 512}}
    offer = replace(OFFER, servers=(existing("prod-main", "cx33", 80),))
    assert "main has a disk of 80 GB, and cx23 one of 40 GB" in problem(
        plan("cx23", citus=small), offer
    )
    kept = replace(OFFER, servers=(existing("prod-main", "cx33", 40),))
    assert problems(plan("cx23", citus=small), kept) == []


def test_a_server_keeps_its_architecture() -> None:
    images = {"citus": "example.org/citus:1"}
    offer = replace(OFFER, servers=(existing("prod-main", "cx33"),))
    assert "main is a cx33 (x86) and cannot become a cax21 (arm)" in problem(
        plan("cax21", images=images), offer
    )


@pytest.mark.parametrize(
    "keys", [("laptop",), (public_key("new"),), (public_key("made", "another comment"),)]
)
def test_keys_that_are_fine(keys: tuple[str, ...]) -> None:
    assert problems(plan(keys=keys)) == []


def test_a_name_of_no_key() -> None:
    found = problem(plan(keys=("laptop", "desktop")))
    assert found.startswith(
        "hosts.ssh_keys[1]: 'desktop' is no key of the Hetzner project, which has laptop, prod-1"
    )
    assert ".pub file" in found
    assert "which has no keys yet" in problem(plan(), replace(OFFER, ssh_keys=()))


def test_a_key_that_the_project_has_under_a_name() -> None:
    found = problem(plan(keys=(public_key("laptop", "another comment"),)))
    assert found == (
        "hosts.ssh_keys[0]: this key is in the Hetzner project already: write its name, 'laptop'"
    )


@pytest.mark.parametrize(
    "keys",
    [
        ("laptop", "laptop"),
        (public_key("new"), public_key("new", "another comment")),
        (public_key("made"), "prod-1"),
    ],
)
def test_the_same_key_twice(keys: tuple[str, ...]) -> None:
    assert problem(plan(keys=keys)) == (
        "hosts.ssh_keys[1]: is the same key as hosts.ssh_keys[0]: keep one"
    )


def test_a_key_that_is_cut_off() -> None:
    assert "is not a whole public key" in problem(plan(keys=("ssh-ed25519 AAAAC3",)))


def test_a_private_key_is_not_repeated() -> None:
    found = problem(plan(keys=("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0",)))
    assert "is a private key" in found
    assert "c2VjcmV0" not in found


def test_everything_wrong_is_said_at_once() -> None:
    assert len(problems(plan("cx99", "cax21", keys=("desktop",)))) == 3
