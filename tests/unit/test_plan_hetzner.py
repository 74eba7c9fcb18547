"""The plan of a stack on servers: what stands where, for any valid settings."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.plan import (
    CONSOLE_PORT,
    GROUP_SIZE,
    MAIN,
    HetznerPlan,
    MinioPoolPlan,
    Plan,
    ServerPlan,
    make_plan,
)
from config.settings import MAX_SERVERS, parse_settings
from tests.committed import committed, on_servers

MAIN_SERVER = {"server_type": "cx43"}
DATA_SERVERS = {"server_type": "cx33", "volume_gb": 20}


def plan(stack: str = "prod", **sections: Any) -> Plan:
    return make_plan(parse_settings(sections), stack)


def on(main: dict[str, Any], data: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """The section `hosts`."""
    hosts = on_servers("small", main={**MAIN_SERVER, **main}, data=data, **others)["hosts"]
    assert isinstance(hosts, dict)
    return hosts


def servers(plan: Plan) -> tuple[ServerPlan, ...]:
    return hetzner(plan).servers


def hetzner(plan: Plan) -> HetznerPlan:
    assert plan.hetzner
    return plan.hetzner


@st.composite
def sections(draw: st.DrawFn, *, several: bool = True) -> dict[str, Any]:
    """Configs of stacks on one server, or with `several` on more."""
    workers = draw(st.integers(1, 50))
    # A single node of one drive could not grow.
    first = {"nodes": 1} if not several else {"nodes": draw(st.sampled_from([1, 2, 4, 6, 16]))}
    pools = [first]
    main: dict[str, Any] = {}
    if several:
        pools += [{"nodes": n} for n in draw(st.lists(st.sampled_from([2, 4, 8]), max_size=3))]
        main |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "citus_workers": st.integers(0, workers + 1),
                    "minio_nodes": st.integers(0, 1),
                },
            )
        )
    return {
        "hosts": on(
            main,
            DATA_SERVERS if several else None,
            network_cidr=draw(st.sampled_from(["10.0.0.0/16", "172.16.0.0/16", "192.168.0.0/16"])),
        ),
        "minio": {"pools": pools},
        "citus": {"workers": workers},
    }


ANY = st.one_of(sections(several=False), sections())


def where(plan: Plan) -> dict[str, str]:
    """The server, address and port of each node."""
    nodes = (*plan.minio.nodes, *plan.citus.nodes)
    return {
        node.name.removeprefix("prod-"): f"{node.host} {node.address}:{node.port}" for node in nodes
    }


# -- The sizes ---------------------------------------------------------------------------------


def test_large() -> None:
    large = plan(**{**on_servers("prod"), "monitoring": {}})
    assert where(large) == {
        "minio-1": "data-1 10.0.1.11:9000",
        "minio-2": "data-2 10.0.1.12:9000",
        "minio-3": "data-3 10.0.1.13:9000",
        "minio-4": "data-4 10.0.1.14:9000",
        "citus-coordinator": "main 10.0.1.10:5432",
        "citus-worker-1": "data-1 10.0.1.11:5432",
        "citus-worker-2": "data-2 10.0.1.12:5432",
        "citus-worker-3": "data-3 10.0.1.13:5432",
        "citus-worker-4": "data-4 10.0.1.14:5432",
    }
    assert [pool.source for pool in large.minio.pools] == ["http://10.0.1.{11...14}:9000/data"]
    assert [server.full_name for server in servers(large)] == [
        "prod-main",
        *(f"prod-data-{number}" for number in (1, 2, 3, 4)),
    ]
    main, *data = servers(large)
    assert (main.role, main.server_type, main.volume_gb) == ("main", "ccx23", 100)
    assert {(one.role, one.server_type, one.volume_gb) for one in data} == {("data", "ccx23", 500)}
    assert all(server.holds_data for server in servers(large))
    assert loads(main) == {"edge": 256, "prod-citus-coordinator": 8192, "dokploy": 2048}
    assert loads(data[0]) == {"prod-citus-worker-1": 8192, "prod-minio-1": 4096}
    assert large.protect


def test_small() -> None:
    small = plan("small", **{**on_servers("small"), "monitoring": {}})
    (main,) = servers(small)
    assert (main.full_name, main.role, main.server_type) == ("small-main", "main", "cx43")
    assert (main.private_ip, main.volume_gb, main.holds_data) == ("10.0.1.10", 200, True)
    assert loads(main) == {
        "edge": 256,
        "small-citus-coordinator": 3072,
        "small-citus-worker-1": 3072,
        "small-citus-worker-2": 3072,
        "small-minio-1": 2048,
        "dokploy": 2048,
    }
    assert [node.port for node in small.citus.nodes] == [5432, 5433, 5434]
    assert [pool.source for pool in small.minio.pools] == ["/data/d{1...4}"]
    assert small.protect


def test_applications_may_have_a_server_of_their_own() -> None:
    sections = on_servers("prod", apps={"server_type": "cx33", "volume_gb": 50})
    apart = plan(**sections)
    *others, apps = servers(apart)
    assert [server.name for server in others] == [
        s.name for s in servers(plan(**on_servers("prod")))
    ]
    assert (apps.name, apps.full_name, apps.role) == ("apps", "prod-apps", "apps")
    assert (apps.server_type, apps.volume_gb, apps.holds_data) == ("cx33", 50, True)
    # Before the addresses of all data servers that may come, and in no group that grows with them.
    assert (apps.private_ip, apps.group) == ("10.0.1.9", None)
    assert loads(apps)["dokploy"] == 2048
    assert "dokploy" not in loads(others[0])
    assert any(name.startswith("node-exporter") for name in loads(apps))
    assert apart.dokploy
    assert (apart.dokploy.address, apart.dokploy.beside_edge) == ("10.0.1.9", False)


def test_the_development_size_is_dev_on_one_server() -> None:
    hosts = {**on({}), "main": {"server_type": "cx33"}}
    development = plan("dev", **{**committed("dev"), "hosts": hosts})
    (main,) = servers(development)
    assert main.full_name == "dev-main"
    assert loads(main).keys() == {
        "edge",
        "citus-coordinator",
        "citus-worker-1",
        "citus-worker-2",
        "minio-1",
    }
    assert sum(loads(main).values()) < 8 * 1024 - 512
    assert not development.protect


def test_some_workers_on_main_and_the_others_on_servers_of_their_own() -> None:
    mixed = plan(
        hosts=on({"citus_workers": 2}, DATA_SERVERS),
        minio={"pools": [{"nodes": 4}]},
        citus={"workers": 4},
    )
    assert where(mixed) == {
        "minio-1": "data-1 10.0.1.11:9000",
        "minio-2": "data-2 10.0.1.12:9000",
        "minio-3": "data-3 10.0.1.13:9000",
        "minio-4": "data-4 10.0.1.14:9000",
        "citus-coordinator": "main 10.0.1.10:5432",
        "citus-worker-1": "main 10.0.1.10:5433",
        "citus-worker-2": "main 10.0.1.10:5434",
        "citus-worker-3": "data-1 10.0.1.11:5432",
        "citus-worker-4": "data-2 10.0.1.12:5432",
    }
    assert len(servers(mixed)) == 5


def loads(server: ServerPlan) -> dict[str, int]:
    """MiB of each container."""
    return {load.name: load.memory_mb for load in server.loads}


def test_a_network_of_another_range() -> None:
    other = hetzner(plan(hosts=on({}, network_cidr="192.168.0.0/16")))
    assert (other.network_cidr, other.subnet_cidr) == ("192.168.0.0/16", "192.168.1.0/24")
    assert other.servers[0].private_ip == "192.168.1.10"


def test_as_many_servers_as_a_network_takes() -> None:
    most = plan(hosts=on({}, DATA_SERVERS), citus={"workers": MAX_SERVERS - 1})
    assert len(servers(most)) == MAX_SERVERS
    assert servers(most)[-1].private_ip == "10.0.1.109"


def test_a_laptop_has_no_servers() -> None:
    assert plan("dev").hetzner is None


# -- For any settings --------------------------------------------------------------------------


@given(sections=ANY)
def test_names_and_addresses_are_given_once(sections: dict[str, Any]) -> None:
    made = plan(**sections)
    nodes = [*made.minio.nodes, *made.citus.nodes]
    assert len({node.name for node in nodes}) == len(nodes) == len(made.placement)
    for names in (
        [server.name for server in servers(made)],
        [server.full_name for server in servers(made)],
        [server.private_ip for server in servers(made)],
    ):
        assert len(set(names)) == len(names)
    subnet = IPv4Network(hetzner(made).subnet_cidr)
    assert subnet.subnet_of(IPv4Network(hetzner(made).network_cidr))
    assert all(IPv4Address(server.private_ip) in subnet for server in servers(made))


@given(sections=ANY)
def test_no_port_of_a_server_is_taken_twice(sections: dict[str, Any]) -> None:
    made = plan(**sections)
    taken = [
        *((node.address, node.port) for node in (*made.minio.nodes, *made.citus.nodes)),
        *((node.address, CONSOLE_PORT) for node in made.minio.nodes),
    ]
    assert len(set(taken)) == len(taken)
    for node in (*made.minio.nodes, *made.citus.nodes):
        assert node.published == node.port


@given(sections=ANY)
def test_a_node_has_the_address_of_its_server(sections: dict[str, Any]) -> None:
    made = plan(**sections)
    addresses = {server.name: server.private_ip for server in servers(made)}
    for node in (*made.minio.nodes, *made.citus.nodes):
        assert node.address == addresses[node.host]
    assert made.citus.coordinator.host == MAIN


@given(sections=ANY)
def test_no_two_nodes_of_minio_share_a_server(sections: dict[str, Any]) -> None:
    hosts = [node.host for node in plan(**sections).minio.nodes]
    assert len(set(hosts)) == len(hosts)


@given(sections=sections())
def test_an_argument_of_minio_names_exactly_the_nodes_of_its_pool(
    sections: dict[str, Any],
) -> None:
    pools = plan(**sections).minio.pools
    for pool in pools:
        if len(pools) > 1 or len(pool.nodes) > 1:
            assert list(named(pool)) == [node.address for node in pool.nodes]


def named(pool: MinioPoolPlan) -> Iterator[str]:
    """The addresses in a pool's argument, as MinIO expands it."""
    match = re.fullmatch(
        r"http://([\d.]+)\.(?:(\d+)|\{(\d+)\.\.\.(\d+)\}):9000/data(/d\{1\.\.\.4\})?", pool.source
    )
    assert match, pool.source
    start, only, first, last, _drives = match.groups()
    for number in range(int(only or first), int(only or last) + 1):
        yield f"{start}.{number}"


@given(sections=ANY)
def test_every_container_weighs_on_its_own_server(sections: dict[str, Any]) -> None:
    made = plan(**sections)
    nodes = {node.name: node for node in (*made.minio.nodes, *made.citus.nodes)}
    placed = [(load, server.name) for server in servers(made) for load in server.loads]
    assert sorted(load.name for load, _ in placed) == sorted([*nodes, "edge"])
    for load, server in placed:
        if load.name == "edge":
            assert server == MAIN
        else:
            node = nodes[load.name]
            assert (load.memory_mb, load.cpus, server) == (node.memory_mb, node.cpus, node.host)


@given(sections=ANY)
def test_a_server_with_workers_alone_may_go(sections: dict[str, Any]) -> None:
    made = plan(**sections)
    with_minio = {node.host for node in made.minio.nodes}
    for server in servers(made):
        assert server.holds_data == (server.name == MAIN or server.name in with_minio)


@given(sections=ANY)
def test_no_server_is_empty(sections: dict[str, Any]) -> None:
    assert all(server.loads for server in servers(plan(**sections)))


@given(sections=ANY)
def test_placement_groups_are_not_overfull(sections: dict[str, Any]) -> None:
    groups = [server.group or 0 for server in servers(plan(**sections))]
    assert max(groups.count(group) for group in groups) <= GROUP_SIZE
    assert sorted(set(groups)) == list(range(1, max(groups) + 1))


@given(sections=sections(), workers=st.integers(0, 10), pool=st.sampled_from([None, 2, 4]))
def test_growth_moves_nothing(sections: dict[str, Any], workers: int, pool: int | None) -> None:
    # How many stand on main is left as it was.
    before = plan(**sections)
    sections["citus"] = {"workers": sections["citus"]["workers"] + workers}
    if pool:
        sections["minio"] = {"pools": [*sections["minio"]["pools"], {"nodes": pool}]}
    assert_unmoved(before, plan(**sections))


@given(sections=sections(several=False), workers=st.integers(0, 10), pool=st.booleans())
def test_growth_from_one_server_to_more_moves_nothing(
    sections: dict[str, Any], workers: int, pool: bool
) -> None:
    before = plan(**sections)
    was = sections["citus"]["workers"]
    network = sections["hosts"]["network_cidr"]
    sections["hosts"] = on(
        {"citus_workers": was, "minio_nodes": 1}, DATA_SERVERS, network_cidr=network
    )
    sections["citus"] = {"workers": was + workers}
    if pool:
        sections["minio"] = {"pools": [{"nodes": 1}, {"nodes": 4}]}
    after = plan(**sections)
    assert_unmoved(before, after)
    assert len(servers(after)) == 1 + max(workers, 4 if pool else 0)


def assert_unmoved(before: Plan, after: Plan) -> None:
    """Every node and server of `before` is in `after` what it was; what is new comes last."""
    assert after.minio.nodes[: len(before.minio.nodes)] == before.minio.nodes
    assert after.citus.nodes[: len(before.citus.nodes)] == before.citus.nodes
    for was, becomes in zip(servers(before), servers(after), strict=False):
        assert (was.full_name, was.private_ip, was.group, was.role) == (
            becomes.full_name,
            becomes.private_ip,
            becomes.group,
            becomes.role,
        )
    assert before.placement.items() <= after.placement.items()


@pytest.mark.parametrize("volume", [None, 500])
def test_each_role_has_its_own_size(volume: int | None) -> None:
    data = {"server_type": "ccx33", "volume_gb": volume}
    main, *others = servers(plan(hosts=on({"volume_gb": 100}, data)))
    assert (main.server_type, main.volume_gb) == ("cx43", 100)
    assert {(server.server_type, server.volume_gb) for server in others} == {("ccx33", volume)}
