"""What the weekly review advises: vertical first, then horizontal, and nothing in vain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.advice import GIB, VOLUMES, Advice, advise
from config.change import Change, changed
from config.cost import Prices
from config.offer import ExistingServer, Offer, ServerType, SshKey, offer_problems
from config.plan import make_plan
from config.problems import ConfigError
from config.settings import Settings, parse_settings
from config.week import ContainerWeek, DatabaseWeek, DiskWeek, HostWeek, StorageWeek, Use, Week

SIZES = {
    "cx33": (4, 8, 80, "5.49"),
    "cx43": (8, 16, 160, "9.49"),
    "cx53": (16, 32, 320, "17.49"),
    "cpx42": (8, 16, 320, "19.99"),
    "cax31": (8, 16, 160, "12.49"),
    "ccx23": (4, 16, 160, "24.49"),
    "ccx33": (8, 32, 240, "48.49"),
    "ccx43": (16, 64, 360, "96.49"),
}
"""Cores, memory and disk in GB, euros a month."""


def offer_of(*names: str, servers: Sequence[ExistingServer] = ()) -> Offer:
    return Offer(
        locations={"fsn1": "eu-central"},
        server_types=[
            ServerType(
                name=name,
                cores=cores,
                memory_gb=memory,
                disk_gb=disk,
                architecture="arm" if name.startswith("cax") else "x86",
                locations={"fsn1": name in names},
                monthly_price={"fsn1": Decimal(price)},
            )
            for name, (cores, memory, disk, price) in SIZES.items()
        ],
        ssh_keys=[SshKey(id=1, name="laptop", public_key="ssh-ed25519 bGFwdG9w", labels={})],
        servers=servers,
    )


OFFER = offer_of(*SIZES)
PRICES = Prices(
    currency="EUR",
    server={name: {"fsn1": Decimal(price)} for name, (*_, price) in SIZES.items()},
    volume_gb_month=Decimal("0.044"),
    primary_ip_month={"fsn1": Decimal("0.50")},
)
HETZNER: Mapping[str, Any] = {
    "provider": "hetzner",
    "token": "t",
    "location": "fsn1",
    "admin_cidrs": ["203.0.113.7/32"],
    "ssh_keys": ["laptop"],
    "main": {"server_type": "ccx23", "volume_gb": 100},
    "data": {"server_type": "ccx23", "volume_gb": 500},
}
PROD: Mapping[str, Any] = {
    "hosts": HETZNER,
    "minio": {"pools": [{"nodes": 4}], "memory_mb": 4096, "cpus": 2},
    "citus": {
        "workers": 4,
        "coordinator": {"memory_mb": 8192, "cpus": 4},
        "worker": {"memory_mb": 8192, "cpus": 4},
    },
    "monitoring": {"enabled": True},
    "projects": {"shop": {}},
}
SMALL: Mapping[str, Any] = {
    "hosts": {**HETZNER, "main": {"server_type": "cx43", "volume_gb": 200}, "data": None},
    "citus": {"workers": 2, "worker": {"memory_mb": 3072, "cpus": 4}},
    "monitoring": {"enabled": True},
}
DEV: Mapping[str, Any] = {"monitoring": {"enabled": True}}


def use(busy: float, worst: float | None = None) -> Use:
    return Use(busy=busy, worst=busy if worst is None else worst)


def host(
    name: str,
    *,
    cores: int = 4,
    cpu: float = 0.2,
    gb: float = 15.6,
    memory: float = 2,
    disks: Sequence[DiskWeek] = (),
) -> HostWeek:
    """A host, idle if not told otherwise; memory in GiB."""
    return HostWeek(
        name=name,
        cores=cores,
        cpu=use(cpu),
        memory_size=gb * GIB,
        memory=use(memory * GIB),
        disks=disks,
    )


def disk(size: float, used: float, growth: float = 0, mountpoint: str = VOLUMES) -> DiskWeek:
    """A disk, in GiB."""
    return DiskWeek(mountpoint=mountpoint, size=size * GIB, used=used * GIB, growth=growth * GIB)


def container(name: str, *, cpu: float = 0, memory: float = 0) -> ContainerWeek:
    """A container; memory in MiB."""
    return ContainerWeek(name=name, cpu=use(cpu), memory=use(memory * 1024**2))


def week(
    *hosts: HostWeek,
    days: float = 7,
    containers: Sequence[ContainerWeek] = (),
    storage: StorageWeek | None = None,
    databases: Sequence[DatabaseWeek] = (),
) -> Week:
    return Week(
        days=days,
        hosts=hosts,
        containers=containers,
        storage=storage,
        databases=databases,
        alerts=(),
    )


def prod_week(*busy: HostWeek, containers: Sequence[ContainerWeek] = ()) -> Week:
    """A week of prod in which only some hosts did something."""
    hosts = {name: host(name) for name in ("main", "data-1", "data-2", "data-3", "data-4")}
    return week(*(hosts | {one.name: one for one in busy}).values(), containers=containers)


def values(advice: Sequence[Advice]) -> dict[str, Any]:
    return {change.path: change.value for one in advice for change in one.changes}


def of(raw: Mapping[str, Any], **sections: Any) -> Settings:
    return parse_settings({**raw, **sections})


# Nothing to do.


@pytest.mark.parametrize("raw", [PROD, SMALL, DEV])
def test_an_idle_stack_needs_nothing(raw: Mapping[str, Any]) -> None:
    plan = make_plan(of(raw), "prod")
    names = {node.host for node in (*plan.minio.nodes, *plan.citus.nodes)}
    hosts = (host(name, disks=[disk(490, 10)]) for name in sorted(names))
    assert advise(week(*hosts), of(raw), "prod", OFFER, PRICES) == ()


def test_a_short_peak_is_no_reason() -> None:
    peak = replace(host("main"), cpu=use(1.0, worst=4.0))
    assert advise(prod_week(peak), of(PROD), "prod", OFFER, PRICES) == ()


def test_a_few_hours_are_no_week() -> None:
    first = replace(prod_week(host("main", cpu=4)), days=0.9)
    assert advise(first, of(PROD), "prod", OFFER, PRICES) == ()


def test_exactly_the_threshold_is_not_above_it() -> None:
    assert advise(prod_week(host("main", cpu=3.2)), of(PROD), "prod", OFFER, PRICES) == ()


def test_what_the_config_has_changed_already_is_not_advised_again() -> None:
    hosts = {**HETZNER, "data": {"server_type": "ccx33", "volume_gb": 1000}}
    full = host("data-1", cpu=4, memory=15, disks=[disk(490, 480)])
    assert advise(prod_week(full), of(PROD, hosts=hosts), "prod", OFFER, PRICES) == ()


# Vertical.


def test_a_busy_server_of_applications_becomes_larger_and_nothing_else_is_advised() -> None:
    raw = {
        **PROD,
        "hosts": {**HETZNER, "apps": {"server_type": "ccx23", "volume_gb": 50}},
        "dokploy": {"enabled": True},
    }
    (one,) = advise(prod_week(host("apps", cpu=3.9)), of(raw), "prod", OFFER, PRICES)
    assert [change.command("prod") for change in one.changes] == [
        "pulumi config set --stack prod --path 'arquitectura:hosts.apps.server_type' ccx33",
    ]
    assert one.what == "CPUs of the applications' server"
    largest = offer_of("ccx23")
    (one,) = advise(prod_week(host("apps", cpu=3.9)), of(raw), "prod", largest, PRICES)
    assert not one.changes


def test_busy_data_servers_become_the_next_larger_type_of_the_same_kind() -> None:
    busy = host("data-2", cpu=3.9)
    (one,) = advise(prod_week(busy), of(PROD), "prod", OFFER, PRICES)
    # The limit that was the whole server's follows; the others stay.
    assert [change.command("prod") for change in one.changes] == [
        "pulumi config set --stack prod --path 'arquitectura:hosts.data.server_type' ccx33",
        "pulumi config set --stack prod --path 'arquitectura:citus.worker.cpus' 8",
    ]
    assert one.what == "CPUs of the data servers"
    assert one.reason == (
        "data-2: CPUs in use for 1 % of the time: 3.9 cores of 4.0 cores (98 %) or more; at worst "
        "3.9 cores."
    )
    assert (one.extra, one.currency) == (Decimal("96.00"), "EUR")  # four times the difference


def test_one_type_for_all_that_a_server_lacks() -> None:
    busy = host("main", cpu=3.9, memory=30, gb=31)
    hosts = {**HETZNER, "main": {"server_type": "ccx33", "volume_gb": 100}}
    (one,) = advise(
        prod_week(replace(busy, cores=8, cpu=use(7.9))), of(PROD, hosts=hosts), "prod", OFFER
    )
    assert one.what == "CPUs and memory of the main server"
    assert one.changes == (Change(path="hosts.main.server_type", value="ccx43"),)


def test_a_shared_type_becomes_a_dedicated_one_when_its_kind_ends() -> None:
    settings = of(SMALL, hosts={**SMALL["hosts"], "main": {"server_type": "cx53"}})
    busy = host("main", cores=16, cpu=15, gb=31)
    larger = replace(
        offer_of("cx53", "ccx43"),
        server_types=[
            replace(kind, cores=32) if kind.name == "ccx43" else kind
            for kind in offer_of("cx53", "ccx43").server_types
        ],
    )
    assert values(advise(week(busy), settings, "small", larger)) == {
        "hosts.main.server_type": "ccx43"
    }


def test_a_type_that_is_sold_out_is_passed_over() -> None:
    there = [
        ExistingServer(
            name=f"prod-{name}",
            status="running",
            ipv4="192.0.2.1",
            type="ccx23",
            disk_gb=160,
            volume_gb=500,
        )
        for name in ("main", "data-1", "data-2", "data-3", "data-4")
    ]
    without = offer_of("ccx23", "ccx43", servers=there)
    advice = advise(prod_week(host("main", cpu=3.9)), of(PROD), "prod", without)
    assert values(advice)["hosts.main.server_type"] == "ccx43"


def test_a_limit_grows_where_the_server_has_room() -> None:
    full = container("prod-citus-worker-3", memory=7500, cpu=1)
    (one,) = advise(prod_week(containers=[full]), of(PROD), "prod", OFFER, PRICES)
    # Half as much again would not fit beside MinIO's 4096; what is needed does.
    assert one.changes == (Change(path="citus.worker.memory_mb", value=9472),)
    assert one.extra == 0


def test_a_limit_that_does_not_fit_takes_a_larger_server_with_it() -> None:
    full = container("prod-citus-worker-3", memory=8100, cpu=1)
    settings = of(PROD, minio={**PROD["minio"], "memory_mb": 6656})
    (one,) = advise(prod_week(containers=[full]), settings, "prod", OFFER, PRICES)
    assert one.changes == (
        Change(path="hosts.data.server_type", value="ccx33"),
        Change(path="citus.worker.memory_mb", value=12288),
    )
    assert one.extra == Decimal("96.00")


def test_limits_on_a_laptop_grow_as_far_as_the_machine_goes() -> None:
    busy = container("citus-worker-1", memory=1000, cpu=1.9)
    advice = advise(week(host("local"), containers=[busy]), of(DEV), "dev")
    assert values(advice) == {"citus.worker.memory_mb": 1536, "citus.worker.cpus": 3}
    tiny = host("local", cores=2, gb=3.9)
    memory, cpus = advise(week(tiny, containers=[busy]), of(DEV), "dev")
    assert (cpus.changes, memory.changes) == ((), ())
    assert "move to a server (Pulumi.small.yaml)" in cpus.reason


def test_a_volume_has_room_for_its_growth() -> None:
    full = host("data-1", disks=[disk(490, 300, growth=20)])
    (one,) = advise(prod_week(full), of(PROD), "prod", OFFER, PRICES)
    # 28 days more are 860 GiB, below 80 %.
    assert one.changes == (Change(path="hosts.data.volume_gb", value=1080),)
    assert one.extra == Decimal("0.044") * 580 * 4
    assert one.reason == (
        "data-1: 300.0 GiB of 490.0 GiB are used at /var/lib/docker/volumes (61 %), "
        "+20.0 GiB a day: above 80 % within a week."
    )


def test_the_main_servers_disk_has_the_threshold_of_disks() -> None:
    """It has no MinIO."""
    assert advise(prod_week(host("main", disks=[disk(98, 82)])), of(PROD), "prod", OFFER) == ()
    advice = advise(prod_week(host("main", disks=[disk(98, 84)])), of(PROD), "prod", OFFER)
    assert values(advice) == {"hosts.main.volume_gb": 150}


def test_a_full_system_disk_hides_no_full_volume() -> None:
    full = host("main", disks=[disk(160, 159, mountpoint="/"), disk(98, 90)])
    volume, system = advise(prod_week(full), of(PROD), "prod", OFFER)
    assert values([volume]) == {"hosts.main.volume_gb": 150}
    assert system.changes == ()


def test_a_server_that_leaves_needs_nothing() -> None:
    measured = prod_week(host("data-4", cpu=4))
    fewer = of(PROD, minio={"pools": [{"nodes": 1}]}, citus={"workers": 1})
    assert advise(measured, fewer, "prod", OFFER) == ()


# Horizontal.

LARGEST: Mapping[str, Any] = {
    **PROD,
    "hosts": {**HETZNER, "data": {"server_type": "ccx43", "volume_gb": 500}},
}


def test_a_worker_when_there_is_no_larger_type() -> None:
    busy = host("data-1", cores=16, cpu=15, gb=63)
    (one,) = advise(prod_week(busy), of(LARGEST), "prod", OFFER, PRICES)
    assert one.changes == (Change(path="citus.workers", value=5),)
    assert one.extra == Decimal("96.49") + 22 + Decimal("0.50")


def test_a_pool_when_it_is_minio_that_works() -> None:
    busy = host("data-1", cores=16, cpu=15, gb=63)
    containers = [container("prod-minio-1", cpu=1.5), container("prod-citus-worker-1", cpu=1)]
    advice = advise(prod_week(busy, containers=containers), of(LARGEST), "prod", OFFER)
    assert values(advice) == {"minio.pools[1].nodes": 4}


def test_a_pool_when_the_volumes_cannot_grow() -> None:
    hosts = {**HETZNER, "data": {"server_type": "ccx23", "volume_gb": 10240}}
    full = replace(
        prod_week(host("data-1", disks=[disk(10200, 9000)])),
        storage=StorageWeek(
            size=3e13, used=2.7e13, growth=0, requests=1, most_requests=2, errors=0
        ),
    )
    assert values(advise(full, of(PROD, hosts=hosts), "prod", OFFER)) == {"minio.pools[1].nodes": 4}


def test_one_server_becomes_two() -> None:
    busy = host("main", cores=8, cpu=8)
    (one,) = advise(week(busy), of(SMALL), "small", offer_of("cx33", "cx43"), PRICES)
    assert values([one]) == {
        "hosts.main.citus_workers": 2,
        "hosts.main.minio_nodes": 1,
        "hosts.data.server_type": "cx43",
        "hosts.data.volume_gb": 200,
        "citus.workers": 3,
    }
    assert one.extra == Decimal("9.49") + Decimal("8.80") + Decimal("0.50")


def test_a_coordinator_cannot_be_divided() -> None:
    hosts = {**HETZNER, "main": {"server_type": "ccx43", "volume_gb": 100}}
    busy = host("main", cores=16, cpu=16, gb=63)
    (one,) = advise(prod_week(busy), of(PROD, hosts=hosts), "prod", OFFER)
    assert one.changes == ()
    assert "no larger server type" in one.reason


# What is not known.


def test_without_hetzners_list_the_type_is_the_readers_choice() -> None:
    (one,) = advise(prod_week(host("data-1", cpu=4)), of(PROD), "prod")
    assert one.changes == ()
    assert "Choose a larger hosts.data.server_type" in one.reason


def test_without_prices_there_is_no_cost() -> None:
    (one,) = advise(prod_week(host("data-1", cpu=4)), of(PROD), "prod", OFFER)
    assert (one.extra, one.total) == (None, None)


def test_a_disk_that_no_setting_enlarges() -> None:
    full = host("main", disks=[disk(160, 155, mountpoint="/")])
    (one,) = advise(prod_week(full), of(PROD), "prod", OFFER)
    assert one.changes == ()
    assert "docker system df" in one.reason


# Settings.


def test_a_change_makes_what_is_missing_on_its_way() -> None:
    after = changed(
        of(SMALL),
        [
            Change(path="hosts.main.minio_nodes", value=1),
            Change(path="hosts.data.server_type", value="cx43"),
            Change(path="minio.pools[0].nodes", value=1),
            Change(path="minio.pools[1].nodes", value=4),
        ],
    )
    assert [pool.nodes for pool in after.minio.pools] == [1, 4]


def test_the_token_survives_a_change() -> None:
    after = changed(of(PROD), [Change(path="citus.workers", value=5)])
    assert after.hosts.token.get_secret_value() == "t"  # type: ignore[union-attr]
    assert after == of(PROD, citus={**PROD["citus"], "workers": 5})


def test_a_change_that_is_not_valid_is_refused() -> None:
    with pytest.raises(ConfigError, match="too small"):
        changed(of(PROD), [Change(path="citus.workers", value=0)])


# Whatever was measured.

PERCENT = st.integers(0, 100)


@st.composite
def any_weeks(draw: st.DrawFn) -> tuple[Settings, str, Offer, Week]:
    """A stack, what Hetzner has at present, and a week."""
    raw, stack = draw(st.sampled_from([(PROD, "prod"), (LARGEST, "prod"), (SMALL, "small")]))
    settings = of(raw)
    plan = make_plan(settings, stack)
    assert plan.hetzner
    hosts, containers = [], []
    for server in plan.hetzner.servers:
        cores, memory, *_ = SIZES[server.server_type]
        size = (server.volume_gb or 0) * 0.98
        hosts.append(
            host(
                server.name,
                cores=cores,
                cpu=cores * draw(PERCENT) / 100,
                gb=memory * 0.97,
                memory=memory * 0.97 * draw(PERCENT) / 100,
                disks=[disk(size, size * draw(PERCENT) / 100, draw(st.integers(-50, 50)))],
            )
        )
    for node in (*plan.minio.nodes, *plan.citus.nodes):
        if draw(st.booleans()):
            containers.append(
                container(
                    node.name,
                    cpu=node.cpus * draw(PERCENT) / 100,
                    memory=node.memory_mb * draw(PERCENT) / 100,
                )
            )
    there = [
        ExistingServer(
            name=server.full_name,
            status="running",
            ipv4="192.0.2.1",
            type=server.server_type,
            disk_gb=40,
            volume_gb=server.volume_gb or 0,
        )
        for server in plan.hetzner.servers
    ]
    sold = draw(st.sets(st.sampled_from(sorted(SIZES))))
    return settings, stack, offer_of(*sold, servers=there), week(*hosts, containers=containers)


def setting(settings: Settings, path: str) -> Any:
    """The value of a setting; None where there is none."""
    value: Any = settings
    for key in path.replace("[", ".").replace("]", "").split("."):
        if value is None or (key.isdigit() and int(key) >= len(value)):
            return None
        value = value[int(key)] if key.isdigit() else getattr(value, key)
    return value


def larger_types(settings: Settings, role: str, offer: Offer) -> list[ServerType]:
    """Those of the same kind, with more of everything, that can be had."""
    now = offer.server_type(setting(settings, f"hosts.{role}.server_type"))
    assert now
    return [
        kind
        for kind in offer.server_types
        if kind.name.rstrip("0123456789") == now.name.rstrip("0123456789")
        and kind.cores > now.cores
        and kind.memory_gb > now.memory_gb
        and kind.locations["fsn1"]
    ]


@given(any_weeks())
def test_nothing_becomes_smaller(case: tuple[Settings, str, Offer, Week]) -> None:
    settings, stack, offer, measured = case
    for path, value in values(advise(measured, settings, stack, offer, PRICES)).items():
        before = setting(settings, path)
        if path.endswith("server_type"):
            old = offer.server_type(before or "")
            new = offer.server_type(value)
            assert new
            assert old is None or (new.cores >= old.cores and new.memory_gb >= old.memory_gb)
        elif before is not None:
            assert value > before


@given(any_weeks())
def test_each_setting_changes_once_and_the_whole_can_be_had(
    case: tuple[Settings, str, Offer, Week],
) -> None:
    settings, stack, offer, measured = case
    changes = [
        change for one in advise(measured, settings, stack, offer, PRICES) for change in one.changes
    ]
    assert set(Counter(change.path for change in changes).values()) <= {1}
    plan = make_plan(changed(settings, changes), stack)
    assert not list(offer_problems(plan, offer))


@given(any_weeks())
def test_a_node_is_added_only_when_no_larger_server_is_to_be_had(
    case: tuple[Settings, str, Offer, Week],
) -> None:
    settings, stack, offer, measured = case
    for one in advise(measured, settings, stack, offer, PRICES):
        paths = {change.path for change in one.changes}
        if paths & {"citus.workers", "minio.pools[1].nodes"} and not one.what.startswith("disk"):
            role = "data" if stack == "prod" and not one.what.endswith("main server") else "main"
            assert not larger_types(settings, role, offer)


@given(any_weeks())
def test_what_is_above_its_threshold_is_spoken_of(case: tuple[Settings, str, Offer, Week]) -> None:
    settings, stack, offer, measured = case
    advice = advise(measured, settings, stack, offer, PRICES)
    for one in measured.hosts:
        people = "main server" if one.name == "main" else "data servers"
        if one.cpu.busy > 0.8 * one.cores:
            assert any("CPUs" in a.what and people in a.what for a in advice)


@given(any_weeks())
def test_quiet_weeks_have_no_advice(case: tuple[Settings, str, Offer, Week]) -> None:
    settings, stack, offer, measured = case
    quiet = replace(
        measured,
        hosts=[
            replace(h, cpu=use(h.cores * 0.5), memory=use(h.memory_size * 0.5), disks=())
            for h in measured.hosts
        ],
        containers=(),
    )
    assert advise(quiet, settings, stack, offer, PRICES) == ()
