"""The user data of a server."""

import json
import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.hosts import cloud_init
from components.hosts.cloud_init import READY, VOLUMES, ServerSetup, user_data

PRIVATE = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + "b3BlbnNz\n" * 6
    + "-----END OPENSSH PRIVATE KEY-----\n"
)
MOUNT = "/etc/systemd/system/var-lib-docker-volumes.mount"


def setup(**changed: Any) -> ServerSetup:
    return ServerSetup(
        **{
            "private_ip": "10.0.1.11",
            "volume_id": "1001",
            "host_key_private": PRIVATE,
            "host_key_public": "ssh-ed25519 AAAA",
            "registry": None,
        }
        | changed
    )


def parsed(**changed: Any) -> dict[str, Any]:
    text = user_data(setup(**changed))
    assert text.startswith("#cloud-config\n")
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def files(**changed: Any) -> dict[str, str]:
    return {file["path"]: file["content"] for file in parsed(**changed)["write_files"]}


def test_shell_scripts_are_well_formed() -> None:
    for path, content in files().items():
        if content.startswith("#!/bin/sh"):
            subprocess.run(["sh", "-n"], input=content, text=True, check=True, timeout=10)
            assert path.startswith("/usr/local/sbin/")


def test_programs_can_be_run_and_the_rest_cannot() -> None:
    for file in parsed()["write_files"]:
        assert file["permissions"] == ("0755" if file["content"].startswith("#!") else "0644")


def test_it_is_far_below_the_limit() -> None:
    assert len(user_data(setup(registry="registry.example.org:5000")).encode()) < 12 * 1024


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_init, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"10\.0\.1\.11 has \d+ bytes, Hetzner takes at most 100"):
        user_data(setup())


def test_the_host_key_is_given_and_no_other() -> None:
    config = parsed()
    assert config["ssh_deletekeys"] is True
    assert config["ssh_keys"] == {
        "ed25519_private": PRIVATE,
        "ed25519_public": "ssh-ed25519 AAAA",
    }
    assert "/ssh_host_ed25519_key" in files()["/etc/ssh/sshd_config.d/00-arquitectura.conf"]


def test_the_private_key_stands_in_one_place() -> None:
    config = parsed()
    del config["ssh_keys"]
    assert "OPENSSH" not in json.dumps(config)


def test_with_a_volume_docker_waits_for_it() -> None:
    written = files()
    assert "What=/dev/disk/by-id/scsi-0HC_Volume_1001\n" in written[MOUNT]
    assert f"Where={VOLUMES}\n" in written[MOUNT]
    assert "nofail" in written[MOUNT]
    device = r"dev-disk-by\x2did-scsi\x2d0HC_Volume_1001.device.d"
    assert "infinity" in written[f"/etc/systemd/system/{device}/arquitectura.conf"]
    for unit in ("docker.service", "docker.socket", "arquitectura-containers.service"):
        dropin = written[f"/etc/systemd/system/{unit}.d/arquitectura.conf"]
        assert f"RequiresMountsFor={VOLUMES}\n" in dropin
        assert "BindsTo=var-lib-docker-volumes.mount\n" in dropin
    assert "mask" in parsed()["bootcmd"][0]


def test_without_a_volume_nothing_of_it_is_written() -> None:
    written = files(volume_id=None)
    assert "bootcmd" not in parsed(volume_id=None)
    assert not [path for path in written if "mount" in path or ".device" in path]
    assert not [path for path in written if path.startswith("/etc/systemd/system/docker.")]
    assert "VOLUME" not in written["/etc/arquitectura/server.env"]
    assert READY in written


@pytest.mark.parametrize(
    ("registry", "insecure"),
    [
        (None, None),
        ("10.0.1.2:5000", ["10.0.1.2:5000"]),
        ("172.31.203.2:5000", ["172.31.203.2:5000"]),
        ("registry.example.org:5000", None),
        ("8.8.8.8:5000", None),
    ],
)
def test_plain_http_only_to_a_registry_at_a_private_address(
    registry: str | None, insecure: list[str] | None
) -> None:
    settings = json.loads(files(registry=registry)["/etc/docker/daemon.json"])
    assert settings.get("insecure-registries") == insecure


def test_dockers_settings() -> None:
    settings = json.loads(files()["/etc/docker/daemon.json"])
    assert settings["live-restore"] is True
    assert settings["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert settings["mtu"] == cloud_init.MTU


@given(st.from_regex(r"/?[a-zA-Z0-9_.\-]{1,8}(/[a-zA-Z0-9_.\-]{1,12}){0,3}", fullmatch=True))
def test_units_are_named_after_paths_without_loss(path: str) -> None:
    name = cloud_init._escape(path)
    back = name.replace("-", "/").encode().decode("unicode_escape")
    assert back == path.strip("/")


def test_units_are_named_as_systemd_does() -> None:
    assert cloud_init._escape("/dev/disk/by-id/scsi-0HC_Volume_1") == (
        r"dev-disk-by\x2did-scsi\x2d0HC_Volume_1"
    )
