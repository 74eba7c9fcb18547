"""The whole program under mocks: what it would make, for several configs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from tests.unit.conftest import LAPTOP, SECRET_MARK, Program, Registered

SHOP = {"shop": {"buckets": {"uploads": {"versioning": True, "expire_days": 90}}}}

Run = Callable[..., Program]


def test_dev_consists_of_these_containers(run: Run) -> None:
    program = run(projects=SHOP)
    assert sorted(c.inputs["name"] for c in program.of_type("Container")) == [
        "citus-coordinator",
        "citus-secrets-local-writer",
        "citus-worker-1",
        "citus-worker-2",
        "minio-1",
    ]


def test_other_stacks_prefix_everything_on_the_engine(run: Run) -> None:
    program = run(stack="lab")
    for kind in ("Container", "Volume", "Network"):
        assert all(r.inputs["name"].startswith("lab-") for r in program.of_type(kind))


def test_every_published_port_is_on_loopback(run: Run) -> None:
    program = run(minio={"pools": [{"nodes": 4}]})
    ports = [port for c in program.of_type("Container") for port in c.inputs.get("ports", ())]
    assert sorted(int(port["external"]) for port in ports) == [5432, 9000, 9001]
    assert {port["ip"] for port in ports} == {"127.0.0.1"}


def test_every_container_has_what_each_must_have(run: Run) -> None:
    for container in run(projects=SHOP).of_type("Container"):
        inputs = container.inputs
        labels = {label["label"]: label["value"] for label in inputs["labels"]}
        assert labels.keys() == {"stack", "service", "ordinal"}
        assert labels["stack"] == "dev"
        assert inputs["memory"] == inputs["memorySwap"] > 0
        assert inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}
        assert container.options.deleteBeforeReplace


def test_every_service_restarts_and_is_checked(run: Run) -> None:
    services = run().services
    assert len(services) == 4
    for service in services:
        inputs = service.inputs
        assert inputs["restart"] == "unless-stopped"
        assert inputs["cpus"] == "2.0"
        assert {"tests", "interval", "timeout", "retries", "startPeriod"} == (
            inputs["healthcheck"].keys()
        )
        assert "healthcheck" in service.options.replaceOnChanges


def test_no_secret_is_in_the_clear(run: Run) -> None:
    program = run(projects=SHOP)
    secrets = 0
    for resource in program.resources:
        secrets += json.dumps(resource.inputs).count("secret-of-")
        assert not list(_leaks(resource.wire)), resource.name
    assert not list(_leaks(program.outputs))
    assert secrets > 5


def _leaks(value: Any) -> Iterator[str]:
    """Secret texts outside of a secret's wrapping."""
    if isinstance(value, Mapping):
        if SECRET_MARK not in value:
            for item in value.values():
                yield from _leaks(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaks(item)
    elif isinstance(value, str) and "secret-of-" in value:
        yield value


def test_no_secret_is_in_an_environment_or_a_command(run: Run) -> None:
    for container in run(projects=SHOP).of_type("Container"):
        for key in ("envs", "command", "entrypoints", "labels"):
            assert "secret-of-" not in json.dumps(container.inputs.get(key, []))


def test_the_passfile_has_a_line_for_every_role(run: Run) -> None:
    writer = run(projects=SHOP).named("citus-secrets-local-writer", "Container")
    (upload,) = writer.inputs["uploads"]
    assert upload["content"] == (
        "*:*:*:postgres:secret-of-citus-superuser\n*:*:*:shop:secret-of-citus-role-shop\n"
    )


def test_a_container_knows_other_containers_by_name_only(run: Run) -> None:
    for container in run(projects=SHOP, minio={"pools": [{"nodes": 4}]}).of_type("Container"):
        assert "id-of-" not in json.dumps(container.inputs)


def test_every_minio_node_gets_the_same_arguments(run: Run) -> None:
    program = run(minio={"pools": [{"nodes": 1}, {"nodes": 4}]})
    nodes = [c for c in program.services if c.name.startswith("minio-")]
    assert len(nodes) == 5
    assert {tuple(node.inputs["command"][-2:]) for node in nodes} == {
        ("http://minio-1:9000/data/d{1...4}", "http://minio-{2...5}:9000/data")
    }
    assert not any(":Container::" in urn for node in nodes for urn in node.options.dependencies)


def test_the_settings_of_a_bucket_are_written_one_after_the_other(run: Run) -> None:
    bucket = {"versioning": True, "expire_days": 90, "public_read": True}
    program = run(projects={"shop": {"buckets": {"uploads": bucket}}})
    assert program.named("shop-uploads-lifecycle", "IlmPolicy").depends_on(
        "shop-uploads-versioning"
    )
    assert program.named("shop-uploads-policy", "S3BucketPolicy").depends_on(
        "shop-uploads-lifecycle"
    )


def test_a_key_opens_the_buckets_of_its_project_only(run: Run) -> None:
    program = run(
        projects={
            "shop": {"buckets": {"one": {}, "two": {}}},
            "blog": {"buckets": {"one": {}}},
        }
    )
    policy = json.loads(program.named("shop-key", "IamServiceAccount").inputs["policy"])
    assert policy["Statement"][0]["Resource"] == [
        "arn:aws:s3:::shop-one",
        "arn:aws:s3:::shop-one/*",
        "arn:aws:s3:::shop-two",
        "arn:aws:s3:::shop-two/*",
    ]


def test_a_project_without_buckets_has_no_key(run: Run) -> None:
    assert not run(projects={"shop": {}}).of_type("IamServiceAccount")


def test_the_credentials_of_a_project(run: Run) -> None:
    outputs = run(projects={"shop": {"database": "Shop Data", "buckets": {"up": {}}}}).outputs
    credentials = outputs["projects"]["shop"]
    assert credentials.keys() == {SECRET_MARK, "value"}
    assert credentials["value"] == {
        "database_url": "postgresql://shop:secret-of-citus-role-shop@127.0.0.1:5432/Shop%20Data",
        "s3_endpoint": "http://127.0.0.1:9000",
        "s3_access_key": "key-of-shop-key",
        "s3_secret_key": "secret-of-shop-key",
        "buckets": {"up": "shop-up"},
    }


def test_roles_come_before_any_project_joins(run: Run) -> None:
    program = run(projects={"shop": {}, "blog": {}})
    # In a chain: who depends on the last depends on all.
    assert program.named("citus-blog", "Role").depends_on("citus-shop")
    for database in program.of_type("Database"):
        if database.type.startswith("postgresql:"):
            assert database.depends_on("citus-blog")


def containers(program: Program) -> dict[str, Registered]:
    return {c.name: c for c in program.of_type("Container")}


def test_a_new_worker_changes_no_container(run: Run) -> None:
    before, after = (
        containers(run(projects=SHOP, citus={"workers": workers})) for workers in (2, 3)
    )
    assert after.keys() - before.keys() == {"citus-worker-3"}
    assert all(after[name].inputs == before[name].inputs for name in before)


def test_a_new_project_changes_the_passfile_and_no_node(run: Run) -> None:
    before = containers(run(projects=SHOP))
    after = containers(run(projects={**SHOP, "blog": {"buckets": {"up": {}}}}))
    changed = {name for name in before if after[name].inputs != before[name].inputs}
    assert changed == {"citus-secrets-local-writer"}


def test_what_protect_protects(run: Run) -> None:
    program = run(protect="true", projects=SHOP)
    protected = {(r.type.split(":")[-1], r.name) for r in program.resources if r.options.protect}
    assert protected == {
        ("Volume", "citus-coordinator"),
        ("Volume", "minio-1"),
        ("Role", "citus-shop"),
        ("Database", "shop-database"),
        ("Membership", "shop-members"),
        ("S3Bucket", "shop-uploads"),
        ("BucketContents", "shop-uploads-contents"),
    }


def test_a_project_gives_up_its_protection_alone(run: Run) -> None:
    program = run(protect="true", projects={"shop": {**SHOP["shop"], "protect": False}})
    assert {r.name for r in program.resources if r.options.protect} == {
        "citus-coordinator",
        "minio-1",
    }


def test_an_arm_laptop_emulates_what_has_no_arm_image(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", warnings.append)
    program = run(on=replace(LAPTOP, architecture="arm64"))
    (warning,) = warnings
    assert "citusdata/citus:13.2.0 has no arm64 version and runs emulated" in warning
    platforms = {c.name: c.inputs.get("platform") for c in program.services}
    assert platforms["citus-coordinator"] == "linux/amd64"
    assert platforms["minio-1"] is None


@pytest.mark.parametrize(
    ("laptop", "problem"),
    [
        (replace(LAPTOP, cpus=1), "citus.worker.cpus: 2 are more than Docker's 1"),
        (replace(LAPTOP, memory_mb=512), "citus.worker.memory_mb: 1024 is more than Docker's 512"),
    ],
)
def test_limits_above_the_machine_stop_it(run: Run, laptop: Any, problem: str) -> None:
    with pytest.raises(pulumi.RunError, match=problem):
        run(on=laptop)


def test_a_taken_port_stops_it(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"cannot take the stack:\n  citus.port: taken"):
        run(taken=["citus.port: taken"])


def test_a_wrong_config_registers_nothing(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"citus\.workers: 0 is too small"):
        run(citus={"workers": 0})


def test_every_provider_is_explicit(run: Run) -> None:
    for resource in run(projects=SHOP).resources:
        package = resource.type.partition(":")[0]
        if resource.options.custom and package in ("docker", "minio", "postgresql"):
            assert resource.options.provider, resource.name
