"""What the workflows run, and that they are what they should be."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from ops.ci import drift, preview
from ops.ci.access import missing
from ops.ci.github import GitHubError, Repository
from ops.ci.stacks import stacks, touched
from ops.stack import REPOSITORY, Stack, StackError
from ops.test import LINT, Check

WORKFLOWS = {
    file.stem: yaml.safe_load(file.read_text())
    for file in (REPOSITORY / ".github" / "workflows").glob("*.yml")
}
FILES = ["Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.small.yaml", "Pulumi.prod.yaml", "README.md"]

# -- Which stacks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["Pulumi.small.yaml", "README.md"], ["small"]),
        (["components/minio/cluster.py"], ["prod", "small"]),
        (["requirements.txt"], ["prod", "small"]),
        (["policies/budget.py", "Pulumi.prod.yaml"], ["prod", "small"]),
        (["Pulumi.yaml"], ["prod", "small"]),
        (["Pulumi.dev.yaml"], []),
        (["docs/citus.md", "tests/unit/test_plan.py", "sandbox/README.md"], []),
        (["Pulumi.old.yaml"], []),  # it is deleted
        (["docs/examples/own-component/Pulumi.prod.yaml"], []),  # somebody else's
    ],
)
def test_the_stacks_that_a_change_touches(changed: list[str], expected: list[str]) -> None:
    assert touched(changed, FILES) == expected


def test_every_part_of_the_program_touches_the_stacks() -> None:
    """What `__main__.py` imports, as far as it is in this repository."""
    code = "import sys, config, program.site, program.monitoring, program.hetzner_site as _; "
    code += "print('\\n'.join(str(m.__file__) for m in sys.modules.values() "
    code += "if getattr(m, '__file__', None)))"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)
    own = [
        str(Path(file).relative_to(REPOSITORY))
        for file in loaded.splitlines()
        if file.startswith(f"{REPOSITORY}/") and ".venv" not in file
    ]
    assert len(own) > 20
    assert [file for file in own if not touched([file], FILES)] == []


def test_there_are_stacks() -> None:
    assert {"prod", "small"} <= {*stacks(path.name for path in REPOSITORY.iterdir())}


# -- What is missing ---------------------------------------------------------------------------

COMPLETE = {"PULUMI_BACKEND_URL": "s3://state", "PULUMI_CONFIG_PASSPHRASE": "words"}


@pytest.mark.parametrize(
    ("environment", "runner", "sentence"),
    [
        (COMPLETE, False, ""),
        ({**COMPLETE, "PULUMI_BACKEND_URL": "", "PULUMI_ACCESS_TOKEN": "pul-1"}, False, ""),
        ({**COMPLETE, "PULUMI_RUNNER": "inside"}, True, ""),
        (
            {**COMPLETE, "PULUMI_CONFIG_PASSPHRASE": ""},
            False,
            "the secret PULUMI_CONFIG_PASSPHRASE is not set: see docs/pull-requests.md",
        ),
        (
            {},
            True,
            "the secret PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN and the secret "
            "PULUMI_CONFIG_PASSPHRASE and the variable PULUMI_RUNNER are not set: see "
            "docs/pull-requests.md",
        ),
    ],
)
def test_what_is_missing(environment: dict[str, str], runner: bool, sentence: str) -> None:
    assert missing(environment, runner=runner) == sentence


@pytest.mark.parametrize("module", ["ops.ci.access", "ops.ci.github"])
def test_what_runs_before_anything_is_installed(module: str) -> None:
    """`-S` leaves the installed packages out."""
    run = [sys.executable, "-S", "-m", module, "--help"]
    subprocess.run(run, cwd=REPOSITORY, check=True, capture_output=True)


# -- Reports -----------------------------------------------------------------------------------


@pytest.fixture
def handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a step's outputs."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "GITHUB_OUTPUT"


def output(file: Path) -> str:
    """The output `report`, as GitHub reads it."""
    head, _, rest = file.read_text().partition("\n")
    name, _, end = head.partition("<<")
    assert name == "report"
    return rest.removesuffix(f"\n{end}\n")


def previews(monkeypatch: pytest.MonkeyPatch, changed: list[str], **known: tuple[str, bool]) -> int:
    """Runs it on a change, in a backend that knows some stacks, with the reports on these."""
    answers = {"diff": changed, "ls-files": FILES}
    monkeypatch.setattr(preview, "_git", lambda *arguments: answers[arguments[0]])
    names = json.dumps([{"name": f"organization/arquitectura/{name}"} for name in known])
    monkeypatch.setattr(Stack, "read", lambda self, *arguments: names)
    monkeypatch.setattr(preview, "report", lambda stack: known[stack.name])
    monkeypatch.setattr(sys, "argv", ["preview", "HEAD^1"])
    return preview.main()


def test_all_stacks_are_in_one_report(handed_over: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {"prod": ("prod's\n", True), "small": ("small's\n", True)}
    assert previews(monkeypatch, ["__main__.py"], **reports) == 0
    assert output(handed_over) == "prod's\n\nsmall's\n"


def test_a_stack_that_is_not_in_use_is_no_error(
    handed_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert previews(monkeypatch, ["__main__.py"], prod=("prod's\n", True)) == 0
    assert "the backend has no such stack" in output(handed_over)


def test_a_stack_that_cannot_be_updated_is_reported_and_fails(
    handed_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert previews(monkeypatch, ["Pulumi.prod.yaml"], prod=("A policy is broken\n", False)) == 1
    assert "A policy is broken" in output(handed_over)


def test_a_preview_that_cannot_begin_is_reported_and_fails(
    handed_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(stack: Stack, *arguments: str) -> str:
        raise StackError("error: incorrect passphrase\nplease set it")

    answers = {"diff": ["Pulumi.prod.yaml"], "ls-files": FILES}
    monkeypatch.setattr(preview, "_git", lambda *arguments: answers[arguments[0]])
    monkeypatch.setattr(Stack, "read", read)
    monkeypatch.setattr(sys, "argv", ["preview", "HEAD^1"])
    assert preview.main() == 1
    box = "> [!CAUTION]\n> error: incorrect passphrase\n> please set it"
    assert box in output(handed_over)


def test_a_change_of_documents(handed_over: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert previews(monkeypatch, ["README.md"]) == 0
    assert "No stack is touched" in output(handed_over)


@pytest.mark.parametrize(("same", "expected"), [(True, ""), (False, "`prod` is not as its config")])
def test_drift(
    handed_over: Path, monkeypatch: pytest.MonkeyPatch, same: bool, expected: str
) -> None:
    asked: list[Any] = []

    def report(stack: Stack, options: Any) -> tuple[str, bool]:
        asked.append((stack.name, *options))
        return "what differs\n", same

    monkeypatch.setattr(drift, "report", report)
    monkeypatch.setattr(sys, "argv", ["drift", "prod"])
    assert drift.main() == 0
    assert asked == [("prod", "--refresh", "--expect-no-changes")]
    assert output(handed_over).startswith(expected)
    assert ("what differs" in output(handed_over)) is not same


def test_a_stack_that_cannot_be_compared(
    handed_over: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(stack: Stack, options: Any) -> tuple[str, bool]:
        raise StackError("no stack named 'prod' found")

    monkeypatch.setattr(drift, "report", report)
    monkeypatch.setattr(sys, "argv", ["drift", "prod"])
    assert drift.main() == 1
    assert "prod cannot be compared: no stack named 'prod' found" in capsys.readouterr().err
    assert not handed_over.exists()


# -- GitHub ------------------------------------------------------------------------------------


class Model:
    """What GitHub holds: comments of pull request 7, and issues."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.tokens: set[str] = set()

    def answer(self, method: str, path: str, body: dict[str, str]) -> Any:
        path, _, query = path.partition("?")
        page = int(query.rpartition("=")[2] or 1)
        bot = {"user": {"type": "Bot"}}
        match method, path.removeprefix("/repos/us/platform").strip("/").split("/"):
            case "GET", ["issues", "7", "comments"]:
                return self.comments[100 * (page - 1) : 100 * page]
            case "GET", ["issues"]:
                found = [one for one in self.issues if one["state"] == "open"]
                return found[100 * (page - 1) : 100 * page]
            case "POST", ["issues", "7", "comments"]:
                self.comments.append({**bot, "id": 1000 + len(self.comments), **body})
                return self.comments[-1]
            case "PATCH", ["issues", "comments", number]:
                (one,) = [one for one in self.comments if one["id"] == int(number)]
                return one.update(body)
            case "POST", ["issues"]:
                made = {"number": len(self.issues) + 1, "state": "open"}
                self.issues.append({**bot, **made, **body})
                return self.issues[-1]
            case "PATCH", ["issues", number]:
                (one,) = [one for one in self.issues if one["number"] == int(number)]
                return one.update(body)
        raise LookupError(path)


@pytest.fixture
def github() -> Iterator[tuple[Model, Repository]]:
    """GitHub's API as far as it is used, from its reference."""
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            model.tokens.add(self.headers["Authorization"])
            length = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            try:
                status, answer = 200, model.answer(self.command, self.path, body)
            except LookupError:
                status, answer = 404, {"message": "Not Found"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield model, Repository(url, "us/platform", "ghs_1")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


GitHub = tuple[Model, Repository]


def test_one_comment_that_is_updated(github: GitHub) -> None:
    model, repository = github
    mark = "<!-- arquitectura preview -->"
    model.comments = [
        {"id": n, "user": {"type": "User"}, "body": f"{mark}\nmine"} for n in range(130)
    ]
    repository.comment(7, "first")
    repository.comment(7, "second")
    assert [one["body"] for one in model.comments[130:]] == [f"{mark}\nsecond"]
    assert all(one["body"].endswith("mine") for one in model.comments[:130])
    assert model.tokens == {"Bearer ghs_1"}


def test_one_issue_that_is_updated_and_closed(github: GitHub) -> None:
    model, repository = github
    repository.issue("drift prod", "prod differs", "")
    assert model.issues == []
    repository.issue("drift prod", "prod differs", "one firewall")
    repository.issue("drift prod", "prod differs", "two firewalls")
    (issue,) = model.issues
    assert issue["title"] == "prod differs"
    assert issue["body"].endswith("two firewalls")
    repository.issue("drift prod", "prod differs", "")
    assert issue["state"] == "closed"
    repository.issue("drift prod", "prod differs", "again")
    assert [one["state"] for one in model.issues] == ["closed", "open"]


def test_github_refuses(github: GitHub) -> None:
    _, repository = github
    with pytest.raises(GitHubError, match=r"POST /issues/8/comments: GitHub answers 404") as error:
        repository._ask("POST", "/issues/8/comments", {"body": "text"})
    assert "ghs_1" not in str(error.value)


# -- The workflows -----------------------------------------------------------------------------


def steps(workflow: str) -> Iterator[dict[str, Any]]:
    for job in WORKFLOWS[workflow]["jobs"].values():
        yield from job["steps"]


def test_there_are_four() -> None:
    assert WORKFLOWS.keys() == {"ci", "preview", "deploy", "drift"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_with_their_version(name: str) -> None:
    text = (REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text()
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert [one for one in uses if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[0-9.]+", one)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_the_least(name: str) -> None:
    writes = {("preview", "comment"): "pull-requests", ("drift", "issue"): "issues"}
    assert WORKFLOWS[name]["permissions"] == {}
    for job, content in WORKFLOWS[name]["jobs"].items():
        expected = {"contents": "read"}
        if what := writes.get((name, job)):
            expected[what] = "write"
            assert "secrets." not in json.dumps(content)
        assert content["permissions"] == expected


@pytest.mark.parametrize("name", WORKFLOWS)
def test_pulumi_is_the_one_that_setup_installs(name: str) -> None:
    version = re.search(r"PULUMI_VERSION=(\S+)", (REPOSITORY / "ops" / "setup.sh").read_text())
    assert version
    versions = {
        step["with"]["pulumi-version"] for step in steps(name) if "pulumi/" in step.get("uses", "")
    }
    assert versions == {version[1]}


def test_forks_get_no_secrets() -> None:
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    # To YAML 1.1 the key `on` is true.
    triggers = {name: workflow[True] for name, workflow in WORKFLOWS.items()}
    assert "pull_request_target" not in json.dumps(list(triggers.values()))
    on_pull_requests = {name for name, on in triggers.items() if "pull_request" in on}
    assert on_pull_requests == {"ci", "preview"}
    assert WORKFLOWS["preview"]["jobs"]["preview"]["if"] == ours
    assert "secrets." not in json.dumps(WORKFLOWS["ci"])
    assert ours in WORKFLOWS["ci"]["env"]["OURS"]


@pytest.mark.parametrize("name", ["deploy", "drift"])
def test_servers_are_reached_from_the_runner_inside(name: str) -> None:
    job = next(iter(WORKFLOWS[name]["jobs"].values()))
    assert "vars.PULUMI_RUNNER" in job["runs-on"]
    assert any(step.get("run") == "python3 -m ops.ci.access --runner" for step in job["steps"])


def test_prod_waits_for_its_reviewers() -> None:
    assert WORKFLOWS["deploy"]["jobs"]["deploy"]["environment"] == "prod"


def test_a_check_without_its_program_is_skipped_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Check("workflows", ["false"], needs="no-such-program").run()
    assert "== workflows: skipped, no-such-program is not installed" in capsys.readouterr().out
    assert not Check("workflows", ["false"]).run()


def test_the_hooks_before_a_commit_are_the_static_checks() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"
    entries = {hook["name"]: shlex.split(hook["entry"]) for hook in local["hooks"]}
    assert entries == {
        check.name: [".venv/bin/python", "-m", "ops.test", check.name] for check in LINT
    }
