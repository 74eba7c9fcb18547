"""`Membership` without a server: its diff, its state, its plans and its words."""

import base64
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.dynamic.dynamic import serialize_provider

from components.citus import rebalance, reconcile
from components.citus.membership import Connection, MembershipProvider
from components.citus.rebalance import Job
from components.citus.reconcile import Node, plan
from components.citus.sessions import Address, CitusError, Server, is_final

PROPS: dict[str, Any] = {
    "database": "shop",
    "owner": "shop",
    "coordinator": "citus-coordinator:5432",
    "workers": ["citus-worker-1:5432", "citus-worker-2:5432"],
    "databases": ["shop"],
    "rebalance": "online",
    "ready_timeout": 120.0,
    "host": "127.0.0.1",
    "port": 5432.0,
    "user": "postgres",
    "password": "s3cret",
    "sslmode": "require",
}
W1, W2, W3 = (Address(f"citus-worker-{n}", 5432) for n in (1, 2, 3))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> MembershipProvider:
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)  # methods change it
    return MembershipProvider()


def node(address: Address, *, shards: int = 4, **other: Any) -> Node:
    return replace(
        Node(address=address, active=True, takes_shards=True, shards=shards, copies=0), **other
    )


def job(**other: Any) -> Job:
    known = Job(number=7, state="running", done=1, total=3, retries=0, message="", progress="")
    return replace(known, **other)


# -- The resource ------------------------------------------------------------------------------


def test_state_holds_a_reference_to_the_provider_not_its_code(provider: MembershipProvider) -> None:
    pickled = base64.b64decode(serialize_provider(provider))
    assert b"components.citus.membership" in pickled
    assert b"MembershipProvider" in pickled
    assert len(pickled) < 100
    assert not provider.serialize_as_secret_always


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({}, False),
        ({"workers": ["citus-worker-2:5432", "citus-worker-1:5432"]}, False),
        ({"workers": ["citus-worker-1:5432"]}, True),
        ({"password": "another"}, True),
        ({"owner": "another"}, True),
        ({"coordinator": "another:5432"}, True),
        ({"containers": ["another"]}, True),
        ({"databases": ["shop", "blog"]}, False),
        ({"rebalance": "block_writes"}, False),
        ({"ready_timeout": 5.0}, False),
        ({"workers": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}, True),  # not known yet
    ],
)
def test_diff(provider: MembershipProvider, change: dict[str, Any], changes: bool) -> None:
    assert provider.diff("shop", PROPS, {**PROPS, **change}).changes == changes


def test_a_database_is_not_renamed(provider: MembershipProvider) -> None:
    with pytest.raises(ValueError, match="'shop' cannot be renamed to 'store'"):
        provider.diff("shop", PROPS, {**PROPS, "database": "store"})


def test_read_gives_the_actual_members_in_the_order_of_the_list(
    provider: MembershipProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "members", lambda *_: [W3, W2])
    result = provider.read("shop", PROPS)
    assert result.id == "shop"
    assert result.outs is not None
    assert result.outs["workers"] == ["citus-worker-2:5432", "citus-worker-3:5432"]


def test_read_of_a_dropped_database_says_that_it_is_gone(
    provider: MembershipProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "members", lambda *_: None)
    assert not provider.read("shop", PROPS).id


def test_read_raises_when_the_coordinator_does_not_answer(provider: MembershipProvider) -> None:
    with pytest.raises(
        RuntimeError, match=r"database shop: the coordinator at 127\.0\.0\.1:1 does"
    ):
        provider.read("shop", {**PROPS, "port": 1.0})


def test_errors_name_the_database_and_hide_the_password(provider: MembershipProvider) -> None:
    with pytest.raises(RuntimeError, match="database shop: ") as caught:
        provider.create({**PROPS, "port": 1.0, "ready_timeout": 0.0})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_passwords_are_in_no_repr() -> None:
    connection = Connection(host="h", port=1, user="u", password="s3cret")
    server = Server(host="h", port=1, user="u", password="s3cret", sslmode="require")
    assert "s3cret" not in f"{connection!r} {server!r}"


# -- Plans -------------------------------------------------------------------------------------


def test_first_workers_join_and_nothing_moves() -> None:
    change = plan([W1, W2], [])
    assert change.joining == [W1, W2]
    assert not (change.fills or change.drains or change.leaving)


def test_a_joining_worker_gets_shards() -> None:
    change = plan([W1, W2, W3], [node(W1), node(W2)])
    assert (change.joining, change.fills, change.drains) == ([W3], True, False)


def test_a_worker_left_empty_by_a_killed_run_gets_shards() -> None:
    change = plan([W1, W2], [node(W1), node(W2, shards=0)])
    assert (change.joining, change.fills) == ([], True)


def test_a_worker_left_in_mid_drain_takes_shards_again() -> None:
    half_drained = node(W2, takes_shards=False)
    change = plan([W1, W2], [node(W1), half_drained])
    assert (change.resuming, change.fills) == ([half_drained], True)


def test_a_worker_that_leaves_is_drained() -> None:
    change = plan([W1], [node(W1), node(W2)])
    assert ([n.address for n in change.leaving], change.drains, change.fills) == ([W2], True, False)


def test_a_worker_without_shards_leaves_without_a_drain() -> None:
    assert not plan([W1], [node(W1), node(W2, shards=0, copies=3)]).drains


@given(
    st.lists(st.sampled_from([W1, W2, W3]), unique=True),
    st.lists(st.sampled_from([W1, W2, W3]), unique=True),
)
def test_a_plan_leads_to_the_wanted_workers(wanted: list[Address], now: list[Address]) -> None:
    change = plan(wanted, [node(address) for address in now])
    leaving = {n.address for n in change.leaving}
    assert (set(now) | set(change.joining)) - leaving == set(wanted)
    assert not leaving & set(change.joining)


# -- Words -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["citus-worker-1", ":5432", "host:", "host:port"])
def test_address_needs_host_and_port(text: str) -> None:
    with pytest.raises(CitusError, match="host:port"):
        Address.parse(text)


def test_address_is_written_as_it_is_read() -> None:
    assert str(Address.parse("10.0.1.10:5432")) == "10.0.1.10:5432"


@pytest.mark.parametrize(
    ("message", "final"),
    [
        ('FATAL:  password authentication failed for user "postgres"', True),
        ('FATAL:  database "shop" does not exist', True),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  sorry, too many clients already", False),
        ("connection refused", False),
        ("server closed the connection unexpectedly", False),
        ('could not translate host name "citus-worker-1" to address', False),
    ],
)
def test_only_a_running_server_refuses_for_good(message: str, final: bool) -> None:
    assert is_final(message) is final


@pytest.mark.parametrize(
    ("seen", "idle", "words"),
    [
        (job(), 10, None),
        (job(retries=2, message="no"), 50, None),
        (job(retries=3, message="no slot"), 0, "3 times: no slot"),
        (job(state="scheduled"), 121, "max_worker_processes"),
        (job(state="running"), 121, None),
        (job(state="running"), 601, "pg_stat_activity"),
    ],
)
def test_a_job_that_will_not_end_is_found(seen: Job, idle: float, words: str | None) -> None:
    problem = rebalance._problem(seen, idle)
    assert (problem is None) if words is None else (words in str(problem))


def test_a_job_is_read_from_citus_details() -> None:
    details = {
        "task_state_counts": {"done": 5, "blocked": 6, "runnable": 1},
        "tasks": [
            {"task_id": 1, "state": "running", "retried": 0, "message": None, "phase": "Copying"},
            {"task_id": 2, "state": "runnable", "retried": 2, "message": "ERROR:  full\nreally"},
        ],
    }
    seen = rebalance._job(3, "running", details)
    assert (seen.done, seen.total, seen.retries) == (5, 12, 2)
    assert seen.message == "ERROR: full really"


def test_progress_goes_on_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    rebalance.say("shop: moved 1 of 2 shards")
