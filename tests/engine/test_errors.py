"""What a user reads when something is wrong, and that nothing is begun then."""

import socket
from collections.abc import Callable

from tests.engine.conftest import refused
from tests.stack import LiveStack, docker

Make = Callable[..., LiveStack]


def test_every_mistake_of_a_config_at_once(stack: Make) -> None:
    text = refused(
        stack(
            citus={"workers": 0},
            minio={"pools": [{"nodes": 17}]},
            projects={"Shop": {}},
            cytus={"workers": 3},
        )
    )
    assert "4 problems in the stack's config:" in text
    assert "arquitectura:citus.workers: 0 is too small, at least 1" in text
    assert "arquitectura:minio.pools[0]: 17 nodes of 1 drives" in text
    assert "arquitectura:projects.Shop: 'Shop': a project's name has" in text
    assert "arquitectura:cytus: unknown key, the valid ones are" in text


def test_a_port_held_by_a_process(stack: Make) -> None:
    with socket.create_server(("127.0.0.1", 18002)):
        text = refused(stack())
    assert "citus.port: port 18002 is taken by " in text
    assert "pulumi config set --path 'arquitectura:citus.port' PORT" in text


def test_a_port_held_by_a_container(stack: Make) -> None:
    waiting = stack()
    name, port = "test-engine-holder", "127.0.0.1:18001:80"
    docker("run", "--detach", "--name", name, "--publish", port, waiting.image("busybox"), "top")
    try:
        assert f"minio.console_port: port 18001 is taken by container {name}" in refused(waiting)
    finally:
        docker("rm", "--force", name)


def test_no_docker_engine(stack: Make) -> None:
    text = refused(stack(), DOCKER_HOST="unix:///nonexistent.sock")
    assert "no Docker engine: unix:///nonexistent.sock" in text
    assert "Start Docker Desktop, Colima or dockerd" in text


def test_a_limit_above_the_machine(stack: Make) -> None:
    text = refused(stack(citus={"worker": {"cpus": 4096}}))
    assert "citus.worker.cpus: 4096 are more than Docker's" in text


def test_a_wrong_passphrase(stack: Make) -> None:
    text = refused(stack(), PULUMI_CONFIG_PASSPHRASE="wrong")
    assert "incorrect passphrase" in text
