"""A stack on one server: it comes up although it is interrupted, is protected, and goes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from ops.citus_advice.__main__ import citus_advice
from tests.cloud.dokploy import BREAKS, BUSYBOX, Installer, installer
from tests.cloud.servers import CloudStack, cloud_stack, visitor, wait
from tests.heard import Heard, listening
from tests.local.database import ROWS, contents, fill
from tests.local.storage import client, presigned, put

pytestmark = [pytest.mark.cloud, pytest.mark.slow]

NAME = "test-small"
FIXED: dict[str, dict[str, Any]] = {
    "hosts": {
        "network_cidr": "10.78.0.0/16",
        "main": {"server_type": "cx33", "volume_gb": 10},
    },
    "minio": {"pools": [{"nodes": 1}], "memory_mb": 384},
    "citus": {"workers": 2, "coordinator": {"memory_mb": 512}, "worker": {"memory_mb": 512}},
}
PROJECTS: dict[str, Any] = {"shop": {"buckets": {"uploads": {}}}}
BUCKET = "shop-uploads"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack(NAME, tmp_path_factory.mktemp("small"), FIXED, projects=PROJECTS) as stack:
        stack.cli("stack", "select", "--create", NAME)
        yield stack


@pytest.fixture
def shop(stack: CloudStack) -> dict[str, Any]:
    return stack.project("shop")


def end_at(stack: CloudStack, words: str, end: signal.Signals) -> int:
    """Starts an `up` and ends it when its output holds the words; its exit status."""
    run = stack.start("up", "--yes", "--skip-preview", "--stack", NAME)
    assert run.stdout
    said = ""
    for line in run.stdout:
        said += line
        if words in line:
            run.send_signal(end)
            break
    else:
        raise AssertionError(f"{words!r} was not said: {said}")
    run.stdout.read()
    run.stdout.close()
    return run.wait(120)


def test_an_api_that_fails_in_the_middle(stack: CloudStack) -> None:
    """The volume is being attached: Hetzner's provider cannot update what is made by half."""
    assert not any(stack.in_project().values())
    endpoint = stack.fixed["hosts"]["endpoint"]
    api = Heard(behind=endpoint)
    with listening(api), api.failing_after("POST /v1/volumes/[0-9]+/actions/attach$"):
        stack.configure(hosts={"endpoint": api.endpoint}, projects=PROJECTS)
        result = stack.cli("up", "--yes", "--skip-preview", "--stack", NAME)
    assert result.returncode != 0
    assert "out of order" in result.stdout + result.stderr
    stack.configure(projects=PROJECTS)


def test_a_run_that_was_killed_and_one_that_was_interrupted_are_completed(
    stack: CloudStack,
) -> None:
    assert end_at(stack, "main-ready creating", signal.SIGKILL) == -signal.SIGKILL
    assert stack.server("main").status == "running"
    assert stack.cli("cancel", "--yes", "--stack", NAME).returncode == 0
    assert end_at(stack, "docker:index:Volume", signal.SIGINT) != 0
    stack.up()
    assert stack.containers().keys() == {"main"}
    assert stack.containers()["main"].keys() == {
        "edge", "minio-1", "citus-coordinator", "citus-worker-1", "citus-worker-2",
    }  # fmt: skip


def test_a_preview_needs_no_ssh(stack: CloudStack, tmp_path: Path) -> None:
    """So that it can run where the servers let nobody in, as on a pull request."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/used\nexit 255\n")
    ssh.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    result = stack.cli("preview", "--expect-no-changes", "--stack", NAME, PATH=path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not (tmp_path / "used").exists()


def test_s3_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    s3 = client(shop, stack.ca)
    assert put(presigned(s3, "put_object", BUCKET, "a b+c"), b"content", stack.ca) == 200
    answer = requests.get(presigned(s3, "get_object", BUCKET, "a b+c"), timeout=30, verify=stack.ca)
    assert answer.content == b"content"


def test_sql_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    fill(shop["database_url"])
    assert stack.shards("shop").keys() == {"10.78.1.10:5433", "10.78.1.10:5434"}
    assert contents(shop["database_url"])[0] == ROWS


def test_advice_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    assert citus_advice(stack.outputs(), "shop").startswith("shop: nothing to distribute")


# -- Dokploy joins a stack that is up ------------------------------------------------------------


@pytest.fixture(scope="module")
def script(stack: CloudStack) -> Iterator[Installer]:
    hosts = stack.fixed["hosts"]
    address = hosts["admin_cidrs"][0].removesuffix("/32")
    with installer(address, hosts["registry"]) as served:
        yield served


def with_dokploy(stack: CloudStack, script: Installer) -> None:
    stack.configure(dokploy={"enabled": True, "installer": script.url}, projects=PROJECTS)


def page(stack: CloudStack) -> str:
    """Host name of Dokploy's page."""
    return str(stack.outputs()["dokploy"]).removeprefix("https://")


def dokploy(stack: CloudStack, method: str, path: str, **more: Any) -> requests.Response:
    """What Dokploy answers to an administrator, through the edge."""
    headers = {"Host": page(stack), **more.pop("headers", {})}
    url = f"https://{stack.address}{path}"
    return requests.request(method, url, headers=headers, verify=stack.ca, timeout=30, **more)


def test_an_installer_that_fails_leaves_the_stack_as_it_was(
    stack: CloudStack, shop: dict[str, Any], script: Installer
) -> None:
    ids, good = stack.containers(), script.text
    script.text = BREAKS
    with_dokploy(stack, script)
    said = refused(stack, "up")
    script.text = good
    assert "no space left" in said
    assert "SWMTKN-1" not in said
    assert stack.containers() == ids
    assert contents(shop["database_url"])[0] == ROWS


def test_dokploy_joins_a_stack_that_is_up(
    stack: CloudStack, shop: dict[str, Any], script: Installer
) -> None:
    before = {name: id_ for name, id_ in stack.containers()["main"].items() if name != "edge"}
    with_dokploy(stack, script)
    stack.up()
    assert script.fetched == 2
    after = stack.containers()["main"]
    assert before.items() <= after.items()
    assert "dokploy-traefik" not in after
    assert contents(shop["database_url"])[0] == ROWS
    stack.preview(expect_no_changes=True)
    drift = stack.cli("preview", "--refresh", "--expect-no-changes", "--stack", NAME)
    assert drift.returncode == 0, drift.stdout + drift.stderr
    stack.up()
    assert script.fetched == 2


def logged_in(stack: CloudStack) -> requests.Response:
    """Dokploy's answer to the owner of the outputs."""
    outputs = stack.outputs()
    login = {"email": outputs["dokploy_admin_email"], "password": outputs["dokploy_admin_password"]}
    return dokploy(stack, "POST", "/api/auth/sign-in/email", json=login)


def test_its_owner_is_in_the_outputs(stack: CloudStack) -> None:
    outputs = stack.outputs()
    assert logged_in(stack).status_code == 200
    again = {"name": "E", "lastName": "V", "email": "e@v.il", "password": "12345678"}
    refusal = dokploy(stack, "POST", "/api/auth/sign-up/email", json=again)
    assert refusal.json()["message"] == "Admin is already created"
    state = stack.cli("stack", "export", "--stack", NAME).stdout
    assert outputs["dokploy_admin_email"] in state
    assert outputs["dokploy_admin_password"] not in state


def test_its_buckets_are_the_projects(stack: CloudStack, shop: dict[str, Any]) -> None:
    outputs = stack.outputs()
    headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in logged_in(stack).cookies.items())}
    (made,) = dokploy(stack, "GET", "/api/destination.all", headers=headers).json()
    assert (made["bucket"], made["accessKey"]) == (BUCKET, shop["s3_access_key"])
    # Compared without showing them.
    assert (made["secretAccessKey"] == shop["s3_secret_key"]) is True
    assert made["secretAccessKey"] not in stack.cli("stack", "export", "--stack", NAME).stdout
    assert made["endpoint"] == outputs["dokploy_projects"]["shop"]["s3_endpoint"]


def test_only_administrators_see_its_page(stack: CloudStack) -> None:
    assert dokploy(stack, "GET", "/").status_code == 200
    name = page(stack)
    with visitor(stack) as visits:
        assert visits("ports", stack.address) == {stack.address: [80, 443]}
        assert visits("status", "/ca.crt", stack.address, name, "/") == 403
        # Dokploy's own answer, to a webhook of GitHub's that is not signed.
        assert visits("status", "/ca.crt", stack.address, name, "/api/deploy/github") == 401
    # Whoever knows the name that Dokploy gives itself is not let in either.
    plain = f"http://{stack.address}/"
    local = requests.get(plain, headers={"Host": "dokploy.docker.localhost"}, timeout=30)
    assert local.status_code == 418


def test_applications_use_the_data_and_are_served(stack: CloudStack) -> None:
    """As Dokploy deploys them: on its network, with a route in its folder or in labels."""
    mine = stack.outputs()["dokploy_projects"]["shop"]
    registry = stack.fixed["hosts"]["registry"]
    network = ("--network", "dokploy-network")
    coordinator = stack.container("citus-coordinator")
    image = stack.ssh("main", "docker", "inspect", "--format", "{{.Image}}", coordinator)
    rows = stack.ssh(
        "main", "docker", "run", "--rm", "-i", *network, "--entrypoint", "sh", image,
        "-c", "psql \"$(cat)\" -tAc 'SELECT count(*) FROM events'",
        stdin=mine["database_url"],
    )  # fmt: skip
    assert int(rows) == ROWS
    answer = stack.ssh(
        "main", "docker", "run", "--rm", *network, f"{registry}/{BUSYBOX}",
        "sh", "-c", f"wget -S -O - {mine['s3_endpoint']}/minio/health/live 2>&1",
    )  # fmt: skip
    assert "200 OK" in answer

    serve = "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"
    for name, labels in (
        ("by-file", ()),
        (
            "by-label",
            (
                "traefik.enable=true",
                "traefik.http.routers.by-label.rule=Host(`by-label.example.com`)",
                "traefik.http.routers.by-label.entrypoints=websecure",
                "traefik.http.services.by-label.loadbalancer.server.port=80",
                "com.docker.compose.project=by-label",
            ),
        ),
    ):
        flags = [part for label in labels for part in ("--label", label)]
        stack.ssh(
            "main", "docker", "run", "--detach", "--name", name, "--hostname", name, *network,
            *flags, f"{registry}/{BUSYBOX}", "sh", "-c", serve,
        )  # fmt: skip
    route = yaml.safe_dump(
        {
            "http": {
                "routers": {
                    "by-file": {
                        "rule": "Host(`by-file.example.com`)",
                        "service": "by-file",
                        "entryPoints": ["web"],
                    }
                },
                "services": {
                    "by-file": {"loadBalancer": {"servers": [{"url": "http://by-file:80"}]}}
                },
            }
        }
    )
    stack.ssh("main", "sh", "-c", f"echo '{route}' >/etc/dokploy/traefik/dynamic/by-file.yml")

    def served(scheme: str, name: str) -> bool:
        url = f"{scheme}://{stack.address}/"
        headers = {"Host": f"{name}.example.com"}
        answer = requests.get(
            url, headers=headers, verify=stack.ca, timeout=30, allow_redirects=False
        )
        return answer.text.strip() == name

    wait("the route in the folder is served", lambda: served("http", "by-file"))
    wait("the route in the labels is served", lambda: served("https", "by-label"))
    # Who has no route of its own is sent to HTTPS as before.
    plain = requests.get(f"http://{stack.address}/x", allow_redirects=False, timeout=30)
    assert plain.headers["Location"] == f"https://{stack.address}/x"


def test_dokploy_stays_while_an_application_is_there(
    stack: CloudStack, shop: dict[str, Any], script: Installer
) -> None:
    before = stack.containers()
    stack.configure(projects=PROJECTS)
    said = refused(stack, "up")
    assert "there are applications on it" in said
    assert "by-label" in said
    assert stack.containers() == before  # the edge, which serves them, is among them
    with_dokploy(stack, script)
    stack.up()
    assert stack.containers() == before
    assert dokploy(stack, "GET", "/").status_code == 200
    stack.configure(projects=PROJECTS)
    stack.ssh("main", "docker", "rm", "--force", "by-label", "by-file")
    stack.up()
    assert contents(shop["database_url"])[0] == ROWS
    swarm = ("docker", "info", "--format", "{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}")
    wait("Docker is as before", lambda: stack.ssh("main", *swarm) == "inactive true")
    assert "dokploy" not in stack.ssh("main", "docker", "volume", "ls", "--quiet")
    stack.preview(expect_no_changes=True)


def refused(stack: CloudStack, *command: str) -> str:
    """What a command said that must be refused."""
    result = stack.cli(*command, "--yes", "--stack", NAME)
    assert result.returncode != 0, result.stdout
    said = result.stdout + result.stderr
    assert "Traceback" not in said
    return said


def test_a_protected_stack_cannot_be_destroyed(stack: CloudStack, shop: dict[str, Any]) -> None:
    from hcloud import APIException

    ids = stack.containers()
    stack.configure(protect=True, projects=PROJECTS)
    stack.up()
    assert stack.containers() == ids
    assert "protect" in refused(stack, "destroy")
    assert stack.containers() == ids
    with pytest.raises(APIException) as refusal:
        stack.server("main").delete()
    assert refusal.value.code == "protected"
    assert contents(shop["database_url"])[0] == ROWS


def test_nor_can_a_protected_project_leave(stack: CloudStack, shop: dict[str, Any]) -> None:
    stack.configure(protect=True, projects={})
    said = refused(stack, "up")
    assert "protect" in said
    assert "shop" in said
    assert contents(shop["database_url"])[0] == ROWS
    body = client(shop, stack.ca).get_object(Bucket=BUCKET, Key="a b+c")["Body"]
    assert body.read() == b"content"


def test_dokploy_on_a_server_of_its_own(
    stack: CloudStack, shop: dict[str, Any], script: Installer
) -> None:
    before = stack.containers()
    apart = {
        "protect": False,
        "hosts": {"apps": {"server_type": "cx23"}},
        "dokploy": {"enabled": True, "installer": script.url},
        "projects": PROJECTS,
    }
    stack.configure(**apart)
    stack.up()
    after = stack.containers()
    assert {name: id_ for name, id_ in after["main"].items() if name in before["main"]} == before[
        "main"
    ]
    assert "dokploy-traefik" in after["apps"]
    assert dokploy(stack, "GET", "/").status_code == 200
    address = stack.outputs()["servers"]["apps"]
    with visitor(stack) as visits:
        assert visits("ports", address) == {address: [80, 443]}
    assert contents(shop["database_url"])[0] == ROWS
    stack.preview(expect_no_changes=True)
    stack.configure(**{**apart, "hosts": {}})
    assert "Dokploy is on apps and cannot move to main" in refused(stack, "up")
    stack.configure(**apart)


def test_destroy_leaves_nothing_once_the_protection_is_off(stack: CloudStack) -> None:
    result = stack.cli("destroy", "--yes", "--skip-preview", "--stack", NAME)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not any(stack.in_project().values())
