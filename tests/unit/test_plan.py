"""The plan: names, addresses and arguments, for any valid settings."""

from hypothesis import assume, given
from hypothesis import strategies as st

from config.plan import Plan, make_plan
from config.problems import ConfigError
from config.settings import parse_settings

POOLS = st.lists(
    st.fixed_dictionaries({"nodes": st.integers(1, 32)}, optional={"drives": st.integers(1, 16)}),
    min_size=1,
    max_size=4,
)


def plan(stack: str = "dev", **sections: object) -> Plan:
    try:
        return make_plan(parse_settings(sections), stack)
    except ConfigError:
        assume(False)
        raise


def test_a_single_node_names_its_directories() -> None:
    (pool,) = plan().minio.pools
    assert pool.source == "/data/d{1...4}"
    assert [node.name for node in pool.nodes] == ["minio-1"]


def test_four_nodes_are_one_pool() -> None:
    (pool,) = plan(minio={"pools": [{"nodes": 4}]}).minio.pools
    assert pool.source == "http://minio-{1...4}:9000/data"


def test_a_second_pool_counts_on() -> None:
    pools = plan(minio={"pools": [{"nodes": 1}, {"nodes": 4}]}).minio.pools
    assert [pool.source for pool in pools] == [
        "http://minio-1:9000/data/d{1...4}",
        "http://minio-{2...5}:9000/data",
    ]


def test_dev_has_plain_names_and_others_a_prefix() -> None:
    assert plan("dev").citus.coordinator.name == "citus-coordinator"
    assert plan("lab").citus.coordinator.name == "lab-citus-coordinator"
    assert plan("lab", minio={"pools": [{"nodes": 4}]}).minio.pools[0].source == (
        "http://lab-minio-{1...4}:9000/data"
    )


@given(pools=POOLS)
def test_every_node_has_a_name_of_its_own(pools: list[dict[str, int]]) -> None:
    nodes = [node for pool in plan(minio={"pools": pools}).minio.pools for node in pool.nodes]
    assert [node.ordinal for node in nodes] == list(range(1, len(nodes) + 1))
    assert len({node.name for node in nodes}) == sum(pool["nodes"] for pool in pools)


@given(pools=POOLS, added=st.integers(2, 16))
def test_a_new_pool_leaves_the_others_where_they_are(
    pools: list[dict[str, int]], added: int
) -> None:
    before = plan(minio={"pools": pools}).minio.pools
    after = plan(minio={"pools": [*pools, {"nodes": added}]}).minio.pools
    assert [pool.nodes for pool in after[:-1]] == [pool.nodes for pool in before]
    if len(pools) > 1:
        assert [pool.source for pool in after[:-1]] == [pool.source for pool in before]


@given(workers=st.integers(1, 50), change=st.integers(-10, 10))
def test_workers_come_and_go_at_the_end(workers: int, change: int) -> None:
    before = plan(citus={"workers": workers}).citus.workers
    after = plan(citus={"workers": max(1, workers + change)}).citus.workers
    shared = min(len(before), len(after))
    assert before[:shared] == after[:shared]


def test_projects() -> None:
    (shop,) = plan(
        protect=True,
        projects={"shop": {"buckets": {"uploads": {"quota_gb": 2, "versioning": True}}}},
    ).projects
    assert (shop.database, shop.protect) == ("shop", True)
    (bucket,) = shop.buckets
    assert (bucket.full_name, bucket.quota_bytes) == ("shop-uploads", 2 * 1024**3)


def test_a_project_can_give_up_its_protection() -> None:
    (shop,) = plan(protect=True, projects={"shop": {"protect": False}}).projects
    assert not shop.protect


def test_prod_is_protected_unless_it_says_otherwise() -> None:
    assert plan("prod").protect
    assert not plan("prod", protect=False).protect
    assert not plan("dev").protect
