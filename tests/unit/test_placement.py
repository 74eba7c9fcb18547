"""Where data lies is remembered, and what would leave it behind is refused in the preview."""

from typing import Any

import pytest

from components.hosts.placement import PlacementProvider, check_move

BEFORE = {
    "location": "fsn1",
    "nodes": {"citus-coordinator": "main", "minio-1": "data-1", "citus-worker-1": "data-1"},
    "volumes": {"main": 100, "data-1": 500},
}


def after(**changes: Any) -> dict[str, Any]:
    """The placement with some of its entries changed or added."""
    return {
        key: {**value, **changes[key]}
        if isinstance(value, dict) and key in changes
        else changes.get(key, value)
        for key, value in BEFORE.items()
    }


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        (
            {"location": "nbg1"},
            "hosts.location is fsn1 and cannot become nbg1: volumes do not move. Set it back; for "
            "another place start a stack there and copy the data",
        ),
        (
            {"nodes": {"minio-1": "main"}},
            "minio-1 stands on data-1 and cannot move to main, where its data is not. "
            "hosts.main.citus_workers and hosts.main.minio_nodes say how many nodes stand on main: "
            "set them to what they were",
        ),
        (
            {"nodes": {"citus-worker-1": "data-2"}},
            "citus-worker-1 stands on data-1 and cannot move to data-2, where its data is not. "
            "hosts.main.citus_workers and hosts.main.minio_nodes say how many nodes stand on main: "
            "set them to what they were",
        ),
        (
            {"volumes": {"data-1": 400}},
            "data-1 has a volume of 500 GB, and volume_gb cannot become 400: a volume only grows. "
            "Set it back",
        ),
        (
            {"volumes": {"data-1": 0}},
            "data-1 has a volume of 500 GB, and volume_gb cannot become empty: a volume only "
            "grows. Set it back",
        ),
    ],
)
def test_what_would_leave_data_behind(changes: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match="cannot") as error:
        check_move(BEFORE, after(**changes))
    assert str(error.value) == refusal


def test_data_on_a_servers_own_disk_does_not_move_to_a_volume() -> None:
    before = {**BEFORE, "volumes": {"main": 0}}
    with pytest.raises(ValueError, match="main has its data on its own disk, and volume_gb cannot"):
        check_move(before, after(volumes={"main": 10}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nodes": {"citus-worker-2": "data-2"}, "volumes": {"data-2": 500}},
        {"volumes": {"data-1": 501}},
    ],
)
def test_what_may_change(changes: dict[str, Any]) -> None:
    check_move(BEFORE, after(**changes))


def test_a_server_may_go_with_its_nodes() -> None:
    less = {"nodes": {"citus-coordinator": "main"}, "volumes": {"main": 100}}
    check_move(BEFORE, {**BEFORE, **less})


def test_a_node_that_went_may_come_back_elsewhere() -> None:
    went = {**BEFORE, "nodes": {"citus-coordinator": "main"}}
    check_move(went, after(nodes={"citus-worker-1": "main"}))


def test_the_refusal_comes_in_the_preview_already() -> None:
    with pytest.raises(ValueError, match=r"hosts\.location"):
        PlacementProvider().diff("placement", BEFORE, after(location="nbg1"))


def test_growth_is_an_update_and_nothing_is_none() -> None:
    provider = PlacementProvider()
    assert not provider.diff("placement", BEFORE, after()).changes
    assert provider.diff("placement", BEFORE, after(volumes={"data-1": 501})).changes


def test_it_keeps_what_it_is_given() -> None:
    provider, grown = PlacementProvider(), after(nodes={"minio-2": "data-2"})
    assert provider.create(BEFORE).outs == BEFORE
    assert provider.update("placement", BEFORE, grown).outs == grown
