"""Every mistake in a config is named with its path, its value and what is allowed."""

import pytest

from config.problems import ConfigError
from config.settings import parse_settings

SHOP = {"buckets": {"uploads": {"versioning": True, "expire_days": 90}}}


def problems(**sections: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_settings(sections)
    return [str(problem) for problem in error.value.problems]


def test_an_empty_config_is_the_smallest_stack() -> None:
    settings = parse_settings({})
    assert settings.citus.workers == 2
    assert [pool.drives_per_node for pool in settings.minio.pools] == [4]
    assert not settings.projects


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_settings({}).citus.workers = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"citus": {"workers": 0}}, "citus.workers: 0 is too small, at least 1"),
        ({"citus": {"workers": -1}}, "citus.workers: -1 is too small, at least 1"),
        ({"citus": {"workers": "three"}}, "citus.workers: 'three' is not a whole number"),
        ({"citus": {"workers": 2.5}}, "citus.workers: 2.5 is not a whole number"),
        ({"citus": {"workers": True}}, "citus.workers: True is not a whole number"),
        (
            {"citus": {"worker": {"memory_mb": 128}}},
            "citus.worker.memory_mb: 128 is too small, at least 256",
        ),
        ({"citus": {"port": 70000}}, "citus.port: 70000 is too large, at most 65535"),
        (
            {"citus": {"rebalance": "offline"}},
            "citus.rebalance: 'offline' is not one of 'online' or 'block_writes'",
        ),
        ({"minio": {"pools": []}}, "minio.pools: must not be empty"),
        (
            {"minio": {"pools": [{"nodes": 17}]}},
            "minio.pools[0]: 17 nodes of 1 drives are 17 drives, which do not divide into erasure "
            "sets of 2 to 16: choose another number",
        ),
        ({"minio": {"memory_mb": 64}}, "minio.memory_mb: 64 is too small, at least 256"),
        (
            {"citus": {"worker_count": 3}},
            "citus.worker_count: unknown key, the valid ones are coordinator, port, rebalance, "
            "worker, workers",
        ),
        (
            {"cytus": {"workers": 3}},
            "cytus: unknown key, the valid ones are citus, cloudbeaver, dokploy, hosts, images, "
            "minio, monitoring, projects, protect",
        ),
        (
            {"projects": {"shop": {"buckets": {"uploads": {"version": True}}}}},
            "projects.shop.buckets.uploads.version: unknown key, the valid ones are expire_days, "
            "noncurrent_expire_days, public_read, quota_gb, versioning",
        ),
        ({"images": {"citus": "citusdata/citus"}}, "images.citus: 'citusdata/citus': not pinned"),
        ({"images": {"citus": "host:5000/citus"}}, "images.citus: 'host:5000/citus': not pinned"),
        ({"images": {"citus": "citus:latest"}}, "images.citus: 'citus:latest': not pinned"),
        ({"protect": "perhaps"}, "protect: 'perhaps' is neither true nor false"),
        ({"projects": ["shop"]}, "projects: ['shop'] is not a group of keys"),
    ],
)
def test_a_mistake_is_named(sections: dict[str, object], problem: str) -> None:
    (found,) = problems(**sections)
    assert found.startswith(problem)


@pytest.mark.parametrize("name", ["Uploads", "up_loads", "-uploads", "uploads-", "up.loads", ""])
def test_bucket_names_that_minio_refuses(name: str) -> None:
    (found,) = problems(projects={"shop": {"buckets": {name: {}}}})
    assert found.startswith(f"projects.shop.buckets.{name}: {name!r}: a bucket's name has")


@pytest.mark.parametrize("name", ["Shop", "sh", "1shop", "shop_eu", "shop-", "s" * 33])
def test_project_names(name: str) -> None:
    (found,) = problems(projects={name: {}})
    assert found.startswith(f"projects.{name}: {name!r}: a project's name has 3 to 32")


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_reserved_names(name: str) -> None:
    assert "reserved by PostgreSQL" in problems(projects={name: {}})[0]
    assert "reserved by PostgreSQL" in problems(projects={"shop": {"database": name}})[0]


def test_full_bucket_names_are_checked_as_a_whole() -> None:
    (found,) = problems(projects={"shop": {"buckets": {"b" * 59: {}}}})
    assert "has 64 characters, at most 63 are allowed" in found


def test_two_projects_cannot_share_a_bucket_or_a_database() -> None:
    assert problems(
        projects={
            "one": {"buckets": {"two-b": {}}},
            "one-two": {"buckets": {"b": {}}},
            "three": {"database": "one"},
        }
    ) == [
        "projects.one-two.buckets.b: 'one-two-b' is already a bucket of project one",
        "projects.three.database: 'one' is already the database of project one",
    ]


def test_noncurrent_expiry_needs_versions() -> None:
    assert problems(projects={"shop": {"buckets": {"b": {"noncurrent_expire_days": 3}}}}) == [
        "projects.shop.buckets.b.noncurrent_expire_days: there are no old versions: set versioning"
    ]


def test_a_single_drive_never_grows() -> None:
    (found,) = problems(minio={"pools": [{"nodes": 1, "drives": 1}, {"nodes": 4}]})
    assert found.startswith("minio.pools[0]: a single node with one drive can never grow")


def test_ports_must_differ() -> None:
    assert problems(citus={"port": 9000}) == [
        "citus.port: 9000 is also minio.api_port: give each its own port"
    ]


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        citus={"workers": 0, "extra": 1},
        minio={"pools": [{"nodes": 17}]},
        projects={"one": {"database": "x"}, "two": {"database": "x"}},
        unknown=1,
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "citus.workers",
        "citus.extra",
        "unknown",
        "minio.pools[0]",
        "projects.two.database",
    ]


@pytest.mark.parametrize("database", ["Shop Data", 'quote"d', "ñandú", "a-b"])
def test_a_database_may_need_quoting(database: str) -> None:
    settings = parse_settings({"projects": {"shop": {"database": database}}})
    assert settings.projects["shop"].database == database


def test_a_project_may_go_without_buckets() -> None:
    assert parse_settings({"projects": {"shop": {}}}).projects["shop"].buckets == {}


def test_the_error_reads_as_a_list() -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({"citus": {"workers": 0, "port": 0}})
    assert str(error.value) == (
        "2 problems in the stack's config:\n"
        "  arquitectura:citus.workers: 0 is too small, at least 1\n"
        "  arquitectura:citus.port: 0 is too small, at least 1"
    )


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        (["citus"], "projects.shop.extensions[0]: 'citus': every database has it already"),
        ([""], "projects.shop.extensions[0]: '': an extension has a name"),
        (["a", "a"], "projects.shop.extensions: 'a' stands there twice"),
    ],
)
def test_extensions(extensions: list[str], problem: str) -> None:
    assert problems(projects={"shop": {"extensions": extensions}}) == [problem]


def test_an_empty_project_is_written_as_one() -> None:
    assert problems(projects={"shop": None}) == [
        "projects.shop: is empty: leave it out, or write {} for all defaults"
    ]


def test_a_wrong_item_does_not_make_its_list_empty() -> None:
    assert problems(minio={"pools": [{"nodes": 0}]}) == [
        "minio.pools[0].nodes: 0 is too small, at least 1"
    ]
