"""`VolumeAttachment` on a Hetzner API: always from what the API says."""

import base64
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components.hosts import volume_attachment
from components.hosts.hetzner_client import HetznerApiError
from components.hosts.volume_attachment import VolumeAttachmentProvider
from tests.hetzner import HetznerApi, hetzner_api

numbers = count(1)


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--action-seconds", "0.02") as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_attachment, "POLL_SECONDS", 0.02)


class Made:
    """A server, a volume, and what their `VolumeAttachment` gets."""

    def __init__(self, api: HetznerApi) -> None:
        from hcloud.locations import Location

        self.api = api
        name = f"server-{next(numbers)}"
        self.server = api.make_server(name, "cx23")
        made = api.client.volumes.create(10, name, location=Location(name="fsn1"))
        assert made.action
        made.action.wait_until_finished()
        self.volume: Any = made.volume
        self.props: dict[str, Any] = {
            "volume_id": str(self.volume.id),
            "server_id": str(self.server.id),
            "size_gb": 10.0,  # as Pulumi sends numbers
            "endpoint": api.endpoint,
            "token": api.token,
        }

    def on(self) -> int | None:
        """The id of the server that the volume is on."""
        self.volume.reload()
        return self.volume.server.id if self.volume.server else None


@pytest.fixture
def made(api: HetznerApi) -> Made:
    return Made(api)


def test_its_life(made: Made) -> None:
    provider = VolumeAttachmentProvider()
    created = provider.create(made.props)
    assert created.id == str(made.volume.id)
    assert made.on() == made.server.id
    assert provider.read(created.id, made.props).id == created.id
    assert not provider.diff(created.id, made.props, made.props).changes
    provider.delete(created.id, made.props)
    assert made.on() is None
    assert provider.read(created.id, made.props).id == ""
    provider.delete(created.id, made.props)


def test_a_run_that_failed_after_it_was_attached_is_gone_on_with(made: Made) -> None:
    made.volume.attach(made.server).wait_until_finished()
    before = len(made.volume.get_actions())
    VolumeAttachmentProvider().create(made.props)
    assert made.on() == made.server.id
    assert len(made.volume.get_actions()) == before, "it was touched"


def test_a_volume_of_another_server_is_left_there(made: Made) -> None:
    other = made.api.make_server(f"other-{next(numbers)}", "cx23")
    made.volume.attach(other).wait_until_finished()
    with pytest.raises(HetznerApiError, match=f"is on the server {other.name}: detach it in"):
        VolumeAttachmentProvider().create(made.props)
    VolumeAttachmentProvider().delete("", made.props)
    assert made.on() == other.id


def test_it_grows_once(made: Made) -> None:
    """Also when an earlier run has enlarged the volume and could not note it."""
    provider = VolumeAttachmentProvider()
    provider.create(made.props)
    larger = {**made.props, "size_gb": 20.0}
    grown = provider.diff("", made.props, larger)
    assert (grown.changes, grown.replaces) == (True, [])
    for _ in range(2):
        assert provider.update("", made.props, larger).outs == larger
        assert made.on() == made.server.id
        assert made.volume.size == 20
    assert [action.command for action in made.volume.get_actions()].count("resize_volume") == 1


def test_one_that_is_larger_stays(made: Made) -> None:
    made.volume.resize(30).wait_until_finished()
    VolumeAttachmentProvider().create(made.props)
    assert made.on() == made.server.id
    assert made.volume.size == 30


def test_a_volume_that_is_gone(made: Made) -> None:
    made.volume.delete()
    provider = VolumeAttachmentProvider()
    with pytest.raises(HetznerApiError, match=f"volume {made.volume.id} is not there any more"):
        provider.create(made.props)
    with pytest.raises(HetznerApiError, match="is not there any more"):
        provider.update("", made.props, made.props)
    assert provider.read("", made.props).id == ""
    provider.delete("", made.props)


def test_another_server_takes_it_over_and_another_token_only_stays(made: Made) -> None:
    provider = VolumeAttachmentProvider()
    moved = provider.diff("", made.props, {**made.props, "server_id": "2"})
    assert (moved.replaces, moved.delete_before_replace) == (["server_id"], True)
    rotated = provider.diff("", made.props, {**made.props, "token": "other"})
    assert (rotated.changes, rotated.replaces) == (True, [])


def test_state_holds_a_reference_to_the_provider_not_its_code() -> None:
    pickled = base64.b64decode(serialize_provider(VolumeAttachmentProvider()))
    assert b"components.hosts.volume_attachment" in pickled
    assert len(pickled) < 110
