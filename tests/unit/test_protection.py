"""What an earlier run left without protection gets it, and nothing else is asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
from hcloud.locations import Location

from components.hosts.protection import set_protection
from tests.hetzner import HetznerApi, hetzner_api

SERVER, VOLUME = "hcloud:index/server:Server", "hcloud:index/volume:Volume"


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--action-seconds", "0.01") as running:
        yield running


def test_a_server(api: HetznerApi) -> None:
    server = api.make_server("prod-main", "cx23")
    for on in (True, False):
        wanted = {"delete": on, "rebuild": on}
        set_protection(api.client, SERVER, str(server.id), wanted)
        server.reload()
        assert server.protection == wanted


def test_a_volume_is_asked_for_once(api: HetznerApi) -> None:
    made = api.client.volumes.create(10, "prod-main", location=Location(name="fsn1"))
    for _ in range(2):
        set_protection(api.client, VOLUME, str(made.volume.id), {"delete": True})
    made.volume.reload()
    assert made.volume.protection == {"delete": True}
    path = f"/volumes/{made.volume.id}/actions"
    actions: Any = api.client.request("GET", path)["actions"]
    assert [one["command"] for one in actions].count("change_protection") == 1


def test_what_is_gone_is_left_to_the_provider(api: HetznerApi) -> None:
    set_protection(api.client, VOLUME, "1", {"delete": True})
