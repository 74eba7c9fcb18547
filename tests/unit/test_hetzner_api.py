"""The Hetzner Cloud API is read, and its errors become sentences."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from components.hosts import hetzner_client
from config.offer import ExistingServer
from program.hetzner_api import HetznerApiError, read_offer, read_prices, unreachable
from tests.hetzner import HetznerApi, hetzner_api

NOBODY = "http://127.0.0.1:9/v1"
TOKEN = "t" * 64
PATIENCE = 2


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--sold-out", "cx33@fsn1", "--action-seconds", "0.01") as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits for nothing between its tries."""
    monkeypatch.setattr("hcloud._client.time.sleep", lambda _: None)


def test_what_there_is(api: HetznerApi) -> None:
    api.client.ssh_keys.create("laptop", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me", {"a": "b"})
    made = api.make_server("prod-main", "cx23")
    api.make_server("other-main", "cx23", stack="other")
    volume = api.client.volumes.create(
        20,
        "prod-main",
        labels={"stack": "prod"},  # type: ignore[arg-type]  # wrongly declared
        format="ext4",
        server=made,
    )
    assert volume.action is not None
    volume.action.wait_until_finished()

    offer = read_offer(api.endpoint, api.token, "prod")

    assert offer.locations["fsn1"] == "eu-central"
    cx33 = offer.server_type("cx33")
    assert cx33 is not None
    assert (cx33.cores, cx33.memory_gb, cx33.disk_gb, cx33.architecture) == (4, 8, 80, "x86")
    assert cx33.locations == {"fsn1": False, "nbg1": True, "hel1": True}
    assert cx33.monthly_price["fsn1"] == Decimal("5.49")
    assert cx33.unavailable_after == {}
    (key,) = offer.ssh_keys
    assert (key.name, key.labels) == ("laptop", {"a": "b"})
    (server,) = offer.servers
    assert (server.name, server.status, server.type) == ("prod-main", "running", "cx23")
    assert (server.disk_gb, server.volume_gb) == (40, 20)
    assert made.public_net is not None and made.public_net.ipv4 is not None
    assert server.ipv4 == made.public_net.ipv4.ip


def test_it_takes_one_request_of_each(api: HetznerApi, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    send = hetzner_client_request()

    def request(self: Any, method: str, url: str, **options: Any) -> Any:
        asked.append(url)
        return send(self, method, url, **options)

    monkeypatch.setattr("hcloud._client.ClientBase.request", request)
    read_offer(api.endpoint, api.token, "prod")
    assert sorted(asked) == ["/locations", "/server_types", "/servers", "/ssh_keys", "/volumes"]


def hetzner_client_request() -> Any:
    from hcloud._client import ClientBase

    return ClientBase.request


def test_prices(api: HetznerApi) -> None:
    prices = read_prices(api.endpoint, api.token)
    assert prices is not None
    assert prices.currency == "EUR"
    assert prices.server["cx23"]["fsn1"] == Decimal("3.49")
    assert prices.volume_gb_month == Decimal("0.044")
    assert prices.primary_ip_month["fsn1"] == Decimal("0.5")


def test_no_prices_are_no_error(api: HetznerApi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_prices(NOBODY, TOKEN) is None
    monkeypatch.setattr("hcloud.Client.request", lambda *_: {"pricing": {"currency": "EUR"}})
    assert read_prices(api.endpoint, api.token) is None


@pytest.mark.parametrize(
    "token", ["", "abc", "s3cr3t-" + "x" * 57, "x" * 63 + "\n", "x" * 63 + "é"]
)
def test_what_can_be_no_token_is_not_sent_nor_shown(token: str) -> None:
    with pytest.raises(HetznerApiError) as error:
        read_offer(NOBODY, token, "prod")
    assert "pulumi config set --secret --path 'arquitectura:hosts.token'" in str(error.value)
    assert not token or token not in str(error.value)


def test_a_token_that_is_refused(api: HetznerApi) -> None:
    with pytest.raises(HetznerApiError, match="refuses the token") as error:
        read_offer(api.endpoint, TOKEN, "prod")
    assert TOKEN not in str(error.value)


def test_an_api_that_does_not_answer() -> None:
    with pytest.raises(HetznerApiError) as error:
        read_offer(NOBODY, TOKEN, "prod")
    assert str(error.value) == (
        f"the Hetzner API at {NOBODY} cannot be reached (Connection refused): check this "
        "machine's connection and hosts.endpoint, then try again"
    )


def test_an_api_whose_name_does_not_resolve() -> None:
    with pytest.raises(HetznerApiError, match=r"at http://nowhere.invalid/v1 cannot be reached \("):
        read_offer("http://nowhere.invalid/v1", TOKEN, "prod")


def test_what_is_no_url() -> None:
    with pytest.raises(HetznerApiError, match=r"hosts\.endpoint"):
        read_offer("api.hetzner.cloud/v1", TOKEN, "prod")


def test_the_rate_limit(impatient: None) -> None:
    with (
        hetzner_api("--requests-per-hour", "4") as api,
        pytest.raises(HetznerApiError, match="no more requests of this project for now"),
    ):
        read_offer(api.endpoint, api.token, "prod")


def test_what_answers_is_no_hetzner_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        from concurrent.futures import ThreadPoolExecutor

        def answer() -> None:
            for _ in range(5):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        with ThreadPoolExecutor() as pool:
            pool.submit(answer)
            with pytest.raises(HetznerApiError, match="the Hetzner API"):
                read_offer(f"http://127.0.0.1:{listener.getsockname()[1]}", TOKEN, "prod")


# -- Servers that exist ------------------------------------------------------------------------

SERVER = ExistingServer(
    name="prod-data-1",
    status="running",
    ipv4="127.0.0.1",
    type="cx23",
    disk_gb=40,
    volume_gb=0,
)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(hetzner_client, "SSH_PORT", listener.getsockname()[1])
        yield


def test_a_server_that_answers(listening: None) -> None:
    assert unreachable([SERVER], PATIENCE) == []
    assert unreachable([], PATIENCE) == []


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hetzner_client, "SSH_PORT", 9)
    (complaint,) = unreachable([SERVER], PATIENCE)
    assert complaint.startswith("prod-data-1 takes no SSH connection at 127.0.0.1 within 2 s")
    assert "hosts.admin_cidrs" in complaint


def test_a_server_that_just_boots_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(
        "program.hetzner_api.takes_connections", lambda _address, _timeout: next(answers)
    )
    assert unreachable([SERVER], PATIENCE) == []


@pytest.mark.parametrize(
    ("status", "cure"), [("off", "power it on"), ("migrating", "wait until"), ("unknown", "wait")]
)
def test_a_server_that_does_not_run(listening: None, status: str, cure: str) -> None:
    (complaint,) = unreachable(
        [SERVER, replace(SERVER, name="prod-data-2", status=status)], PATIENCE
    )
    assert complaint.startswith(f"prod-data-2 is {status}: ")
    assert cure in complaint


def test_a_server_that_the_run_starts_anyway(listening: None) -> None:
    off = replace(SERVER, status="off")
    assert unreachable([off], PATIENCE, starts=["prod-data-1"]) == []
    assert len(unreachable([off], PATIENCE, starts=["prod-data-2"])) == 1


def test_a_server_without_an_address() -> None:
    (complaint,) = unreachable([replace(SERVER, ipv4=None)], PATIENCE)
    assert "prod-data-1 has no public IPv4 address" in complaint
