"""Dokploy: its owner and destinations on a model of its API, its installation on a fake `ssh`."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests

from components.dokploy import api
from components.dokploy.account import DokployAccountProvider
from components.dokploy.destination import DokployDestinationProvider
from components.dokploy.gate import DokployGateProvider
from components.dokploy.installation import INSTALL, UNINSTALL, DokployInstallationProvider
from components.dokploy.server import DokployError
from sandbox.dokploy import model
from sandbox.dokploy.model import Dokploy, RefusedError, serve

RECORDED = Path(model.__file__).with_name("recorded.jsonl")
PASSWORD = "correct-horse-battery-staple"
SERVER = {"server": "main", "address": "203.0.113.5", "ssh_options": ["-o", "BatchMode=yes"]}
ACCOUNT = {
    **SERVER,
    "server_id": "42",
    "email": "admin@dokploy.local",
    "password": PASSWORD,
    "api_key": None,
}
INSTALLATION = {
    **SERVER,
    "server_id": "42",
    "private_ip": "10.0.1.10",
    "installer": "https://example.com/install.sh",
    "swarm_range": "172.28.0.0/16",
    "mtu": 1450.0,  # as Pulumi sends numbers
    "edge": "prod-edge",
}
RELAY = """#!{python}
import os, socket, sys, threading
with open({calls!r}, "a") as calls:
    print(*sys.argv[1:], file=calls)
there = socket.create_connection(("127.0.0.1", {port}))
def send():
    while data := os.read(0, 65536):
        there.sendall(data)
threading.Thread(target=send, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


def put_ssh(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = folder / "ssh"
    ssh.write_text(text)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def dokploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dokploy]:
    """A Dokploy that `ssh` leads to."""
    known = Dokploy()
    with serve("127.0.0.1", 0, known) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        relay = RELAY.format(
            python=sys.executable, calls=str(tmp_path / "calls"), port=server.server_address[1]
        )
        put_ssh(tmp_path, relay, monkeypatch)
        yield known
        server.shutdown()


def own(**changed: Any) -> str:
    """The key that the account's creation gives."""
    outs = DokployAccountProvider().create({**ACCOUNT, **changed}).outs
    assert outs
    return str(outs["api_key"])


def destination(key: str, **changed: Any) -> dict[str, Any]:
    return {
        **SERVER,
        "api_key": key,
        "bucket": "shop-uploads",
        "endpoint": "http://10.0.1.11:9000",
        "access_key": "SHOP",
        "secret_key": "of-the-shop",
        **changed,
    }


def test_the_owner_is_the_stacks_and_nobody_can_be_another(dokploy: Dokploy) -> None:
    own()
    assert dokploy.owner and dokploy.owner["email"] == "admin@dokploy.local"
    with pytest.raises(RefusedError, match="Admin is already created"):
        dokploy.sign_up({"name": "E", "lastName": "V", "email": "e@v.il", "password": "12345678"})


def test_the_key_has_no_limit(dokploy: Dokploy) -> None:
    key = own()
    for _ in range(2 * model.KEY_USES):
        assert api.Session(SERVER, {"x-api-key": key}).get("destination.all") == []


def test_it_is_reached_through_ssh_and_no_secret_is_an_argument(
    dokploy: Dokploy, tmp_path: Path
) -> None:
    key = own()
    calls = (tmp_path / "calls").read_text()
    assert set(calls.splitlines()) == {"-o BatchMode=yes -W 127.0.0.1:3000 root@203.0.113.5"}
    assert PASSWORD not in calls
    assert key not in calls


def test_an_account_of_an_interrupted_run_is_taken_over(dokploy: Dokploy) -> None:
    first, second = own(), own()
    assert {first, second} <= dokploy.keys.keys()


@pytest.mark.parametrize("theirs", ["admin@dokploy.local", "e@v.il"])
def test_an_account_of_somebody_elses_is_refused(dokploy: Dokploy, theirs: str) -> None:
    dokploy.sign_up({"name": "E", "lastName": "V", "email": theirs, "password": "12345678"})
    with pytest.raises(DokployError, match="owner is not this stack's") as refusal:
        own()
    assert PASSWORD not in str(refusal.value)


def test_an_account_that_is_made_by_half_is_waited_for(dokploy: Dokploy) -> None:
    own()
    dokploy.organization = None
    with pytest.raises(DokployError, match=r"still making its owner's account.*`pulumi up` again"):
        own()


def test_who_asks_too_often_waits(dokploy: Dokploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "WINDOW", 0.5)
    monkeypatch.setattr(api, "BUSY_PAUSE", 0.1)
    for _ in range(model.ATTEMPTS):
        dokploy.limit("/api/auth/sign-up/email")
    assert own() in dokploy.keys


def test_but_not_for_ever(dokploy: Dokploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BUSY_PAUSE", 0.1)
    monkeypatch.setattr(api, "BUSY_SECONDS", 0.3)
    for path in ("up", "in"):
        for _ in range(model.ATTEMPTS):
            dokploy.limit(f"/api/auth/sign-{path}/email")
    with pytest.raises(DokployError, match="Too many requests"):
        own()


def test_the_account_is_made_again_only_on_another_server(dokploy: Dokploy) -> None:
    provider = DokployAccountProvider()
    before = {**ACCOUNT, "api_key": "KEY"}
    assert not provider.diff("", before, {**ACCOUNT, "email": "me@example.com"}).changes
    moved = {**ACCOUNT, "address": "203.0.113.9"}
    assert provider.diff("", before, moved).changes
    assert (provider.update("", before, moved).outs or {})["api_key"] == "KEY"
    another = {**ACCOUNT, "server_id": "43"}
    assert provider.diff("", before, another).changes
    assert (provider.update("", before, another).outs or {})["api_key"] in dokploy.keys


def test_a_bucket_becomes_a_destination(dokploy: Dokploy) -> None:
    DokployDestinationProvider().create(destination(own()))
    (made,) = dokploy.destinations.values()
    assert {key: made[key] for key in made if not key.endswith("Id")} == {
        "name": "shop-uploads",
        "provider": "Minio",
        "bucket": "shop-uploads",
        "region": "us-east-1",
        "endpoint": "http://10.0.1.11:9000",
        "accessKey": "SHOP",
        "secretAccessKey": "of-the-shop",
        "additionalFlags": [],
    }


def test_other_credentials_change_the_destination_that_is_there(dokploy: Dokploy) -> None:
    provider, before = DokployDestinationProvider(), destination(own())
    provider.create(before)
    (identifier,) = dokploy.destinations
    provider.update("", before, {**before, "access_key": "NEW", "secret_key": "another"})
    assert dokploy.destinations.keys() == {identifier}
    assert dokploy.destinations[identifier]["secretAccessKey"] == "another"


def test_one_that_an_interrupted_run_has_made_is_not_made_twice(dokploy: Dokploy) -> None:
    key = own()
    for _ in range(2):
        DokployDestinationProvider().create(destination(key))
    assert len(dokploy.destinations) == 1


def test_only_the_own_destination_goes(dokploy: Dokploy) -> None:
    provider, inputs = DokployDestinationProvider(), destination(own())
    provider.create(inputs)
    by_hand = {
        "name": "shop-uploads", "provider": "AWS", "accessKey": "A", "secretAccessKey": "S",
        "bucket": "elsewhere", "region": "eu-1", "endpoint": "https://s3.example.com",
    }  # fmt: skip
    kept = dokploy.create_destination(by_hand)
    provider.delete("", inputs)
    assert list(dokploy.destinations.values()) == [kept]
    provider.delete("", inputs)  # as after an interrupted run


def test_a_refusal_is_in_dokploys_words(dokploy: Dokploy) -> None:
    with pytest.raises(
        DokployError, match=r"Dokploy on main refuses destination.all: Unauthorized"
    ):
        DokployDestinationProvider().create(destination("of-somebody-else"))


def test_a_server_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_ssh(tmp_path, "#!/bin/sh\necho 'connection refused' >&2; exit 255\n", monkeypatch)
    with pytest.raises(DokployError, match=r"Dokploy on main does not answer \(connection refused"):
        own()


def test_the_model_answers_as_it_was_recorded(
    dokploy: Dokploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "WINDOW", 0)
    known = {"<password>": PASSWORD}

    def filled(value: object) -> Any:
        """With what this Dokploy gives in the place of what was recorded."""
        text = json.dumps(value)
        for recorded, here in known.items():
            text = text.replace(recorded, here)
        return json.loads(text)

    with serve("127.0.0.1", 0, dokploy) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        for line in RECORDED.read_text().splitlines():
            then = json.loads(line)
            answer = requests.request(
                then["method"],
                f"http://127.0.0.1:{server.server_address[1]}{then['path']}",
                headers=filled(then["headers"]),
                data=json.dumps(filled(then["body"])) if then["body"] is not None else None,
                allow_redirects=False,
                timeout=10,
            )
            now, what = answer.json(), then["what"]
            assert answer.status_code == then["status"], what
            if "message" in then:
                assert now["message"] == then["message"], what
            if "keys" in then:
                assert now.keys() <= set(then["keys"]), what
            if "destination" in then:
                known[then["destination"]] = now["destinationId"]
            if "session" in then.get("keys", ()):
                known["<organization-id>"] = now["session"]["activeOrganizationId"]
            if answer.cookies:
                known["<session-cookie>"] = answer.cookies[model.COOKIE]
            if "key" in then.get("keys", ()):
                known["<api-key nolimit>"] = now["key"]
        server.shutdown()


Says = Callable[[str, int], None]


@pytest.fixture
def server_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    def says(script: str, status: int) -> None:
        kept = f'cd {tmp_path}\necho "$@" >arguments\ncat >script'
        put_ssh(tmp_path, f"#!/bin/sh\n{kept}\n{script}\nexit {status}\n", monkeypatch)

    return says


def test_the_installation_is_one_script(
    server_says: Says, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server_says("echo 'runs the installer'", 0)
    assert DokployInstallationProvider().create(INSTALLATION).id == "42"
    assert (tmp_path / "script").read_text() == INSTALL.read_text()
    assert (tmp_path / "arguments").read_text() == (
        "-o BatchMode=yes root@203.0.113.5 sh -s -- https://example.com/install.sh 10.0.1.10 "
        "172.28.0.0/16 1450 prod-edge\n"
    )
    assert capsys.readouterr().out == "main: runs the installer\n"


def test_what_the_script_says_is_the_error(server_says: Says) -> None:
    server_says("echo 'Dokploy does not answer after its installation' >&2", 1)
    with pytest.raises(DokployError, match=r"^Dokploy on main: Dokploy does not answer after"):
        DokployInstallationProvider().create(INSTALLATION)


def test_a_broken_connection_is_no_end(server_says: Says) -> None:
    server_says("echo 'Connection reset' >&2", 255)
    with pytest.raises(
        DokployError, match=r"SSH failed \(Connection reset\); the next `pulumi up`"
    ):
        DokployInstallationProvider().create(INSTALLATION)


def test_it_does_not_move_to_another_server() -> None:
    with pytest.raises(ValueError, match="is on main and cannot move to apps: its applications"):
        DokployInstallationProvider().diff("", INSTALLATION, {**INSTALLATION, "server": "apps"})


def test_dokploy_is_given_up_only_where_no_application_is_left(
    server_says: Says, tmp_path: Path
) -> None:
    server_says("echo 'there are applications on it' >&2", 1)
    gate = DokployGateProvider()
    with pytest.raises(DokployError, match="Dokploy on main: there are applications on it"):
        gate.update("", SERVER, {})
    assert (tmp_path / "script").read_text() == UNINSTALL.read_text()
    assert (tmp_path / "arguments").read_text().endswith(" root@203.0.113.5 sh -s -- check\n")
    server_says("", 0)
    assert gate.update("", SERVER, {}).outs == {}


def test_while_it_stays_or_comes_the_server_is_not_asked(server_says: Says) -> None:
    server_says("", 1)
    gate = DokployGateProvider()
    assert gate.create({}).outs == {}
    assert not gate.diff("", SERVER, SERVER).changes
    assert gate.diff("", SERVER, {}).changes
    for before in ({}, {**SERVER, "address": "203.0.113.6"}):
        assert gate.diff("", before, SERVER).changes
        assert gate.update("", before, SERVER).outs == SERVER
