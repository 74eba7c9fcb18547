"""The report on previews: recorded ones, and what none was recorded of."""

import json
from typing import Any

import pytest

from ops.preview_report.page import LIMIT, page
from ops.preview_report.preview import Preview, Step, read_preview
from tests.unit.previews import RECORDED, recorded


def report(name: str) -> str:
    return page("prod", read_preview(recorded(name)))


def box(text: str, kind: str) -> str:
    """What stands in a box, without the rest."""
    lines = text.partition(f"> [!{kind}]\n")[2].splitlines()
    quoted = lines[: next((n for n, line in enumerate(lines) if line[:1] != ">"), len(lines))]
    return "\n".join(quoted)


def summary(text: str) -> list[str]:
    """The sentences on what happens."""
    return [line[2:] for line in text.partition("<details")[0].splitlines() if line[:2] == "- "]


def test_nothing_changes() -> None:
    assert report("dev-unchanged") == "## Preview of `prod`\n\nNothing changes.\n"


def test_a_new_stack() -> None:
    text = report("dev-new")
    assert "[!" not in text
    assert summary(text) == [
        "The stack is new: 4 containers.",
        "Project `shop` is added, with its database and bucket `shop-uploads`.",
        "Citus starts with 2 workers.",
        "MinIO starts with 1 node of 4 drives.",
    ]


def test_a_worker_comes() -> None:
    text = report("dev-worker-added")
    assert "[!" not in text
    assert summary(text) == [
        "Citus grows from 2 to 3 workers: 1 container, database `shop` is rebalanced while it "
        "keeps working."
    ]
    assert "- container `citus-worker-3`" in text


def test_a_worker_comes_while_writes_wait() -> None:
    assert summary(report("dev-block-writes")) == [
        "Citus grows from 3 to 4 workers: 1 container, databases `blog` and `shop` are rebalanced, "
        "and writes to a table wait while its shards move."
    ]


def test_a_worker_leaves_with_no_data() -> None:
    text = report("dev-worker-removed")
    assert "[!" not in text
    assert summary(text) == [
        "Citus shrinks from 3 to 2 workers: 1 container less, after the shards of databases `blog` "
        "and `shop` have left `citus-worker-3` while they keep working. When a shard cannot leave, "
        "the update stops and deletes nothing."
    ]
    assert "- Docker volume `citus-worker-3`" in text


def test_a_project_comes() -> None:
    text = report("dev-project-added")
    assert "[!" not in text  # the file of passwords that is written anew is nobody's concern
    assert summary(text) == ["Project `blog` is added, with its database and bucket `blog-media`."]


def test_a_project_leaves_with_its_data() -> None:
    text = report("dev-project-removed")
    assert box(text, "WARNING").splitlines() == [
        "> - **Database `blog` is deleted, with all tables in it.**",
        "> - **Bucket `blog-media` is deleted, with all objects in it.**",
    ]
    assert text.index("[!WARNING]") < text.index("Project `blog` is removed")


def test_protected_data_stays() -> None:
    text = report("dev-protected")
    assert "`blog-members` is protected" in box(text, "CAUTION")
    assert not summary(text)  # not all that would happen is known


def test_a_config_that_is_refused() -> None:
    text = report("dev-refused")
    assert "arquitectura:citus.workers: 0 is too small, at least 1" in box(text, "CAUTION")
    assert "unhandled" not in text
    assert not summary(text)


def test_a_pool_that_holds_data_is_not_changed() -> None:
    text = report("dev-pool-removed")
    assert "> - minio.pools[0] has 1 nodes of 4 drives and cannot be changed" in text
    assert "Resource monitor" not in text


def test_another_image() -> None:
    text = report("dev-image")
    assert box(text, "WARNING").splitlines() == [
        "> - Containers `citus-coordinator`, `citus-worker-1` and `citus-worker-2`: each stops and "
        "starts anew, within seconds; its data stays."
    ]
    (sentence,) = summary(text)
    assert sentence.startswith("Image `docker.io/citusdata/citus:14.0.0` takes the place of `")


def test_other_passwords() -> None:
    text = report("dev-password")
    assert "> - Password `citus-role-shop`: it stops working" in text
    assert "> - S3 key `shop-key`: it stops working" in text
    assert summary(text) == [
        "Project `shop` gets another database password and S3 key; the stack's outputs have the "
        "new."
    ]


def test_more_memory() -> None:
    assert "Containers `citus-worker-1` and `citus-worker-2`: memory 1024 → 640 MiB." in summary(
        report("dev-memory")
    )


def test_a_second_pool() -> None:
    text = report("dev-pool-added")
    assert "Container `minio-1`: it stops and starts anew" in box(text, "WARNING")
    assert summary(text) == [
        "MinIO grows from 1 to 2 pools, by 4 nodes of 1 drive. New objects go where most is free, "
        "old ones stay where they are."
    ]


# -- On servers --------------------------------------------------------------------------------


def test_a_new_stack_on_servers() -> None:
    text = report("prod-new")
    assert "[!" not in text
    assert summary(text)[0] == (
        "The stack is new: 23 containers on 5 servers (ccx23, 217.35 EUR a month)."
    )
    assert "**Cost a month: 217.35 EUR**, without VAT" in text
    assert "| volume of 500 GB | 4 × 22.00 = 88.00 |" in text


def test_nothing_changes_on_servers() -> None:
    assert report("prod-unchanged") == (
        "## Preview of `prod`\n\nNothing changes.\n\n"
        "Cost a month: 22.15 EUR without VAT, as before\n"
    )


def test_a_server_comes_with_its_worker() -> None:
    text = report("prod-server-added")
    assert "[!" not in text
    assert summary(text) == [
        "Citus grows from 4 to 5 workers: 1 server (cx23, 4.43 EUR a month), database `shop` is "
        "rebalanced while it keeps working."
    ]
    assert "**Cost a month: 22.15 → 26.58 EUR (+4.43)**, without VAT" in text
    assert "| cx23 for data | 4 × 3.49 = 13.96 | 5 × 3.49 = 17.45 |" in text


def test_a_server_goes_with_its_worker() -> None:
    text = report("prod-server-removed")
    assert "[!" not in text  # its worker is drained first
    (sentence,) = summary(text)
    assert sentence.startswith(
        "Citus shrinks from 5 to 4 workers: 1 server (cx23, 4.43 EUR a month) less, after the "
        "shards of database `shop` have left `citus-worker-5` while it keeps working."
    )
    assert "(-4.43)**" in text


def test_larger_servers() -> None:
    text = report("prod-server-type")
    assert summary(text) == [
        "`data-1`, `data-2`, `data-3` and `data-4` become cx33 instead of cx23, one server after "
        "the other: each shuts down and is away for some minutes, with what runs on it."
    ]
    assert "| cx23 for data | 4 × 3.49 = 13.96 |  |" in text
    assert "| cx33 for data |  | 4 × 5.49 = 21.96 |" in text


def test_larger_volumes() -> None:
    assert summary(report("prod-volume")) == [
        "`data-1-volume`, `data-2-volume`, `data-3-volume` and `data-4-volume` grow from 10 to "
        "20 GB, in place."
    ]


def test_what_was_changed_by_hand() -> None:
    text = report("prod-drift")
    assert "<details open><summary>1 changed; 158 stay as they are</summary>" in text
    assert "- firewall `hetzner-admin` (rules)" in text


def test_no_price_is_made_up() -> None:
    """Where a price could not be had, there is none, and the sum says so."""
    events: list[Any] = json.loads(json.dumps(recorded("prod-server-added")))
    for one in events:
        if outputs := one.get("resOutputsEvent", {}).get("metadata", {}).get("new"):
            cost = outputs["outputs"]["monthly_cost"]
            cost["lines"].pop("6 × primary IPv4", None)
            cost["unknown"] = ["6 × primary IPv4"]
    text = page("prod", read_preview(events))
    assert "5 workers: 1 server (cx23), database" in text
    assert "and without 6 × primary IPv4, whose price is not known." in text


def test_a_server_that_goes_with_data_is_warned_of() -> None:
    """No worker leaves: nothing has moved its data away."""
    events = [
        one
        for one in recorded("prod-server-removed")
        if "-members" not in one.get("resourcePreEvent", {}).get("metadata", {}).get("urn", "")
    ]
    assert box(page("prod", read_preview(events)), "WARNING").splitlines() == [
        "> - **Docker volume `citus-worker-5` is deleted, with all data in it.**",
        "> - **Server `data-5-server` is deleted, with all data on its own disk.**",
        "> - **Public address `data-5-ip` is deleted, with what others reach it by.**",
        "> - **Server's volume `data-5-volume` is deleted, with all data on it.**",
    ]


# -- All ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_no_secret_and_nothing_of_the_engine(name: str) -> None:
    text = report(name)
    assert not any(word in text for word in ("[secret]", "ciphertext", "urn:", "04da6b54", "None"))


# -- What none was recorded of -----------------------------------------------------------------


def event(op: str, type_: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    sides: dict[str, Any] = {"old": None, "new": None}
    for side in {"create": ["new"], "delete": ["old"]}.get(op, ["old", "new"]):
        sides[side] = {"inputs": inputs}
    urn = f"urn:pulumi:prod::arquitectura::{type_}::{name}"
    return {"resourcePreEvent": {"metadata": {"op": op, "type": type_, "urn": urn, **sides}}}


def test_types_that_nobody_knows() -> None:
    unknown = "hcloud:index/loadBalancer:LoadBalancer"
    text = page(
        "prod",
        read_preview([event("replace", unknown, "front"), event("create", unknown, "other")]),
    )
    assert "> - Load balancer `front`: it is deleted and made anew." in text
    assert "- load balancer `other`" in text


def test_a_value_is_never_shown() -> None:
    words = event(
        "update", "postgresql:index/role:Role", "citus-shop", password="hunter2", name="shop"
    )
    words["resourcePreEvent"]["metadata"]["diffs"] = ["password"]
    text = page("prod", read_preview([words]))
    assert "- database role `shop` (password)" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("edge", "meanwhile"),
    [("prod-edge", ": S3, SQL and the consoles are away for some minutes"), (None, "")],
)
def test_dokploy_comes_to_a_stack_that_is_up(edge: str | None, meanwhile: str) -> None:
    kind = "pulumi-python:dynamic:DokployInstallation"
    comes = event("create", kind, "dokploy-installation", server="main", edge=edge)
    text = page("prod", read_preview([comes]))
    assert summary(text) == [f"Dokploy is installed on `main`{meanwhile}."]


def test_dokploy_goes_with_what_its_users_have_set_up() -> None:
    kinds = {"DokployInstallation": {"server": "main"}, "DokployDestination": {"bucket": "shop-b"}}
    goes = [
        event("delete", f"pulumi-python:dynamic:{kind}", "it", **inputs)
        for kind, inputs in kinds.items()
    ]
    text = page("prod", read_preview(goes))
    assert summary(text) == ["Dokploy is taken away from `main`."]
    assert "**Installation of Dokploy `it` is deleted, with its users, projects" in text
    assert "`shop-b` is deleted, with Dokploy's schedules of backups to it.**" in text


@pytest.mark.parametrize(("level", "kind"), [("mandatory", "CAUTION"), ("advisory", "WARNING")])
def test_a_policy_that_is_broken(level: str, kind: str) -> None:
    broken = {"policyEvent": {"message": "minio-1 has no limit\n", "enforcementLevel": level}}
    failed = {"diagnosticEvent": {"severity": "error", "message": "preview failed\n"}}
    text = page("prod", read_preview([broken, failed] if level == "mandatory" else [broken]))
    assert "minio-1 has no limit" in box(text, kind)
    assert "preview failed" not in text


def test_data_that_goes_with_a_replacement() -> None:
    text = page("prod", read_preview([event("replace", "docker:index/volume:Volume", "minio-1")]))
    assert "> - **Docker volume `minio-1` is deleted, with all data in it.**" in text


def test_it_fits_into_a_comment() -> None:
    steps = [
        Step(operation="added", type="a:b:C", name=f"{number:0200}", old={}, new={}, differing=())
        for number in range(1000)
    ]
    assert len(page("prod", Preview(steps=tuple(steps)))) < LIMIT + 200


def test_recordings_hold_only_what_is_read() -> None:
    text = json.dumps([recorded(name) for name in RECORDED])
    assert "ciphertext" not in text
