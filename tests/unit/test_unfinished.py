"""What an earlier run left undone is done, and nothing else is asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
from hcloud.locations import Location

from components.hosts.unfinished import finish
from tests.hetzner import HetznerApi, hetzner_api

FIREWALL = "hcloud:index/firewall:Firewall"
SERVER, VOLUME = "hcloud:index/server:Server", "hcloud:index/volume:Volume"


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--action-seconds", "0.01") as running:
        yield running


def test_a_server(api: HetznerApi) -> None:
    server: Any = api.make_server("prod-main", "cx23")
    for on in (True, False):
        inputs = {"deleteProtection": on, "rebuildProtection": on}
        finish(api.client, SERVER, server.id, inputs)
        server.reload()
        assert server.protection == {"delete": on, "rebuild": on}


def test_a_volume_is_asked_for_once(api: HetznerApi) -> None:
    made: Any = api.client.volumes.create(10, "prod-main", location=Location(name="fsn1"))
    for _ in range(2):
        finish(api.client, VOLUME, made.volume.id, {"deleteProtection": True})
    made.volume.reload()
    assert made.volume.protection == {"delete": True}
    path = f"/volumes/{made.volume.id}/actions"
    actions: Any = api.client.request("GET", path)["actions"]
    assert [one["command"] for one in actions].count("change_protection") == 1


def test_a_firewalls_rules(api: HetznerApi) -> None:
    def rules(*sources: str) -> list[dict[str, Any]]:
        ports = ("22", "443")
        rule = {"direction": "in", "protocol": "tcp", "description": "it", "sourceIps": [*sources]}
        return [{**rule, "port": port} for port in ports]

    firewall: Any = api.client.firewalls.create("prod-admin").firewall
    for sources in (["192.0.2.7/32", "198.51.100.0/24"], ["192.0.2.8/32"]):
        for _ in range(2):
            finish(api.client, FIREWALL, firewall.id, {"rules": rules(*sources)})
            finish(api.client, FIREWALL, firewall.id, {"rules": rules(*reversed(sources))[::-1]})
        firewall.reload()
        assert [(rule.port, rule.source_ips) for rule in firewall.rules] == [
            ("22", sources),
            ("443", sources),
        ]


def test_what_is_gone_is_left_to_the_provider(api: HetznerApi) -> None:
    finish(api.client, VOLUME, 1, {"deleteProtection": True})
