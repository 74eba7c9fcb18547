"""The weekly review on two recorded weeks, from Prometheus' answers to the page."""

import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from components import monitoring
from config.problems import ConfigError
from ops import hosts
from ops.plan import sections
from ops.review import __main__ as program
from ops.review.measure import MAY_BE_EMPTY, QUERIES, measure
from ops.review.prometheus import Prometheus, PrometheusError, Sample, tunnel
from program.hetzner_api import HetznerApiError
from tests.unit.review_week import recorded
from tests.unit.test_advice import DEV, OFFER, PRICES, PROD

WEEKS = ("load", "idle")

FORWARDER = """\
#!{python}
# Stands in for ssh: notes its arguments, and leads its port to another.
import os, socket, sys, threading
open("{log}", "w").write(" ".join(sys.argv[1:]))
host, port, _ = sys.argv[sys.argv.index("-L") + 1].split(":", 2)
def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.close()
server = socket.create_server((host, int(port)))
while True:
    near, far = server.accept()[0], socket.create_connection(("127.0.0.1", {target}))
    threading.Thread(target=copy, args=(near, far), daemon=True).start()
    threading.Thread(target=copy, args=(far, near), daemon=True).start()
"""


class Answers(ThreadingHTTPServer):
    """A Prometheus that knows some queries by heart."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        (query,) = parse_qs(urlparse(self.path).query)["query"]
        refusal = {"status": "error", "errorType": "bad_data", "error": "parse error"}
        answer = json.dumps(self.server.answers.get(query, refusal)).encode()
        self.send_response(200 if query in self.server.answers else 400)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(params=WEEKS)
def week(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def prometheus(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a Prometheus with the week of the test's parameter `week`, or that of load."""
    name = request.getfixturevalue("week") if "week" in request.fixturenames else "load"
    server = Answers(recorded(name))
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which `prod` was previewed."""
    config = tmp_path / ".arquitectura" / "prod" / "ssh_config"
    config.parent.mkdir(parents=True)
    config.write_text("Host main\n")
    monkeypatch.setattr(hosts, "REPOSITORY", tmp_path)
    monkeypatch.setattr(program, "read_offer", lambda *_: OFFER)
    monkeypatch.setattr(program, "read_prices", lambda *_: PRICES)
    return tmp_path


def ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts an `ssh` first on PATH."""
    (folder / "ssh").write_text(script)
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def forwarder(folder: Path, target: int) -> str:
    return FORWARDER.format(python=sys.executable, log=folder / "log", target=target)


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ")[0].strip()


def of_prod(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int, **changes: Any
) -> str:
    ssh(repository, monkeypatch, forwarder(repository, prometheus))
    return program.review("prod", {**PROD, **changes})


# The recording.


def test_the_recording_answers_what_is_asked(week: str) -> None:
    """After a change of a query: `python -m tests.unit.review_week`."""
    answers = recorded(week)
    assert set(answers) == set(QUERIES.values())
    assert {answer["status"] for answer in answers.values()} == {"success"}
    empty = {name for name, query in QUERIES.items() if not answers[query]["data"]["result"]}
    assert empty <= set(MAY_BE_EMPTY)


def test_every_recorded_series_has_its_rule() -> None:
    rules = Path(monitoring.__file__).parent / "rules"
    recorded = {
        rule["record"]
        for file in rules.glob("*.yaml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    asked = set(re.findall(r"[a-z]+:[a-z_]+:[a-z0-9_]+", " ".join(QUERIES.values())))
    assert asked <= recorded
    assert "host:cpu_percent:rate5m" in asked


# The page.


def test_a_week_of_load_has_advice(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    page = of_prod(repository, monkeypatch, prometheus)
    advice = section(page, "Advice")
    commands = [line.strip() for line in advice.splitlines() if "pulumi config" in line]
    assert [command.partition("arquitectura:")[2] for command in commands] == [
        "hosts.data.server_type' ccx33",
        "citus.worker.cpus' 8",
        "citus.coordinator.memory_mb' 12288",
        "hosts.data.volume_gb' 760",
    ]
    assert "data-2: CPUs in use for 1 % of the time: 3.8 cores of 4.0 cores (96 %)" in advice
    assert "It costs 96.00 EUR more a month, without VAT" in advice
    assert "| data-2 | 96 % | 96 % of 4 cores |" in section(page, "Hosts")
    assert "full in 15 days" in section(page, "Hosts")
    assert "| shop | 96.0 GiB | +2.0 GiB |" in section(page, "Projects")
    assert "| 73 % of 980.0 GiB | +15.9 GiB | " in section(page, "S3 storage")
    alerts = section(page, "Alerts that fired")
    assert "| HostCpuHigh, still firing | warning | data-2 | 70 h |" in alerts
    assert "Watchdog" not in alerts


@pytest.mark.parametrize("week", ["idle"], indirect=True)
def test_an_idle_week_needs_nothing(
    week: str, repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    page = of_prod(repository, monkeypatch, prometheus)
    assert section(page, "Advice") == "Nothing needs to change."
    assert section(page, "Alerts that fired") == "None."
    assert "| 0.0 | 0.0 | 0 |" in section(page, "S3 storage")  # MinIO has no series of zeros


def test_a_host_without_metrics_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    page = of_prod(repository, monkeypatch, prometheus, citus={**PROD["citus"], "workers": 5})
    assert "Not measured: data-5." in section(page, "Hosts")


def test_a_budget_that_would_be_exceeded_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    hosts = {**PROD["hosts"], "budget_eur": 250}
    page = of_prod(repository, monkeypatch, prometheus, hosts=hosts)
    assert "all servers then cost 313.35, above `hosts.budget_eur` (250.00)." in page


def test_without_hetzner_the_review_goes_on(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    def refuse(*_: Any) -> Any:
        raise HetznerApiError("the Hetzner API refuses the token")

    monkeypatch.setattr(program, "read_offer", refuse)
    page = of_prod(repository, monkeypatch, prometheus)
    assert "What Hetzner sells could not be read: the Hetzner API refuses the token." in page
    assert "Choose a larger hosts.data.server_type" in section(page, "Advice")


def test_little_was_measured() -> None:
    two_hours = [Sample({}, 7200)]
    measured = measure(lambda query: two_hours if query == QUERIES["seconds"] else [])
    assert (measured.days * 24, measured.storage, measured.hosts) == (2, None, [])


@pytest.mark.parametrize("week", ["load"], indirect=True)
def test_a_laptop_needs_no_tunnel(week: str, prometheus: int) -> None:
    page = program.review("dev", {**DEV, "monitoring": {"enabled": True, "port": prometheus}})
    assert page.startswith("# The week of dev, ")
    assert "What it costs" not in page


# The way to Prometheus.


def test_the_tunnel_leads_to_mains_private_address_and_ends(
    repository: Path, monkeypatch: pytest.MonkeyPatch, prometheus: int
) -> None:
    of_prod(repository, monkeypatch, prometheus)
    arguments = (repository / "log").read_text().split()
    assert arguments[:2] == ["-F", str(repository / ".arquitectura/prod/ssh_config")]
    address, port, target = arguments[arguments.index("-L") + 1].split(":", 2)
    assert (address, target, arguments[-1]) == ("127.0.0.1", "10.0.1.10:9090", "main")
    with socket.socket() as probe:
        assert probe.connect_ex((address, int(port))) != 0


def test_a_login_that_fails_is_said_in_sshs_words(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh(repository, monkeypatch, "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    with pytest.raises(PrometheusError, match=r"ssh to main fails: Permission denied"):
        program.review("prod", PROD)


def test_a_login_that_takes_for_ever_is_given_up(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.review.prometheus.LOGIN_SECONDS", 0.3)
    ssh(repository, monkeypatch, "#!/bin/sh\nexec sleep 60\n")
    with (
        pytest.raises(PrometheusError, match="has not logged in"),
        tunnel(repository / "ssh_config", "main", "10.0.1.10:9090"),
    ):
        pass


def test_without_the_servers_keys_it_says_what_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "REPOSITORY", tmp_path)
    with pytest.raises(hosts.HostError, match="pulumi preview --stack prod writes it"):
        program.review("prod", PROD)


def test_a_stack_that_is_not_monitored() -> None:
    with pytest.raises(PrometheusError, match=r"'arquitectura:monitoring\.enabled' true"):
        program.review("dev", {})


def test_a_prometheus_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PrometheusError, match=f"does not answer at http://127.0.0.1:{port}"):
        Prometheus(f"http://127.0.0.1:{port}").ask("up")


def test_a_query_that_is_refused(prometheus: int) -> None:
    with pytest.raises(PrometheusError, match=r"refuses up\{: parse error"):
        Prometheus(f"http://127.0.0.1:{prometheus}").ask("up{")


# The config.


def test_the_config_is_read_as_the_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLOUD_TOKEN", "from the environment")
    config = {
        "arquitectura:hosts": {"provider": "hetzner"},
        "arquitectura:protect": "true",
        "pulumi:disable-default-providers": ["docker"],
    }
    assert sections(config) == {
        "hosts": {"provider": "hetzner", "token": "from the environment"},
        "protect": "true",
    }
    own = {"arquitectura:hosts": {"provider": "hetzner", "token": "own"}}
    assert sections(own)["hosts"]["token"] == "own"


def test_a_config_that_is_wrong_is_refused() -> None:
    with pytest.raises(ConfigError, match="too small"):
        program.review("dev", {"citus": {"workers": 0}})
