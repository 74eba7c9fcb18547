"""Fixtures of the tests of the Hetzner API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hcloud import Client
from local_api import Api, api


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow_cloud: starts servers as containers")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Api]:
    with api(tmp_path, 21010, "--backend", "memory", "--action-seconds", "0.05") as server:
        yield server


@pytest.fixture
def client(memory: Api) -> Client:
    return memory.client()
